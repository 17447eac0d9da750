import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job, MODEL, refusal, type Started, SUCCEEDED } from './support.ts';

// Of the model's price, 0.003 dollars an image (Database.open).
const db = await Database.open();
beforeEach(() => db.clear());
afterEach(async () => {
  await expectSlotsRight(db);
  const negative = await db.sql`select user_id, day_cost from private.usage where day_cost < 0`;
  expect([...negative], 'nobody has used less than nothing').toEqual([]);
});

/** What a user has used of today's money. */
async function used(user: string): Promise<number> {
  const [row] = await db.sql`select day_cost from private.usage
    where user_id = ${user} and day = (now() at time zone 'UTC')::date`;
  if (!row) throw new Error('the user has used nothing today');
  return Number(row.day_cost);
}

const createUser = (money_per_day: number | null = 1) =>
  db.createUser({ requests_per_minute: null, images_per_day: null, running_jobs: null, money_per_day });
const batch = (user: string, images: number, more: object = {}) =>
  db.start(user, { items: Array(images).fill({ prompt: 'x' }), ...more });

/** One that counts, and is not claimed meanwhile. */
async function startPutOff(user: string): Promise<Started> {
  const started = await db.start(user);
  await db.sql`update public.job_queue set scheduled_at = now() + interval '1 hour' where id = ${started.job_id}`;
  return started;
}

/** The next job, with the arguments that its lease needs. */
async function claimed(): Promise<{ job: Job; leased: { p_job_id: string; p_lease: string } }> {
  const job = await db.claimOne();
  return { job, leased: { p_job_id: job.id, p_lease: job.lease } };
}
const fail = async (retryIn: number | null = null) =>
  db.service<{ outcome: string }>('fail_job', {
    ...(await claimed()).leased,
    p_error_message: 'broken',
    p_retry_in_seconds: retryIn,
  });

/** The job that cancels a prediction has found these. */
async function stopped(predictions: object[]): Promise<void> {
  const [job] = await db.claim(1, { types: ['cancel-prediction'] });
  const args = { p_job_id: job?.id, p_lease: job?.lease, p_result: { predictions } };
  expect(await db.service('complete_job', args)).toEqual({ outcome: 'completed' });
}

/** The run succeeds and its image is stored. */
async function finish(job: Job, image: object = {}): Promise<void> {
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job.id,
    p_prediction_id: `p-${job.id}`,
    p_outcome: SUCCEEDED,
  });
  const stored = { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp', ...image };
  const args = { p_job_id: download.id, p_lease: download.lease, p_image: stored };
  expect(await db.service('finish_download', args)).toEqual({ outcome: 'completed' });
  expect(await db.service('finish_download', args), 'a second time changes nothing').toEqual({
    outcome: 'completed',
  });
}

/** As if a day had passed since everything so far. */
async function nextDay(): Promise<void> {
  await db.sql`update private.usage set day = day - 1`;
  await db.sql`update public.image_generations set reserved_on = reserved_on - 1`;
}

describe('the limit', () => {
  test('lets exactly as many of 50 parallel requests in as it pays for', async () => {
    const user = await createUser(0.03);
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => db.start(user)));
    expect(answers.filter((answer) => answer.status === 'fulfilled').length).toBe(10);
    expect((await db.sql`select from public.job_queue`).length).toBe(10);
    expect(await used(user)).toBe(0.03);
    const refused = await refusal(db.start(user));
    expect(refused).toMatchObject({
      sqlstate: 'PT429',
      code: 'quota_exceeded',
      limit: 'money_per_day',
      message: 'You can spend 0.03 US dollars a day.',
    });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect(refused.retryAfter).toBeLessThanOrEqual(86_400);
    expect((await db.start(await createUser(0.03))).status, 'others are not concerned').toBe('queued');
  });

  test('counts each image of a batch, and nothing for a refused one', async () => {
    const user = await createUser(0.03);
    await batch(user, 7);
    expect(await refusal(batch(user, 4))).toMatchObject({ limit: 'money_per_day' });
    expect(await used(user)).toBe(0.021);
    await batch(user, 3);
    expect(await refusal(db.start(user))).toMatchObject({ limit: 'money_per_day' });
    expect(await used(user)).toBe(0.03);
  });

  test('null is no limit, and what is used is counted all the same', async () => {
    const user = await createUser(null);
    for (let n = 0; n < 3; n++) await batch(user, 10);
    expect(await used(user)).toBe(0.09);
  });

  test('0 pays for nothing but what costs nothing', async () => {
    const user = await createUser(0);
    await db.sql`insert into public.models (replicate_id, cost_per_generation) values ('test/free', 0)
      on conflict do nothing`;
    expect(await refusal(db.start(user))).toMatchObject({ limit: 'money_per_day' });
    await db.start(user, { model_id: 'test/free' });
    expect(await used(user)).toBe(0);
  });

  test('is new each day', async () => {
    const user = await createUser(0.03);
    await batch(user, 10);
    expect(await refusal(db.start(user))).toMatchObject({ limit: 'money_per_day' });
    await nextDay();
    await db.start(user);
    expect(await used(user)).toBe(0.003);
  });
});

