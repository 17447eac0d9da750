import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, SUCCEEDED } from './support.ts';

// private.predictions: what was created at the provider, how it ended and what it cost.
const db = await Database.open();
beforeEach(() => db.clear());

interface Prediction {
  id: string;
  job_id: string;
  generation_id: string | null;
  attempt: number;
  model: string | null;
  source: string;
  ended_at: Date | null;
  status: string | null;
  predict_time: string | null;
  cost_usd: string | null;
}

interface Answer {
  outcome: string;
  job?: Job;
}

const FAILED = { status: 'failed', error_message: 'It failed.', error_code: 'x', predict_time: 2 };

const predictions = async () =>
  (await db.sql<Prediction[]>`select id, job_id, generation_id, attempt, model, source, ended_at, status,
    predict_time, cost_usd from private.predictions order by id`) as unknown as Prediction[];
const only = async (): Promise<Prediction> => {
  const all = await predictions();
  if (all.length !== 1) throw new Error(`one prediction was expected, ${all.length} are in the ledger`);
  return all[0] as Prediction;
};

async function running(request = {}) {
  const user = await db.createUser();
  const { generation_id, job_id } = await db.start(user, request);
  return { user, generation_id, job_id, job: await db.claimOne() };
}
const record = (job: Job, id: string, details = {}) =>
  db.service<Answer>('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: id,
    p_wait_seconds: 60,
    p_details: details,
  });
const finish = (job_id: string, id: string, outcome: object) =>
  db.service<Answer>('finish_prediction', { p_job_id: job_id, p_prediction_id: id, p_outcome: outcome });
const complete = (job: Job | undefined, predictions: object[]) =>
  db.service<Answer>('complete_job', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_result: { predictions },
  });
const store = (job: Job | undefined) =>
  db.service<Answer>('finish_download', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_image: { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp' },
  });

test('the time that a prediction is awaited counts from its record, by this clock', async () => {
  const { job } = await running();
  await db.sql`update public.job_queue set started_at = now() - interval '1 hour' where id = ${job.id}`;
  await record(job, 'p1');
  const [row] = await db.sql`select started_at > now() - interval '1 minute' as is_new
    from public.job_queue where id = ${job.id}`;
  expect(row).toEqual({ is_new: true });
});

test('cancelled at the provider: not made again, unless it was we who stopped it', async () => {
  const cancelled = { ...FAILED, error_code: 'cancelled_at_provider', retry_in_seconds: null };
  const one = await running();
  await record(one.job, 'p1');
  expect((await finish(one.job_id, 'p1', cancelled)).outcome).toBe('failed');

  const other = await running();
  await db.letTimePass(other.job_id);
  const next = await db.claimOne();
  // The run that lost its job comes first, and stops what it has created; the next one finds it in the list.
  expect(await record(other.job, 'p2')).toMatchObject({
    outcome: 'stale',
    job: { job_type: 'cancel-prediction' },
  });
  await record(next, 'p2', { source: 'adopted' });
  expect((await finish(other.job_id, 'p2', cancelled)).outcome).toBe('retrying');
});

test('a created prediction is noted with its job, and with its end and cost once it has ended', async () => {
  const { generation_id, job_id, job } = await running();
  await record(job, 'p1');
  const noted = { id: 'p1', job_id, generation_id, attempt: 1, model: MODEL, source: 'created' };
  expect(await only()).toEqual({
    ...noted,
    ended_at: null,
    status: null,
    predict_time: null,
    cost_usd: null,
  });
  await finish(job_id, 'p1', { ...SUCCEEDED, provider_status: 'succeeded' });
  expect(await only()).toMatchObject({
    ...noted,
    ended_at: expect.any(Date),
    status: 'succeeded',
    predict_time: '1.25',
    cost_usd: '0.003',
  });
});

test('what only the step needs does not go into the download job', async () => {
  const { job_id } = await running();
  const { job } = await finish(job_id, 'p1', {
    ...SUCCEEDED,
    provider_status: 'succeeded',
    source: 'webhook',
  });
  for (const name of ['status', 'provider_status', 'source']) expect(job?.payload).not.toHaveProperty(name);
  expect(job?.payload).toMatchObject({ output_url: SUCCEEDED.output_url });
});

