import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { beforeAll, describe, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';

let supabase: RunningSupabase;
let anon: SupabaseClient;
let service: SupabaseClient;

beforeAll(async () => {
  supabase = await fixtureSupabase();
  anon = withKey(supabase, supabase.anonKey);
  service = withKey(supabase, supabase.serviceRoleKey);
  return supabase.stop;
});

const post = (name: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${supabase.url}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: { apikey: supabase.anonKey, 'content-type': 'application/json', ...headers },
    body,
  });

describe('arguments and results', () => {
  test.each([
    ['add', { a: 1 }, 11],
    ['add', { a: 1, b: 2 }, 3],
    [
      'echo',
      { value: { a: [1, { b: null }], s: `q'"\\` }, list: ['x', 'y,z'] },
      { value: { a: [1, { b: null }], s: `q'"\\` }, list: ['x', 'y,z'] },
    ],
    ['echo', { value: 'text' }, { value: 'text', list: [] }],
    ['echo', { value: null }, { value: null, list: [] }],
    [
      'numbers',
      { up_to: 2 },
      [
        { n: 1, label: 'n1' },
        { n: 2, label: 'n2' },
      ],
    ],
    ['numbers', { up_to: 0 }, []],
    ['scalars', {}, [1, 2]],
    ['nothing', {}, []],
    ['at', {}, '2026-01-02T03:04:05.678+00:00'],
  ])('%s(%j)', async (name, args, expected) => {
    const { data, error, status } = await anon.rpc(name, args);
    expect(error).toBeNull();
    expect(status).toBe(200);
    expect(data).toEqual(expected);
  });

  test('a bigint keeps all its digits on the wire', async () => {
    expect(await (await post('big', '')).text()).toBe('9007199254740993');
  });

  test('a void function answers 204 and has run', async () => {
    const { status, data } = await service.rpc('log_entry', { entry: 'ran' });
    expect([status, data]).toEqual([204, null]);
    expect((await service.from('audit').select()).data).toContainEqual({ entry: 'ran' });
  });

  test('single() gives an object, and refuses two rows', async () => {
    expect((await anon.rpc('numbers', { up_to: 1 }).single()).data).toEqual({ n: 1, label: 'n1' });
    const two = await anon.rpc('numbers', { up_to: 2 }).single();
    expect([two.status, two.error?.code]).toEqual([406, 'PGRST116']);
  });

  test('filters on a result work', async () => {
    const { data } = await anon.rpc('numbers', { up_to: 3 }).select('label').gt('n', 1);
    expect(data).toEqual([{ label: 'n2' }, { label: 'n3' }]);
  });

  test('a function may set status and headers', async () => {
    const answer = await post('created', '{}');
    expect([answer.status, answer.headers.get('x-made'), await answer.json()]).toEqual([201, 'yes', 'made']);
  });
});

describe('which function', () => {
  const p_id = '00000000-0000-0000-0000-000000000001';
  test.each([
    [{ p_id }, 'plain'],
    [{ p_id, p_error: null }, 'plain'],
    [{ p_id, p_lease: 1 }, 'fenced'],
    [{ p_lease: 1, p_result: { a: 1 }, p_id }, 'fenced'],
  ])('complete(%j) is the %s one', async (args, expected) => {
    expect((await anon.rpc('complete', args)).data).toBe(expected);
  });

  test('two that fit are a 300', async () => {
    const { status, error } = await anon.rpc('unclear', { a: 1 });
    expect([status, error?.code]).toEqual([300, 'PGRST203']);
  });

  test.each([
    ['no_such', {}],
    ['add', {}],
    ['add', { a: 1, c: 2 }],
  ])('%s(%j) is not found', async (name, args) => {
    const { status, error } = await anon.rpc(name, args);
    expect([status, error?.code]).toEqual([404, 'PGRST202']);
  });

  test('a function made a moment ago is found', async () => {
    const sql = client(supabase.databaseUrl);
    await sql.unsafe(`create function public.just_made() returns int language sql as 'select 7'`);
    expect((await anon.rpc('just_made')).data).toBe(7);
    await sql.end();
  });
});

