import { UserError } from '../user-error.mjs';
import type { Sql } from './database.ts';

interface CronJob {
  id: string;
  name: string | null;
  schedule: string;
  command: string;
  owner: string;
  outcome: string | null;
}

/**
 * Stops the original's cron jobs, each as its owner. Paused where pg_cron lets us, so that the very same job can be
 * taken up again; unscheduled where it does not.
 *
 * @throws UserError when a job cannot be stopped: the original's worker would take jobs from the new queue
 */
export async function stopCron(sql: Sql): Promise<void> {
  for (const job of await jobs(sql)) {
    const outcome = (await asOwner(
      sql,
      job,
      () => sql`select cron.alter_job(job_id := ${job.id}::bigint, active := false)`,
    ))
      ? 'paused'
      : (await asOwner(sql, job, () => sql`select cron.unschedule(${job.id}::bigint)`))
        ? 'unscheduled'
        : undefined;
    if (outcome === undefined) {
      throw new UserError(
        `The cron job ${job.name ?? job.id} calls the original’s functions, and ${job.owner} owns it. Run this as ${job.owner}, then the move again: select cron.unschedule(${job.id});`,
      );
    }
    await sql`update picture_queue_move.cron_jobs set outcome = ${outcome} where id = ${job.id}`;
  }
}

/**
 * Takes the stopped jobs up again. One that had to be unscheduled, or was deleted since, comes back under a new number.
 *
 * @returns the jobs that have a new number
 */
export async function resumeCron(sql: Sql): Promise<string[]> {
  const again: string[] = [];
  for (const job of await jobs(sql)) {
    const resumed = await asOwner(sql, job, async () => {
      if (job.outcome === 'paused' && (await isThere(sql, job))) {
        return sql`select cron.alter_job(job_id := ${job.id}::bigint, active := true)`;
      }
      again.push(`${job.name ?? job.id} (${job.schedule}, of ${job.owner})`);
      return job.name === null
        ? sql`select cron.schedule(${job.schedule}, ${job.command})`
        : sql`select cron.schedule(${job.name}, ${job.schedule}, ${job.command})`;
    });
    if (!resumed) {
      throw new UserError(
        `The cron job ${job.name ?? job.id} cannot be scheduled again: pg_cron must be turned on, and this role must be able to act for ${job.owner}.`,
      );
    }
  }
  return again;
}

/** Unschedules what was paused, and is still there. */
export async function removeCron(sql: Sql): Promise<void> {
  const [known] = await sql`select to_regclass('cron.job') is not null as is_there`;
  if (!known?.is_there) return;
  for (const job of await jobs(sql)) {
    if (job.outcome !== 'paused') continue;
    const done = await asOwner(sql, job, async () => {
      if (await isThere(sql, job)) await sql`select cron.unschedule(${job.id}::bigint)`;
    });
    if (!done) {
      throw new UserError(
        `Run this as ${job.owner}, then the command again: select cron.unschedule(${job.id});`,
      );
    }
  }
}

/** Asked as its owner: pg_cron shows a role its own jobs only. In a restored database the number may be another job's. */
async function isThere(sql: Sql, job: CronJob): Promise<boolean> {
  return (
    (
      await sql`select from cron.job where jobid = ${job.id}::bigint
    and command = ${job.command}`
    ).length > 0
  );
}

async function jobs(sql: Sql): Promise<CronJob[]> {
  return [...(await sql<CronJob[]>`select * from picture_queue_move.cron_jobs order by id`)];
}

/** @returns false when it was refused; nothing is changed then */
async function asOwner(sql: Sql, job: CronJob, work: () => PromiseLike<unknown>): Promise<boolean> {
  await sql`savepoint cron`;
  try {
    const [me] = await sql`select current_user as name`;
    if (me?.name !== job.owner) await sql`set local role ${sql(job.owner)}`;
    await work();
    if (me?.name !== job.owner) await sql`set local role ${sql(me?.name)}`;
    await sql`release savepoint cron`;
    return true;
  } catch {
    await sql`rollback to savepoint cron`;
    return false;
  }
}
