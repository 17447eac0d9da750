import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { migrate } from '../../dev/stack/supabase/migrations.ts';
import { readFolder, readManifest } from '../../scripts/migrations/released.ts';
import { createDatabase, EMPTY, MIGRATIONS, PROJECT } from '../stack/testing.ts';
import { Database, type Job } from './support.ts';
import { endPrediction, fill, store } from './upgrade/fill.ts';
import { losses, readRows } from './upgrade/rows.ts';
import { describeSchema, differences } from './upgrade/schema.ts';

// A database that was installed at the last release and has been used since, and what migrations are newer than that
// make of it: the schema of a fresh installation, no row lost, and a queue that goes on.

/** What newer migrations take away on purpose, in the words of `losses`; empty again with the next release. */
const ON_PURPOSE: string[] = [];

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => fs.rm(folder, { recursive: true }))));

/** A folder with these migrations of ours, and others. */
async function folderOf(ours: Iterable<string>, others: Record<string, string> = {}): Promise<string> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'upgrade-'));
  folders.push(folder);
  for (const file of ours) {
    await fs.copyFile(path.join(MIGRATIONS, file), path.join(folder, file));
  }
  for (const [file, sql] of Object.entries(others)) await fs.writeFile(path.join(folder, file), sql);
  return folder;
}

const released = await readManifest(path.dirname(MIGRATIONS));
const all = await readFolder(path.dirname(MIGRATIONS));

const used = await createDatabase(EMPTY);
await migrate(used.url, await folderOf(released.keys()));
const before = Database.at(used);
await fill(before);
await before.sql.end();

/** Upgrades a copy of the used database to the migrations of a folder, and installs these beside it. */
async function upgrade(folder: string) {
  const upgraded = await createDatabase(used.name);
  const fresh = await createDatabase(PROJECT);
  const [mine, theirs] = [client(upgraded.url), client(fresh.url)];
  try {
    const rows = await readRows(mine);
    const applied = await migrate(upgraded.url, folder);
    await migrate(fresh.url, folder);
    return {
      database: upgraded,
      applied,
      schema: differences(await describeSchema(theirs), await describeSchema(mine)),
      lost: losses(rows, await readRows(mine)),
    };
  } finally {
    await Promise.all([mine.end(), theirs.end()]);
  }
}

describe('the migrations that are newer than the last release', () => {
  let db: Database;

  test('are applied, make the schema of a fresh installation, and lose no row', async () => {
    const { database, applied, schema, lost } = await upgrade(MIGRATIONS);
    expect(applied).toEqual([...all.keys()].filter((file) => !released.has(file)));
    expect({ schema, lost }).toEqual({ schema: [], lost: ON_PURPOSE });
    db = Database.at(database);
  });

  test('leave every job where a claim finds it, and its end is counted', async () => {
    const states =
      await db.sql`select distinct status, blocked, virtual_time is not null as ready from public.job_queue`;
    expect(states.length).toBe(7);
    await expectCounts();
    // What waits for its time or for the end of a lease.
    await db.sql`update public.job_queue set scheduled_at = now() - interval '1 minute'
      where status = 'pending' and scheduled_at > now()`;
    await db.sql`update public.job_queue set lease_expires_at = now() - interval '1 minute' where status = 'processing'`;
    const { count: open } = await one(
      'select count(*)::int from public.job_queue where completed_at is null',
    );
    expect(open).toBeGreaterThan(15);
    const ended = new Set<string>();
    for (;;) {
      const jobs = await db.claim(100, { seconds: 3600 });
      if (jobs.length === 0) break;
      for (const job of jobs) {
        expect([job.job_type, await finish(job)]).toEqual([
          job.job_type,
          expect.stringMatching(/^(completed|delivered)$/),
        ]);
        ended.add(job.id);
      }
    }
    expect(ended.size).toBeGreaterThanOrEqual(open as number);
    expect(
      await one("select count(*)::int from public.job_queue where status in ('pending', 'processing')"),
    ).toEqual({
      count: 0,
    });
    expect(await one('select coalesce(sum(taken), 0)::int as count from private.user_slots')).toEqual({
      count: 0,
    });
    expect(
      await one(
        "select count(*)::int from public.image_generations where status not in ('completed', 'failed', 'cancelled')",
      ),
    ).toEqual({ count: 0 });
    await expectCounts();
  });

  async function one(query: string) {
    const [row] = await db.sql.unsafe(query);
    return { ...row };
  }

  /** What is counted as jobs move is what there is. */
  async function expectCounts(): Promise<void> {
    const counted = await db.sql`
      select job_type, status, count::int from public.queue_health order by job_type, status`;
    const there = await db.sql`
      select job_type, status, count(*)::int from public.job_queue group by job_type, status order by job_type, status`;
    expect([...counted]).toEqual([...there]);
  }

  /** Ends a leased job as its Worker would. */
  async function finish(job: Job): Promise<string> {
    const leased = { p_job_id: job.id, p_lease: job.lease };
    switch (job.job_type) {
      case 'generate-image': {
        const prediction = job.prediction_id ?? `p-${job.id}-${job.lease}`;
        if (job.prediction_id === null) {
          await db.service('record_prediction', {
            ...leased,
            p_prediction_id: prediction,
            p_wait_seconds: 60,
          });
        }
        return store(db, await endPrediction(db, job.id, prediction));
      }
      case 'download-image':
        return store(db, job);
      case 'process-webhook': {
        const { outcome } = await db.service<{ outcome: string }>('webhook_message', leased);
        expect(outcome).toBe('message');
        return (
          await db.service<{ outcome: string }>('record_delivery', { ...leased, p_status: 'delivered' })
        ).outcome;
      }
      default:
        return (await db.service<{ outcome: string }>('complete_job', { ...leased, p_result: {} })).outcome;
    }
  }
});

