import type { Database } from './support.ts';

// Millions of rows in a minute: written straight into the state they would have come to. The triggers are
// off meanwhile, because they work row by row: such jobs are not in the counts and have no user.

interface Kind {
  type?: string;
  priority?: number;
}

async function fill(db: Database, count: number, kind: Kind, columns: string, values: string): Promise<void> {
  const { type = 'generate-image', priority = 0 } = kind;
  await db.sql.begin(async (sql) => {
    await sql`alter table public.job_queue disable trigger user`;
    await sql.unsafe(
      `insert into public.job_queue (job_type, priority, ${columns})
       select $1, $2::int, ${values} from generate_series(1, $3::int) as n`,
      [type, priority, count],
    );
    await sql`alter table public.job_queue enable trigger user`;
    await sql`insert into private.lines (job_type, priority) values (${type}, ${priority}) on conflict do nothing`;
  });
}

/** Jobs that are ready since now, in the order of their rows. */
export const fillReady = (db: Database, count: number, kind: Kind = {}) =>
  fill(db, count, kind, 'ready_at, turn', 'now(), private.turn_now() + n');

/** Jobs for tomorrow. */
export const fillLater = (db: Database, count: number, kind: Kind = {}) =>
  fill(db, count, kind, 'scheduled_at', "now() + interval '1 day'");

/** Completed jobs, the last one now, one each tenth of a second before; further ones `after` so many. */
export const fillEnded = (db: Database, count: number, kind: Kind & { after?: number } = {}) => {
  const at = `now() - (n + ${kind.after ?? 0}) * interval '0.1 second'`;
  return fill(db, count, kind, 'status, started_at, completed_at', `'completed', ${at}, ${at}`);
};

/** Running jobs whose leases ran out; `prediction`: what each awaits, as SQL. */
export const fillLost = (db: Database, count: number, prediction: string, kind: Kind = {}) =>
  fill(
    db,
    count,
    kind,
    'status, started_at, lease, prediction_id, lease_expires_at',
    `'processing', now() - interval '1 hour', 1, ${prediction}, now() - n * interval '1 millisecond' - interval '1 minute'`,
  );

/** Deletes all jobs that run, without the job that each leaves behind to stop its run at the provider. */
export const forgetRunning = (db: Database) =>
  db.sql.begin(async (sql) => {
    await sql`alter table public.job_queue disable trigger job_queue_after_run_delete`;
    await sql`delete from public.job_queue where status = 'processing'`;
    await sql`alter table public.job_queue enable trigger job_queue_after_run_delete`;
  });
