import type postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { Database } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

interface Health {
  job_type: string;
  status: string;
  count: string;
  avg_attempts: string;
  avg_duration_seconds: number | null;
  oldest_job: Date;
  newest_job: Date;
}

const COUNTED = `
  select job_type, status, count(*) as count, round(avg(attempts), 4) as avg_attempts,
    min(created_at) as oldest_job, max(created_at) as newest_job,
    avg(extract(epoch from completed_at - started_at)) filter (where completed_at >= started_at)::double precision
      as avg_duration_seconds
  from public.job_queue
  where status in ('pending', 'processing')
    or coalesce(completed_at, updated_at) >= date_trunc('hour', now() - interval '24 hours', 'UTC')
  group by job_type, status order by job_type, status`;

/** How the jobs of each type stand, as they are counted while they move. */
const STATES_KEPT = `
  select job_type, waiting, blocked, scheduled, running, oldest_run, stuck from private.queue_counts()
  where waiting > 0 or blocked <> 0 or scheduled <> 0 or running > 0 or oldest_run is not null or stuck > 0
  order by job_type`;
const STATES_COUNTED = `
  select job_type,
    count(*) filter (where status = 'pending') as waiting,
    count(*) filter (where blocked) as blocked,
    count(*) filter (where status = 'pending' and not blocked and virtual_time is null) as scheduled,
    count(*) filter (where status = 'processing') as running,
    min(date_trunc('minute', started_at)) filter (where status = 'processing') as oldest_run,
    count(*) filter (where status = 'processing' and date_trunc('minute', started_at) <= now() - interval '11 minutes')
      as stuck
  from public.job_queue where status in ('pending', 'processing') group by job_type order by job_type`;

/** The view and a count of every row, in one snapshot, must say the same. Returns how many jobs were counted. */
async function expectExact(): Promise<number> {
  const [health, counted, kept, states] = await db.sql.begin(
    'isolation level repeatable read',
    async (sql) => {
      const kept = [...(await sql.unsafe(STATES_KEPT))];
      const states = [...(await sql.unsafe(STATES_COUNTED))];
      await sql`set local role service_role`;
      return [
        [...(await sql<Health[]>`select * from public.queue_health order by job_type, status`)],
        [...(await sql.unsafe<Health[]>(COUNTED))],
        kept,
        states,
      ];
    },
  );
  expect(kept, 'each step that moves a job writes where it came from and where it is').toEqual(states);
  const finished = (row: Health) => !['pending', 'processing'].includes(row.status);
  const comparable = (row: Health) => ({
    ...row,
    avg_attempts: Number(row.avg_attempts),
    // Of all that ended, also those deleted since: not to be had by counting.
    ...(finished(row) ? { oldest_job: null, newest_job: null } : {}),
  });
  // Sums of fractions differ in their last digits by the order of adding.
  const expected = counted.map(comparable).map(({ avg_duration_seconds: mean, ...row }) => ({
    ...row,
    avg_duration_seconds: mean === null ? null : expect.closeTo(mean, 4),
  }));
  expect(health.map(comparable)).toEqual(expected);
  return counted.reduce((sum, row) => sum + Number(row.count), 0);
}

/** Mulberry32: the same sequence for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  };
}

class Undone extends Error {}

const run = <T>(call: (sql: postgres.TransactionSql) => Promise<T>) => db.as('service_role', null, call);
type Below = (n: number) => number;
/** What a worker or an operator does; `below` chooses how much of what. */
type Step = (below: Below, users: string[]) => Promise<unknown>;

const jobsFor = (below: Below, users: string[]) =>
  JSON.stringify(
    Array.from({ length: 1 + below(6) }, () => ({
      job_type: ['generate-image', 'a', 'b'][below(3)],
      priority: below(3),
      payload: { user_id: users[below(users.length)] },
      ...(below(4) === 0 ? { scheduled_at: new Date(Date.now() + 3_600_000) } : {}),
    })),
  );
const enqueue: Step = (below, users) =>
  run((sql) => sql.unsafe('select public.enqueue_jobs($1::text::jsonb)', [jobsFor(below, users)]));
const each =
  (call: string): Step =>
  async (below) => {
    for (const job of await db.claim(1 + below(4))) await run((sql) => sql.unsafe(call, [job.id, job.lease]));
  };
const hand =
  (change: string): Step =>
  (below) =>
    run((sql) =>
      sql.unsafe(
        `${change} where id = (
          select id from public.job_queue order by id offset $1 limit 1 for update skip locked)`,
        [below(60)],
      ),
    );
const set = (sets: string) => hand(`update public.job_queue set ${sets}`);

