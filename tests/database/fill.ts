import type { Database } from './support.ts';

// Millions of rows in a minute: written straight into the table that they would have come to. Such jobs are not in
// the counts and have no user.

/** The tables of the queue, as VACUUM, ANALYZE and TRUNCATE take them. */
export const JOB_TABLES =
  'private.scheduled_jobs, private.blocked_jobs, private.ready_jobs, private.running_jobs, private.finished_jobs';

interface Kind {
  type?: string;
  priority?: number;
}

const COLUMNS = `id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type, payload`;

async function fill(
  db: Database,
  count: number,
  { type = 'generate-image', priority = 0 }: Kind,
  state: 'scheduled' | 'ready' | 'running' | 'finished',
  scheduledAt: string,
  columns: string,
  values: string,
): Promise<void> {
  await db.sql.unsafe(
    `insert into private.${state}_jobs (${COLUMNS}${columns})
     select gen_random_uuid(), nextval('private.job_seq'), now(), ${scheduledAt}, 1, $2::int, 0, 3, $1, '{}'${values}
     from generate_series(1, $3::int) as n`,
    [type, priority, count],
  );
  await db.sql`insert into private.ready_queues (job_type, priority) values (${type}, ${priority}) on conflict do nothing`;
}

/** Jobs that are ready since now, in the order of their rows. */
export const fillReady = (db: Database, count: number, kind: Kind = {}) =>
  fill(
    db,
    count,
    kind,
    'ready',
    'now()',
    ', virtual_time, slot',
    ', (extract(epoch from now()) * 1000000)::bigint + n, false',
  );

/** Jobs for tomorrow. */
export const fillLater = (db: Database, count: number, kind: Kind = {}) =>
  fill(db, count, kind, 'scheduled', "now() + interval '1 day'", '', '');

/** Completed jobs, the last one now, one each tenth of a second before; further ones `after` so many. */
export const fillEnded = (db: Database, count: number, kind: Kind & { after?: number } = {}) => {
  const at = `now() - (n + ${kind.after ?? 0}) * interval '0.1 second'`;
  return fill(
    db,
    count,
    kind,
    'finished',
    at,
    ', status, started_at, completed_at',
    `, 'completed', ${at}, ${at}`,
  );
};

/** Running jobs whose leases ran out; `prediction`: what each awaits, as SQL. */
export const fillLost = (db: Database, count: number, prediction: string, kind: Kind = {}) =>
  fill(
    db,
    count,
    kind,
    'running',
    'now()',
    ', started_at, slot, rescued, outcome_unknown, prediction_id, lease_expires_at',
    `, now() - interval '1 hour', false, false, false, ${prediction},
       now() - n * interval '1 millisecond' - interval '1 minute'`,
  );

/** Deletes all jobs that run, without the job that each leaves behind to stop its run at the provider. */
export const forgetRunning = (db: Database) => db.sql`delete from private.running_jobs where true`;

/** So many rows that vacuum has not removed that claims begin at low-water marks. Where it may not run, they stay. */
export async function makeDeadRows(db: Database): Promise<void> {
  const type = 'dead';
  await fillReady(db, 3_000, { type });
  await db.sql`delete from private.ready_jobs where job_type = ${type}`;
  await db.sql`delete from private.ready_queues where job_type = ${type}`;
  for (let dead = 0; dead <= 2_000; ) {
    const [row] = await db.sql<{ dead: number }[]>`
      select pg_stat_get_dead_tuples('private.ready_jobs'::regclass)::int as dead`;
    dead = row?.dead ?? 0;
  }
}
