import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job } from './support.ts';

// A model that the provider refuses concerns nobody who wants another one.
const db = await Database.open();
const MODELS = ['a/one', 'a/two', 'a/three'];
for (const model of MODELS)
  await db.sql`insert into public.models (replicate_id, display_name, default_width, default_height, cost_per_generation)
    values (${model}, 'Other', 1024, 768, 0.05)`;
beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.refused_models where true`;
});

interface Told {
  outcome: string;
  refused?: string;
  started: boolean;
}
const SENTENCE = 'This model cannot be used at the moment. Please choose another one.';
const refuse = (job: Job | undefined, status = 403) =>
  db.service<Told>('refuse_model', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_status: status,
    p_error_message: SENTENCE,
  });
const user = () => db.createUser({ running_jobs: null, requests_per_minute: null, images_per_day: null });
async function claimed(model: string): Promise<Job> {
  await db.start(await user(), { model_id: model });
  const [job] = await db.claim(1);
  return job as Job;
}
const over = (model: string) =>
  db.sql`update private.refused_models set until = now() - interval '1 second', probe_until = '-infinity'
    where model = ${model}`;
const record = (job: Job, id: string) =>
  db.service('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: id,
    p_wait_seconds: 60,
  });
const left = async (model: string) => {
  const [row] = await db.sql`
    select round(extract(epoch from until - now()))::int as left from private.refused_models where model = ${model}`;
  return row?.left as number | undefined;
};

test('its generation fails in words that are true, without an attempt, and the money is given back', async () => {
  const started = await db.start(await user(), { model_id: 'a/one' });
  const [job] = await db.claim(1);
  expect(await refuse(job)).toMatchObject({ outcome: 'failed', refused: 'model', started: true });
  expect(await db.job(started.job_id)).toMatchObject({ status: 'failed', attempts: 0 });
  expect(await db.generation(started.generation_id)).toMatchObject({
    status: 'failed',
    error_code: 'model_unavailable',
    error_message: SENTENCE,
  });
  const [usage] = await db.sql`select day_cost from private.usage`;
  expect(Number(usage?.day_cost)).toBe(0);
});

test('others go on; those of the model that wait are handed out with a mark, and told once', async () => {
  const [first, second, third] = [await claimed('a/one'), await claimed('a/one'), await claimed('a/one')];
  for (const model of ['a/one', 'a/two']) await db.start(await user(), { model_id: model });
  expect((await refuse(first)).started).toBe(true);
  expect((await refuse(second)).started).toBe(false);
  const jobs = await db.claim(10);
  expect(jobs.map(({ payload }) => [payload.model_id, payload.model_refused])).toEqual([
    ['a/one', true],
    ['a/two', undefined],
  ]);
  const [pause] = await db.sql`select until > now() as on from private.provider_pause`;
  expect(pause?.on).toBe(false);
  // A lost lease changes nothing.
  expect(await refuse({ ...third, lease: '0' })).toEqual({ outcome: 'stale', started: false });
});

describe('at the door', () => {
  const start = async (model: string) => db.start(await user(), { model_id: model });

  test('a start is refused with a code, and others are not', async () => {
    await refuse(await claimed('a/one'), 404);
    await expect(start('a/one')).rejects.toMatchObject({
      code: 'PT422',
      detail: 'model_unavailable',
      hint: expect.stringMatching(/^retry_after=(60|59)$/),
    });
    await start('a/two');
  });

  const available = async () => {
    const prices = await db.service<{ id: string; is_available: boolean }[]>('model_prices');
    return ['a/one', 'a/two'].map((model) => prices.find(({ id }) => id === model)?.is_available);
  };

  test('when its time is over one start in a minute may try, and when that creates all may', async () => {
    expect(await available()).toEqual([true, true]);
    await refuse(await claimed('a/one'), 422);
    expect(await available(), 'what is told of the models says so').toEqual([false, true]);
    await over('a/one');
    expect(await available()).toEqual([true, true]);
    const tries = await Promise.allSettled([start('a/one'), start('a/one'), start('a/one')]);
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await available()).toEqual([false, true]);
    const [probe] = await db.claim(10);
    expect(probe?.payload).not.toHaveProperty('model_refused');
    await record(probe as Job, 'p1');
    await start('a/one');
    expect(await available()).toEqual([true, true]);
    expect(await db.service('queue_status')).toMatchObject({ refused_models: [] });
  });

  test('each try that fails doubles the wait, half an hour at most', async () => {
    const waits: (number | undefined)[] = [];
    for (let n = 0; n < 7; n++) {
      await over('a/one');
      await refuse(await claimed('a/one'));
      waits.push(await left('a/one'));
    }
    expect(waits).toEqual([60, 120, 240, 480, 960, 1800, 1800]);
  });
});

describe('403', () => {
  test('of three models within ten minutes is the account’s', async () => {
    const jobs: Job[] = [];
    for (const model of MODELS) jobs.push(await claimed(model));
    expect((await refuse(jobs[0])).refused).toBe('model');
    expect((await refuse(jobs[1])).refused).toBe('model');
    expect(await refuse(jobs[2])).toMatchObject({ outcome: 'snoozed', refused: 'account', started: true });
    expect(await db.service('queue_status')).toMatchObject({
      provider_pause_reason: 'account',
      provider_pause_code: 403,
      refused_models: [],
    });
  });

  test('of three models, while another one’s predictions are created, is theirs', async () => {
    const jobs: Job[] = [];
    for (const model of [...MODELS, MODELS[0] as string]) jobs.push(await claimed(model));
    await refuse(jobs[1]);
    await record(jobs[0] as Job, 'p1');
    await refuse(jobs[2]);
    expect((await refuse(jobs[3])).refused).toBe('model');
  });

  test('other statuses are never the account’s', async () => {
    const jobs: Job[] = [];
    for (const model of MODELS) jobs.push(await claimed(model));
    for (const job of jobs) expect((await refuse(job, 404)).refused).toBe('model');
    expect(await db.service('queue_status')).toMatchObject({ refused_models: [...MODELS].sort() });
    const { refused_models } = await db.service<{ refused_models: object[] }>('queue_metrics');
    expect(refused_models).toContainEqual({ model: 'a/one', refused: 1 });
  });
});

test('brought back by hand, its mark is gone', async () => {
  const first = await claimed('a/one');
  await db.start(await user(), { model_id: 'a/one' });
  await refuse(first);
  const [marked] = await db.claim(1);
  await db.service('fail_job', { p_job_id: marked?.id, p_lease: marked?.lease, p_error_message: 'x' });
  await db.service('requeue_job', { p_job_id: marked?.id });
  expect((await db.job(marked?.id ?? '')).payload).not.toHaveProperty('model_refused');
});
