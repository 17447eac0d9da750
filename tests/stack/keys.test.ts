import { createClient } from '@supabase/supabase-js';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { projectKeys, signJwt } from '../../dev/stack/supabase/jwt.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';

/** The keys of a project as the gateway of hosted Supabase takes them. */

let supabase: RunningSupabase;

beforeAll(async () => {
  supabase = await fixtureSupabase();
  return supabase.stop;
});

test('keys have Supabase’s shape and come from the project’s secret', () => {
  const { publishableKey, secretKey } = supabase;
  expect(publishableKey).toMatch(/^sb_publishable_[\w-]{22}_[\w-]{8}$/);
  expect(secretKey).toMatch(/^sb_secret_[\w-]{22}_[\w-]{8}$/);
  expect(projectKeys(supabase.jwtSecret)).toMatchObject({ publishableKey, secretKey });
  expect(projectKeys('another secret of at least 32 characters').secretKey).not.toBe(secretKey);
});

describe.each([
  ['of today', 'publishableKey', 'secretKey'],
  ['legacy', 'anonKey', 'serviceRoleKey'],
] as const)('the official client with the keys %s', (_, anybody, service) => {
  test('signs up and in, and calls as the user', async () => {
    const client = withKey(supabase, supabase[anybody]);
    const email = `${anybody.toLowerCase()}@example.com`;
    const { data, error } = await client.auth.signUp({ email, password: 'correct-horse-battery' });
    expect(error).toBeNull();
    expect((await client.auth.getUser()).data.user?.email).toBe(email);
    expect((await client.rpc('caller')).data).toMatchObject({ user: 'authenticated', id: data.user?.id });
    await client.auth.signOut();
    expect((await client.auth.signInWithPassword({ email, password: 'wrong' })).error?.code).toBe(
      'invalid_credentials',
    );
    expect((await client.rpc('caller')).data).toMatchObject({ user: 'anon', id: null });
  });

  test('functions, tables and files as the service', async () => {
    const client = withKey(supabase, supabase[service]);
    expect((await client.rpc('caller')).data).toMatchObject({ user: 'service_role', role: 'service_role' });
    expect((await client.from('audit').select()).error).toBeNull();
    expect((await withKey(supabase, supabase[anybody]).from('audit').select()).error?.code).toBe('42501');
    const bucket = client.storage.from('closed');
    const name = `${service}/file.txt`;
    expect((await bucket.upload(name, Buffer.from('content'), { upsert: true })).error).toBeNull();
    expect(await (await bucket.download(name)).data?.text()).toBe('content');
    expect((await bucket.createSignedUrl(name, 60)).error).toBeNull();
    expect(
      (await withKey(supabase, supabase[anybody]).storage.from('closed').download(name)).data,
    ).toBeNull();
    expect((await bucket.remove([name])).data).toHaveLength(1);
  });
});

const caller = (headers: Record<string, string>, query = '') =>
  fetch(`${supabase.url}/rest/v1/rpc/caller${query}`, { method: 'POST', headers });

describe('a key of today is no token', () => {
  test('alone in apikey it stands for its role', async () => {
    expect(await (await caller({ apikey: supabase.publishableKey })).json()).toMatchObject({ user: 'anon' });
    expect(await (await caller({ apikey: supabase.secretKey })).json()).toMatchObject({
      user: 'service_role',
    });
    const inQuery = await caller({}, `?apikey=${supabase.secretKey}`);
    expect(await inQuery.json()).toMatchObject({ user: 'service_role' });
  });

  test('as a bearer it counts only as a copy of apikey', async () => {
    for (const key of [supabase.publishableKey, supabase.secretKey]) {
      const bearer = { authorization: `Bearer ${key}` };
      expect((await caller({ apikey: key, ...bearer })).status).toBe(200);
      const alone = await caller(bearer);
      expect([alone.status, alone.headers.get('sb-error-code'), await alone.json()]).toEqual([
        401,
        'UNAUTHORIZED_MISSING_API_KEY',
        expect.objectContaining({ message: 'No API key found in request' }),
      ]);
      const beside = await caller({ apikey: supabase.anonKey, ...bearer });
      expect([beside.status, await beside.json()]).toEqual([
        401,
        { code: 'PGRST301', message: 'Expected 3 parts in JWT; got 1', details: null, hint: null },
      ]);
      const file = await fetch(`${supabase.url}/storage/v1/object/closed/x.txt`, { headers: bearer });
      expect(file.ok).toBe(false);
    }
  });

  test('a user’s token beside it decides', async () => {
    const user = await signUp(supabase);
    for (const apikey of [supabase.publishableKey, supabase.secretKey]) {
      const answer = await caller({ apikey, authorization: `Bearer ${user.token}` });
      expect(await answer.json()).toMatchObject({ user: 'authenticated', id: user.id });
    }
  });

  test('a secret key is refused where a browser sends it', async () => {
    const browser = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' };
    expect((await caller({ apikey: supabase.secretKey, ...browser })).status).toBe(401);
    expect((await caller({ apikey: supabase.publishableKey, ...browser })).status).toBe(200);
    expect((await caller({ apikey: supabase.serviceRoleKey, ...browser })).status).toBe(200);
  });
});

describe('the gateway asks for a key', () => {
  const foreign = () => projectKeys('another secret of at least 32 characters');
  test.each([
    ['/rest/v1/rpc/caller', 401],
    ['/rest/v1/notes', 401],
    ['/auth/v1/user', 401],
    ['/auth/v1/.well-known/jwks.json', 200],
    ['/storage/v1/object/public/open/none.txt', 400], // it is asked, and has no such file
  ])('%s without one is %i', async (path, status) => {
    expect((await fetch(supabase.url + path)).status).toBe(status);
  });

  test.each([
    ['sb_publishable_…', () => foreign().publishableKey],
    ['sb_secret_…', () => foreign().secretKey],
    ['service_role', () => foreign().serviceRoleKey],
    ['a word', () => 'x'],
  ])('%s of another project is refused', async (_, key) => {
    const answer = await caller({ apikey: key() });
    expect([answer.status, answer.headers.get('sb-error-code')]).toEqual([
      401,
      'UNAUTHORIZED_INVALID_API_KEY',
    ]);
    const signedUp = await createClient(supabase.url, key(), { auth: { persistSession: false } }).auth.signUp(
      {
        email: 'nobody@example.com',
        password: 'correct-horse-battery',
      },
    );
    expect(signedUp.error?.status).toBe(401);
  });

  test('a forged user token beside a right key is refused', async () => {
    const token = signJwt({ role: 'authenticated', sub: crypto.randomUUID() }, 'x'.repeat(40));
    const answer = await caller({ apikey: supabase.publishableKey, authorization: `Bearer ${token}` });
    expect([answer.status, await answer.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'PGRST301' }),
    ]);
  });
});
