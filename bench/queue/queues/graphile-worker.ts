import { runMigrations } from 'graphile-worker';
import { installedVersion } from '../installed.ts';
import { payload, type Queue, type Session } from '../queue.ts';

const TASK = 'generate-image';

/** graphile-worker's SQL functions to enqueue, and the very statements its workers send to claim and complete. */
export const graphileWorker: Queue = {
  name: 'graphile-worker',
  version: installedVersion('graphile-worker'),
  settings: {
    tuned: 'batches of 100 (localQueue, completeJobBatchDelay)',
    fair: 'queue_name = user',
    promise: 'one running job of a user, exactly; no turns: of the users with none the oldest job first',
  },

  install: (_superuserUrl, url) => runMigrations({ connectionString: url }),

  async open(client, mode): Promise<Session> {
    const { batchGetJobs, batchCompleteJobs } = await statements();
    const shared = {
      escapedWorkerSchema: 'graphile_worker',
      workerSchema: 'graphile_worker',
      resolvedPreset: { worker: { preparedStatements: true, useNodeTime: false } },
      logger: { error: console.error },
    };
    const pg = {
      query: async ({ text, values }: { text: string; values?: unknown[] }) => ({
        rows: await client.run(text, values),
      }),
    };
    const withClient = Object.assign((call: (one: typeof pg) => unknown) => call(pg), {
      withRetries: (call: (one: typeof pg) => unknown) => call(pg),
    });
    const claim = (limit: number) =>
      batchGetJobs(shared, withClient, { [TASK]: () => {} }, 'bench', null, limit);
    return {
      async enqueue(jobs) {
        const [first] = jobs;
        if (jobs.length === 1 && first) {
          await client.run(
            'select * from graphile_worker.add_job($1::text, $2::text::json, queue_name => $3::text)',
            [TASK, JSON.stringify(payload(first.user)), mode === 'fair' ? first.user : null],
          );
          return;
        }
        const specs = jobs.map(({ user, tomorrow }) => ({
          identifier: TASK,
          payload: payload(user),
          ...(mode === 'fair' ? { queue_name: user } : {}),
          ...(tomorrow ? { priority: -10, run_at: new Date(Date.now() + 86_400_000) } : {}),
        }));
        await client.run(
          `select * from graphile_worker.add_jobs(
            array(select json_populate_recordset(null::graphile_worker.job_spec, $1::text::json)))`,
          [JSON.stringify(specs)],
        );
      },
      async claim(limit) {
        const rows = await claim(limit);
        return rows.map((row) => ({
          id: row.id,
          lease: row.job_queue_id,
          user: row.payload.user_id,
        }));
      },
      async complete(jobs) {
        const rows = jobs.map(({ id, lease }) => ({ id, job_queue_id: lease }));
        await batchCompleteJobs(shared, withClient, 'bench', rows);
      },
    };
  },
};

interface Statements {
  batchGetJobs(
    ...args: unknown[]
  ): Promise<{ id: string; job_queue_id: unknown; payload: { user_id: string } }[]>;
  batchCompleteJobs(...args: unknown[]): Promise<void>;
}

/** They are not among the package's exports, hence by path; the version is pinned. */
async function statements(): Promise<Statements> {
  const folder = new URL('./sql/', import.meta.resolve('graphile-worker'));
  return {
    ...(await import(new URL('getJobs.js', folder).href)),
    ...(await import(new URL('completeJobs.js', folder).href)),
  };
}
