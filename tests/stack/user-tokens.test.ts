import { beforeAll, describe, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { JwtVerifier, signJwt } from '../../dev/stack/supabase/jwt.ts';
import { SigningKey } from '../../dev/stack/supabase/signing-key.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';

/** A project that signs its users' tokens with an elliptic-curve key, as new hosted ones do. */

let supabase: RunningSupabase;
const KEYS = '/auth/v1/.well-known/jwks.json';

beforeAll(async () => {
  supabase = await fixtureSupabase({ userTokens: 'ES256' });
  return supabase.stop;
});

test('its public half is published, and the official client verifies with it', async () => {
  const { keys } = (await (await fetch(supabase.url + KEYS)).json()) as { keys: Record<string, unknown>[] };
  expect(keys).toEqual([
    expect.objectContaining({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: expect.any(String) }),
  ]);
  expect(keys[0]).not.toHaveProperty('d');
  const user = await signUp(supabase);
  const { data, error } = await user.client.auth.getClaims();
  expect(error).toBeNull();
  expect(data?.header).toMatchObject({ alg: 'ES256', kid: keys[0]?.kid });
  expect(data?.claims).toMatchObject({ sub: user.id, role: 'authenticated', iss: `${supabase.url}/auth/v1` });
});

test('a user’s token works everywhere, and after a refresh', async () => {
  const user = await signUp(supabase);
  const works = async () => {
    expect((await user.client.auth.getUser()).data.user?.id).toBe(user.id);
    expect((await user.client.rpc('caller')).data).toMatchObject({ user: 'authenticated', id: user.id });
    expect((await user.client.from('notes').insert({ body: 'mine' }).select()).data).toHaveLength(1);
    const bucket = user.client.storage.from('closed');
    const name = `${user.id}/${crypto.randomUUID()}.txt`;
    expect((await bucket.upload(name, Buffer.from('x'))).error).toBeNull();
  };
  await works();
  const refreshed = await user.client.auth.refreshSession();
  expect(refreshed.error).toBeNull();
  expect(JSON.parse(atob(refreshed.data.session?.access_token.split('.')[0] ?? ''))).toMatchObject({
    alg: 'ES256',
  });
  await works();
});

test('it says what the account is, as hosted Auth’s do: after a sign-in and a refresh, as it is then', async () => {
  const user = await signUp(supabase);
  const claims = async () => (await user.client.auth.getClaims()).data?.claims;
  expect(await claims()).toMatchObject({
    app_metadata: { provider: 'email', providers: ['email'] },
    user_metadata: { email: user.email },
  });
  const sql = client(supabase.databaseUrl);
  await sql`update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "admin"}' where id = ${user.id}`;
  await sql.end();
  await user.client.auth.refreshSession();
  expect(await claims()).toMatchObject({ role: 'authenticated', app_metadata: { role: 'admin' } });
});

test('the keys of both kinds work beside it', async () => {
  for (const key of ['secretKey', 'serviceRoleKey'] as const) {
    const service = withKey(supabase, supabase[key]);
    expect((await service.rpc('caller')).data).toMatchObject({ user: 'service_role' });
    expect((await service.from('audit').select()).error).toBeNull();
  }
});

describe('what is not signed by it', () => {
  const claims = { role: 'authenticated', sub: crypto.randomUUID() };
  const foreign = new SigningKey('another secret');
  const text = (token: string) => token.split('.');
  test.each([
    ['another key', () => foreign.sign(claims)],
    [
      'another key under its id',
      () => {
        const own = text(new SigningKey(supabase.jwtSecret).sign(claims));
        return [own[0], own[1], text(foreign.sign(claims))[2]].join('.');
      },
    ],
    ['the public key as a shared secret', () => signJwt(claims, JSON.stringify(foreign.jwk))],
  ])('%s', async (_, token) => {
    const answer = await fetch(`${supabase.url}/rest/v1/rpc/caller`, {
      method: 'POST',
      headers: { apikey: supabase.publishableKey, authorization: `Bearer ${token()}` },
    });
    expect([answer.status, await answer.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'PGRST301' }),
    ]);
  });

  test('a project without such a key takes none', () => {
    const key = new SigningKey('x');
    expect(new JwtVerifier('x').verify(key.sign(claims))).toEqual({ error: 'invalid' });
    expect(new JwtVerifier('x', key).verify(key.sign(claims))).toEqual({ claims });
  });
});
