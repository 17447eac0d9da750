import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { migrate } from '../../dev/stack/supabase/migrations.ts';
import { createDatabase, EMPTY } from './testing.ts';

let url: string;
let dir: string;

beforeEach(async () => {
  url = (await createDatabase(EMPTY)).url;
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'migrations-'));
  return () => fs.rm(dir, { recursive: true });
});

const write = (name: string, sql: string) => fs.writeFile(path.join(dir, name), sql);

test('an index that is built beside the traffic, alone in its file, is built outside of a transaction', async () => {
  await write('1_table.sql', 'create table public.one (n int);');
  await write(
    '2_index.sql',
    '-- for look-ups by n\ncreate unique index concurrently one_n on public.one (n);\n',
  );
  expect(await migrate(url, dir)).toEqual(['1_table.sql', '2_index.sql']);
  expect(await migrate(url, dir)).toEqual([]);
  const sql = client(url);
  const [index] = await sql`select indisvalid from pg_index where indexrelid = 'public.one_n'::regclass`;
  expect(index?.indisvalid).toBe(true);
  await sql.end();
});

test('applies what is new, in order, once, and records them as the Supabase CLI does', async () => {
  await write('2_second.sql', 'insert into public.one values (2);');
  await write('1_first.sql', 'create table public.one (n int); insert into public.one values (1);');
  expect(await migrate(url, dir)).toEqual(['1_first.sql', '2_second.sql']);
  await write('3_third.sql', 'insert into public.one values (3);');
  expect(await migrate(url, dir)).toEqual(['3_third.sql']);
  expect(await migrate(url, dir)).toEqual([]);
  const sql = client(url);
  expect((await sql`select n from public.one order by n`).map(({ n }) => n)).toEqual([1, 2, 3]);
  const recorded =
    await sql`select version, name from supabase_migrations.schema_migrations order by version`;
  expect([...recorded]).toEqual([
    { version: '1', name: 'first' },
    { version: '2', name: 'second' },
    { version: '3', name: 'third' },
  ]);
  await sql.end();
});

test('a failed one leaves nothing behind and says where', async () => {
  await write('1_broken.sql', 'create table public.one (n int);\n\nselect nothing from nowhere;');
  await expect(migrate(url, dir)).rejects.toThrow(
    'Migration 1_broken.sql failed at line 3: relation "nowhere" does not exist (42P01).',
  );
  const sql = client(url);
  expect(await sql`select to_regclass('public.one') as one`).toEqual([{ one: null }]);
  await sql.end();
});

test('what needs a superuser fails, as it would on Supabase', async () => {
  await write('1_greedy.sql', `alter system set work_mem = '1GB';`);
  await expect(migrate(url, dir)).rejects.toThrow('Migration 1_greedy.sql failed');
});

test('a changed, a removed and a late one are named', async () => {
  await write('2_two.sql', 'select 2;');
  await migrate(url, dir);
  await write('2_two.sql', 'select 3;');
  await expect(migrate(url, dir)).rejects.toThrow(
    'Migration 2_two.sql was changed after it had been applied',
  );
  await write('2_two.sql', 'select 2;');
  await write('1_one.sql', 'select 1;');
  await expect(migrate(url, dir)).rejects.toThrow('Migration 1_one.sql comes before 2');
  await fs.rm(path.join(dir, '2_two.sql'));
  await expect(migrate(url, dir)).rejects.toThrow('Migration 2_two.sql is applied here but its file is gone');
});

test('the seed runs once', async () => {
  await write('1_first.sql', 'create table public.one (n int);');
  const seed = path.join(dir, 'seed.txt');
  await fs.writeFile(seed, 'insert into public.one values (1);');
  await migrate(url, dir, seed);
  await migrate(url, dir, seed);
  const sql = client(url);
  expect(await sql`select count(*)::int as count from public.one`).toEqual([{ count: 1 }]);
  await sql.end();
});