describe('what was reserved', () => {
  test.each<[string, object, number]>([
    ['the model’s price where nothing else is known', {}, 0.003],
    ['a higher one', { cost_usd: 0.04 }, 0.04],
    ['a lower one', { cost_usd: 0.001 }, 0.001],
    ['nothing', { cost_usd: 0 }, 0],
  ])('is replaced by the real cost when the image is stored: %s', async (_, image, cost) => {
    const user = await createUser();
    const other = await startPutOff(user);
    const { generation_id } = await db.start(user);
    const { job } = await claimed();
    expect(await used(user)).toBe(0.006);
    await finish(job, image);
    expect(await used(user)).toBeCloseTo(0.003 + cost, 6);
    expect(Number((await db.generation(generation_id)).cost_usd)).toBe(cost);
    expect((await db.generation(other.generation_id)).status).toBe('pending');
  });

  test.each<[string, (user: string, started: Started) => Promise<unknown>]>([
    ['its failure', () => fail()],
    [
      'its cancellation',
      (user, { generation_id }) => db.callAs(user, 'cancel_generation', { p_generation_id: generation_id }),
    ],
    [
      'its cancellation while it runs, once nothing of it is found at the provider',
      async (user, { generation_id }) => {
        await claimed();
        await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
        expect(await used(user), 'a prediction may have been created').toBe(0.006);
        await db.sql`update public.job_queue set scheduled_at = now() where job_type = 'cancel-prediction'`;
        await stopped([]);
      },
    ],
    [
      'its expiry',
      async (_, { job_id }) => {
        await db.sql`update public.job_queue set expires_at = now() - interval '1 second' where id = ${job_id}`;
        await db.claim(1);
      },
    ],
    [
      'the loss of its last lease',
      async (_, { job_id }) => {
        await claimed();
        await db.sql`update public.job_queue set attempts = 2, lease_expires_at = now() - interval '1 second'
        where id = ${job_id}`;
        await db.claim(1);
      },
    ],
    [
      'the failure of its prediction',
      async (_, { job_id }) => {
        await claimed();
        const p_outcome = { status: 'failed', error_message: 'x', error_code: 'nsfw' };
        await db.service('finish_prediction', { p_job_id: job_id, p_prediction_id: 'p', p_outcome });
      },
    ],
    [
      'the failure of its download',
      async (_, { job_id }) => {
        await claimed();
        const { job } = await db.service<{ job: Job }>('finish_prediction', {
          p_job_id: job_id,
          p_prediction_id: 'p',
          p_outcome: SUCCEEDED,
        });
        await db.service('fail_job', { p_job_id: job.id, p_lease: job.lease, p_error_message: 'x' });
      },
    ],
  ])('is given back on %s, once', async (_, end) => {
    const user = await createUser();
    await startPutOff(user);
    const started = await db.start(user);
    expect(await used(user)).toBe(0.006);
    await end(user, started);
    expect(['failed', 'cancelled']).toContain((await db.generation(started.generation_id)).status);
    expect(await used(user)).toBe(0.003);
    await refusal(db.callAs(user, 'cancel_generation', { p_generation_id: started.generation_id })).catch(
      () => {},
    );
    await db.claim(5);
    expect(await used(user), 'and not a second time').toBe(0.003);
  });

  test('stays while a retry is coming', async () => {
    const user = await createUser();
    await db.start(user);
    expect(await fail(60)).toEqual({ outcome: 'retrying' });
    expect(await used(user)).toBe(0.003);
  });

  test('yesterday is not taken off today', async () => {
    const user = await createUser();
    const { generation_id } = await db.start(user);
    await nextDay();
    await startPutOff(user);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    expect(await used(user)).toBe(0.003);
  });

  test('is reserved again by requeue_job, the same day and on a later one', async () => {
    for (const later of [false, true]) {
      const user = await createUser();
      const { job_id } = await db.start(user);
      await fail();
      expect(await used(user)).toBe(0);
      if (later) await nextDay();
      await db.service('requeue_job', { p_job_id: job_id });
      expect(await used(user), `after requeue_job, on a later day: ${later}`).toBe(0.003);
      const { job } = await claimed();
      await finish(job, { cost_usd: 0.01 });
      expect(await used(user)).toBe(0.01);
    }
  });

  test('of a requeued job that fails on a later day is not taken off another’s', async () => {
    const user = await createUser();
    const { job_id } = await db.start(user);
    await fail();
    await nextDay();
    await db.service('requeue_job', { p_job_id: job_id });
    await startPutOff(user);
    await fail();
    expect(await used(user)).toBe(0.003);
  });

  test('adds up under parallel starts, ends and cancellations', async () => {
    const user = await createUser(null);
    const started = (await batch(user, 10)).generations;
    await batch(user, 10);
    const jobs = await db.claim(10);
    expect(jobs.map((job) => job.id)).toEqual(started.map((one) => one.job_id));
    await Promise.all([
      ...jobs.slice(0, 4).map((job) => finish(job, { cost_usd: 0.01 })),
      ...jobs
        .slice(4, 7)
        .map((job) => db.service('fail_job', { p_job_id: job.id, p_lease: job.lease, p_error_message: 'x' })),
      ...jobs
        .slice(7)
        .map((job) => db.callAs(user, 'cancel_generation', { p_generation_id: job.generation_id })),
      batch(user, 5),
    ]);
    expect(await used(user), 'what the cancelled ones cost is not known yet').toBeCloseTo(
      10 * 0.003 + 4 * 0.01 + 3 * 0.003 + 5 * 0.003,
      9,
    );
    await db.sql`update public.job_queue set scheduled_at = now() where job_type = 'cancel-prediction'`;
    for (let n = 0; n < 3; n++) await stopped([]);
    expect(await used(user)).toBe(10 * 0.003 + 4 * 0.01 + 5 * 0.003);
  });
});

