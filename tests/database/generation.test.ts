import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, SUCCEEDED } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

interface Finished {
  outcome: string;
  job?: Job;
}

const FAILED = {
  status: 'failed',
  error_message: 'The model failed.',
  error_code: 'model_error',
  retry_in_seconds: 5,
};

async function running(request = {}) {
  const user = await db.createUser();
  const started = await db.start(user, request);
  return { user, started, job: (await db.claim(1))[0] as Job };
}

const record = (job: Job, prediction: string, details = {}) =>
  db.service('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: prediction,
    p_wait_seconds: 300,
    p_details: details,
  });
const finish = (jobId: string, prediction: string, outcome: object = SUCCEEDED) =>
  db.service<Finished>('finish_prediction', {
    p_job_id: jobId,
    p_prediction_id: prediction,
    p_outcome: outcome,
  });
const store = (download: Job, more = {}) =>
  db.service('finish_download', {
    p_job_id: download.id,
    p_lease: download.lease,
    p_image: {
      storage_path: `u/${download.generation_id}.webp`,
      public_url: `https://x.example/${download.generation_id}.webp`,
      filename: `${download.generation_id}.webp`,
      file_size: 4321,
      width: 1000,
      height: 700,
      format: 'webp',
      ...more,
    },
  });

test('from start to stored image', async () => {
  const { user, started, job } = await running({ seed: 0, guidance_scale: 0, width: 640 });
  expect(job.payload).toEqual({
    prompt: 'a lighthouse',
    model_id: MODEL,
    seed: 0,
    guidance_scale: 0,
    width: 640,
    user_id: user,
    generation_id: started.generation_id,
  });

  expect(await record(job, 'p1', { width: 1024, height: 704, adjustments: [{ field: 'width' }] })).toEqual({
    outcome: 'recorded',
  });
  expect(await db.generation(started.generation_id)).toMatchObject({
    status: 'processing',
    replicate_prediction_id: 'p1',
    width: 1024,
    height: 704,
    adjustments: [{ field: 'width' }],
  });
  expect(
    ((await db.job(job.id)).lease_expires_at?.getTime() ?? 0) - Date.now(),
    'the sweep looks when the wait is over',
  ).toBeGreaterThan(290_000);

  const { outcome, job: download } = await finish(job.id, 'p1');
  expect(outcome).toBe('download');
  expect(download).toMatchObject({
    job_type: 'download-image',
    status: 'processing',
    lease: 1,
    generation_id: started.generation_id,
    payload: {
      user_id: user,
      generation_id: started.generation_id,
      prediction_id: 'p1',
      output_url: SUCCEEDED.output_url,
      format: 'webp',
      width: 1024,
      height: 704,
    },
  });
  expect(await db.job(job.id)).toMatchObject({ status: 'completed', attempts: 0 });
  expect(await db.generation(started.generation_id)).toMatchObject({
    status: 'downloading',
    predict_time_seconds: '1.25',
  });
  expect(await db.claim(5), 'the download is leased to the one who was told').toEqual([]);

  expect(await store(download as Job)).toEqual({ outcome: 'completed' });
  const answer = await db.callAs<Record<string, unknown>>(user, 'get_generation', {
    p_generation_id: started.generation_id,
  });
  expect(answer).toEqual({
    id: started.generation_id,
    batch_id: null,
    status: 'completed',
    progress: 100,
    queue_position: null,
    estimated_seconds: null,
    operation: 'generate',
    model_id: MODEL,
    prompt: 'a lighthouse',
    negative_prompt: null,
    width: 1000,
    height: 700,
    aspect_ratio: null,
    output_format: null,
    scale: null,
    sources: [],
    mask: null,
    seed: 0,
    num_inference_steps: null,
    guidance_scale: 0,
    strength: null,
    style: null,
    model_version: null,
    source_image_url: null,
    source_generation_id: null,
    source_id: null,
    parent_id: null,
    adjustments: [{ field: 'width' }],
    error: null,
    images: [
      {
        id: expect.any(String),
        generation_id: started.generation_id,
        url: `https://x.example/${started.generation_id}.webp`,
        thumbnail_url: `https://x.example/${started.generation_id}.webp`,
        format: 'webp',
        width: 1000,
        height: 700,
        bytes: 4321,
        is_favorite: false,
        is_public: false,
        archived_at: null,
      },
    ],
    cost_usd: 0.003,
    created_at: expect.any(String),
    started_at: expect.any(String),
    completed_at: expect.any(String),
  });
});

