import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, SUCCEEDED } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

interface Outcome {
  outcome: string;
}

async function running(): Promise<{ job: Job; generationId: string }> {
  const { generation_id } = await db.start(await db.createUser());
  return { job: await db.claimOne(), generationId: generation_id };
}

/** Every write that names a lease, with arguments that would change something. */
const WRITES: [string, object][] = [
  ['record_prediction', { p_prediction_id: 'other', p_wait_seconds: 60 }],
  ['fail_job', { p_error_message: 'broken', p_retry_in_seconds: 0 }],
  ['fail_job', { p_error_message: 'broken' }],
  ['snooze_job', { p_seconds: 5 }],
  ['extend_lease', { p_lease_seconds: 500 }],
  ['complete_job', { p_result: null }],
];

describe('a lease that is no longer the job’s', () => {
  test.each(WRITES)('%s %o changes nothing and says "stale"', async (name, args) => {
    const { job, generationId } = await running();
    await db.letTimePass(job.id);
    const [again] = await db.claim(1);
    expect(again).toMatchObject({ id: job.id, lease: '2', rescued: true });
    const before = [await db.job(job.id), await db.generation(generationId)];
    expect(await db.service(name, { p_job_id: job.id, p_lease: job.lease, ...args })).toMatchObject({
      outcome: 'stale',
    });
    expect([await db.job(job.id), await db.generation(generationId)]).toEqual(before);
    const current = await db.service<Outcome>(name, { p_job_id: job.id, p_lease: again?.lease, ...args });
    expect(current.outcome, 'the same call under the current lease is accepted').not.toBe('stale');
  });

  test.each(WRITES)('%s %o on a finished job is "stale"', async (name, args) => {
    const { job } = await running();
    await db.service('complete_job', { p_job_id: job.id, p_lease: job.lease, p_result: { first: true } });
    const before = await db.job(job.id);
    expect(await db.service(name, { p_job_id: job.id, p_lease: job.lease, ...args })).toMatchObject({
      outcome: 'stale',
    });
    expect(await db.job(job.id)).toEqual(before);
  });

  test('finish_download with a stale lease stores no image', async () => {
    const { job, generationId } = await running();
    const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
      p_job_id: job.id,
      p_prediction_id: 'p1',
      p_outcome: { status: 'succeeded', output_url: 'https://x.example/a' },
    });
    await db.letTimePass(download.id);
    const [again] = await db.claim(1);
    const image = {
      storage_path: 'a',
      public_url: 'https://x.example/a',
      width: 1,
      height: 1,
      format: 'webp',
    };
    const finish = (lease: unknown) =>
      db.service('finish_download', { p_job_id: download.id, p_lease: lease, p_image: image });
    expect(await finish(download.lease)).toEqual({ outcome: 'stale' });
    expect((await db.sql`select from public.images`).length).toBe(0);
    expect((await db.generation(generationId)).status).toBe('downloading');
    expect(await finish(again?.lease)).toEqual({ outcome: 'completed' });
    // Told again, because the answer was lost.
    expect(await finish(again?.lease)).toEqual({ outcome: 'completed' });
    expect((await db.sql`select from public.images`).length).toBe(1);
  });
});

