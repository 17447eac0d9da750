/**
 * The commands with which the original's own documentation verifies an installation, and watches over it: what
 * differs here. `commands.test.ts` holds what each gives.
 */

export interface Command {
  /** In the SQL editor, as the owner of the project. */
  sql: string;
  /** Here the same, or what differs and why; the page for those who move has these words. */
  differs?: string;
}

const CRON = 'There is no `pg_cron` job to look at';

export const COMMANDS: Record<string, Command> = {
  enqueue: {
    sql: "select enqueue_job('generate-image', '{}'::jsonb, 0)",
  },
  claim: {
    sql: 'select * from claim_next_job()',
  },
  complete: {
    sql: "select complete_job('{job}', null, null)",
  },
  completeUnknown: {
    sql: "select complete_job('00000000-0000-4000-8000-000000000000', null, null)",
  },
  health: {
    sql: 'select * from queue_health',
  },
  pending: {
    sql: "select count(*) from job_queue where status = 'pending'",
  },
  failed: {
    sql: 'select * from failed_jobs_recent',
  },
  tenFailed: {
    sql: 'select * from failed_jobs_recent limit 10',
  },
  stuck: {
    sql: 'select * from stuck_jobs',
  },
  cron: {
    sql: "select * from cron.job where jobname = 'process-job-queue'",
    differs: CRON,
  },
  cronRuns: {
    sql: `select * from cron.job_run_details
      where jobid = (select jobid from cron.job where jobname = 'process-job-queue')
      order by start_time desc limit 10`,
    differs: CRON,
  },
};

/** `curl https://…/functions/v1/process-jobs` on an empty queue, without a key. */
export const CURL = {
  path: '/functions/v1/process-jobs',
  gives: { success: true, processed: 0, errors: 3 },
  /** There are no claims that come to nothing, so `errors` is 0; and nobody runs the queue without the key. */
  differs: 'process-jobs wants the secret key, and POST',
};
