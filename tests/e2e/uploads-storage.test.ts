import { createHash, randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { BUCKET, LIMIT, pictures, storedSources, uploadSource } from './support/uploads.ts';
import { TestUser } from './support/user.ts';

/** What the official client can do with uploads, beside our own interface: Storage and its policies decide. */

let stack: TestStack;
let user: TestUser;
let stranger: TestUser;
let png: Buffer;
let webp: Buffer;
const names = { own: '', theirs: '' };

beforeAll(async () => {
  stack = await TestStack.start();
  [user, stranger] = [await TestUser.signUp(stack), await TestUser.signUp(stack)];
  ({ png, webp } = await pictures());
  names.own = `${user.id}/${(await uploadSource(user, png, 'image/png')).source_id}.png`;
  names.theirs = `${stranger.id}/${(await uploadSource(stranger, webp, 'image/webp')).source_id}.webp`;
});
afterAll(() => stack?.stop());

const bucket = () => user.supabase.storage.from(BUCKET);
const body = () => new Blob([png as Uint8Array<ArrayBuffer>], { type: 'image/png' });
const anybody = () => {
  const { supabaseUrl, anonKey } = stack.addresses;
  return createClient(supabaseUrl, anonKey, { auth: { persistSession: false } }).storage.from(BUCKET);
};

test('a user reads their own, and nobody another’s', async () => {
  const [, theirId = ''] = names.theirs.split('/');
  expect((await bucket().download(names.own)).error).toBeNull();
  const url = await bucket().createSignedUrl(names.own, 60);
  expect((await fetch(url.data?.signedUrl ?? '')).status).toBe(200);
  for (const who of [bucket(), anybody()]) {
    expect((await who.download(names.theirs)).data).toBeNull();
    expect((await who.createSignedUrl(names.theirs, 60)).data?.signedUrl).toBeUndefined();
    expect((await who.info(names.theirs)).data).toBeNull();
    expect((await who.list(stranger.id)).data ?? []).toEqual([]);
    expect(JSON.stringify((await who.list()).data ?? [])).not.toContain(stranger.id);
    const open = who.getPublicUrl(names.theirs).data.publicUrl;
    expect((await fetch(open)).ok, 'public address').toBe(false);
  }
  expect((await bucket().copy(names.theirs, `${user.id}/${theirId}`)).error).not.toBeNull();
  expect(await exists(`${user.id}/${theirId}`)).toBe(false);
});

const exists = async (name: string) => (await storedSources(stack)).some((one) => one.name === name);

test('nobody writes into another’s folder, or as somebody unknown', async () => {
  for (const [who, folder] of [
    [bucket(), stranger.id],
    [anybody(), user.id],
    [anybody(), stranger.id],
  ] as const) {
    const name = `${folder}/${randomUUID()}.png`;
    expect((await who.upload(name, body())).error).not.toBeNull();
    expect((await who.upload(name, body(), { upsert: true })).error).not.toBeNull();
    const signed = await who.createSignedUploadUrl(name);
    expect(signed.data?.token).toBeUndefined();
    expect(await exists(name)).toBe(false);
  }
});

test('what is stored is neither overwritten nor moved nor deleted', async () => {
  const digest = async () => {
    const { data } = await bucket().download(names.own);
    return createHash('md5')
      .update(new Uint8Array((await data?.arrayBuffer()) ?? new ArrayBuffer()))
      .digest('hex');
  };
  const before = await digest();
  const other = new Blob([webp as Uint8Array<ArrayBuffer>], { type: 'image/webp' });
  for (const name of [names.own, names.theirs]) {
    expect((await bucket().upload(name, other)).error, 'upload').not.toBeNull();
    expect((await bucket().upload(name, other, { upsert: true })).error, 'upsert').not.toBeNull();
    expect((await bucket().update(name, other)).error, 'update').not.toBeNull();
    expect((await bucket().move(name, `${user.id}/${randomUUID()}.png`)).error, 'move').not.toBeNull();
    await bucket().remove([name]);
    expect(await exists(name), 'remove').toBe(true);
  }
  expect(await digest()).toBe(before);
});

test('the bucket takes no other type, name or size', async () => {
  const html = new Blob(['<script>'], { type: 'text/html' });
  const large = new Blob([png as Uint8Array<ArrayBuffer>, new Uint8Array(LIMIT)], { type: 'image/png' });
  for (const [name, file] of [
    [`${user.id}/${randomUUID()}.png`, html],
    [`${user.id}/page.html`, body()],
    [`${user.id}/${randomUUID()}.png`, large],
  ] as const) {
    expect((await bucket().upload(name, file)).error).not.toBeNull();
    expect(await exists(name)).toBe(false);
  }
  const name = `${user.id}/${randomUUID()}.png`;
  expect((await bucket().upload(name, body())).error, 'what may be stored').toBeNull();
});