describe('a run that its user cancels', () => {
  /** Cancelled while its prediction, `p1`, runs; it has reserved 0.003 dollars. */
  async function cancelledRun(money_per_day: number | null = 1) {
    const user = await createUser(money_per_day);
    const { generation_id, job_id } = await db.start(user);
    const { leased } = await claimed();
    await db.service('record_prediction', { ...leased, p_prediction_id: 'p1', p_wait_seconds: 60 });
    const cancel = () => db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    const end = (outcome: object) =>
      db.service('finish_prediction', { p_job_id: job_id, p_prediction_id: 'p1', p_outcome: outcome });
    await cancel();
    expect(await used(user), 'what it costs is not known yet').toBe(0.003);
    return { user, generation_id, cancel, end };
  }
  const canceled = { status: 'failed', provider_status: 'canceled', predict_time: 2 };

  test('counts what the prediction has cost, once, and is not charged', async () => {
    await db.sql`update public.models set cost_per_second = 0.0005 where replicate_id = ${MODEL}`;
    const { user, generation_id, cancel, end } = await cancelledRun();
    for (let n = 0; n < 3; n++) await end(canceled);
    await stopped([{ id: 'p1', status: 'canceled', predict_time: 2 }]);
    await cancel();
    expect(await used(user)).toBe(0.001);
    expect((await db.generation(generation_id)).cost_usd).toBe(null);
    await db.sql`update public.models set cost_per_second = null where replicate_id = ${MODEL}`;
  });

  test('that succeeds all the same counts its price, and is never stored', async () => {
    const { user, end } = await cancelledRun();
    expect(await end(SUCCEEDED)).toEqual({ outcome: 'cancelled' });
    expect(await used(user)).toBe(0.003);
    expect([...(await db.sql`select from public.job_queue where job_type = 'download-image'`)]).toEqual([]);
  });

  test('of a model priced by the image costs nothing without one', async () => {
    const { user, end } = await cancelledRun();
    await end(canceled);
    expect(await used(user)).toBe(0);
  });

  test('counts what was reserved as long as the provider does not say', async () => {
    const { user } = await cancelledRun();
    await stopped([{ id: 'p1', status: 'running', predict_time: null }]);
    expect(await used(user)).toBe(0.003);
  });

  test('again and again meets the limit', async () => {
    await db.sql`update public.models set cost_per_second = 0.0015 where replicate_id = ${MODEL}`;
    const user = await createUser(0.01);
    let starts = 0;
    const cancelOne = async () => {
      const { generation_id, job_id } = await db.start(user);
      starts += 1;
      const { leased } = await claimed();
      const prediction = { p_prediction_id: `p${starts}` };
      await db.service('record_prediction', { ...leased, ...prediction, p_wait_seconds: 60 });
      await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
      await db.service('finish_prediction', { p_job_id: job_id, ...prediction, p_outcome: canceled });
      await stopped([]);
    };
    const refused = await refusal(
      (async () => {
        for (let n = 0; n < 10; n++) await cancelOne();
      })(),
    );
    expect(refused).toMatchObject({ code: 'quota_exceeded', limit: 'money_per_day' });
    const [paid] = await db.sql`select sum(cost_usd) as usd from private.predictions`;
    expect(Number(paid?.usd)).toBeLessThanOrEqual(0.01);
    await db.sql`update public.models set cost_per_second = null where replicate_id = ${MODEL}`;
  });
});
