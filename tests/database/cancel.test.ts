import { beforeEach, expect, test } from 'vitest';
import { Database, type Job, refusal, SUCCEEDED } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

async function started() {
  const user = await db.createUser();
  const { generation_id, job_id } = await db.start(user);
  const cancel = () => db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
  return { user, generation_id, job_id, cancel };
}

test('a queued generation is cancelled and its job never handed out', async () => {
  const { generation_id, job_id, cancel } = await started();
  expect(await cancel()).toEqual({ generation_id, status: 'cancelled' });
  expect((await db.job(job_id)).status).toBe('cancelled');
  expect(await db.generation(generation_id)).toMatchObject({
    status: 'cancelled',
    completed_at: expect.any(Date),
  });
  expect(await db.claim(5)).toEqual([]);
  expect(await cancel(), 'cancelling again is no error').toEqual({ generation_id, status: 'cancelled' });
});

test('while its prediction is being created: the worker is told that it is one too many', async () => {
  const { job_id, cancel } = await started();
  const job = await db.claimOne();
  await cancel();
  const args = { p_job_id: job_id, p_lease: job.lease, p_prediction_id: 'p1', p_wait_seconds: 60 };
  expect(await db.service('record_prediction', args)).toMatchObject({
    outcome: 'stale',
    job: { job_type: 'cancel-prediction', status: 'processing', payload: { prediction_id: 'p1' } },
  });
  const finish = { p_job_id: job_id, p_prediction_id: 'p1', p_outcome: SUCCEEDED };
  expect(await db.service('finish_prediction', finish)).toEqual({ outcome: 'cancelled' });
  const waiting = await db.sql`select from public.job_queue where status = 'pending'`;
  expect(waiting, 'nothing is left to look for').toHaveLength(0);
});

test.each([
  ['in doubt about a create: a job that looks for what it left is ready at once', true],
  ['while a create may be under way: the job that looks for it waits for the lease', false],
])('%s', async (_, in_doubt) => {
  const { user, generation_id, job_id, cancel } = await started();
  const { lease } = await db.claimOne();
  if (in_doubt) {
    const args = { p_job_id: job_id, p_lease: lease, p_seconds: 90, p_outcome_unknown: true };
    await db.service('snooze_job', args);
  }
  const { lease_expires_at } = await db.job(job_id);
  await cancel();
  const [search] = await db.sql<Job[]>`select * from public.job_queue where job_type = 'cancel-prediction'`;
  expect(search).toMatchObject({ created_by: user, generation_id, status: 'pending' });
  // Longer than a prediction lives.
  expect(search?.retry_until?.getTime()).toBeGreaterThan(Date.now() + 20 * 60_000);
  expect(search?.payload).toMatchObject({ job_id, generation_id, since: expect.any(String) });
  expect(new Date(search?.payload.search_until as string)).toEqual(lease_expires_at);
  expect(await db.claim(1)).toMatchObject(in_doubt ? [{ id: search?.id }] : []);
  if (in_doubt) return;
  expect(search?.scheduled_at).toEqual(lease_expires_at);
});

test('with a running prediction: a job to cancel it is ready at once', async () => {
  const { user, generation_id, job_id, cancel } = await started();
  const job = await db.claimOne();
  await db.service('record_prediction', {
    p_job_id: job_id,
    p_lease: job.lease,
    p_prediction_id: 'p1',
    p_wait_seconds: 60,
  });
  await Promise.all([cancel(), cancel(), cancel()]);
  const next = await db.claimOne();
  expect(next).toMatchObject({
    job_type: 'cancel-prediction',
    payload: { prediction_id: 'p1', generation_id },
    created_by: user,
  });
  await db.service('fail_job', {
    p_job_id: next.id,
    p_lease: next.lease,
    p_error_message: 'gone',
    p_error_details: { code: 'x' },
  });
  expect(await db.generation(generation_id), 'its failure is not the generation’s').toMatchObject({
    status: 'cancelled',
    error_code: null,
  });
});

test('once the prediction has succeeded the image is made: 409, and it becomes the user’s', async () => {
  const { user, generation_id, job_id, cancel } = await started();
  await db.claimOne();
  const { job } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job_id,
    p_prediction_id: 'p1',
    p_outcome: SUCCEEDED,
  });
  const refused = {
    sqlstate: 'PT409',
    code: 'conflict',
    message: 'The image has been made already; it is being stored and will be yours in a moment.',
  };
  expect(await refusal(cancel())).toMatchObject(refused);
  const args = { p_job_id: job.id, p_lease: job.lease, p_error_message: 'no answer', p_retry_in_seconds: 0 };
  await db.service('fail_job', args);
  expect(await refusal(cancel()), 'also while its download waits for another attempt').toMatchObject(refused);
  await db.letTimePass(job.id);
  const again = await db.claimOne();
  const image = { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp' };
  const stored = { p_job_id: again.id, p_lease: again.lease, p_image: image };
  expect(await db.service('finish_download', stored)).toEqual({ outcome: 'completed' });
  expect((await db.generation(generation_id)).status).toBe('completed');
  const [usage] = await db.sql`select day_cost from private.usage where user_id = ${user}`;
  expect(Number(usage?.day_cost)).toBe(0.003);
});

test('a finished generation answers 409', async () => {
  const { generation_id, job_id, cancel } = await started();
  const job = await db.claimOne();
  await db.service('fail_job', { p_job_id: job_id, p_lease: job.lease, p_error_message: 'broken' });
  expect(await refusal(cancel())).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
  expect((await db.generation(generation_id)).status).toBe('failed');
});

test("another user's generation is not found", async () => {
  const { generation_id } = await started();
  const stranger = await db.createUser();
  for (const name of ['cancel_generation', 'get_generation']) {
    const refused = await refusal(db.callAs(stranger, name, { p_generation_id: generation_id }));
    expect(refused).toMatchObject({ sqlstate: 'PT404', code: 'not_found' });
  }
  expect((await db.generation(generation_id)).status).toBe('pending');
});

test('cancel and the end of the prediction at the same moment: one of them wins, and it is paid for', async () => {
  const ends = new Set<unknown>();
  for (let round = 0; round < 15; round++) {
    await db.clear();
    const { user, generation_id, job_id, cancel } = await started();
    const job = await db.claimOne();
    await db.service('record_prediction', {
      p_job_id: job_id,
      p_lease: job.lease,
      p_prediction_id: 'p',
      p_wait_seconds: 60,
    });
    const finish = db.service('finish_prediction', {
      p_job_id: job_id,
      p_prediction_id: 'p',
      p_outcome: SUCCEEDED,
    });
    await Promise.allSettled([finish, cancel()]);
    const { status } = await db.generation(generation_id);
    ends.add(status);
    const open = await db.sql`select job_type from public.job_queue
      where status in ('pending', 'processing') and job_type <> 'cancel-prediction'`;
    expect(open.map(({ job_type }) => job_type)).toEqual(status === 'downloading' ? ['download-image'] : []);
    const [usage] = await db.sql`select day_cost from private.usage where user_id = ${user}`;
    expect(Number(usage?.day_cost), `${status}`).toBe(0.003);
  }
  for (const status of ends) expect(['cancelled', 'downloading']).toContain(status);
});
