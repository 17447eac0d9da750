import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { lockComplaints } from '../../scripts/migrations/locks.ts';
import { readFolder, readManifest } from '../../scripts/migrations/released.ts';

const SUPABASE = fileURLToPath(new URL('../../supabase', import.meta.url));
const BOUNDED = "set local lock_timeout = '1s'; set local statement_timeout = '900ms';\n";

test('no migration since the last release could hold up the queue', async () => {
  const released = await readManifest(SUPABASE);
  const fresh = [...(await readFolder(SUPABASE)).keys()].filter((file) => !released.has(file));
  expect(await lockComplaints(fresh)).toEqual([]);
});

let folder: string;

beforeEach(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'locks-'));
  return () => fs.rm(folder, { recursive: true });
});

async function said(sql: string): Promise<string> {
  await fs.writeFile(path.join(folder, '1_new.sql'), sql);
  return (await lockComplaints(['1_new.sql'], folder)).join('\n');
}

test.each([
  ['a column', `${BOUNDED}alter table public.job_queue add column note text;`],
  ['a trigger', `${BOUNDED}create trigger t before insert on public.job_queue execute function private.f();`],
  [
    'a table of its own, filled',
    `${BOUNDED}create table private.note (a int); create index on private.note (a);`,
  ],
  ['a function', `create or replace function private.f() returns int language sql as 'select 1';`],
  ['an index beside the traffic', 'create index concurrently job_note on public.job_queue (note);'],
  [
    'a portion of rows',
    `${BOUNDED}update public.images set note = '' where id in (select id from public.images limit 1000);`,
  ],
  [
    'a check for later',
    `${BOUNDED}alter table public.images add constraint c check (id is not null) not valid;`,
  ],
])('%s is let through', async (_what, sql) => {
  expect(await said(sql)).toBe('');
});

test.each([
  ['no bound', 'alter table public.job_queue add column note text;', 'lock_timeout'],
  [
    'too long a bound',
    "set local lock_timeout = '5s'; alter table public.job_queue add column note text;",
    'lock_timeout',
  ],
  [
    'a bound of none',
    'set local lock_timeout = 0; alter table public.job_queue add column note text;',
    'lock_timeout',
  ],
  [
    'a bound that goes on after the file',
    "set lock_timeout = '1s'; alter table public.job_queue add column note text;",
    'lock_timeout',
  ],
  [
    'a bound that comes too late',
    `alter table public.job_queue add column note text; ${BOUNDED}`,
    'statement_timeout',
  ],
  ['an index', `${BOUNDED}create index job_note on public.job_queue (note);`, '1_new.sql:2'],
  [
    'another type',
    `${BOUNDED}alter table public.job_queue alter column priority type bigint;`,
    'ACCESS EXCLUSIVE',
  ],
  [
    'a check of all rows',
    `${BOUNDED}alter table public.images add constraint c check (id is not null);`,
    'NOT VALID',
  ],
  [
    'rows under a lock',
    `${BOUNDED}alter table public.job_queue add column note text; update public.job_queue set note = '';`,
    'the lock on public.job_queue',
  ],
  ['a lock by name', `${BOUNDED}lock table public.job_queue;`, '"lock table"'],
  ['rows without a bound', "update public.images set note = '' where note is null;", 'statement_timeout'],
])('%s is refused', async (_what, sql, expected) => {
  expect(await said(sql)).toContain(expected);
});