test.each([
  ['the model’s price for a picture', null, SUCCEEDED, '0.003'],
  ['also for a success without one', null, { ...FAILED, provider_status: 'succeeded' }, '0.003'],
  ['nothing for what never started', null, { ...FAILED, provider_status: 'aborted' }, '0'],
  ['not known for what failed, by the picture', null, { ...FAILED, provider_status: 'failed' }, null],
  ['the time it ran, by the second', '0.001', { ...SUCCEEDED, predict_time: 4.5 }, '0.004500'],
  ['… failed', '0.001', { ...FAILED, provider_status: 'failed' }, '0.002000'],
  ['… cancelled', '0.001', { ...FAILED, provider_status: 'canceled' }, '0.002000'],
  ['… aborted', '0.001', { ...FAILED, provider_status: 'aborted', predict_time: 0 }, '0'],
  ['… of unknown length: by the picture', '0.001', { ...SUCCEEDED, predict_time: null }, '0.003'],
])('what it cost: %s', async (_, per_second, outcome, cost) => {
  await db.sql`update public.models set cost_per_second = ${per_second} where replicate_id = ${MODEL}`;
  const { job_id, job } = await running();
  await record(job, 'p1');
  await finish(job_id, 'p1', outcome);
  expect((await only()).cost_usd).toBe(cost);
  await db.sql`update public.models set cost_per_second = null`;
});

test('a model without a price: not known', async () => {
  await db.sql`insert into public.models (replicate_id) values ('test/unpriced') on conflict do nothing`;
  const { job_id } = await running({ model_id: 'test/unpriced' });
  await finish(job_id, 'p1', SUCCEEDED);
  expect(await only()).toMatchObject({ model: 'test/unpriced', source: 'webhook', cost_usd: null });
});

test('a generation costs its user what its image cost, not what was paid for attempts before it', async () => {
  await db.sql`update public.models set cost_per_second = 0.01 where replicate_id = ${MODEL}`;
  const { user, generation_id, job_id, job } = await running();
  await record(job, 'p1');
  await finish(job_id, 'p1', { ...FAILED, provider_status: 'failed', retry_in_seconds: 0 });
  await db.letTimePass(job_id);
  const again = await db.claimOne();
  await record(again, 'p2');
  await store((await finish(job_id, 'p2', { ...SUCCEEDED, predict_time: 3 })).job);
  expect(await predictions()).toMatchObject([
    { id: 'p1', attempt: 1, status: 'failed', cost_usd: '0.020000' },
    { id: 'p2', attempt: 2, status: 'succeeded', cost_usd: '0.030000' },
  ]);
  expect(await db.generation(generation_id)).toMatchObject({ status: 'completed', cost_usd: '0.030000' });
  const [usage] = await db.sql`select day_cost from private.usage where user_id = ${user}`;
  expect(Number(usage?.day_cost)).toBe(0.03);
  await db.sql`update public.models set cost_per_second = null`;
});

test('deliveries repeated and at the same moment are one row, and one end', async () => {
  const { job_id, job } = await running();
  await Promise.all([
    record(job, 'p1'),
    ...Array.from({ length: 8 }, () => finish(job_id, 'p1', SUCCEEDED)),
    record(job, 'p1'),
  ]);
  const before = await only();
  await finish(job_id, 'p1', { ...FAILED, provider_status: 'failed' });
  expect(await only(), 'a later word changes nothing').toEqual(before);
  expect(await db.sql`select from public.job_queue where job_type = 'cancel-prediction'`).toHaveLength(0);
});

