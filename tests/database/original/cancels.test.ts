import { beforeEach, describe, expect, test } from 'vitest';
import { expectSlotsRight } from '../slots.ts';
import { Database, type Job, MODEL, refusal, type Started, SUCCEEDED } from '../support.ts';

// The original's apps set the status of a row: to cancelled or failed to cancel it, to pending to try it again. Both mean
// what the functions do, with the same checks, quotas and money.
const db = await Database.open();
await db.sql`update public.models set name = 'painter' where replicate_id = ${MODEL}`;

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.unstarted_generations where true`;
});

type Row = Record<string, unknown>;

const set = (user: string, id: string, changes: Row): Promise<Row[]> =>
  db.as('authenticated', user, async (sql) => [
    ...(await sql<Row[]>`update public.image_generations set ${sql(changes)} where id = ${id} returning *`),
  ]);
const setInBatch = (user: string, batch: string, was: string, changes: Row): Promise<Row[]> =>
  db.as('authenticated', user, async (sql) => [
    ...(await sql<Row[]>`update public.image_generations set ${sql(changes)}
      where batch_id = ${batch} and status = ${was} returning *`),
  ]);
const setBatch = (user: string, batch: string, changes: Row): Promise<Row[]> =>
  db.as('authenticated', user, async (sql) => [
    ...(await sql<
      Row[]
    >`update public.batch_generations set ${sql(changes)} where id = ${batch} returning *`),
  ]);
const batchRow = async (id: string) =>
  (await db.sql`select * from public.batch_generations where id = ${id}`)[0];
const usage = async (user: string) => {
  const [row] = await db.sql`select minute_requests, day_images, day_cost::float from private.usage
    where user_id = ${user}`;
  return { ...row };
};
const lease = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
const record = (job: Job, id: string) =>
  db.service('record_prediction', { ...lease(job), p_prediction_id: id, p_wait_seconds: 60, p_details: {} });
const fail = (job: Job) => db.service('fail_job', { ...lease(job), p_error_message: 'It broke.' });
const finish = (job: Job, id: string) =>
  db.service('finish_prediction', { p_job_id: job.id, p_prediction_id: id, p_outcome: SUCCEEDED });

/** The two ways in which the apps cancel. */
const WISHES = [{ status: 'cancelled' }, { status: 'failed', error_message: 'Cancelled by user' }];

describe.each(WISHES)('set to %o', (wish) => {
  test('one that waits is cancelled, with its money back', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    const [row] = await set(user, generation_id, wish);
    expect(row).toMatchObject({
      status: 'cancelled',
      error_message: null,
      reserved_usd: '0',
      cost_open: false,
    });
    expect(await db.generation(generation_id)).toEqual(row);
    expect((await db.job(job_id)).status).toBe('cancelled');
    expect(await usage(user)).toMatchObject({ day_images: 1, day_cost: 0 });
    expect(await db.claim(5)).toEqual([]);
    await expectSlotsRight(db);
  });

  test('the prediction of one that runs is stopped, and its money counts until it is known', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const job = await db.claimOne();
    await record(job, 'p1');
    const [row] = await set(user, generation_id, wish);
    expect(row).toMatchObject({ status: 'cancelled', cost_open: true });
    const [stop] = await db.claim(1, { types: ['cancel-prediction'] });
    expect(stop).toMatchObject({ id: row?.cancel_job_id, payload: { prediction_id: 'p1' } });
    expect(await usage(user)).toMatchObject({ day_cost: 0.003 });
    await expectSlotsRight(db);
  });

  test('one that was cancelled stays so', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    const before = await db.generation(generation_id);
    expect(await set(user, generation_id, wish)).toMatchObject([{ status: 'cancelled' }]);
    expect(await db.generation(generation_id)).toEqual(before);
  });

  test('one that is made is refused, as by the function', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const job = await db.claimOne();
    await record(job, 'p1');
    await finish(job, 'p1');
    const refused = await refusal(set(user, generation_id, wish));
    expect(refused).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
    expect(refused).toEqual(
      await refusal(db.callAs(user, 'cancel_generation', { p_generation_id: generation_id })),
    );
  });

  test('another’s is not found', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const { generation_id } = await db.start(user);
    expect(await set(other, generation_id, wish)).toEqual([]);
    expect((await db.generation(generation_id)).status).toBe('pending');
  });

  test('its end is announced, and listeners hear of it', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user, { webhook_url: 'https://hooks.example.com/x' });
    const before = await db.generation(generation_id);
    const [row] = await set(user, generation_id, wish);
    expect(Number(row?.seq)).toBeGreaterThan(Number(before.seq));
    const sent = await db.sql`select event_type, body::jsonb -> 'data' ->> 'status' as status
      from private.webhook_deliveries where generation_id = ${generation_id}`;
    expect([...sent]).toEqual([{ event_type: 'generation.cancelled', status: 'cancelled' }]);
  });
});

test('a step that is being taken meanwhile comes to its end first, and neither waits for the other', async () => {
  const user = await db.createUser();
  const { generation_id, job_id } = await db.start(user);
  await db.claimOne();
  let change: Promise<unknown> | undefined;
  await db.sql.begin(async (sql) => {
    await sql`select 1 from private.running_jobs where id = ${job_id} for update`;
    change = set(user, generation_id, { status: 'cancelled' });
    change.catch(() => {}); // judged below
    for (let waiting = 0; waiting === 0; ) {
      const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      waiting = row?.n ?? 0;
    }
    await sql`update public.image_generations set progress = 50, seq = seq + 1 where id = ${generation_id}`;
  });
  expect(await change).toMatchObject([{ status: 'cancelled', progress: 50 }]);
});

test('one that was not started ends as its app says, and is not found by a start', async () => {
  const user = await db.createUser();
  const insert = () =>
    db.as(
      'authenticated',
      user,
      (
        sql,
      ) => sql`insert into public.image_generations (user_id, prompt, model) values (${user}, 'x', 'painter')
        returning id`,
    );
  const [first] = await insert();
  expect(
    await set(user, first?.id, { status: 'failed', error_message: 'Edge Function failed' }),
  ).toMatchObject([{ status: 'failed', error_message: 'Edge Function failed', error_code: 'not_started' }]);
  expect(await set(user, first?.id, { status: 'pending', error_message: null })).toMatchObject([
    { status: 'pending', error_message: null, completed_at: null },
  ]);
  const answer = await db.callAs<Started>(user, 'start_inserted_generation', { p_generation_id: first?.id });
  expect(answer.status).toBe('queued');
  expect(await usage(user)).toMatchObject({ minute_requests: 2, day_images: 1 });
});

test.each(['completed', 'processing', 'downloading'])('%s is not a user’s to set', async (status) => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  expect(await refusal(set(user, generation_id, { status }))).toMatchObject({
    sqlstate: 'PT403',
    code: 'forbidden',
  });
});

test.each([{ error_message: 'mine' }, { retry_count: 7 }, { completed_at: new Date(0) }])(
  'a row of which %o alone is set is refused',
  async (change) => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    expect((await refusal(set(user, generation_id, change))).sqlstate).toBe('PT403');
  },
);

test.each(['seq', 'reserved_usd', 'progress', 'user_id', 'prompt', 'job_id'])(
  '%s is not a user’s to change',
  async (column) => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const row = await db.generation(generation_id);
    expect((await refusal(set(user, generation_id, { [column]: row[column] }))).sqlstate).toBe('42501');
  },
);

const AGAIN = { status: 'pending', error_message: null, retry_count: 0 };

describe('a failed one that is set to pending', () => {
  async function failed(limits?: Parameters<typeof db.createUser>[0]) {
    const user = await db.createUser(limits);
    const started = await db.start(user);
    await fail(await db.claimOne());
    return { user, ...started };
  }

  test('is made again by its own job, and counts like a start', async () => {
    const { user, generation_id, job_id } = await failed();
    expect(await usage(user)).toEqual({ minute_requests: 1, day_images: 1, day_cost: 0 });
    const [row] = await set(user, generation_id, AGAIN);
    expect(row).toMatchObject({
      status: 'pending',
      job_id,
      error_message: null,
      error_code: null,
      completed_at: null,
    });
    expect(await usage(user)).toEqual({ minute_requests: 2, day_images: 2, day_cost: 0.003 });
    const job = await db.claimOne();
    expect(job).toMatchObject({ id: job_id, attempts: 0, generation_id });
    await record(job, 'p2');
    await finish(job, 'p2');
    const [download] = await db.sql<Job[]>`select * from public.job_queue where job_type = 'download-image'`;
    await db.service('finish_download', {
      p_job_id: download?.id,
      p_lease: download?.lease,
      p_image: { storage_path: `${user}/a.webp`, public_url: 'https://x.example/a.webp', format: 'webp' },
    });
    expect(await db.generation(generation_id)).toMatchObject({ status: 'completed' });
    await expectSlotsRight(db);
  });

  test('is tried again by name as well, by its owner alone', async () => {
    const { user, generation_id, job_id } = await failed();
    const again = (who: string) => db.callAs(who, 'retry_generation', { p_generation_id: generation_id });
    expect(await refusal(again(await db.createUser()))).toMatchObject({
      sqlstate: 'PT404',
      code: 'not_found',
    });
    const waiting = { id: generation_id, status: 'queued', error: null };
    expect(await again(user)).toMatchObject(waiting);
    expect(await again(user), 'it waits already').toMatchObject(waiting);
    expect(await usage(user)).toEqual({ minute_requests: 2, day_images: 2, day_cost: 0.003 });
    const job = await db.claimOne();
    expect(job.id).toBe(job_id);
    await record(job, 'p2');
    expect(await refusal(again(user))).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
  });

  test('whose image was made and lost gets a new job', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user, { seed: 7 });
    const job = await db.claimOne();
    await record(job, 'p1');
    await finish(job, 'p1');
    const [download] = await db.sql<Job[]>`select * from public.job_queue where job_type = 'download-image'`;
    await fail(download as Job);
    expect((await db.generation(generation_id)).status).toBe('failed');
    const [row] = await set(user, generation_id, AGAIN);
    expect(row?.job_id).not.toBe(job_id);
    expect((await db.claimOne()).payload).toMatchObject({
      seed: 7,
      generation_id,
      model_id: MODEL,
      user_id: user,
    });
  });

  test('whose job is no more is made from its row', async () => {
    const { user, generation_id, job_id } = await failed();
    await db.sql`delete from private.finished_jobs where id = ${job_id}`;
    await set(user, generation_id, AGAIN);
    expect((await db.claimOne()).payload).toMatchObject({
      prompt: 'a lighthouse',
      generation_id,
      model_id: MODEL,
      user_id: user,
    });
  });

  test.each([
    [{ images_per_day: 1 }, 'images_per_day'],
    [{ requests_per_minute: 1 }, 'requests_per_minute'],
    [{ money_per_day: 0 }, 'money_per_day'],
  ])('is refused where the plan has %o', async (limits, limit) => {
    const { user, generation_id, job_id } = await failed();
    await db.sql`insert into private.plans ${db.sql({ name: user, requests_per_minute: 60, ...limits })}`;
    await db.sql`insert into private.user_plans (user_id, plan) values (${user}, ${user})`;
    expect(await refusal(set(user, generation_id, AGAIN))).toMatchObject({ sqlstate: 'PT429', limit });
    expect((await db.generation(generation_id)).status).toBe('failed');
    expect((await db.job(job_id)).status).toBe('failed');
  });

  test('is refused where the model is not offered any more, or the account is suspended', async () => {
    const { user, generation_id } = await failed();
    await db.sql`update public.models set is_active = false where replicate_id = ${MODEL}`;
    expect(await refusal(set(user, generation_id, AGAIN))).toMatchObject({ code: 'unknown_model' });
    await db.sql`update public.models set is_active = true where replicate_id = ${MODEL}`;
    await db.sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${user}`;
    expect(await refusal(set(user, generation_id, AGAIN))).toMatchObject({ code: 'forbidden' });
  });

  test('once it is cancelled or made, is a conflict', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await set(user, generation_id, { status: 'cancelled' });
    expect(await refusal(set(user, generation_id, AGAIN))).toMatchObject({
      sqlstate: 'PT409',
      code: 'conflict',
    });
  });

  test('while it waits, changes nothing', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const before = await db.generation(generation_id);
    expect(await set(user, generation_id, AGAIN)).toMatchObject([{ status: 'pending' }]);
    expect(await db.generation(generation_id)).toEqual(before);
    expect(await usage(user)).toMatchObject({ minute_requests: 1, day_images: 1 });
  });
});