describe('a job whose lease ran out', () => {
  test('is handed out again under a new lease, and the lost run counts as an attempt', async () => {
    const { job } = await running();
    expect(await db.claim(1), 'not while the lease holds').toEqual([]);
    await db.letTimePass(job.id);
    const [again] = await db.claim(1);
    expect(again).toMatchObject({ id: job.id, lease: '2', rescued: true, attempts: 1 });
    expect(again?.error_details?.[0]).toMatchObject({ attempt: 1, code: 'lease_expired' });
  });

  test('counts no attempt while a prediction is awaited', async () => {
    const { job } = await running();
    await db.service('record_prediction', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_prediction_id: 'p1',
      p_wait_seconds: 60,
    });
    for (const lease of ['2', '3', '4', '5']) {
      await db.letTimePass(job.id);
      const [again] = await db.claim(1);
      expect(again).toMatchObject({
        lease,
        rescued: true,
        attempts: 0,
        prediction_id: 'p1',
        error_details: null,
      });
    }
  });

  test('counts no attempt while a prediction may exist', async () => {
    const { job } = await running();
    await db.service('snooze_job', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_seconds: 60,
      p_outcome_unknown: true,
    });
    await db.letTimePass(job.id);
    expect((await db.claim(1))[0]).toMatchObject({ rescued: true, attempts: 0, outcome_unknown: true });
  });

  test('a poison job ends failed after max_attempts losses, with its generation', async () => {
    const { job, generationId } = await running();
    for (let loss = 1; loss < job.max_attempts; loss++) {
      await db.letTimePass(job.id);
      expect((await db.claim(1))[0]).toMatchObject({ attempts: loss });
    }
    await db.letTimePass(job.id);
    expect(await db.claim(1)).toEqual([]);
    const dead = await db.job(job.id);
    expect(dead).toMatchObject({ status: 'failed', attempts: 3 });
    expect(dead.error_details?.map((error) => error.attempt)).toEqual([1, 2, 3]);
    const generation = await db.generation(generationId);
    expect(generation).toMatchObject({ status: 'failed', error_code: 'attempts_exhausted' });
    expect(generation.error_message).toMatch(/could not be made/);
  });

  test('an image that the last lost run had ordered is brought in when its webhook comes', async () => {
    const { job, generationId } = await running();
    for (let loss = 1; loss <= job.max_attempts; loss++) {
      await db.letTimePass(job.id);
      await db.claim(1);
    }
    expect((await db.job(job.id)).status).toBe('failed');
    const finish = (outcome: Record<string, unknown>) =>
      db.service<{ outcome: string; job?: { id: string; lease: number } }>('finish_prediction', {
        p_job_id: job.id,
        p_prediction_id: 'made-all-the-same',
        p_outcome: outcome,
      });
    expect(await finish({ status: 'failed', error_message: 'x' })).toEqual({ outcome: 'duplicate' });
    const answer = await finish(SUCCEEDED);
    expect(answer.outcome).toBe('download');
    const image = { storage_path: 'a/b.webp', public_url: 'http://x/a/b.webp', format: 'webp' };
    await db.service('finish_download', {
      p_job_id: answer.job?.id,
      p_lease: answer.job?.lease,
      p_image: image,
    });
    const generation = await db.generation(generationId);
    expect(generation).toMatchObject({ status: 'completed', error_code: null, error_message: null });
    expect(await finish(SUCCEEDED)).toEqual({ outcome: 'duplicate' });
  });

  test('20 parallel claims rescue it once', async () => {
    const { job } = await running();
    await db.letTimePass(job.id);
    const claims = await Promise.all(Array.from({ length: 20 }, () => db.claim(1)));
    expect(claims.flat().map(({ id, lease }) => ({ id, lease }))).toEqual([{ id: job.id, lease: '2' }]);
  });

  test('extend_lease keeps it from being taken over', async () => {
    const { job } = await running();
    await db.service('extend_lease', { p_job_id: job.id, p_lease: job.lease, p_lease_seconds: 500 });
    const left = ((await db.job(job.id)).lease_expires_at?.getTime() ?? 0) - Date.now();
    expect(left).toBeGreaterThan(400_000);
  });
});

