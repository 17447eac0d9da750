import { expect, inject, test } from 'vitest';
import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import { prepareDatabase } from '../../dev/stack/supabase/index.ts';
import { createOriginal, fillOriginal } from './original.ts';
import { open, runner } from './project.ts';
import { snapshot } from './snapshot.ts';

// pg_cron works in one database of a server, `postgres`, and needs to be preloaded: on PostgreSQL 15.

const superuserUrl = inject('postgresUrl');
const superuser = client(superuserUrl);
const [preloaded] =
  await superuser`select where current_setting('shared_preload_libraries') like '%pg_cron%'`;

test.runIf(preloaded)('the original’s cron jobs are paused, taken up again, and removed', async () => {
  await prepareDatabase({ superuserUrl, database: 'postgres' });
  // As hosted projects have it when the extension is turned on.
  await superuser.unsafe(`create extension if not exists pg_cron;
    grant usage on schema cron to postgres; grant all on all functions in schema cron to postgres;
    grant select on cron.job, cron.job_run_details to postgres`);
  const url = databaseUrl(superuserUrl, 'postgres');
  const sql = open(url);
  await createOriginal(sql);
  await fillOriginal(sql);
  const call = "select net.http_post(url := 'https://old.supabase.co/functions/v1/process-jobs')";
  await sql`select cron.schedule('process-job-queue', '0 0 1 1 *', ${call})`;
  await sql`select cron.schedule('my-own', '0 0 1 1 *', 'select 1')`;
  const jobs = async () => [...(await sql`select * from cron.job order by jobid`)];
  const { run } = runner(url);

  const [foreign] = await superuser<
    { id: string }[]
  >`select cron.schedule('of another', '0 0 1 1 *', ${call}) as id`;
  const before = await snapshot(sql);
  const first = await jobs();
  await expect(run('apply')).rejects.toThrow(
    `supabase_admin owns it. Run this as supabase_admin, then the move again: select cron.unschedule(${foreign?.id});`,
  );
  expect(await jobs()).toEqual(first);
  expect(await snapshot(sql)).toEqual(before);
  await superuser`select cron.unschedule(${foreign?.id ?? 0}::bigint)`;

  const own = await jobs();
  expect(own.map(({ active }) => active)).toEqual([true, true]);
  expect(await run('dry-run')).toContain('process-job-queue (0 0 1 1 *, of postgres): would be paused');
  expect(await run('apply')).toContain('process-job-queue (0 0 1 1 *, of postgres): paused');
  expect((await jobs()).map(({ jobname, active }) => [jobname, active])).toEqual([
    ['process-job-queue', false],
    ['my-own', true],
  ]);
  await run('undo');
  expect(await jobs()).toEqual(own);
  expect(await snapshot(sql)).toEqual(before);
  // One that was deleted by hand since comes back under a new number, and is not looked for at the end.
  const remove = () => sql`select cron.unschedule(jobid) from cron.job where jobname = 'process-job-queue'`;
  await run('apply');
  await remove();
  expect(await run('undo')).toContain('- process-job-queue (0 0 1 1 *, of postgres)');
  const again = (await jobs()).find(({ jobname }) => jobname === 'process-job-queue');
  expect(again).toEqual({ ...own[0], jobid: again?.jobid });
  await sql`select cron.schedule('another', '0 0 1 1 *', ${call})`;
  await run('apply');
  await remove();
  await run('finish', '--drop-left-aside');
  expect((await jobs()).map(({ jobname }) => jobname)).toEqual(['my-own']);
});
