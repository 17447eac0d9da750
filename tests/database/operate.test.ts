import { beforeEach, expect, test } from 'vitest';
import { Database, type Job } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

const ask = (view: string) =>
  db.as('service_role', null, async (sql) => [...(await sql.unsafe(`select * from public.${view}`))]);

async function failed() {
  const user = await db.createUser();
  const started = await db.start(user, { items: [{ prompt: 'one' }, { prompt: 'two' }] });
  const [job] = await db.claim(1);
  await db.service('fail_job', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_error_message: 'Broken.',
    p_error_details: { code: 'x' },
  });
  return { user, started, job: job as Job };
}

test('requeue_job brings a failed job, its generation and its batch back', async () => {
  const { started, job } = await failed();
  const batch = async () =>
    (
      await db.sql`select failed_count, status from public.batch_generations where id = ${started.batch_id}`
    )[0];
  expect((await batch())?.failed_count).toBe(1);
  expect(await db.service('requeue_job', { p_job_id: job.id })).toEqual({
    outcome: 'requeued',
    job_id: job.id,
  });
  expect((await batch())?.failed_count).toBe(0);
  expect(await db.generation(started.generation_id)).toMatchObject({
    status: 'pending',
    error_message: null,
    error_code: null,
  });
  const again = (await db.claim(2)).find((one) => one.id === job.id);
  expect(again).toMatchObject({ attempts: 0, lease: '2', error_details: [{ code: 'x' }] });
  expect(await db.service('requeue_job', { p_job_id: job.id })).toEqual({ outcome: 'not_failed' });
  expect(await db.service('requeue_job', { p_job_id: started.generation_id })).toEqual({
    outcome: 'unknown',
  });
});

test('requeue_job leaves a job alone whose generation did not fail: nobody waits for it', async () => {
  const user = await db.createUser();
  const started = await db.start(user);
  const [job] = await db.claim(1);
  await db.service('fail_job', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_error_message: 'It was cancelled at the provider.',
    p_error_details: { code: 'cancelled' },
  });
  expect((await db.generation(started.generation_id)).status).toBe('cancelled');
  expect(await db.service('requeue_job', { p_job_id: started.job_id })).toEqual({ outcome: 'not_failed' });
});

test('prune_jobs deletes finished jobs past their days, bounded, and nothing else', async () => {
  await db.sql`insert into public.job_queue (job_type, status, completed_at)
    select status || days, status, now() - days * interval '1 day'
    from unnest('{completed,cancelled,failed}'::text[]) as status, unnest('{1,8,31}'::int[]) as days`;
  await db.sql`insert into public.job_queue (job_type, created_at) values ('waiting', now() - interval '1 year')`;
  expect(await db.service('prune_jobs', { p_limit: 2 })).toEqual({ pruned: 2 });
  expect(await db.service('prune_jobs')).toEqual({ pruned: 3 });
  const left = await db.sql`select job_type from public.job_queue order by job_type`;
  expect(left.map((row) => row.job_type)).toEqual([
    'cancelled1',
    'completed1',
    'failed1',
    'failed8',
    'waiting',
  ]);
});

test('a pruned job takes neither generation nor image with it', async () => {
  const { started } = await failed();
  await db.sql`update public.job_queue set completed_at = now() - interval '31 days' where status = 'failed'`;
  expect(await db.service('prune_jobs')).toEqual({ pruned: 1 });
  expect((await db.generation(started.generation_id)).status).toBe('failed');
});

test('queue_health, failed_jobs_recent and stuck_jobs show what is there', async () => {
  const { job } = await failed();
  const [stuck] = await db.claim(1);
  await db.sql`update public.job_queue set started_at = now() - interval '11 minutes' where id = ${stuck?.id as string}`;
  expect(await ask('queue_health order by status')).toMatchObject([
    { job_type: 'generate-image', status: 'failed', count: '1', avg_attempts: expect.stringMatching(/^1\./) },
    { job_type: 'generate-image', status: 'processing', count: '1' },
  ]);
  expect(await ask('failed_jobs_recent')).toMatchObject([
    { id: job.id, attempts: 1, error_message: 'Broken.' },
  ]);
  expect(await ask('stuck_jobs')).toMatchObject([
    { id: stuck?.id, minutes_stuck: expect.stringMatching(/^11\./) },
  ]);
});

test('queue_status tells when the cron last ran and what waits', async () => {
  await db.sql`delete from private.last_cron_run`;
  expect(await db.service('queue_status')).toMatchObject({ last_sweep_at: null });
  await failed();
  await db.service('record_sweep', { p_stats: { claimed: 3 } });
  await db.service('record_sweep', { p_stats: { claimed: 4 } });
  const status = await db.service<Record<string, unknown>>('queue_status');
  expect(status).toMatchObject({
    last_sweep: { claimed: 4 },
    pending: 1,
    processing: 0,
    scheduled: 0,
    failed_24h: 1,
  });
  expect(Date.now() - Date.parse(status.last_sweep_at as string)).toBeLessThan(60_000);
});
