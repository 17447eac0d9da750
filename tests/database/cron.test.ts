import { afterAll, expect, inject, test } from 'vitest';
import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import { prepareDatabase } from '../../dev/stack/supabase/index.ts';
import { MIGRATIONS } from '../stack/testing.ts';

// The original's users schedule SQL with pg_cron: what they call must work from its sessions too. pg_cron works in
// one database of a server, `postgres`, and needs to be preloaded: on PostgreSQL 15 (npm test -- postgres15).

const superuserUrl = inject('postgresUrl');
const superuser = client(superuserUrl);
const owner = client(databaseUrl(superuserUrl, 'postgres'));
afterAll(() => Promise.all([superuser.end(), owner.end()]));

const [preloaded] =
  await superuser`select where current_setting('shared_preload_libraries') like '%pg_cron%'`;

test.runIf(preloaded)('jobs of pg_cron enqueue, prune and look', { timeout: 180_000 }, async () => {
  await prepareDatabase({ superuserUrl, database: 'postgres', migrationsDir: MIGRATIONS });
  // As hosted projects have it when the extension is turned on.
  await superuser.unsafe(`create extension if not exists pg_cron;
    grant usage on schema cron to postgres; grant all on all functions in schema cron to postgres;
    grant select on cron.job, cron.job_run_details to postgres`);
  const commands = {
    look: 'select public.tell_late_subscribers()',
    enqueue: `select public.enqueue_job('cleanup-storage', '{"names": []}'::jsonb)`,
    prune: 'select public.prune_jobs(); select public.queue_status()',
    views:
      'select * from public.queue_health; select * from public.failed_jobs_recent; select * from public.stuck_jobs',
  };
  for (const [name, command] of Object.entries(commands)) {
    await owner`select cron.schedule(${name}, '* * * * *', ${command})`;
  }
  const ran = () => owner<{ name: string; status: string; said: string | null }[]>`
    select distinct j.jobname as name, r.status, r.return_message as said
    from cron.job as j join cron.job_run_details as r using (jobid)
    where r.status in ('succeeded', 'failed') order by 1`;
  await expect.poll(async () => (await ran()).length, { timeout: 150_000, interval: 500 }).toBe(4);
  expect((await ran()).map(({ name, status, said }) => `${name} ${status} ${said}`)).toEqual([
    expect.stringMatching(/^enqueue succeeded/),
    expect.stringMatching(/^look succeeded/),
    expect.stringMatching(/^prune succeeded/),
    expect.stringMatching(/^views succeeded/),
  ]);
  for (const name of Object.keys(commands)) await owner`select cron.unschedule(${name}::name)`;
  const jobs =
    await owner`select created_by, status from public.job_queue where job_type = 'cleanup-storage'`;
  expect(jobs.length).toBeGreaterThan(0);
});