describe('a second prediction', () => {
  test('that a run has created in vain is cancelled by a job of its own, once', async () => {
    const { job } = await running();
    await record(job, 'p1');
    const answers = await Promise.all(Array.from({ length: 5 }, () => record(job, 'p2')));
    expect(answers.map(({ outcome }) => outcome)).toEqual(Array(5).fill('stale'));
    const cancels = answers.flatMap(({ job }) => job ?? []);
    expect(cancels).toMatchObject([
      { job_type: 'cancel-prediction', status: 'processing', lease: 1, payload: { prediction_id: 'p2' } },
    ]);
    await complete(cancels[0], [{ id: 'p2', status: 'canceled', predict_time: 0.5 }]);
    expect(await predictions()).toMatchObject([
      { id: 'p1', ended_at: null },
      { id: 'p2', source: 'created', status: 'canceled', predict_time: '0.5' },
    ]);
    expect(await db.job(job.id)).toMatchObject({ prediction_id: 'p1', status: 'processing' });
  });

  test('that a webhook tells of is cancelled while it runs, once, and noted with its end', async () => {
    const { job_id, job } = await running();
    await record(job, 'p1');
    const first = await finish(job_id, 'p2', { status: 'running' });
    expect(first).toMatchObject({ outcome: 'mismatch', job: { payload: { prediction_id: 'p2' } } });
    expect(await finish(job_id, 'p2', { status: 'running' })).toEqual({ outcome: 'mismatch' });
    expect(await finish(job_id, 'p2', SUCCEEDED), 'too late').toEqual({ outcome: 'mismatch' });
    expect(await predictions()).toMatchObject([
      { id: 'p1', status: null },
      { id: 'p2', source: 'webhook', status: 'succeeded', cost_usd: '0.003' },
    ]);
  });

  test('that has ended needs no cancelling', async () => {
    const { job_id, job } = await running();
    await record(job, 'p1');
    expect(await finish(job_id, 'p2', SUCCEEDED)).toEqual({ outcome: 'mismatch' });
    expect(await predictions()).toMatchObject([{ id: 'p1' }, { id: 'p2', status: 'succeeded' }]);
  });

  test.each([
    ['completed', (job: Job) => finish(job.id, 'p1', SUCCEEDED)],
    ['failed', (job: Job) => finish(job.id, 'p1', FAILED)],
  ])('of a job that has %s is cancelled while it runs', async (status, end) => {
    const { job_id, job } = await running();
    await end(job);
    expect((await db.job(job_id)).status).toBe(status);
    expect(await finish(job_id, 'p2', { status: 'running' })).toMatchObject({
      outcome: 'mismatch',
      job: { payload: { prediction_id: 'p2' } },
    });
  });

  test('of a job that nobody knows is cancelled while it runs', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';
    const answer = await finish(unknown, 'p1', { status: 'running' });
    expect(answer).toMatchObject({ outcome: 'mismatch', job: { payload: { prediction_id: 'p1' } } });
    expect(await only()).toMatchObject({ job_id: unknown, model: null, cost_usd: null });
  });
});

describe('a prediction that still runs', () => {
  test('is recorded where its job is in doubt', async () => {
    const { generation_id, job_id, job } = await running();
    const args = { p_job_id: job_id, p_lease: job.lease, p_seconds: 90, p_outcome_unknown: true };
    await db.service('snooze_job', args);
    expect(await finish(job_id, 'p1', { status: 'running' })).toEqual({ outcome: 'recorded' });
    expect(await db.job(job_id)).toMatchObject({ prediction_id: 'p1', outcome_unknown: false });
    expect((await db.generation(generation_id)).status).toBe('processing');
    expect(await only()).toMatchObject({ source: 'webhook', status: null });
  });

  test('of a cancelled job is cancelled at once', async () => {
    const { user, generation_id, job_id, job } = await running();
    const args = { p_job_id: job_id, p_lease: job.lease, p_seconds: 90, p_outcome_unknown: true };
    await db.service('snooze_job', args);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    const { outcome, job: cancel } = await finish(job_id, 'p1', { status: 'running' });
    expect(outcome).toBe('cancelled');
    expect(cancel).toMatchObject({ job_type: 'cancel-prediction', payload: { prediction_id: 'p1' } });
    // The search that the cancel has left finds it as well, and knows no more than we do.
    const search = await db.claimOne();
    await complete(search, [{ id: 'p1', status: 'canceled', predict_time: 1 }]);
    expect(await only()).toMatchObject({ source: 'webhook', status: 'canceled', attempt: 1 });
  });

  test('and is the job’s own changes nothing', async () => {
    const { job_id, job } = await running();
    await record(job, 'p1');
    const before = await db.job(job_id);
    expect(await finish(job_id, 'p1', { status: 'running' })).toEqual({ outcome: 'running' });
    expect(await db.job(job_id)).toEqual(before);
  });

  test('of a job that waits for its retry is left to it', async () => {
    const { job_id, job } = await running();
    await db.service('fail_job', {
      p_job_id: job_id,
      p_lease: job.lease,
      p_error_message: 'x',
      p_retry_in_seconds: 60,
    });
    expect(await finish(job_id, 'p1', { status: 'running' })).toEqual({ outcome: 'running' });
    expect((await finish(job_id, 'p1', SUCCEEDED)).outcome, 'its picture is taken').toBe('download');
  });
});