describe('a batch', () => {
  async function batch() {
    const user = await db.createUser();
    const started = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'c' }] });
    return { user, id: started.batch_id as string, ids: started.generations.map((one) => one.generation_id) };
  }

  test('set to failed, as the apps cancel one, is cancelled with all that is open', async () => {
    const { user, id, ids } = await batch();
    const job = (await db.claim(1))[0] as Job;
    await record(job, 'p1');
    const [row] = await setBatch(user, id, { status: 'failed', completed_at: new Date() });
    expect(row).toMatchObject({ status: 'cancelled', cancelled_count: 3, failed_count: 0 });
    expect(await batchRow(id)).toEqual(row);
    for (const one of ids) expect((await db.generation(one)).status).toBe('cancelled');
    const stops = await db.claim(5);
    expect(stops).toMatchObject([{ job_type: 'cancel-prediction', payload: { prediction_id: 'p1' } }]);
    await expectSlotsRight(db);
  });

  test('that has an image keeps it', async () => {
    const { user, id } = await batch();
    const job = (await db.claim(1))[0] as Job;
    await record(job, 'p1');
    await finish(job, 'p1');
    const [row] = await setBatch(user, id, { status: 'cancelled' });
    expect(row, 'one is being stored').toMatchObject({ status: 'processing', cancelled_count: 2 });
  });

  test('set a second time stays as it is', async () => {
    const { user, id } = await batch();
    await setBatch(user, id, { status: 'failed' });
    expect(await setBatch(user, id, { status: 'failed' })).toMatchObject([
      { status: 'cancelled', cancelled_count: 3 },
    ]);
  });

  test('whose failed ones are tried again goes on', async () => {
    const { user, id } = await batch();
    for (const job of await db.claim(2)) await fail(job);
    expect(await batchRow(id)).toMatchObject({ failed_count: 2, status: 'processing' });
    expect(await setInBatch(user, id, 'failed', AGAIN)).toHaveLength(2);
    expect(await batchRow(id)).toMatchObject({ failed_count: 0, status: 'processing' });
    // What the apps do next, of what is so already.
    expect(await setBatch(user, id, { status: 'processing', failed_count: 0 })).toMatchObject([
      { status: 'processing', failed_count: 0 },
    ]);
    expect(await db.claim(5)).toHaveLength(3);
  });

  test('whose generations are cancelled one by one counts them', async () => {
    const { user, id } = await batch();
    expect(await setInBatch(user, id, 'pending', { status: 'failed', error_message: 'x' })).toHaveLength(3);
    expect(await batchRow(id)).toMatchObject({ status: 'cancelled', cancelled_count: 3 });
  });

  test('counts by itself', async () => {
    const { user, id } = await batch();
    await fail((await db.claim(1))[0] as Job);
    expect(await refusal(setBatch(user, id, { failed_count: 0 }))).toMatchObject({ sqlstate: 'PT409' });
    expect(await refusal(setBatch(user, id, { status: 'completed' }))).toMatchObject({ sqlstate: 'PT403' });
    expect(await refusal(setBatch(user, id, { total_count: 1 }))).toMatchObject({ sqlstate: '42501' });
  });

  test('gets another name', async () => {
    const { user, id } = await batch();
    expect(await setBatch(user, id, { name: 'Lighthouses' })).toMatchObject([{ name: 'Lighthouses' }]);
    expect(await refusal(setBatch(user, id, { name: 'n'.repeat(256) }))).toMatchObject({ field: 'name' });
  });

  test('of somebody else is not found', async () => {
    const { id } = await batch();
    expect(await setBatch(await db.createUser(), id, { status: 'cancelled' })).toEqual([]);
  });
});

