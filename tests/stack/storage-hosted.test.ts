import fs from 'node:fs/promises';
import { ReadableStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';
import { DENIED, PICTURE, putter, refused } from './fixtures/storage.ts';

/** Where Supabase's Storage is not what one would guess: when policies are asked, ranges, words. */

let supabase: RunningSupabase;
const put = putter(() => supabase);

beforeAll(async () => {
  supabase = await fixtureSupabase();
  return supabase.stop;
});

const service = () => withKey(supabase, supabase.serviceRoleKey);

test('a policy is asked before the body comes, about what is known by then', async () => {
  const sql = client(supabase.databaseUrl);
  await sql.unsafe(`
    create table public.asked (metadata jsonb, owner text, at text);
    grant insert, select on public.asked to authenticated, service_role;
    create function public.note_asked(metadata jsonb, owner text) returns boolean language plpgsql
      security definer set search_path = '' as $$
    begin
      raise exception using errcode = 'P0001', message = jsonb_build_object('metadata', metadata, 'owner', owner)::text;
    end $$;
    create policy tell on storage.objects for insert to authenticated
      with check (bucket_id = 'open' and (name not like 'tell/%' or public.note_asked(metadata, owner_id)));`);
  await sql.end();
  const user = await signUp(supabase);
  // The exception of the policy is what tells: the body that follows it is never read.
  let sent = 0;
  const endless = ReadableStream.from(
    (async function* () {
      for (; sent < 1_000; sent += 1) {
        yield PICTURE;
        await sleep(1);
      }
    })(),
  );
  const refusedEarly = await put('open/tell/chunked.png', { token: user.token, body: endless });
  expect(refusedEarly).toEqual({
    status: 500,
    body: {
      statusCode: '500',
      error: 'DatabaseError',
      code: 'DatabaseError',
      message: 'database error, code: P0001',
    },
  });
  expect(sent).toBeLessThan(1_000);
});

test('what a policy knows: the type, the declared length, and of a body in chunks no length', async () => {
  const sql = client(supabase.databaseUrl);
  await sql.unsafe(`
    create policy of_known_length on storage.objects for insert to authenticated with check (bucket_id = 'closed'
      and name like 'known/%' and metadata = jsonb_build_object('mimetype', 'image/png', 'contentLength', 20));
    create policy of_unknown_length on storage.objects for insert to authenticated with check (bucket_id = 'closed'
      and name like 'unknown/%' and metadata = jsonb_build_object('mimetype', 'image/png'));`);
  await sql.end();
  const { token, id } = await signUp(supabase);
  const chunks = () => ReadableStream.from([PICTURE]);
  expect(await put('closed/known/a.png', { token })).toMatchObject({ status: 200 });
  expect(await put('closed/known/b.png', { token, body: chunks() })).toEqual(DENIED);
  expect(await put('closed/unknown/a.png', { token, body: chunks() })).toMatchObject({ status: 200 });
  expect(await put('closed/unknown/b.png', { token })).toEqual(DENIED);
  // The row that is written knows all, and whose it is.
  const [row] = (await service().storage.from('closed').list('unknown/')).data ?? [];
  expect(row).toMatchObject({ owner: id, metadata: { size: PICTURE.length, contentLength: PICTURE.length } });
});

test('uploads at once are all judged before any of them is there', async () => {
  const sql = client(supabase.databaseUrl);
  await sql.unsafe(`
    create function public.stored() returns bigint language sql stable security definer set search_path = ''
      as $$ select count(*) from storage.objects where bucket_id = 'closed' and name like 'five/%' $$;
    create policy five on storage.objects for insert to authenticated
      with check (bucket_id = 'closed' and name like 'five/%' and public.stored() < 5);`);
  await sql.end();
  const { token } = await signUp(supabase);
  // All bodies wait until every upload has been judged, as they do behind a slow line.
  const judged = Promise.withResolvers<void>();
  const slow = () =>
    ReadableStream.from(
      (async function* () {
        yield PICTURE;
        await judged.promise;
      })(),
    );
  const uploads = Array.from({ length: 20 }, (_, n) => put(`closed/five/${n}.png`, { token, body: slow() }));
  await expect.poll(async () => (await fs.readdir(supabase.storageDir)).filter(isUnfinished).length).toBe(20);
  judged.resolve();
  expect((await Promise.all(uploads)).filter(({ status }) => status === 200)).toHaveLength(20);
  expect(await put('closed/five/more.png', { token })).toEqual(DENIED);
});
const isUnfinished = (name: string) => name.startsWith('unfinished-');

test.each([
  ['bytes=0-3', 'not ', 'bytes 0-3/20'],
  ['bytes=4-', 'really a picture', 'bytes 4-19/20'],
  ['bytes=-7', 'picture', 'bytes 13-19/20'],
  ['bytes=13-999', 'picture', 'bytes 13-19/20'],
])('the range %s', async (range, text, contentRange) => {
  await put('open/range.png', { method: 'PUT' });
  for (const where of ['public/open', 'authenticated/open', 'open']) {
    const answer = await fetch(`${supabase.url}/storage/v1/object/${where}/range.png`, {
      headers: { range, authorization: `Bearer ${supabase.serviceRoleKey}` },
    });
    const { headers } = answer;
    expect([answer.status, await answer.text(), headers.get('content-range')], where).toEqual([
      206,
      text,
      contentRange,
    ]);
    expect(headers.get('content-length')).toBe(String(text.length));
  }
});

test.each(['bytes=20-', 'bytes=5-2', 'bytes=-0', 'bytes=-', 'bytes=0-1,4-5'])(
  'no range: %s',
  async (range) => {
    await put('open/range.png', { method: 'PUT' });
    const answer = await fetch(`${supabase.url}/storage/v1/object/public/open/range.png`, {
      headers: { range },
    });
    expect([answer.status, await answer.json()]).toEqual([
      416,
      { statusCode: '416', error: 'invalid_range', message: 'invalid range provided', code: 'InvalidRange' },
    ]);
  },
);

test('/object/authenticated/ needs a token and gives what its policies allow', async () => {
  const user = await signUp(supabase);
  await put(`closed/${user.id}/mine.png`, { token: user.token });
  await put('closed/other/theirs.png');
  const get = async (name: string, token?: string) => {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`${supabase.url}/storage/v1/object/authenticated/closed/${name}`, { headers });
    return [
      answer.status,
      answer.ok ? await answer.text() : ((await answer.json()) as { code: string }).code,
    ];
  };
  expect(await get('other/theirs.png', supabase.serviceRoleKey)).toEqual([200, PICTURE.toString()]);
  expect(await get('other/theirs.png', user.token)).toEqual([400, 'NoSuchKey']);
  expect(await get('other/theirs.png')).toEqual([400, 'InvalidRequest']);
  expect(await get('nothing.png', supabase.serviceRoleKey)).toEqual([400, 'NoSuchKey']);
});

test.each([
  ['{"prefixes": []}', 'body/prefixes must NOT have fewer than 1 items'],
  ['{}', "body must have required property 'prefixes'"],
  ['{"prefixes": "x"}', 'body/prefixes must be array'],
])('a removal of nothing is refused: %s', async (body, message) => {
  const answer = await put('open', {
    method: 'DELETE',
    body,
    headers: { 'content-type': 'application/json' },
  });
  expect(answer).toEqual(refused('400', 'InvalidRequest', message, 'Error'));
});

test('every error has a code', async () => {
  const bucket = service().storage;
  expect((await bucket.getBucket('nowhere')).error).toMatchObject({ statusCode: '404' });
  for (const [path, code] of [
    ['bucket/nowhere', 'NoSuchBucket'],
    ['object/public/open/nothing.png', 'NoSuchKey'],
    ['object/public/nowhere/nothing.png', 'NoSuchBucket'],
    ['object/open/nothing.png', 'NoSuchKey'],
  ]) {
    const answer = await fetch(`${supabase.url}/storage/v1/${path}`, {
      headers: { authorization: `Bearer ${supabase.serviceRoleKey}` },
    });
    expect([answer.status, await answer.json()], path).toEqual([400, expect.objectContaining({ code })]);
  }
});
