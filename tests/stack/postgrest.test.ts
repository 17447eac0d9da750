import { randomBytes } from 'node:crypto';
import type { SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { fromSqlError, statusOf } from '../../dev/stack/supabase/postgrest-errors.ts';
import { fixtureSupabase, withKey } from './fixtures/project.ts';

/** Transactions, settings and statuses as PostgREST has them. */

let supabase: RunningSupabase;
let service: SupabaseClient;

const SCHEMA = `
  create function public.writes(entry text) returns setof int language plpgsql as $$
    begin insert into public.audit values (entry); return next 1; return next 2; end $$;
  create function public.writes_stable(entry text) returns setof int stable language plpgsql as $$
    begin return query select public.writes(entry); end $$;
  create function public.writes_immutable(entry text) returns setof int immutable language plpgsql as $$
    begin return query select public.writes(entry); end $$;
  create view public.writing as select public.writes('by a view') as n;
  create function public.setting(name text) returns text language sql as $$ select current_setting(name) $$;
  create function public.hasty() returns text language sql set statement_timeout = '321ms'
    as $$ select current_setting('statement_timeout') $$;
  create function public.sleeps(seconds float) returns void language sql as $$ select pg_sleep(seconds) $$;
  create function public.two_rows() returns int language sql
    as $$ select (select n from generate_series(1, 2) n) $$;
  create function public.unsafe_update() returns void language plpgsql as $$
    begin raise sqlstate '21000' using message = 'UPDATE requires a WHERE clause'; end $$;
  create view public.two as select public.two_rows();
  create view public.limits as select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock;
  grant select on public.writing, public.two, public.limits to service_role, anon;`;

beforeAll(async () => {
  supabase = await fixtureSupabase();
  service = withKey(supabase, supabase.secretKey);
  const sql = client(supabase.databaseUrl);
  await sql.unsafe(SCHEMA);
  await sql.end();
  return supabase.stop;
});

const entries = async () => (await service.from('audit').select()).data?.map(({ entry }) => entry) ?? [];
const told = ({ status, error }: { status: number; error: { code: string } | null }) => [status, error?.code];

describe('READ ONLY', () => {
  test.each(['writes_stable', 'writes_immutable'])(
    'a function that says it writes nothing: %s',
    async (name) => {
      expect(told(await service.rpc(name, { entry: name }))).toEqual([405, '25006']);
      // With a filter the call goes another way here.
      expect(told(await service.rpc(name, { entry: name }).select().limit(1))).toEqual([405, '25006']);
      expect(await entries()).not.toContain(name);
    },
  );

  test('GET, of a function and of a view', async () => {
    expect(told(await service.rpc('writes', { entry: 'by GET' }, { get: true }))).toEqual([405, '25006']);
    expect(told(await service.from('writing').select())).toEqual([405, '25006']);
    expect(await entries()).toEqual([]);
  });

  test('whatever the project’s default is: a volatile function may write', async () => {
    expect((await service.rpc('writes', { entry: 'by POST' })).data).toEqual([1, 2]);
    expect((await service.rpc('writes', { entry: 'filtered' }).limit(1)).error).toBeNull();
    expect(await entries()).toEqual(['by POST', 'filtered']);
    expect((await service.rpc('setting', { name: 'transaction_isolation' })).data).toBe('read committed');
  });

  test('one object that is not one rolls back', async () => {
    expect(told(await service.rpc('writes', { entry: 'single' }).single())).toEqual([406, 'PGRST116']);
    expect(await entries()).not.toContain('single');
  });
});

describe('settings', () => {
  test.each([
    ['publishableKey', '3s', '8s'],
    ['secretKey', '8s', '8s'],
  ] as const)('of a hosted project: %s', async (key, statement, lock) => {
    const caller = withKey(supabase, supabase[key]);
    expect((await caller.rpc('setting', { name: 'statement_timeout' })).data).toBe(statement);
    expect((await caller.rpc('setting', { name: 'lock_timeout' })).data).toBe(lock);
    expect((await caller.from('limits').select().single()).data).toEqual({ statement, lock });
  });

  const role = `impatient_${randomBytes(4).toString('hex')}`;
  const headers = () => {
    const token = signJwt({ role, exp: Math.floor(Date.now() / 1000) + 60 }, supabase.jwtSecret);
    return { apikey: supabase.publishableKey, authorization: `Bearer ${token}` };
  };
  const call = async (name: string, args: object) => {
    const answer = await fetch(`${supabase.url}/rest/v1/rpc/${name}`, {
      method: 'POST',
      headers: headers(),
      body: JSON.stringify(args),
    });
    return { status: answer.status, body: await answer.json() };
  };

  beforeAll(async () => {
    const sql = client(supabase.databaseUrl);
    // Roles belong to the server, which other tests use too.
    await sql.unsafe(`create role ${role} nologin; grant ${role} to authenticator;
      grant usage on schema public to ${role};
      alter role ${role} set statement_timeout = '150ms'; alter role ${role} set lock_timeout = '140ms'`);
    await sql`notify pgrst, 'reload config'`;
    await sql.end();
  });

  afterAll(async () => {
    const sql = client(supabase.databaseUrl);
    await sql.unsafe(`revoke usage on schema public from ${role}; drop role ${role}`);
    await sql.end();
  });

  test('of the role of a token', async () => {
    await expect.poll(() => call('setting', { name: 'lock_timeout' })).toMatchObject({ body: '140ms' });
    expect(await call('setting', { name: 'statement_timeout' })).toEqual({ status: 200, body: '150ms' });
    expect(await call('sleeps', { seconds: 5 })).toMatchObject({ status: 500, body: { code: '57014' } });
  });

  test('of a function come after those of its role', async () => {
    expect(await call('hasty', {})).toEqual({ status: 200, body: '321ms' });
  });

  test('a role that the API may not become, and one that is not there', async () => {
    const as = (name: string) => signJwt({ role: name }, supabase.jwtSecret);
    for (const [name, status, code] of [
      ['postgres', 403, '42501'],
      ['no_such_role', 401, '22023'],
    ] as const) {
      const answer = await fetch(`${supabase.url}/rest/v1/rpc/scalars`, {
        method: 'POST',
        headers: { apikey: supabase.anonKey, authorization: `Bearer ${as(name)}` },
      });
      expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ code })]);
      expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
    }
  });
});

