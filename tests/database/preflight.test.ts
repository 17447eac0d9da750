import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll, describe, expect, test } from 'vitest';
import { migrate } from '../../dev/stack/supabase/migrations.ts';
import { createDatabase, EMPTY, MIGRATIONS } from '../stack/testing.ts';
import { Database, MODEL } from './support.ts';

// What the first migration finds on a database that is not empty.

const [first = ''] = (await fs.readdir(MIGRATIONS)).sort();
const preflight = await fs.readFile(path.join(MIGRATIONS, first), 'utf8');
const full = await Database.open();
const { url } = await createDatabase(EMPTY);
const sql = postgres(url, { max: 1, onnotice: () => {} });
afterAll(() => sql.end());

class RollBack extends Error {}

/** What the preflight says after these statements; everything is taken back. */
async function said(before: string, text = preflight): Promise<string | undefined> {
  try {
    await sql.begin(async (transaction) => {
      await transaction.unsafe(before).simple();
      await transaction.unsafe(text).simple();
      throw new RollBack();
    });
  } catch (error) {
    if (!(error instanceof RollBack)) return (error as Error).message;
  }
  return undefined;
}

test('an empty project is taken, also with an empty schema private', async () => {
  expect(await said('')).toBeUndefined();
  expect(await said('create schema private')).toBeUndefined();
});

test('a version that is not supported is named', async () => {
  const on = (number: string) =>
    preflight
      .replaceAll('server_version_num', `test.number`)
      .replaceAll("current_setting('server_version')", `'${number}'`);
  const set = (number: number) => `select set_config('test.number', '${number}', true)`;
  expect(await said(set(140011), on('14.11'))).toBe(
    'Picture Queue needs PostgreSQL 15 or newer and this is 14.11: upgrade the database, then push the migrations again.',
  );
  for (const number of [150000, 170006, 180001]) expect(await said(set(number), on('x'))).toBeUndefined();
});

test('every name of ours that is taken is named, of tables, views and functions', async () => {
  const names = await full.sql<{ kind: string; name: string }[]>`
    select 'table' as kind, relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') and relname <> 'profiles'
    union select 'function', proname from pg_proc where pronamespace = 'public'::regnamespace`;
  expect(names.length).toBeGreaterThan(40);
  for (const { kind, name } of names) {
    const isTable = kind === 'table';
    const sentence = await said(
      isTable
        ? `create table public.${name} (n int)`
        : `create function public.${name}(p circle) returns int return 1`,
    );
    expect(
      sentence ?? 'nothing',
      `the preflight names the ${kind} ${name}: add it to the lists in ${first}`,
    ).toContain(`has them already: ${name}${isTable ? '' : '()'}. Use a fresh project`);
  }
});

test('the original’s tables are named together, in one sentence', async () => {
  const sentence = await said(`create table public.job_queue (id int); create table public.images (id int);
    create type public.models as enum ('a'); create function public.complete_job(p int) returns int return 1`);
  expect(sentence).toBe(
    'Picture Queue makes these in the schema "public", and this database has them already: complete_job(), images, job_queue, models. Use a fresh project, or put them aside first as docs/guides/move-from-the-original.md says, then push the migrations again.',
  );
});

test.each([
  'table private.t (n int)',
  "type private.t as enum ('a')",
  'function private.t() returns int return 1',
])('a schema private that holds a %s is somebody else’s', async (thing) => {
  expect(await said(`create schema private; create ${thing}`)).toMatch(/^Picture Queue keeps .* rename it /);
});

test('what was refused has changed nothing', async () => {
  const database = await createDatabase(EMPTY);
  const own = postgres(database.url, { max: 1, onnotice: () => {} });
  await own`create table public.images (id int)`;
  await expect(migrate(database.url, MIGRATIONS)).rejects.toThrow(`Migration ${first} failed`);
  expect(await own`select to_regnamespace('private') as private`).toEqual([{ private: null }]);
  expect(await own`select version from supabase_migrations.schema_migrations`).toEqual([]);
  await own.end();
});

const STARTER = await fs.readFile(new URL('user-management-starter.sql', import.meta.url), 'utf8');

