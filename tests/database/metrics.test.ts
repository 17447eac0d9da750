import { beforeEach, expect, test } from 'vitest';
import { pagesOf } from './explain.ts';
import { fillEnded, fillLater, fillReady, JOB_TABLES } from './fill.ts';
import { Database, type Job, SUCCEEDED } from './support.ts';

interface Metrics {
  jobs: { type: string; status: string; jobs: number; oldest_seconds: number | null }[] | null;
  blocked: number;
  scheduled: number;
  lost: number;
  last_sweep_at: number | null;
  wait: { type: string; quantile: string; seconds: number }[] | null;
  failed: { type: string; code: string; jobs: number }[] | null;
  outputs_at_risk: number;
  output_seconds_left: number | null;
  enqueued: number;
  removed_files: number;
}

const db = await Database.open();
beforeEach(() => db.clear());

const metrics = () => db.service<Metrics>('queue_metrics');

async function fail(code?: string): Promise<void> {
  await db.start(await db.createUser());
  const job = await db.claimOne();
  const details = code === undefined ? {} : { p_error_details: { code } };
  await db.service('fail_job', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_error_message: 'Broken.',
    ...details,
  });
}

test('an empty queue', async () => {
  await db.sql`delete from private.last_cron_run`;
  expect(await metrics()).toMatchObject({
    jobs: null,
    blocked: 0,
    lost: 0,
    last_sweep_at: null,
    wait: null,
    failed: null,
    outputs_at_risk: 0,
    output_seconds_left: null,
    removed_files: 0,
  });
});

test('jobs by type and status, what is blocked and what is late', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  for (let n = 0; n < 3; n++) await db.start(user);
  await db.start(user, { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });
  const job = await db.claimOne();
  await db.letTimePass(job.id);
  await db.sql`update public.job_queue set created_at = now() - interval '90 seconds' where status = 'pending'`;
  const now = await metrics();
  expect(now).toMatchObject({ blocked: 2, scheduled: 1, lost: 1 });
  expect(now.jobs).toEqual([
    { type: 'generate-image', status: 'pending', jobs: 3, oldest_seconds: expect.closeTo(90, -1) },
    { type: 'generate-image', status: 'processing', jobs: 1, oldest_seconds: expect.any(Number) },
  ]);
});

test('how long jobs waited, by quantiles, and when the cron last ran', async () => {
  await fail('x');
  await db.service('record_sweep', { p_stats: {} });
  const { wait, last_sweep_at } = await metrics();
  expect(wait?.map(({ quantile }) => quantile)).toEqual(['0.5', '0.95', '0.99']);
  expect((last_sweep_at ?? 0) * 1000).toBeGreaterThan(Date.now() - 60_000);
});

test('failures of the last 24 hours by code, at most twenty kinds', async () => {
  for (const code of ['output_expired', 'output_expired', 'rejected', undefined]) await fail(code);
  expect((await metrics()).failed).toEqual([
    { type: 'generate-image', code: 'output_expired', jobs: 2 },
    { type: 'generate-image', code: 'rejected', jobs: 1 },
    { type: 'generate-image', code: 'unknown', jobs: 1 },
  ]);
  await db.sql`insert into public.job_queue (job_type, status, completed_at, error_details)
    select 'resize', 'failed', now(), jsonb_build_array(jsonb_build_object('code', 'own-' || n))
    from generate_series(1, 100) as n`;
  expect((await metrics()).failed).toHaveLength(20);
  await db.sql`update public.job_queue set completed_at = now() - interval '25 hours'`;
  expect((await metrics()).failed).toBeNull();
});

test('an image that was made half an hour ago and is not stored is at risk, until it is stored', async () => {
  const { job_id, generation_id } = await db.start(await db.createUser());
  await db.claimOne();
  const finish = { p_job_id: job_id, p_prediction_id: 'p1', p_outcome: SUCCEEDED };
  const { job } = await db.service<{ job: Job }>('finish_prediction', finish);
  expect((await metrics()).outputs_at_risk).toBe(0);
  expect((await metrics()).output_seconds_left).toBeCloseTo(3600, -2);
  await db.sql`update public.job_queue set retry_until = retry_until - interval '31 minutes' where id = ${job.id}`;
  expect(await metrics()).toMatchObject({
    outputs_at_risk: 1,
    output_seconds_left: expect.closeTo(1740, -2),
  });
  const image = { storage_path: generation_id, public_url: 'https://x.example/a', format: 'webp' };
  await db.service('finish_download', { p_job_id: job.id, p_lease: job.lease, p_image: image });
  expect((await metrics()).outputs_at_risk).toBe(0);
});

test('the count of enqueued jobs only ever grows', async () => {
  const before = (await metrics()).enqueued;
  await fail();
  await db.clear();
  expect((await metrics()).enqueued).toBe(before + 1);
});

test('costs the same over 45,000 jobs and over 345,000', async () => {
  const cost = async () => {
    await db.service('record_sweep', { p_stats: {} });
    await db.sql.unsafe(`vacuum analyze ${JOB_TABLES}`);
    await pagesOf(db, 'service_role', 'select public.queue_metrics()'); // once for the catalogue
    return pagesOf(db, 'service_role', 'select public.queue_metrics()');
  };
  const fill = async (count: number, after = 0) => {
    await fillReady(db, count);
    await fillLater(db, count);
    await fillEnded(db, count, { after });
  };
  // More than is counted one by one, to begin with.
  await fill(15_000);
  const small = await cost();
  await fill(100_000, 15_000);
  const large = await cost();
  console.info('pages looked at over 45,000 jobs, over 345,000:', small, large);
  expect(large).toBeLessThan(small * 1.2 + 100);
}, 120_000);
