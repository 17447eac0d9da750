import { createHash } from 'node:crypto';
import { ReadableStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';
import { DENIED, DUPLICATE, PICTURE, putter, refused, TOO_LARGE } from './fixtures/storage.ts';

/** Uploads and downloads as Supabase's Storage has them. */

let supabase: RunningSupabase;
const put = putter(() => supabase);

beforeAll(async () => {
  supabase = await fixtureSupabase();
  return supabase.stop;
});

const anonymous = () => withKey(supabase, supabase.anonKey);
const service = () => withKey(supabase, supabase.serviceRoleKey);

test('upload, replace, download by the public URL', async () => {
  const bucket = service().storage.from('open');
  const { data, error } = await bucket.upload('a/b c.png', PICTURE, { contentType: 'image/png' });
  expect(error).toBeNull();
  expect(data?.path).toBe('a/b c.png');
  const again = await bucket.upload('a/b c.png', PICTURE, { contentType: 'image/png' });
  expect(again.error).toMatchObject({ statusCode: '409' });
  const other = Buffer.from('another one');
  expect(
    (await bucket.upload('a/b c.png', other, { contentType: 'image/webp', upsert: true })).error,
  ).toBeNull();
  const answer = await fetch(bucket.getPublicUrl('a/b c.png').data.publicUrl);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(other);
});

test('nobody uploads where no policy lets them', async () => {
  const user = await signUp(supabase);
  for (const caller of [anonymous(), user.client]) {
    const { error } = await caller.storage.from('open').upload('x.png', PICTURE);
    expect(error).toMatchObject({ statusCode: '403' });
  }
  const own = user.client.storage.from('closed');
  expect((await own.upload(`${user.id}/x.png`, PICTURE)).error).toBeNull();
  expect((await own.upload('somebody/x.png', PICTURE)).error).toMatchObject({ statusCode: '403' });
});

test('a signed URL opens a closed bucket, for its file only', async () => {
  const bucket = service().storage.from('closed');
  await bucket.upload('signed.txt', PICTURE, { contentType: 'text/plain' });
  expect((await fetch(bucket.getPublicUrl('signed.txt').data.publicUrl)).status).toBe(400);
  const { data } = await bucket.createSignedUrl('signed.txt', 60);
  expect(await (await fetch(data?.signedUrl ?? '')).text()).toBe(PICTURE.toString());
  const other = (data?.signedUrl ?? '').replace('signed.txt', 'other.txt');
  expect((await fetch(other)).status).not.toBe(200);
  const many = await bucket.createSignedUrls(['signed.txt'], 60);
  expect((await fetch(many.data?.[0]?.signedUrl ?? '')).status).toBe(200);
});

test('a signed upload URL lets anyone put one file', async () => {
  const { data } = await service().storage.from('closed').createSignedUploadUrl('given.txt');
  const upload = await anonymous()
    .storage.from('closed')
    .uploadToSignedUrl('given.txt', data?.token ?? '', PICTURE);
  expect(upload.error).toBeNull();
  expect(await (await service().storage.from('closed').download('given.txt')).data?.text()).toBe(
    PICTURE.toString(),
  );
});

test.each([['chunked'], ['content-length']])('a streamed upload, %s', async (kind) => {
  const megabytes = Array.from({ length: 8 }, (_, index) => Buffer.alloc(1024 * 1024, index));
  const body = kind === 'chunked' ? ReadableStream.from(megabytes) : Buffer.concat(megabytes);
  const answer = await fetch(`${supabase.url}/storage/v1/object/open/${kind}.bin`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${supabase.serviceRoleKey}`,
      'content-type': 'image/png',
      'x-upsert': 'true',
    },
    body,
    duplex: 'half',
  } as RequestInit);
  expect([answer.status, await answer.json()]).toEqual([
    200,
    expect.objectContaining({ Key: `open/${kind}.bin` }),
  ]);
  const stored = await fetch(`${supabase.url}/storage/v1/object/public/open/${kind}.bin`);
  expect(Buffer.concat(megabytes).equals(Buffer.from(await stored.arrayBuffer()))).toBe(true);
});

test('an upload leaves what the other operations need', async () => {
  const bucket = service().storage.from('open');
  const upload = await bucket.upload('whole/one.png', PICTURE, {
    contentType: 'image/png',
    cacheControl: '31536000',
    metadata: { by: 'me' },
  });
  expect(upload.data).toEqual({
    path: 'whole/one.png',
    id: expect.any(String),
    fullPath: 'open/whole/one.png',
  });
  const info = await bucket.info('whole/one.png');
  expect(info.data).toMatchObject({
    id: upload.data?.id,
    bucketId: 'open',
    name: 'whole/one.png',
    version: expect.any(String),
  });
  expect((await bucket.list('whole/')).data).toMatchObject([
    {
      id: upload.data?.id,
      owner_id: null,
      path_tokens: ['whole', 'one.png'],
      user_metadata: { by: 'me' },
      metadata: {
        size: PICTURE.length,
        contentLength: PICTURE.length,
        mimetype: 'image/png',
        cacheControl: 'max-age=31536000',
        eTag: `"${createHash('md5').update(PICTURE).digest('hex')}"`,
        httpStatusCode: 200,
        lastModified: expect.stringMatching(/Z$/),
      },
    },
  ]);
  const file = await fetch(bucket.getPublicUrl('whole/one.png').data.publicUrl);
  expect(file.headers.get('cache-control')).toBe('max-age=31536000');
  expect((await bucket.copy('whole/one.png', 'whole/two.png')).error).toBeNull();
  expect((await bucket.move('whole/two.png', 'whole/three.png')).error).toBeNull();
  expect(await (await bucket.download('whole/three.png')).data?.text()).toBe(PICTURE.toString());
});

test('x-upsert and PUT replace and keep the id; without, the first stays', async () => {
  const first = await put('open/again.png');
  expect(first).toEqual({ status: 200, body: { Id: expect.any(String), Key: 'open/again.png' } });
  expect(await put('open/again.png', { body: 'x', headers: { 'x-upsert': 'false' } })).toEqual(DUPLICATE);
  expect(await put('open/again.png', { body: 'x' })).toEqual(DUPLICATE);
  const url = `${supabase.url}/storage/v1/object/public/open/again.png`;
  expect(await (await fetch(url)).text()).toBe(PICTURE.toString());
  for (const options of [
    { method: 'PUT', body: 'put' },
    { body: 'upserted', headers: { 'x-upsert': 'true' } },
  ]) {
    expect(await put('open/again.png', options)).toEqual(first);
    expect(await (await fetch(url)).text()).toBe(options.body);
  }
});

test('of uploads at once the last to be committed is the file', async () => {
  const bodies = Array.from({ length: 20 }, (_, n) => 'x'.repeat(n));
  await Promise.all(bodies.map((body) => put('open/race.png', { body, method: 'PUT' })));
  const [row] = (await service().storage.from('open').list('race')).data ?? [];
  const file = await fetch(`${supabase.url}/storage/v1/object/public/open/race.png`);
  expect((await file.text()).length).toBe(row?.metadata?.size);
});

test('names: escapes, and what Storage does not take', async () => {
  for (const name of ['esc/sp ace.png', 'esc/per%25cent.png', 'esc/ques%3Ftion.png']) {
    expect(await put(`open/${name}`)).toMatchObject({ status: 200 });
    expect((await fetch(`${supabase.url}/storage/v1/object/public/open/${name}`)).status, name).toBe(200);
  }
  expect(await put('open/b{r}ace.png')).toEqual(refused('400', 'InvalidKey', 'Invalid key: b{r}ace.png'));
});

test('an unknown bucket', async () => {
  expect(await put('nowhere/x.png')).toEqual(
    refused('404', 'NoSuchBucket', 'Bucket not found', 'Bucket not found'),
  );
});

test('a bucket’s largest size and types', async () => {
  await service().storage.createBucket('small', {
    public: true,
    fileSizeLimit: 100_000,
    allowedMimeTypes: ['image/*', 'text/plain'],
  });
  const chunks = (count: number) =>
    ReadableStream.from(Array.from({ length: count }, () => Buffer.alloc(10_000)));
  expect(await put('small/known.png', { body: Buffer.alloc(100_001) })).toEqual(TOO_LARGE);
  // Storage learns the size of such a body when it is stored.
  expect(await put('small/chunked.png', { body: chunks(11) })).toMatchObject({ status: 200 });
  const form = new FormData();
  form.append('', new Blob([Buffer.alloc(100_001)], { type: 'image/png' }));
  const upload = service().storage.from('small').upload('form.png', form);
  expect((await upload).error).toMatchObject({ statusCode: '413' });
  expect(await put('small/just.png', { body: chunks(10) })).toMatchObject({ status: 200 });
  const html = await put('small/page.html', { headers: { 'content-type': 'text/html' } });
  expect(html).toEqual(
    refused('415', 'InvalidMimeType', 'mime type text/html is not supported', 'invalid_mime_type'),
  );
  const text = (type: string) => put('small/a.txt', { headers: { 'content-type': type } });
  expect(await text('text/plain;charset=UTF-8'), 'letter by letter').toMatchObject({ status: 400 });
  expect(await text('text/plain')).toMatchObject({ status: 200 });
  expect((await service().storage.from('small').list()).data?.map(({ name }) => name)).toEqual([
    'a.txt',
    'chunked.png',
    'just.png',
  ]);
});

test('policies decide for users, and what they refuse changes nothing', async () => {
  const user = await signUp(supabase);
  const { token, id } = user;
  expect(await put(`closed/${id}/own.png`, { token })).toMatchObject({ status: 200 });
  expect(await put(`closed/${id}/own.png`, { token })).toEqual(DUPLICATE);
  // To replace takes policies for select and update.
  expect(await put(`closed/${id}/own.png`, { token, method: 'PUT', body: 'x' })).toEqual(DENIED);
  expect(await put(`closed/${id}/new.png`, { token, method: 'PUT' })).toEqual(DENIED);
  expect(await put('closed/other/x.png', { token })).toEqual(DENIED);
  expect(await put('open/x.png', { token: supabase.anonKey })).toEqual(DENIED);
  const closed = service().storage.from('closed');
  expect(await (await closed.download(`${id}/own.png`)).data?.text()).toBe(PICTURE.toString());
  expect((await closed.list(`${id}/`)).data).toMatchObject([{ owner: id, owner_id: id }]);
  const sql = client(supabase.databaseUrl);
  await sql.unsafe(`create policy see on storage.objects for select to authenticated using (owner_id = auth.uid()::text);
    create policy replace on storage.objects for update to authenticated using (owner_id = auth.uid()::text)`);
  await sql.end();
  expect(await put(`closed/${id}/own.png`, { token, method: 'PUT', body: 'mine' })).toMatchObject({
    status: 200,
  });
  expect(await (await user.client.storage.from('closed').download(`${id}/own.png`)).data?.text()).toBe(
    'mine',
  );
});

test('a bad token is refused', async () => {
  for (const [token, why] of [
    ['no-token', 'Invalid Compact JWS'],
    [signJwt({ role: 'service_role' }, 'x'.repeat(40)), 'signature verification failed'],
    [signJwt({ role: 'anon', exp: 1_000_000 }, supabase.jwtSecret), '"exp" claim timestamp check failed'],
  ] as const) {
    expect(await put('open/x.png', { token })).toEqual(refused('403', 'AccessDenied', why, 'Unauthorized'));
  }
  const without = await fetch(`${supabase.url}/storage/v1/bucket`);
  const sentence = "headers must have required property 'authorization'";
  expect([without.status, await without.json()]).toEqual([
    400,
    refused('400', 'InvalidRequest', sentence, 'Error').body,
  ]);
});

test('a form and a Blob, as browsers send them', async () => {
  const bucket = service().storage.from('open');
  const blob = new Blob([PICTURE], { type: 'image/png' });
  const options = { cacheControl: '60', metadata: { by: 'me' } };
  expect((await bucket.upload('form.png', blob, options)).error).toBeNull();
  expect((await bucket.upload('form.png', blob)).error).toMatchObject({ statusCode: '409' });
  expect((await bucket.list('', { search: 'form.png' })).data).toMatchObject([
    { user_metadata: { by: 'me' }, metadata: { mimetype: 'image/png', cacheControl: 'max-age=60' } },
  ]);
  expect((await bucket.upload('form.png', PICTURE)).error).toMatchObject({ statusCode: '409' });
  const file = await fetch(bucket.getPublicUrl('form.png').data.publicUrl);
  expect([file.headers.get('content-type'), await file.text()]).toEqual(['image/png', PICTURE.toString()]);
});

test('a caller that goes away leaves nothing', async () => {
  const gone = new AbortController();
  const body = ReadableStream.from(
    (async function* () {
      yield PICTURE;
      gone.abort();
      await sleep(10_000, undefined, { ref: false });
    })(),
  );
  const upload = fetch(`${supabase.url}/storage/v1/object/open/aborted.png`, {
    method: 'POST',
    headers: { authorization: `Bearer ${supabase.serviceRoleKey}` },
    body,
    duplex: 'half',
    signal: gone.signal,
  } as RequestInit);
  await expect(upload).rejects.toThrow();
  expect((await service().storage.from('open').list('aborted')).data).toEqual([]);
  expect((await put('open/aborted.png')).status).toBe(200);
});

test('removing removes', async () => {
  const bucket = service().storage.from('open');
  await bucket.upload('gone.png', PICTURE);
  expect((await bucket.remove(['gone.png'])).data).toHaveLength(1);
  expect((await fetch(bucket.getPublicUrl('gone.png').data.publicUrl)).status).toBe(400);
});