const STEPS: Record<string, Step> = {
  enqueue,
  claim: (below) => db.claim(1 + below(5)),
  complete: each('select public.complete_job($1::uuid, $2::bigint)'),
  fail: each("select public.fail_job($1::uuid, $2::bigint, 'x')"),
  retry: each("select public.fail_job($1::uuid, $2::bigint, 'x', '{}', 0)"),
  snooze: each('select public.snooze_job($1::uuid, $2::bigint, 0)'),
  lose: set("lease_expires_at = case when status = 'processing' then now() - interval '1 second' end"),
  pending: set("status = 'pending', completed_at = null"),
  finished: set("status = 'completed', completed_at = now() + random() * interval '3 seconds'"),
  'finished without a time': set("status = 'cancelled', completed_at = null"),
  'finished long ago': set("status = 'failed', completed_at = now() - random() * interval '3 days'"),
  retyped: set("job_type = case status when 'processing' then job_type else 'c' end"),
  restarted: set("started_at = now() - random() * interval '20 minutes'"),
  record: each('select public.record_prediction($1::uuid, $2::bigint, gen_random_uuid()::text, 60)'),
  due: set("scheduled_at = case when scheduled_at > now() then now() + random() * interval '1 second' end"),
  expired: set("expires_at = case when status = 'pending' then now() end"),
  attempts: set('attempts = attempts + 2'),
  delete: hand('delete from public.job_queue'),
  requeue: () =>
    run(
      (sql) => sql`select public.requeue_job(id) from (
      select id from public.job_queue where status = 'failed' order by id limit 1 for update skip locked) as failed`,
    ),
  prune: (below) => run((sql) => sql`select public.prune_jobs(${below(3)}, ${below(3)}, 5)`),
  sweep: () => db.service('record_sweep', { p_stats: {} }),
  undone: (below, users) =>
    run(async (sql) => {
      await sql.unsafe('select public.enqueue_jobs($1::text::jsonb)', [jobsFor(below, users)]);
      throw new Undone();
    }).catch(passOver),
  'undone in part': (below, users) =>
    run(async (sql) => {
      const part = sql.savepoint(async (inner) => {
        await inner.unsafe('select public.enqueue_jobs($1::text::jsonb)', [jobsFor(below, users)]);
        throw new Undone();
      });
      await part.catch(passOver);
      await sql`insert into public.job_queue (job_type) values ('a')`;
    }),
};

function passOver(error: unknown): void {
  if (!(error instanceof Undone)) throw error;
}

describe('queue_health', () => {
  test.each([1, 2, 3])('is exact after 8 connections have done what they like (seed %i)', async (seed) => {
    const users = await Promise.all([0, 1, 2].map(() => db.createUser({ running_jobs: 3 })));
    const done = new Set<string>();
    const names = Object.keys(STEPS);
    const chances = Array.from({ length: 8 }, (_, n) => random(seed * 100 + n));
    const worker = async (below: Below) => {
      for (let step = 0; step < 60; step++) {
        // A third of the steps bring new jobs, so that there always are some.
        const name = below(3) === 0 ? 'enqueue' : (names[below(names.length)] as string);
        await STEPS[name]?.(below, users);
        done.add(name);
      }
    };
    let exact = 0;
    for (const round of [1, 2]) {
      let working = true;
      const workers = Promise.allSettled(chances.map(worker)).finally(() => {
        working = false;
      });
      try {
        for (; working; exact++) await expectExact();
      } finally {
        await workers;
      }
      const refused = (await workers).flatMap((end) =>
        end.status === 'rejected' ? [String(end.reason)] : [],
      );
      expect(refused, `round ${round}`).toEqual([]);
      expect(await expectExact()).toBeGreaterThan(50);
      if (round === 1) await db.sql`delete from public.job_queue`;
    }
    expect(done.size, 'every kind of step was taken').toBe(names.length);
    expect(exact, 'it was exact while they worked, too').toBeGreaterThan(5);
    await db.service('record_sweep', { p_stats: {} });
    const [left] = await db.sql`select count(*)::int as n from private.job_deltas`;
    expect(left?.n, 'all of it rolled up').toBe(0);
    expect(await expectExact()).toBeGreaterThan(50);
  });

  test('is empty once the queue is emptied, also when that is undone', async () => {
    await enqueue(() => 1, [await db.createUser()].concat(await db.createUser()));
    await db.service('record_sweep', { p_stats: {} });
    expect(await expectExact()).toBe(2);
    const undone = db.sql.begin(async (sql) => {
      await sql`delete from public.job_queue`;
      throw new Undone();
    });
    await undone.catch(passOver);
    expect(await expectExact()).toBe(2);
    await db.sql`delete from public.job_queue`;
    expect(await expectExact()).toBe(0);
  });

  test('takes in what is rolled up by several at once, once', async () => {
    const user = await db.createUser();
    for (let round = 0; round < 5; round++) {
      await Promise.all([
        ...Array.from({ length: 10 }, () => enqueue(() => 0, [user])),
        ...Array.from({ length: 5 }, () => db.service('record_sweep', { p_stats: {} })),
      ]);
      expect(await expectExact()).toBe(10 * (round + 1));
    }
  });
});