describe('fail_job', () => {
  const fail = (job: Job, retryIn: number | null, code = 'provider_error') =>
    db.service('fail_job', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_error_message: 'The provider is down.',
      p_error_details: { code, secret_hint: 'kept for operators' },
      p_retry_in_seconds: retryIn,
    });

  test('retries at the given time and keeps every error', async () => {
    const { job, generationId } = await running();
    expect(await fail(job, 30)).toEqual({ outcome: 'retrying' });
    const waiting = await db.job(job.id);
    expect(waiting).toMatchObject({ status: 'pending', attempts: 1, lease_expires_at: null });
    const wait = waiting.scheduled_at.getTime() - Date.now();
    expect(wait).toBeGreaterThan(25_000);
    expect(wait).toBeLessThanOrEqual(30_500);
    expect(await db.claim(1)).toEqual([]);
    expect(await db.generation(generationId)).toMatchObject({ status: 'pending', retry_count: 1 });

    await db.letTimePass(job.id);
    const [second] = await db.claim(1);
    expect(await fail(second as Job, 30, 'timeout')).toEqual({ outcome: 'retrying' });
    await db.letTimePass(job.id);
    const [third] = await db.claim(1);
    expect(await fail(third as Job, 30), 'the third attempt was the last').toEqual({ outcome: 'failed' });
    const dead = await db.job(job.id);
    expect(dead.error_details).toMatchObject([
      { attempt: 1, code: 'provider_error', secret_hint: 'kept for operators' },
      { attempt: 2, code: 'timeout' },
      { attempt: 3, code: 'provider_error' },
    ]);
    expect(await db.generation(generationId)).toMatchObject({
      status: 'failed',
      error_code: 'provider_error',
      error_message: 'The provider is down.',
    });
  });

  test('an error of which nobody can tell whether it passes is retried once, whatever comes between', async () => {
    const { job } = await running();
    const failWith = async (details: object) => {
      const { lease } = await db.job(job.id);
      const answer = await db.service('fail_job', {
        p_job_id: job.id,
        p_lease: lease,
        p_error_message: 'It failed.',
        p_error_details: details,
        p_retry_in_seconds: 0,
      });
      await db.letTimePass(job.id);
      await db.claim(1);
      return answer;
    };
    await db.sql`update public.job_queue set max_attempts = 9 where id = ${job.id}`;
    expect(await failWith({ code: 'x', retry: 'once' })).toEqual({ outcome: 'retrying' });
    for (let n = 0; n < 3; n++) expect(await failWith({ code: 'y' })).toEqual({ outcome: 'retrying' });
    expect(await failWith({ code: 'z', retry: 'once' })).toEqual({ outcome: 'failed' });
    expect(await db.job(job.id)).toMatchObject({ status: 'failed', attempts: 5 });
  });

  test('fails at once where no retry is asked for', async () => {
    const { job, generationId } = await running();
    expect(await fail(job, null, 'refused')).toEqual({ outcome: 'failed' });
    expect(await db.job(job.id)).toMatchObject({ status: 'failed', attempts: 1 });
    expect(await db.generation(generationId)).toMatchObject({ status: 'failed', error_code: 'refused' });
  });

  test('a retried job comes back ahead of its user’s other waiting jobs', async () => {
    const user = await db.createUser({ running_jobs: null });
    const first = await db.start(user);
    for (let i = 0; i < 20; i++) await db.start(user);
    const [job] = await db.claim(1);
    expect(job?.id).toBe(first.job_id);
    await fail(job as Job, 0);
    const next = await db.claim(2);
    expect(next.map(({ id }) => id)).toContain(first.job_id);
  });

  test('where its user has no slot free, a retried job gets the next one', async () => {
    const user = await db.createUser({ running_jobs: 2 });
    const first = await db.start(user);
    for (let i = 0; i < 5; i++) await db.start(user);
    const [job] = await db.claim(1);
    expect(job?.id).toBe(first.job_id);
    await fail(job as Job, 0);
    const running = await db.claim(5);
    expect(running.length, 'its slot has gone to the oldest blocked job').toBe(2);
    expect(running.map(({ id }) => id)).not.toContain(first.job_id);
    await db.complete(running.slice(0, 1));
    expect(await db.claimOne()).toMatchObject({ id: first.job_id, attempts: 1 });
  });
});

describe('snooze_job', () => {
  test('uses no attempt and gives the job back at the given time', async () => {
    const { job, generationId } = await running();
    const args = { p_job_id: job.id, p_lease: job.lease, p_seconds: 45 };
    expect(await db.service('snooze_job', args)).toEqual({ outcome: 'snoozed' });
    const waiting = await db.job(job.id);
    expect(waiting).toMatchObject({ status: 'pending', attempts: 0, lease_expires_at: null });
    expect(waiting.scheduled_at.getTime() - Date.now()).toBeGreaterThan(40_000);
    expect((await db.generation(generationId)).status).toBe('pending');
    await db.letTimePass(job.id);
    expect((await db.claim(1))[0]).toMatchObject({ id: job.id, rescued: false, attempts: 0 });
  });

  test('keeps a job with a prediction processing until the time is over', async () => {
    const { job } = await running();
    await db.service('record_prediction', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_prediction_id: 'p1',
      p_wait_seconds: 1,
    });
    await db.service('snooze_job', { p_job_id: job.id, p_lease: job.lease, p_seconds: 45 });
    const waiting = await db.job(job.id);
    expect(waiting).toMatchObject({ status: 'processing', prediction_id: 'p1' });
    expect((waiting.lease_expires_at?.getTime() ?? 0) - Date.now()).toBeGreaterThan(40_000);
  });
});