describe('errors', () => {
  test.each([
    ['PT429', 429],
    ['PT404', 404],
    ['P0001', 400],
    ['23505', 409],
    ['22023', 400],
    ['40001', 500],
    ['42501', 403],
    ['53300', 503],
  ])('SQLSTATE %s is HTTP %i and rolls back', async (code, status) => {
    const answer = await service.rpc('refuse', { code });
    expect(answer.error).toMatchObject({
      code,
      message: 'Too many images',
      details: 'quota_exceeded',
      hint: '30',
    });
    expect(answer.status).toBe(status);
    expect((await service.from('audit').select().eq('entry', 'must be rolled back')).data).toEqual([]);
  });

  test('PGRST raises the whole answer', async () => {
    const answer = await post('answer_teapot', '{}');
    expect([answer.status, answer.headers.get('x-pot')]).toEqual([418, 'tea']);
    expect(await answer.json()).toEqual({
      code: 'teapot',
      message: 'short and stout',
      details: null,
      hint: null,
    });
  });

  test('bad JSON, a bad argument', async () => {
    expect(await (await post('add', '{')).json()).toMatchObject({ code: 'PGRST102' });
    const { status, error } = await anon.rpc('add', { a: 'x' });
    expect([status, error?.code]).toEqual([400, '22P02']);
  });
});

describe('who calls', () => {
  test('anon, a user and the service', async () => {
    expect((await anon.rpc('caller')).data).toMatchObject({
      user: 'anon',
      session: 'authenticator',
      id: null,
    });
    const user = await signUp(supabase);
    expect((await user.client.rpc('caller')).data).toMatchObject({
      user: 'authenticated',
      role: 'authenticated',
      id: user.id,
      email: user.email,
      agent: expect.stringContaining('supabase-js'),
    });
    expect((await service.rpc('caller')).data).toMatchObject({ user: 'service_role', id: null });
  });

  test('EXECUTE is what decides', async () => {
    expect((await anon.rpc('only_service')).status).toBe(401);
    expect((await (await signUp(supabase)).client.rpc('only_service')).status).toBe(403);
    expect((await service.rpc('only_service')).data).toBe('secret');
  });

  const hour = () => Math.floor(Date.now() / 1000) + 3600;
  test.each([
    ['postgres', 403],
    ['supabase_admin', 403],
    ['authenticator', 403],
    ['no_such_role', 401],
  ])('a token naming role %s is refused', async (role, status) => {
    const token = signJwt({ role, exp: hour() }, supabase.jwtSecret);
    for (const path of ['/rest/v1/rpc/caller', '/rest/v1/notes', '/storage/v1/bucket', '/auth/v1/user']) {
      const answer = await fetch(supabase.url + path, {
        method: path.includes('rpc') ? 'POST' : 'GET',
        headers: { apikey: supabase.anonKey, authorization: `Bearer ${token}` },
      });
      expect(answer.status, path).toBe(status);
    }
  });

  test.each([
    ['no key', {}, 401],
    ['a wrong key', { apikey: 'x' }, 401],
    ['a forged token', { authorization: `Bearer ${signJwt({ role: 'service_role' }, 'x'.repeat(40))}` }, 401],
  ])('%s', async (_, headers, status) => {
    const key: Record<string, string> = 'authorization' in headers ? { apikey: supabase.anonKey } : {};
    const answer = await fetch(`${supabase.url}/rest/v1/rpc/caller`, {
      method: 'POST',
      headers: { ...key, ...headers },
    });
    expect(answer.status).toBe(status);
  });

  test('an expired token says so', async () => {
    const token = signJwt(
      { role: 'authenticated', exp: Math.floor(Date.now() / 1000) - 60 },
      supabase.jwtSecret,
    );
    const answer = await post('caller', '{}', { authorization: `Bearer ${token}` });
    expect([answer.status, await answer.json()]).toEqual([
      401,
      expect.objectContaining({ message: 'JWT expired' }),
    ]);
  });

  test('browsers may call: preflight and answers', async () => {
    const preflight = await fetch(`${supabase.url}/rest/v1/rpc/caller`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'apikey,x-own',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('apikey,x-own');
    expect((await post('caller', '{}')).headers.get('access-control-allow-origin')).toBe('*');
  });
});

test('many calls at once do not mix their callers', async () => {
  const user = await signUp(supabase);
  const calls = Array.from({ length: 60 }, async (_, index) => {
    const who = [anon, service, user.client][index % 3] as SupabaseClient;
    return (await who.rpc('caller')).data.user;
  });
  const expected = Array.from(
    { length: 60 },
    (_, index) => ['anon', 'service_role', 'authenticated'][index % 3],
  );
  expect(await Promise.all(calls)).toEqual(expected);
});

test('the official client accepts the keys as they are', () => {
  expect(() => createClient(supabase.url, supabase.anonKey)).not.toThrow();
});
