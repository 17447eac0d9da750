import { describe, expect, test } from 'vitest';
import { project } from './project.ts';

// The finish drops the old tables, and nothing else of an app's without being told to.

describe('with something of the app’s on the old tables', async () => {
  const { sql, run } = await project('drop view public.multi_batches');
  await run('apply');

  test.each([
    [
      'create table public.notes (model text default (original.mood_of(1)))',
      'the default value for column model of table notes',
      'drop table public.notes',
    ],
    ['create table public.heirs () inherits (original.images)', 'the table heirs', 'drop table public.heirs'],
    ['create index moods on public.tags (original.mood_of(1))', 'the index moods', 'drop index public.moods'],
    [
      'create rule keep as on delete to public.tags do also select count(*) from original.images',
      'the rule keep on table tags',
      'drop rule keep on public.tags',
    ],
    [
      'create table public.moods (one original.images)',
      'the column one of table moods',
      'drop table public.moods',
    ],
    [
      'alter table public.tags add constraint fine check (original.mood_of(1) is null)',
      'the constraint fine on table tags',
      'alter table public.tags drop constraint fine',
    ],
  ])('it is refused: %s', async (made, sentence, dropped) => {
    await sql.unsafe(
      `create or replace function original.mood_of(p int) returns text immutable language sql as 'select null'`,
    );
    await sql.unsafe(made);
    await expect(run('finish', '--drop-left-aside')).rejects.toThrow(sentence);
    await sql.unsafe(dropped);
  });

  test('and ends when nothing is left', async () => {
    await expect(run('finish')).rejects.toThrow('function original.mood_of(integer)');
    await sql`drop function original.mood_of(int)`;
    await run('finish');
  });
});

test('what was left aside is named, and dropped only when that is asked for', async () => {
  const { sql, run } = await project(
    `create function public.parts() returns setof public.batch_generations language sql as
       $$ select * from public.batch_generations $$;
     create function public.multis() returns bigint begin atomic select sum(multi_count) from public.batch_generations; end`,
  );
  expect(await run('apply')).toContain('| function public.multis() | left aside: ');
  await expect(run('finish')).rejects.toThrow(
    /function original\.multis\(\), view original\.multi_batches\b/,
  );
  const report = await run('finish', '--drop-left-aside');
  expect(report).toContain('- view original.multi_batches');
  expect(await sql`select to_regnamespace('original') as original`).toEqual([{ original: null }]);
});

test('the history of the app’s own migrations is kept', async () => {
  const { sql, run, said } = await project('drop view public.multi_batches');
  await run('apply');
  expect(await run('finish')).toContain('`picture_queue_move.history`, 2 versions');
  expect(said.at(-1)).toContain('picture_queue_move.history');
  expect(await sql`select version, name from picture_queue_move.history order by version`).toEqual([
    { version: '20250901000000', name: 'initial' },
    { version: '20251009000000', name: 'job_queue_system' },
  ]);
});

test('partitions of an old table go with it', async () => {
  const { sql, run } = await project(`
    drop view public.multi_batches;
    create table public.queue_latency (id int, made date) partition by range (made);
    create table public.old_secrets partition of public.queue_latency default;
    create index on public.old_secrets (id);`);
  const [moved] = await sql`select to_regclass('public.queue_latency') is not null as is_there`;
  expect(moved?.is_there).toBe(true);
  await run('apply');
  await run('finish').catch((error) => expect(error).toBeUndefined());
});
