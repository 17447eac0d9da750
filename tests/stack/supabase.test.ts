import { createHash } from 'node:crypto';
import { ReadableStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
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
    await sql.unsafe('create table public.later (id int); grant select on public.later to service_role');
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

  /** One upload, byte for byte as given. */
  async function put(
    path: string,
    options: { token?: string; method?: string; body?: unknown; headers?: object } = {},
  ) {
    const { token = supabase.serviceRoleKey, method = 'POST', body = PICTURE, headers } = options;
    const answer = await fetch(`${supabase.url}/storage/v1/object/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'image/png', ...headers },
      body,
      duplex: 'half',
    } as RequestInit);
    return { status: answer.status, body: await answer.json() };
  }
  const refused = (statusCode: string, error: string, message: string) => ({
    status: 400,
    body: { statusCode, error, message },
  });
  const DUPLICATE = refused('409', 'Duplicate', 'The resource already exists');
  const DENIED = refused('403', 'Unauthorized', 'new row violates row-level security policy');
  const TOO_LARGE = refused('413', 'Payload too large', 'The object exceeded the maximum allowed size');

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

  test('of uploads at once one is first, and the last to be committed is the file', async () => {
    const creating = await Promise.all(Array.from({ length: 8 }, () => put('open/race.png')));
    expect(creating.filter(({ status }) => status === 200)).toHaveLength(1);
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
    expect(await put('nowhere/x.png')).toEqual(refused('404', 'Bucket not found', 'Bucket not found'));
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
    expect(await put('small/chunked.png', { body: chunks(11) })).toEqual(TOO_LARGE);
    expect(await put('small/long.png', { body: chunks(500) })).toEqual(TOO_LARGE);
    const form = new FormData();
    form.append('', new Blob([Buffer.alloc(100_001)], { type: 'image/png' }));
    const upload = service().storage.from('small').upload('form.png', form);
    expect((await upload).error).toMatchObject({ statusCode: '413' });
    expect(await put('small/just.png', { body: chunks(10) })).toMatchObject({ status: 200 });
    const html = await put('small/page.html', { headers: { 'content-type': 'text/html' } });
    expect(html).toEqual(refused('415', 'invalid_mime_type', 'mime type text/html is not supported'));
    const text = await put('small/a.txt', { headers: { 'content-type': 'text/plain;charset=UTF-8' } });
    expect(text.status).toBe(200);
    expect((await service().storage.from('small').list()).data?.map(({ name }) => name)).toEqual([
      'a.txt',
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
    expect(await put('open/x.png', { token: 'no.token.at-all' })).toMatchObject({ status: 401 });
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
});
