import { ReadableStream } from 'node:stream/web';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';
import { client } from './postgres.ts';
import type { RunningSupabase } from './supabase/index.ts';

let supabase: RunningSupabase;
const PICTURE = Buffer.from('not really a picture');

beforeAll(async () => {
  supabase = await fixtureSupabase();
  return supabase.stop;
});

const anonymous = () => withKey(supabase, supabase.anonKey);
const service = () => withKey(supabase, supabase.serviceRoleKey);

describe('auth', () => {
  test('sign-up, sign-in, refresh, who am I', async () => {
    const user = await signUp(supabase);
    const again = anonymous();
    const { data, error } = await again.auth.signInWithPassword({
      email: user.email,
      password: user.password,
    });
    expect(error).toBeNull();
    expect(data.user?.id).toBe(user.id);
    expect((await again.auth.refreshSession()).error).toBeNull();
    expect((await again.auth.getUser()).data.user?.email).toBe(user.email);
  });

  test('a wrong password and a taken address are refused', async () => {
    const { email, password } = await signUp(supabase);
    const wrong = await anonymous().auth.signInWithPassword({ email, password: 'something else' });
    expect(wrong.error?.code).toBe('invalid_credentials');
    const taken = await anonymous().auth.signUp({ email, password });
    expect(taken.error?.code).toBe('user_already_exists');
  });

  test('there are no public keys: tokens are HS256', async () => {
    const answer = await fetch(`${supabase.url}/auth/v1/.well-known/jwks.json`);
    expect(await answer.json()).toEqual({ keys: [] });
  });
});

describe('tables', () => {
  test('rows are their owner’s, with values as PostgREST writes them', async () => {
    const [mine, theirs] = [await signUp(supabase), await signUp(supabase)];
    const { data, error } = await mine.client
      .from('notes')
      .insert({ body: 'mine', data: { a: [1] }, amount: 1.5 })
      .select()
      .single();
    expect(error).toBeNull();
    expect(data).toMatchObject({ user_id: mine.id, body: 'mine', data: { a: [1] }, amount: 1.5 });
    expect(data.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/);
    expect((await mine.client.from('notes').select('id')).data).toEqual([{ id: data.id }]);
    expect((await theirs.client.from('notes').select('id')).data).toEqual([]);
    expect((await anonymous().from('notes').select('id')).data).toEqual([]);
    expect((await service().from('notes').select('id').eq('id', data.id)).data).toHaveLength(1);
    const forged = await theirs.client.from('notes').insert({ body: 'x', user_id: mine.id });
    expect([forged.status, forged.error?.code]).toEqual([403, '42501']);
  });

  test('what a migration revoked stays revoked', async () => {
    await anonymous().from('notes').select('id'); // lite as shipped would grant everything now
    expect((await anonymous().from('audit').select()).error?.code).toBe('42501');
    expect((await service().from('audit').select()).error).toBeNull();
  });

  test('other schemas are not exposed', async () => {
    const { error } = await service().schema('private').from('hidden').select();
    expect(error?.code).toBe('PGRST106');
  });

  test('a table made now is found', async () => {
    const sql = client(supabase.databaseUrl);
    await sql.unsafe('create table public.later (id int)');
    await sql.end();
    await expect.poll(async () => (await service().from('later').select()).error).toBeNull();
  });

  test('the database’s owner is no superuser', async () => {
    const sql = client(supabase.databaseUrl);
    expect(await sql`select current_user, rolsuper from pg_roles where rolname = current_user`).toEqual([
      { current_user: 'postgres', rolsuper: false },
    ]);
    await sql.end();
  });
});

describe('storage', () => {
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

  test('removing removes', async () => {
    const bucket = service().storage.from('open');
    await bucket.upload('gone.png', PICTURE);
    expect((await bucket.remove(['gone.png'])).data).toHaveLength(1);
    expect((await fetch(bucket.getPublicUrl('gone.png').data.publicUrl)).status).toBe(400);
  });
});