describe('statuses', () => {
  test('21000 is the client’s error only where pg-safeupdate says it', async () => {
    expect(told(await service.rpc('two_rows'))).toEqual([500, '21000']);
    expect(told(await service.rpc('unsafe_update'))).toEqual([400, '21000']);
    expect(told(await service.from('two').select())).toEqual([500, '21000']);
  });

  test.each([
    ['08006', 503],
    ['0A000', 400],
    ['22023', 400],
    ['22P02', 400],
    ['23502', 400],
    ['23503', 409],
    ['23505', 409],
    ['25006', 405],
    ['25P02', 500],
    ['28000', 403],
    ['40001', 500],
    ['40P01', 500],
    ['42P01', 404],
    ['42883', 404],
    ['53100', 503],
    ['53300', 503],
    ['53400', 500],
    ['54001', 500],
    ['55P03', 500],
    ['57014', 500],
    ['57P01', 503],
    ['57P02', 500],
    ['57P03', 500],
    ['P0001', 400],
    ['P0002', 500],
    ['XX000', 500],
    ['PT418', 418],
    ['PTxyz', 500],
  ])('%s is %i', (code, status) => {
    expect(statusOf(code, false)).toBe(status);
  });

  test('a connection that broke is 503', () => {
    const broken = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    expect(fromSqlError(broken, false)).toMatchObject({
      status: 503,
      code: 'PGRST001',
      message: 'Database client error. Retrying the connection.',
      details: 'read ECONNRESET',
    });
  });
});
