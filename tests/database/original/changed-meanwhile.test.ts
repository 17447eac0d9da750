import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { beforeEach, describe, expect, test } from 'vitest';
import { stopped } from '../stopped.ts';
import { Database, type Job, MODEL, refusal, SUCCEEDED } from '../support.ts';

// A change of a user's that waits for a step must go by what the row is after that step, and not by what it read before.
const db = await Database.open();
beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.unstarted_generations where true`;
});

const lease = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
const record = (job: Job, id: string) =>
  db.service('record_prediction', { ...lease(job), p_prediction_id: id, p_wait_seconds: 60 });
const end = (job: Job, id: string, outcome: object = SUCCEEDED) =>
  db.service<{ outcome: string; job: Job }>('finish_prediction', {
    p_job_id: job.id,
    p_prediction_id: id,
    p_outcome: outcome,
  });
const fail = (job: Job) => db.service('fail_job', { ...lease(job), p_error_message: 'It broke.' });
const store = ({ id, lease }: Job) =>
  db.service<{ outcome: string }>('finish_download', {
    p_job_id: id,
    p_lease: lease,
    p_image: { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp' },
  });
const openJobs = (id: string) =>
  db.sql`select job_type, status from public.job_queue
    where generation_id = ${id} and status in ('pending', 'processing')`;
/** What `stopped` holds: the usage of a user, for which a change waits when it has all but that. */
const usageOf = (user: string) => (sql: postgres.TransactionSql) =>
  sql`select 1 from private.usage where user_id = ${user} for update`;
const remove = (user: string, id: string) => () =>
  db.as('authenticated', user, (sql) => sql`delete from public.image_generations where id = ${id}`);

async function inserted(user: string, columns: Record<string, unknown> = {}): Promise<string> {
  const id = randomUUID();
  const row = { id, user_id: user, prompt: 'x', model: MODEL, ...columns };
  await db.as('authenticated', user, (sql) => sql`insert into public.image_generations ${sql(row)}`);
  return id;
}

describe.each(['cancel_generation', 'delete_generation'])('%s of one that is being started', (change) => {
  test('takes the job that the start has made', async () => {
    const user = await db.createUser();
    const id = await inserted(user);
    const args = { p_generation_id: id };
    await stopped(db, usageOf(user), [
      () => db.callAs(user, 'start_inserted_generation', args),
      () => db.callAs(user, change, args),
    ]);
    expect(await openJobs(id)).toEqual([]);
    const [usage] = await db.sql`select day_cost::float from private.usage where user_id = ${user}`;
    expect(usage?.day_cost, 'nothing was made').toBe(0);
  });
});

/** Made and not stored: its download has failed, and its image is lost. */
async function lost(user: string): Promise<{ id: string; download: Job }> {
  const { generation_id: id } = await db.start(user);
  const job = await db.claimOne();
  await record(job, `p-${job.id}`);
  const { job: download } = await end(job, `p-${job.id}`);
  await fail(download);
  expect(await db.generation(id)).toMatchObject({ status: 'failed' });
  return { id, download };
}

test('a cancel of one that is being tried again takes the job of the retry', async () => {
  const user = await db.createUser();
  const { id } = await lost(user);
  await stopped(db, usageOf(user), [
    () => db.callAs(user, 'retry_generation', { p_generation_id: id }),
    () => db.callAs(user, 'cancel_generation', { p_generation_id: id }),
  ]);
  expect(await db.generation(id)).toMatchObject({ status: 'cancelled' });
  expect(await openJobs(id)).toEqual([]);
});

test('a download that failed is not brought back beside what a retry makes', async () => {
  const user = await db.createUser();
  const { id, download } = await lost(user);
  await db.callAs(user, 'retry_generation', { p_generation_id: id });
  expect(await db.service('requeue_job', { p_job_id: download.id })).toEqual({ outcome: 'not_failed' });
  const job = await db.claimOne();
  await record(job, 'p2');
  const { job: second } = await end(job, 'p2');
  expect(await store(second)).toMatchObject({ outcome: 'completed' });
  expect(await db.generation(id)).toMatchObject({ status: 'completed' });
});

describe('a retry under a budget', () => {
  beforeEach(async () => {
    await db.sql`update private.settings set budget_per_day_usd = 0.007 where only_row`;
    return () => db.sql`update private.settings set budget_per_day_usd = null where only_row`;
  });

  /** Two that have failed and cost nothing; the model's price is 0.003. */
  async function failed(user: string): Promise<string[]> {
    const { generations } = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
    for (const job of await db.claim(2)) await fail(job);
    return generations.map(({ generation_id }) => generation_id);
  }
  const again = (user: string, ids: string[]) =>
    db.as(
      'authenticated',
      user,
      (sql) => sql`update public.image_generations set status = 'pending' where id = any(${ids}::uuid[])`,
    );

  test('is refused where its price does not fit, with the others of the statement', async () => {
    const user = await db.createUser();
    const ids = await failed(user);
    await db.start(user);
    expect(await refusal(again(user, ids))).toMatchObject({ code: 'budget_exhausted' });
    for (const id of ids) expect(await db.generation(id)).toMatchObject({ status: 'failed' });
  });

  test('goes on where it fits', async () => {
    const user = await db.createUser();
    const ids = await failed(user);
    await again(user, ids);
    for (const id of ids) expect(await db.generation(id)).toMatchObject({ status: 'pending' });
  });
});

describe('one whose last run ended unseen', () => {
  async function unseen(user: string): Promise<{ id: string; job: Job }> {
    const { generation_id: id } = await db.start(user);
    await db.sql`update public.job_queue set max_attempts = 1 where generation_id = ${id}`;
    const job = await db.claimOne();
    await db.letTimePass(job.id);
    expect(await db.claim(1)).toEqual([]);
    expect(await db.generation(id)).toMatchObject({ status: 'failed' });
    return { id, job };
  }

  const startedAt = async (id: string) =>
    (await db.sql`select started_at from public.job_queue where id = ${id}`)[0]?.started_at;

  test('is looked for before the retry pays again', async () => {
    const user = await db.createUser();
    const { id, job } = await unseen(user);
    const began = await startedAt(job.id);
    await db.callAs(user, 'retry_generation', { p_generation_id: id });
    const searching = await db.claimOne();
    expect(searching).toMatchObject({ id: job.id, outcome_unknown: true, attempts: 0 });
    expect(await startedAt(job.id), 'the search begins where the lost run did').toEqual(began);
    // Nothing is found: it is made anew.
    await db.service('snooze_job', { ...lease(searching), p_seconds: 0, p_outcome_unknown: false });
    expect(await db.claimOne()).toMatchObject({ id: job.id, outcome_unknown: false });
  });

  test('is made anew once the provider has deleted what it may have made', async () => {
    const user = await db.createUser();
    const { id, job } = await unseen(user);
    await db.sql`update private.finished_jobs set completed_at = now() - interval '2 hours' where id = ${job.id}`;
    await db.callAs(user, 'retry_generation', { p_generation_id: id });
    expect(await db.claimOne()).toMatchObject({ id: job.id, outcome_unknown: false });
  });
});

test('one that goes while its variation is being stored', async () => {
  const user = await db.createUser();
  const { generation_id: id } = await db.start(user);
  const first = await db.claimOne();
  await record(first, 'p1');
  await store((await end(first, 'p1')).job);
  const variation = await db.start(user, { items: [{ prompt: 'y' }], source_generation_id: id });
  const second = await db.claimOne();
  await record(second, 'p2');
  // Its cost is not what was reserved, so its user's usage is put right.
  await db.sql`update public.models set cost_per_second = 0.1 where replicate_id = ${MODEL}`;
  const { job: download } = await end(second, 'p2');
  await db.sql`update public.models set cost_per_second = null where replicate_id = ${MODEL}`;
  // The deletion waits for the usage; then the image of the variation is stored.
  await stopped(db, usageOf(user), [remove(user, id), () => store(download)]);
  expect(await db.generation(variation.generation_id)).toMatchObject({ source_generation_id: null });
});

test('an inserted row holds no text beyond its bound, also beside an image of its own', async () => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  const job = await db.claimOne();
  await record(job, 'p1');
  const { job: download } = await end(job, 'p1');
  const path = `${user}/${generation_id}.webp`;
  await db.service('finish_download', {
    ...lease(download),
    p_image: { storage_path: path, public_url: `https://x.example/${path}`, format: 'webp' },
  });
  const url = `https://x.example/storage/v1/object/public/generated-images/${path}?${'a'.repeat(3000)}`;
  expect(await refusal(inserted(user, { source_image_url: url }))).toMatchObject({
    code: 'invalid_request',
    message: 'source_image_url must be a text of at most 2048 characters.',
  });
});

test('a statement that cancels more than 100 jobs is refused, as one of their rows is', async () => {
  const user = await db.createUser({ requests_per_minute: null, images_per_day: null, money_per_day: null });
  for (let n = 0; n < 11; n++) await db.start(user, { items: Array(10).fill({ prompt: 'x' }) });
  const cancel = () =>
    db.as(
      'authenticated',
      user,
      (sql) => sql`update public.job_queue set status = 'cancelled' where status = 'pending'`,
    );
  expect(await refusal(cancel())).toMatchObject({ code: 'unsupported' });
  const [row] = await db.sql`select count(*)::int as n from public.job_queue where status = 'pending'`;
  expect(row?.n).toBe(110);
});