describe('record_prediction', () => {
  test('of the same prediction again is "recorded" and changes nothing', async () => {
    const { job } = await running();
    await record(job, 'p1');
    const before = await db.job(job.id);
    expect(await record(job, 'p1')).toEqual({ outcome: 'recorded' });
    expect(await db.job(job.id)).toEqual(before);
  });

  test('of a second prediction is "stale": the caller has one too many, and a job to cancel it', async () => {
    const { job } = await running();
    await record(job, 'p1');
    expect(await record(job, 'p2')).toMatchObject({
      outcome: 'stale',
      job: { payload: { prediction_id: 'p2' } },
    });
    expect(await record(job, 'p2'), 'one such job is enough').toEqual({ outcome: 'stale' });
    expect((await db.job(job.id)).prediction_id).toBe('p1');
  });

  test('after a webhook that was faster is "recorded", success or failure', async () => {
    const first = await running();
    expect((await finish(first.job.id, 'p1')).outcome).toBe('download');
    expect(await record(first.job, 'p1')).toEqual({ outcome: 'recorded' });
    expect((await db.job(first.job.id)).status).toBe('completed');

    const second = await running();
    expect((await finish(second.job.id, 'p2', FAILED)).outcome).toBe('retrying');
    expect(await record(second.job, 'p2')).toEqual({ outcome: 'recorded' });
    expect(await db.job(second.job.id), 'the retry is not disturbed').toMatchObject({
      status: 'pending',
      prediction_id: null,
    });
  });
});

describe('finish_prediction', () => {
  test('adopts a prediction that was never recorded, whoever holds the lease', async () => {
    const { job, started } = await running();
    await db.letTimePass(job.id);
    const [rescuer] = await db.claim(1);
    expect((await finish(job.id, 'p1')).outcome).toBe('download');
    expect(await db.job(job.id)).toMatchObject({ status: 'completed', prediction_id: 'p1' });
    expect((await db.generation(started.generation_id)).status).toBe('downloading');
    expect(await record(rescuer as Job, 'p2'), 'the rescuer’s own prediction is one too many').toMatchObject({
      outcome: 'stale',
    });
  });

  test('in parallel and repeated gives one download', async () => {
    const { job } = await running();
    await record(job, 'p1');
    const answers = await Promise.all(Array.from({ length: 10 }, () => finish(job.id, 'p1')));
    expect(answers.map((answer) => answer.outcome).sort()).toEqual([
      'download',
      ...Array(9).fill('duplicate'),
    ]);
    const rows = await db.sql`select from public.job_queue where job_type = 'download-image'`;
    expect(rows.length).toBe(1);
  });

  test('repeated by the caller who has not heard the answer gives the same download, while it is theirs', async () => {
    const { job } = await running();
    await record(job, 'p1');
    const first = await finish(job.id, 'p1', { ...SUCCEEDED, call: 0.25 });
    expect(first).toMatchObject({ outcome: 'download', job: { lease: 1 } });
    const again = await finish(job.id, 'p1', { ...SUCCEEDED, call: 0.25 });
    // Its times are reckoned from when it was handed out.
    expect(again).toEqual({ outcome: 'download', job: { ...first.job, updated_at: expect.anything() } });
    const rows = await db.sql`select from public.job_queue where job_type = 'download-image'`;
    expect(rows.length).toBe(1);
    for (const call of [0.75, null]) {
      expect(await finish(job.id, 'p1', { ...SUCCEEDED, call })).toEqual({ outcome: 'duplicate' });
    }
    await db.letTimePass(first.job?.id ?? '');
    expect(await db.claim(1)).toMatchObject([{ id: first.job?.id, lease: '2' }]);
    expect(await finish(job.id, 'p1', { ...SUCCEEDED, call: 0.25 }), 'another one holds it now').toEqual({
      outcome: 'duplicate',
    });
  });

  test('of a failure repeats without using a second attempt', async () => {
    const { job, started } = await running();
    await record(job, 'p1');
    expect((await finish(job.id, 'p1', FAILED)).outcome).toBe('retrying');
    expect((await finish(job.id, 'p1', FAILED)).outcome).toBe('duplicate');
    expect(await db.job(job.id)).toMatchObject({ status: 'pending', attempts: 1, prediction_id: null });
    expect(await db.generation(started.generation_id)).toMatchObject({
      status: 'pending',
      retry_count: 1,
      replicate_prediction_id: null,
    });
    await db.letTimePass(job.id);
    const [again] = await db.claim(1);
    expect((await finish(job.id, 'p1', FAILED)).outcome, 'nor while the next run is on').toBe('duplicate');
    expect(await record(again as Job, 'p2')).toEqual({ outcome: 'recorded' });
  });

  test('without a retry fails the generation with words for its user', async () => {
    const { user, job, started } = await running();
    await record(job, 'p1');
    expect((await finish(job.id, 'p1', { ...FAILED, retry_in_seconds: null })).outcome).toBe('failed');
    const answer = await db.callAs(user, 'get_generation', { p_generation_id: started.generation_id });
    expect(answer).toMatchObject({
      status: 'failed',
      error: { code: 'model_error', message: 'The model failed.' },
    });
    expect((await finish(job.id, 'p1', FAILED)).outcome).toBe('duplicate');
  });

  test('with the code "cancelled" leaves a cancelled generation', async () => {
    const { job, started } = await running();
    await record(job, 'p1');
    await finish(job.id, 'p1', { ...FAILED, error_code: 'cancelled', retry_in_seconds: null });
    expect((await db.generation(started.generation_id)).status).toBe('cancelled');
  });

  test('of another prediction or of an unknown job is a mismatch', async () => {
    const { job } = await running();
    await record(job, 'p1');
    const before = await db.job(job.id);
    expect((await finish(job.id, 'p9')).outcome).toBe('mismatch');
    expect((await finish('00000000-0000-4000-8000-000000000000', 'p1')).outcome).toBe('mismatch');
    expect(await db.job(job.id)).toEqual(before);
  });
});

