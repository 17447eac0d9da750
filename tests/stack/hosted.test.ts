import { beforeAll, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { createDatabase, EMPTY } from './testing.ts';

// What a hosted project forbids is forbidden here too, or a fault would show only after the deployment.

let url: string;
let superuserUrl: string;

beforeAll(async () => {
  ({ url, superuserUrl } = await createDatabase(EMPTY));
});

async function asOwner(...statements: string[]): Promise<string | undefined> {
  const sql = client(url);
  try {
    await sql.begin(async (transaction) => {
      for (const statement of statements) await transaction.unsafe(statement);
    });
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await sql.end();
  }
}

async function read<Row extends object>(query: string): Promise<Row[]> {
  const sql = client(superuserUrl);
  try {
    return [...(await sql.unsafe<Row[]>(query))];
  } finally {
    await sql.end();
  }
}

test('each role has its time limits', async () => {
  const rows = await read<{ role: string; settings: string | null }>(`
    select rolname as role, array_to_string(rolconfig, '; ') as settings from pg_roles
    where rolname in ('anon', 'authenticated', 'authenticator', 'service_role') order by 1`);
  expect(Object.fromEntries(rows.map(({ role, settings }) => [role, settings]))).toEqual({
    anon: 'statement_timeout=3s',
    authenticated: 'statement_timeout=8s',
    authenticator: 'search_path=public, extensions; statement_timeout=8s; lock_timeout=8s',
    service_role: null,
  });
});

test('the owner of the project is no member of Auth’s and Storage’s roles and owns nothing of theirs', async () => {
  const members = await read<{ role: string }>(`
    select r.rolname as role from pg_auth_members as m join pg_roles as r on r.oid = m.roleid
    where m.member = 'postgres'::regrole and r.rolname not like 'pg\\_%' order by 1`);
  expect(members.map(({ role }) => role)).toEqual(['anon', 'authenticated', 'service_role']);
  const owners = await read<{ owner: string }>(`
    select distinct relowner::regrole::text as owner from pg_class
    where relkind = 'r' and relnamespace in ('auth'::regnamespace, 'storage'::regnamespace) order by 1`);
  expect(owners.map(({ owner }) => owner)).toEqual(['supabase_auth_admin', 'supabase_storage_admin']);
});

test.each([
  'alter table storage.objects add column mine int',
  'create index mine on storage.objects (owner)',
  'alter table storage.objects disable row level security',
  'alter table auth.users add column mine int',
  'set role supabase_storage_admin',
  'set role supabase_auth_admin',
  'drop table storage.objects',
])('%s is refused', async (statement) => {
  expect(await asOwner(statement)).toBe('42501');
});

test('its policies on stored objects can be made, and give it nothing more', async () => {
  const policy = 'create policy mine on storage.objects for select using (true)';
  expect(await asOwner(policy, 'create policy broken on storage.objects using (no_such)')).toBe('42703');
  expect(await asOwner(policy)).toBeUndefined();
  expect(await asOwner('alter policy mine on storage.objects using (false)')).toBeUndefined();
  expect(await asOwner('drop policy mine on storage.objects')).toBeUndefined();
  expect(await asOwner(policy, 'alter table storage.objects add column mine int')).toBe('42501');
  expect(await asOwner('set role supabase_storage_admin')).toBe('42501');
});

test('stored objects are not deleted by SQL', async () => {
  expect(await asOwner("insert into storage.buckets (id, name) values ('mine', 'mine')")).toBeUndefined();
  expect(await asOwner("delete from storage.objects where name = 'mine'")).toBe('42501');
  expect(await asOwner("delete from storage.buckets where id = 'mine'")).toBe('42501');
});

test('foreign keys and triggers on users are the project’s to make', async () => {
  const table = 'create table public.mine (id uuid primary key references auth.users on delete cascade)';
  const body =
    'create function public.note() returns trigger language plpgsql as $$ begin return new; end $$';
  const trigger =
    'create trigger note after insert on auth.users for each row execute function public.note()';
  expect(await asOwner(table, body, trigger)).toBeUndefined();
});

test('a new table is granted to nobody', async () => {
  expect(await asOwner('create table public.fresh (id int)')).toBeUndefined();
  const rows = await read(`select role from unnest('{anon,authenticated,service_role}'::text[]) as role
    where has_table_privilege(role, 'public.fresh', 'select, insert, update, delete, truncate, references, trigger')`);
  expect(rows).toEqual([]);
});