describe('a table profiles that is there', () => {
  const table = (columns: string, more = 'alter table public.profiles enable row level security') =>
    `create table public.profiles (${columns}); ${more}`;
  const ID = 'id uuid primary key references auth.users';

  test.each([
    [table(ID)],
    [table(`${ID}, n int not null default 1, m int not null generated always as identity`)],
    [table(`id uuid references auth.users on delete cascade, primary key (id)`)],
    [STARTER],
  ])('is used as it is: %s', async (create) => {
    expect(await said(create)).toBeUndefined();
  });

  test.each([
    [
      table('id bigint primary key, user_id uuid references auth.users'),
      'a column "id uuid" that is its primary key',
    ],
    [table('user_id uuid primary key references auth.users'), 'a column "id uuid" that is its primary key'],
    [table('id uuid references auth.users unique'), 'a column "id uuid" that is its primary key'],
    [table('id uuid primary key'), 'that column to reference auth.users'],
    [table(`${ID}, username text not null`), 'no other column that must be given'],
    [table(ID, ''), 'row-level security'],
    ['create view public.profiles as select id from auth.users', 'to be a table of which postgres may read'],
  ])('or refused in a sentence: %s', async (create, what) => {
    const sentence = await said(create);
    expect(sentence).toMatch(
      /^Picture Queue would use the table "public.profiles" that this database has, and that needs /,
    );
    expect(sentence).toContain(what);
    expect(sentence).toMatch(/rename to app_profiles\), then push the migrations again\.$/);
  });
});

describe('an app from Supabase’s User Management Starter', async () => {
  const database = await createDatabase(EMPTY);
  const app = postgres(database.url, { max: 1, onnotice: () => {} });
  afterAll(() => app.end());
  const signUp = async (name: string) => {
    const id = randomUUID();
    await app`insert into auth.users (id, email, raw_user_meta_data)
      values (${id}, ${`${id}@example.com`}, ${app.json({ full_name: name, avatar_url: 'a.png' })})`;
    return id;
  };
  const profile = async (id: string) => (await app`select * from public.profiles where id = ${id}`)[0];
  await app.unsafe(STARTER).simple();
  const early = await signUp('Early');
  const without = await signUp('Without');
  await app`update public.profiles set username = 'early', website = 'https://example.com' where id = ${early}`;
  await app`delete from public.profiles where id = ${without}`;
  const before = await profile(early);
  const rights = () => app`
    select policyname, cmd, qual, with_check from pg_policies where tablename = 'profiles' order by 1`;
  const acl =
    () => app`select relacl::text, (select array_agg(attname || ' ' || atttypid::regtype order by attnum)::text
    from pg_attribute where attrelid = c.oid and attnum > 0) as columns
    from pg_class as c where oid = 'public.profiles'::regclass`;
  const [policies, owned] = [await rights(), await acl()];
  await migrate(database.url, MIGRATIONS);

  test('keeps its rows, columns, rights and policies', async () => {
    expect(await profile(early)).toEqual(before);
    expect([...(await rights())]).toEqual([...policies]);
    expect([...(await acl())]).toEqual([...owned]);
  });

  test('gives each user a profile, by its own trigger where it has one', async () => {
    expect(await profile(without)).toMatchObject({ id: without, full_name: null });
    const later = await signUp('Later');
    expect(await profile(later)).toMatchObject({ id: later, full_name: 'Later', avatar_url: 'a.png' });
    await app`create or replace function public.handle_new_user() returns trigger language plpgsql
      as $$ begin return new; end $$`;
    expect(await profile(await signUp('Nobody'))).toMatchObject({ full_name: null });
  });

  test('starts an image for users old and new, which goes with its user', async () => {
    await app`insert into public.models (replicate_id, display_name, cost_per_generation)
      values (${MODEL}, 'Painter', 0.003)`;
    for (const id of [early, without, await signUp('New')]) {
      const [row] = await app.begin(async (transaction) => {
        const claims = JSON.stringify({ role: 'authenticated', sub: id });
        await transaction`select set_config('role', 'authenticated', true),
          set_config('request.jwt.claims', ${claims}, true)`;
        return transaction`select public.start_generation(${transaction.json({ prompt: 'a lamp', model_id: MODEL })})
          ->> 'status' as status`;
      });
      expect(row?.status).toBe('queued');
      await app`delete from auth.users where id = ${id}`;
      expect(await app`select from public.image_generations where user_id = ${id}`).toHaveLength(0);
      expect(await profile(id)).toBeUndefined();
    }
  });
});

test('a sign-up that is taken back in the same transaction does no harm', async () => {
  await full.sql.begin(async (transaction) => {
    const id = randomUUID();
    await transaction`insert into auth.users (id, email) values (${id}, 'gone@example.com')`;
    await transaction`delete from auth.users where id = ${id}`;
  });
  const user = await full.createUser();
  expect(await full.sql`select email from public.profiles where id = ${user}`).toEqual([
    { email: `${user}@example.com` },
  ]);
});

test('a database that has the migrations is not looked at again', async () => {
  await full.sql.begin((transaction) => transaction.unsafe(preflight).simple());
});