describe('a migration is found out that', () => {
  const NEWER = '29990101000000_newer.sql';

  test.each([
    [
      'makes another schema where there are rows',
      `do $$ begin
        if exists (select from private.blocked_jobs) then
          alter table private.blocked_jobs add column since timestamptz;
        end if;
      end $$;`,
      [expect.stringMatching(/^\+ column \d+ private\.blocked_jobs\.since: timestamp with time zone/)],
      [],
    ],
    [
      'loses what a column held',
      `alter table private.predictions drop column predict_time, add column predict_time numeric;`,
      [],
      [expect.stringMatching(/^private\.predictions: \d+ of \d+ rows are gone or changed\.$/)],
    ],
    [
      'loses a column',
      'alter table public.images drop column rating;',
      [],
      ['public.images.rating is gone.'],
    ],
    [
      'loses rows',
      'delete from private.scheduled_jobs where attempts > 0;',
      [],
      [expect.stringMatching(/^private\.scheduled_jobs: \d+ of \d+ rows are gone or changed\.$/)],
    ],
    ['loses a table', 'drop table private.model_times;', [], ['private.model_times is gone.']],
  ])('%s', async (_, sql, schema, lost) => {
    const found = await upgrade(await folderOf(all.keys(), { [NEWER]: sql }));
    expect(found.applied.at(-1)).toBe(NEWER);
    expect(found).toMatchObject({ schema, lost });
  });

  test('fails on rows that a fresh installation does not have', async () => {
    const folder = await folderOf(all.keys(), {
      [NEWER]: 'alter table private.running_jobs add check (slot);',
    });
    await expect(upgrade(folder)).rejects.toThrow('check constraint');
  });
});

const reader = client(used.url);
const asItWas = await describeSchema(reader);
await reader.end();

test.each([
  ['a column’s default', 'alter table public.images alter column format set default 1'],
  ['a column’s type', 'alter table private.plans alter column running_jobs type bigint'],
  ['a constraint', 'alter table private.plans drop constraint plans_running_jobs_check'],
  ['an index', 'drop index private.ready_jobs_user'],
  ['a table’s settings', 'alter table private.ready_jobs reset (autovacuum_vacuum_scale_factor)'],
  ['row-level security', 'alter table private.plans disable row level security'],
  ['a policy', 'drop policy "own jobs" on private.ready_jobs'],
  ['a right on a table', 'grant select on private.plans to anon'],
  ['a right on a column', 'grant update (prompt) on public.images to authenticated'],
  ['a right on a function', 'grant execute on function private.today to anon'],
  ['a right on a sequence', 'grant usage on sequence private.job_seq to anon'],
  ['a right on the schema', 'revoke usage on schema private from anon'],
  [
    'a function’s body',
    'create or replace function private.today() returns date language sql stable as $$ select current_date $$',
  ],
  ['a function’s settings', 'alter function private.claim_jobs reset jit'],
  ['a view', 'alter view public.stuck_jobs set (security_invoker = false)'],
  ['a default of a view', 'alter view public.job_queue alter column priority drop default'],
  ['a trigger', 'drop trigger job_queue_write on public.job_queue'],
  [
    'a trigger of another schema',
    'create trigger another after insert on auth.users for each row execute function private.create_profile()',
  ],
  ['a type', 'alter type private.queue_head add attribute more int'],
  ['a bucket', "update storage.buckets set public = true where id = 'source-images'"],
])('%s is part of the schema that is compared', async (_, statement) => {
  class RollBack extends Error {}
  const sql = client(used.url);
  const change = sql.begin(async (transaction) => {
    await transaction.unsafe(statement);
    expect(differences(asItWas, await describeSchema(transaction))).not.toEqual([]);
    throw new RollBack();
  });
  await expect(change).rejects.toThrow(RollBack);
  await sql.end();
});
