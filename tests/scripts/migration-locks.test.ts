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
    'a table that references two, in one statement',
    `${BOUNDED}create table private.note (a uuid references public.images, b uuid references auth.users);
     create index on private.note (a); alter table private.note enable row level security;`,
  ],
  ['rows of its own', 'insert into private.note (a) values (1), (2);'],
  [
    'a trigger in place of another',
    `${BOUNDED}drop trigger t on public.job_queue;
     create trigger t before insert on public.job_queue execute function private.f();`,
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
  [
    'a new table that references one',
    'create table private.note (a uuid references public.images);',
    'lock_timeout',
  ],
  [
    'a new table that references one below its columns',
    'create table private.note (a uuid, foreign key (a) references auth.users (id));',
    'statement_timeout',
  ],
  [
    'a bound that is taken back',
    `${BOUNDED}set local statement_timeout = 0; alter table public.job_queue add column note text;`,
    'a later setting takes',
  ],
  [
    'a bound that is reset',
    `${BOUNDED}alter table public.job_queue add column note text; reset lock_timeout;`,
    'a later setting takes',
  ],
  [
    'a bound that a call takes back',
    `${BOUNDED}select set_config('lock_timeout', '0', true); update public.images set note = '';`,
    'a later setting takes',
  ],
  [
    'a bound that ends with the transaction',
    `${BOUNDED}commit; alter table public.job_queue add column note text;`,
    'ending the transaction takes',
  ],
  [
    'several tables',
    `${BOUNDED}alter table public.images add column a text; alter table public.models add column a text;
     create trigger t before insert on public.job_queue execute function private.f();`,
    'it locks public.images, public.models, public.job_queue one after the other',
  ],
  [
    'rows that are copied under a lock',
    `${BOUNDED}alter table public.images add column note text; insert into private.note select 1 from public.images;`,
    '"insert … select" keeps the lock on public.images',
  ],
  [
    'rows that become a table under a lock',
    `${BOUNDED}alter table public.images add column note text; create table private.note as select 1 from public.images;`,
    '"create table … as select" keeps the lock',
  ],
  [
    'rows that are copied without a bound',
    'insert into private.ready_jobs select * from private.note;',
    'statement_timeout',
  ],
  ['rows without a bound', "update public.images set note = '' where note is null;", 'statement_timeout'],
])('%s is refused', async (_what, sql, expected) => {
  expect(await said(sql)).toContain(expected);
});
