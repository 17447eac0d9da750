import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, SUCCEEDED } from './support.ts';

// What is decided by a time and not by a number of attempts: an image is stored as long as the provider has it,
// a prediction stopped as long as it may run, a file deleted as long as nobody else does it.
const db = await Database.open();
beforeEach(() => db.clear());

const MINUTE = 60_000;
const left = (job: Job | undefined) => (job?.retry_until?.getTime() ?? Number.NaN) - Date.now();

async function downloading(outcome: object = {}): Promise<{ job: Job; generationId: string }> {
  const { generation_id } = await db.start(await db.createUser());
  const made = await db.claimOne();
  const { job } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: made.id,
    p_prediction_id: 'p1',
    p_outcome: { ...SUCCEEDED, ...outcome },
  });
  return { job: await db.job(job.id), generationId: generation_id };
}

test.each([
  ['its end as the provider tells it', -50 * MINUTE, 15],
  ['when it was learned of, where the provider does not tell', undefined, 65],
  ['when it was learned of, where the provider’s clock is ahead', 4 * MINUTE, 65],
])('an image is stored within an hour and five minutes of %s', async (_, ago, minutes) => {
  const completed_at = ago === undefined ? {} : { completed_at: new Date(Date.now() + ago).toISOString() };
  const { job } = await downloading(completed_at);
  expect(Math.abs(left(job) - minutes * MINUTE)).toBeLessThan(MINUTE);
  expect(job.payload).not.toHaveProperty('completed_at');
});

describe('until its time is over', () => {
  test('a download comes back without using attempts, put off or lost, whoever claims', async () => {
    const { job } = await downloading();
    await db.service('snooze_job', { p_job_id: job.id, p_lease: job.lease, p_seconds: 5 });
    for (let n = 0; n < 10; n++) {
      await db.letTimePass(job.id);
      // Half of the claims want other types: the job is lost to them.
      const [again] = await db.claim(1, n % 2 ? { types: ['generate-image'] } : {});
      if (!(n % 2)) expect(again).toMatchObject({ id: job.id, attempts: 0 });
    }
    expect(await db.job(job.id)).toMatchObject({ attempts: 0, error_details: null });
  });

  test('and then it ends in words that are true, with the money given back', async () => {
    const { job, generationId } = await downloading();
    await db.sql`update public.job_queue set retry_until = now() where id = ${job.id}`;
    await db.letTimePass(job.id);
    expect(await db.claim(10)).toEqual([]);
    expect(await db.generation(generationId)).toMatchObject({
      status: 'failed',
      error_code: 'output_expired',
      error_message: 'The image could not be stored before the provider deleted it.',
    });
    const [usage] = await db.sql`select day_cost from private.usage`;
    expect(Number(usage?.day_cost)).toBe(0);
  });
});

test('brought back by hand, a download whose time is over is tried by attempts', async () => {
  const { job } = await downloading();
  await db.service('fail_job', { p_job_id: job.id, p_lease: job.lease, p_error_message: 'x' });
  expect(await db.service('requeue_job', { p_job_id: job.id })).toMatchObject({ outcome: 'requeued' });
  expect(left(await db.job(job.id)), 'it still has its time').toBeGreaterThan(50 * MINUTE);
  const [again] = await db.claim(1);
  await db.service('fail_job', { p_job_id: job.id, p_lease: again?.lease, p_error_message: 'x' });
  await db.sql`update public.job_queue set retry_until = now() where id = ${job.id}`;
  await db.service('requeue_job', { p_job_id: job.id });
  expect((await db.job(job.id)).retry_until).toBeNull();
});

test('an image that is put off has a day; a prediction takes that back', async () => {
  const { job_id } = await db.start(await db.createUser());
  const job = await db.claimOne();
  await db.service('snooze_job', { p_job_id: job_id, p_lease: job.lease, p_seconds: 0 });
  expect(left(await db.job(job_id))).toBeGreaterThan(23 * 60 * MINUTE);
  const [again] = await db.claim(1);
  await db.service('snooze_job', { p_job_id: job_id, p_lease: again?.lease, p_seconds: 0 });
  expect((await db.job(job_id)).retry_until).toEqual((await db.job(job_id)).retry_until);
  const [last] = await db.claim(1);
  const args = { p_job_id: job_id, p_lease: last?.lease, p_prediction_id: 'p1', p_wait_seconds: 60 };
  await db.service('record_prediction', args);
  expect((await db.job(job_id)).retry_until).toBeNull();
});

test('a lost run of an image counts, whether it has been put off before or not', async () => {
  const { job_id } = await db.start(await db.createUser());
  const job = await db.claimOne();
  await db.service('snooze_job', { p_job_id: job_id, p_lease: job.lease, p_seconds: 0 });
  await db.claim(1);
  for (const attempts of [1, 2]) {
    await db.letTimePass(job_id);
    expect(await db.claim(1)).toMatchObject([{ id: job_id, attempts }]);
  }
  await db.letTimePass(job_id);
  expect(await db.claim(1)).toEqual([]);
  expect((await db.job(job_id)).status).toBe('failed');
});

test('health hears how near the hour is', async () => {
  const status = () => db.service<{ output_seconds_left: number | null }>('queue_status');
  expect((await status()).output_seconds_left).toBeNull();
  await downloading();
  await downloading({ completed_at: new Date(Date.now() - 45 * MINUTE).toISOString() });
  expect((await status()).output_seconds_left).toBeCloseTo(15 * 60, -1);
});