test('what a search finds of a cancelled job is noted as found', async () => {
  const { user, generation_id, job_id, job } = await running();
  const args = { p_job_id: job_id, p_lease: job.lease, p_seconds: 90, p_outcome_unknown: true };
  await db.service('snooze_job', args);
  await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
  await complete(await db.claimOne(), [
    { id: 'p1', status: 'canceled', predict_time: 1 },
    { id: 'p2', status: 'running', predict_time: null },
  ]);
  expect(await predictions()).toMatchObject([
    { id: 'p1', job_id, generation_id, source: 'adopted', status: 'canceled', model: MODEL },
    { id: 'p2', job_id, source: 'adopted', status: null, ended_at: null },
  ]);
});

test('one that was given up ends as unknown, until the provider says more', async () => {
  const { job_id, job } = await running();
  await record(job, 'p1');
  const args = { p_job_id: job_id, p_lease: job.lease, p_error_message: 'The provider lost the image.' };
  await db.service('fail_job', args);
  expect(await only()).toMatchObject({ status: 'unknown', ended_at: expect.any(Date), cost_usd: null });
  expect((await finish(job_id, 'p1', SUCCEEDED)).outcome).toBe('duplicate');
  expect(await only()).toMatchObject({ status: 'succeeded', cost_usd: '0.003' });
});

test('the ledger outlives jobs and generations, for ninety days', async () => {
  const { user, job_id, job } = await running();
  await record(job, 'p1');
  await db.sql`delete from auth.users where id = ${user}`;
  expect(await only()).toMatchObject({ job_id });
  await db.sql`update private.predictions set recorded_at = now() - interval '89 days'`;
  await db.service('prune_jobs');
  expect(await predictions()).toHaveLength(1);
  await db.sql`update private.predictions set recorded_at = now() - interval '91 days'`;
  await db.service('prune_jobs');
  expect(await predictions()).toHaveLength(0);
});

describe('several predictions in one call', () => {
  const record = (jobs: Job[], lease?: number) =>
    db.service<{ answers: { outcome: string; job?: Job }[] }>('record_predictions', {
      p_predictions: jobs.map((job, at) => ({
        job_id: job.id,
        lease: lease ?? Number(job.lease),
        prediction_id: `p${at}-${job.id}`,
        details: { width: 640 },
      })),
      p_wait_seconds: 60,
    });

  test('are each recorded as by themselves, and the answers come in their order', async () => {
    const user = await db.createUser({ running_jobs: null });
    await db.start(user, { items: Array(4).fill({ prompt: 'x' }) });
    const jobs = await db.claim(4);
    const [lost] = jobs as [Job];
    await db.service('snooze_job', { p_job_id: lost.id, p_lease: lost.lease, p_seconds: 60 });
    for (const order of [jobs, [...jobs].reverse()]) {
      // The second time it is known.
      const { answers } = await record(order);
      const at = order.indexOf(lost);
      expect(answers.map(({ outcome }) => outcome)).toEqual(
        order.map((_, index) => (index === at || order !== jobs ? 'stale' : 'recorded')),
      );
      expect(answers[at]?.job?.job_type).toBe('cancel-prediction');
    }
    for (const job of jobs.slice(1)) {
      expect((await db.job(job.id)).prediction_id).toBe(`p${jobs.indexOf(job)}-${job.id}`);
      expect(await db.generation(job.generation_id as string)).toMatchObject({
        status: 'processing',
        width: 640,
      });
    }
    expect((await record(jobs)).answers.map(({ outcome }) => outcome)).toEqual([
      'stale',
      'recorded',
      'recorded',
      'recorded',
    ]);
  });

  test('called crosswise, wait for each other and go on', async () => {
    const user = await db.createUser({ running_jobs: null });
    await db.start(user, { items: Array(10).fill({ prompt: 'x' }) });
    const jobs = await db.claim(10);
    const all = await Promise.all(
      [...Array(8).keys()].map((at) => record(at % 2 ? jobs : [...jobs].reverse())),
    );
    const outcomes = all.flatMap(({ answers }) => answers.map(({ outcome }) => outcome));
    expect(outcomes.filter((outcome) => outcome === 'recorded').length).toBeGreaterThanOrEqual(10);
  });
});