test('a download that is retried stays "downloading", and its end is the generation’s', async () => {
  const { job, started } = await running();
  const { job: download } = await finish(job.id, 'p1');
  const fail = (lease: unknown, retryIn: number | null) =>
    db.service('fail_job', {
      p_job_id: download?.id,
      p_lease: lease,
      p_error_message: 'The picture could not be stored.',
      p_error_details: { code: 'storage' },
      p_retry_in_seconds: retryIn,
    });
  expect(await fail(download?.lease, 0)).toEqual({ outcome: 'retrying' });
  expect(await db.generation(started.generation_id)).toMatchObject({ status: 'downloading', retry_count: 0 });
  const [again] = await db.claim(1);
  expect(again?.id).toBe(download?.id);
  expect(await fail(again?.lease, null)).toEqual({ outcome: 'failed' });
  expect(await db.generation(started.generation_id)).toMatchObject({
    status: 'failed',
    error_code: 'storage',
  });
});

test('a batch counts its images and ends with the last of them', async () => {
  const user = await db.createUser();
  const started = await db.start(user, {
    items: [{ prompt: 'one' }, { prompt: 'two', seed: 7 }, { prompt: 'three' }],
  });
  expect(started.generations.map((one) => one.generation_id)[0]).toBe(started.generation_id);
  const batch = async () =>
    (await db.sql`select * from public.batch_generations where id = ${started.batch_id}`)[0];
  const [one, two, three] = await db.claim(3);
  expect([one, two, three].map((job) => job?.payload.prompt)).toEqual(['one', 'two', 'three']);
  expect([one, two, three].map((job) => job?.payload.seed)).toEqual([undefined, 7, undefined]);
  await store((await finish(one?.id as string, 'a')).job as Job);
  expect(await batch()).toMatchObject({
    total_count: 3,
    completed_count: 1,
    status: 'processing',
    completed_at: null,
  });
  await finish(two?.id as string, 'b', { ...FAILED, retry_in_seconds: null });
  await store((await finish(three?.id as string, 'c')).job as Job);
  expect(await batch()).toMatchObject({
    completed_count: 2,
    failed_count: 1,
    status: 'partial',
    completed_at: expect.any(Date),
  });
});