describe('the row of a job', () => {
  const setJob = (user: string, id: string, changes: Row): Promise<Row[]> =>
    db.as('authenticated', user, async (sql) => [
      ...(await sql<Row[]>`update public.job_queue set ${sql(changes)}
        where id = ${id} and status in ('pending', 'processing') returning *`),
    ]);
  const CANCELLED = { status: 'cancelled', updated_at: '2025-11-01T00:00:00.000Z' };

  test('set to cancelled cancels its generation, with its money', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    expect(await setJob(user, job_id, CANCELLED)).toMatchObject([{ id: job_id, status: 'cancelled' }]);
    expect(await db.generation(generation_id)).toMatchObject({ status: 'cancelled', reserved_usd: '0' });
    expect(await usage(user)).toMatchObject({ day_cost: 0 });
    expect(await db.claim(5)).toEqual([]);
    await expectSlotsRight(db);
  });

  test('set to cancelled while it runs has its prediction stopped', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    await record(await db.claimOne(), 'p1');
    expect(await setJob(user, job_id, CANCELLED)).toHaveLength(1);
    expect(await db.generation(generation_id)).toMatchObject({ status: 'cancelled', cost_open: true });
    expect(await db.claim(1, { types: ['cancel-prediction'] })).toMatchObject([
      { payload: { prediction_id: 'p1' } },
    ]);
  });

  test('says how far the queue is, and takes nothing else', async () => {
    const user = await db.createUser();
    const { job_id } = await db.start(user);
    expect(await setJob(user, job_id, { updated_at: new Date() })).toMatchObject([{ status: 'pending' }]);
    for (const status of ['completed', 'failed', 'processing', null]) {
      expect(await refusal(setJob(user, job_id, { status }))).toMatchObject({ sqlstate: 'PT403' });
    }
    expect(await refusal(setJob(user, job_id, { priority: 9 }))).toMatchObject({ sqlstate: '42501' });
    expect((await db.job(job_id)).status).toBe('pending');
  });

  test('that is none of a generation, or somebody else’s, stays', async () => {
    const user = await db.createUser();
    const [own] = await db.sql`insert into public.job_queue (job_type, created_by)
      values ('cleanup-storage', ${user}) returning id`;
    expect(await refusal(setJob(user, own?.id, CANCELLED))).toMatchObject({ sqlstate: 'PT403' });
    const { job_id } = await db.start(user);
    expect(await setJob(await db.createUser(), job_id, CANCELLED)).toEqual([]);
    expect((await db.job(job_id)).status).toBe('pending');
  });
});
