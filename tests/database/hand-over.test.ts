import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job, MODEL, refusal } from './support.ts';

// A start hands its jobs over to the worker that asked for them. What a claim may hand out meanwhile, and what becomes
// of a job that was handed over and lost, is in tests/conformance/cases.json.

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const startNext = (user: string, next: number, request = {}, key?: string) =>
  db.start(user, request, key, undefined, next);
const nine = { items: Array.from({ length: 9 }, (_, at) => ({ prompt: `number ${at}` })) };

test('the job comes back as a claim would give it, and the rest of the answer stays as it is', async () => {
  const plain = await db.start(await db.createUser(), {});
  await db.complete(await db.claim(1));
  const { next = [], ...started } = await startNext(await db.createUser(), 1);
  expect(Object.keys(started).sort()).toEqual(Object.keys(plain).sort());
  expect(started).toMatchObject({ status: 'queued', queue_position: 1 });
  expect(next.map(({ id }) => id)).toEqual([started.job_id]);
  const [handed] = next as [Job];
  const [claimed] = (await db.as('service_role', null, async (sql) => {
    await sql`select public.snooze_job(${handed.id}, ${handed.lease}, 0)`;
    return sql`select to_jsonb(j) as job from public.claim_jobs(1) as j`;
  })) as unknown as [{ job: Job }];
  expect(Object.keys(handed).sort()).toEqual(Object.keys(claimed.job).sort());
  expect(handed).toMatchObject({ status: 'processing', attempts: 0, rescued: false, outcome_unknown: false });
  expect(handed.payload).toEqual(claimed.job.payload);
});

test('its lease is that of a run, and no one has a use for it but a worker', async () => {
  const user = await db.createUser();
  const { next: [job] = [] } = await startNext(user, 1);
  const [row] = await db.sql`select lease::int, round(extract(epoch from lease_expires_at - now())) as seconds
    from public.job_queue where id = ${job?.id as string}`;
  expect(row?.lease).toBe(1);
  expect(Number(row?.seconds)).toBeGreaterThan(55);
  for (const call of ['record_prediction', 'fail_job', 'extend_lease', 'complete_job', 'claim_jobs']) {
    const attempt = db.callAs(user, call, { p_job_id: job?.id, p_lease: job?.lease });
    expect((await refusal(attempt)).sqlstate, call).toMatch(/^42/);
  }
});

test('of a batch come as many as were asked for, in order, and never more than the user has slots', async () => {
  for (const [running_jobs, next, expected] of [
    [5, 3, 3],
    [2, 10, 2],
    [null, 100, 9],
  ] as const) {
    const user = await db.createUser({ running_jobs });
    const started = await startNext(user, next, nine);
    const ids = started.generations.map(({ job_id }) => job_id);
    expect(started.next?.map(({ id }) => id)).toEqual(ids.slice(0, expected));
    await db.complete(await db.claim(20));
    await db.sql`delete from public.job_queue where created_by = ${user}`;
  }
});

test.each([0, -1])('%i asks for none', async (next) => {
  const started = await startNext(await db.createUser(), next);
  expect(started.next).toBeUndefined();
  expect((await db.claimOne()).id).toBe(started.job_id);
});

test('a repetition under the same key is handed nothing', async () => {
  const user = await db.createUser();
  const { next, ...first } = await startNext(user, 1, {}, 'key');
  expect(next).toHaveLength(1);
  const again = await startNext(user, 1, {}, 'key');
  expect(again).toEqual({ ...first, replayed: true });
  expect(await db.job(first.job_id)).toMatchObject({ status: 'processing', lease: '1' });
});

describe('nothing is handed over where a claim would find something else to do:', () => {
  const other = () => db.createUser();
  test.each<[string, () => Promise<unknown>]>([
    ['another job is ready', async () => db.start(await other(), { priority: 'low' })],
    [
      'a download waits for its turn',
      async () => db.service('enqueue_job', { p_job_type: 'download-image', p_payload: {}, p_priority: 100 }),
    ],
    [
      'a job is due',
      async () => {
        await db.start(await other(), { scheduled_at: new Date(Date.now() + 60_000).toISOString() });
        await db.pass(61);
      },
    ],
    [
      'a lease has run out',
      async () => {
        await db.start(await other());
        await db.claim(1);
        await db.pass(61);
      },
    ],
  ])('%s', async (_, make) => {
    await make();
    const started = await startNext(await db.createUser(), 1);
    expect(started.next).toBeUndefined();
    expect(await db.job(started.job_id)).toMatchObject({ status: 'pending' });
  });

  test('and a job of a type that makes no image is none of it', async () => {
    await db.service('enqueue_job', { p_job_type: 'mail', p_payload: {} });
    expect((await startNext(await db.createUser(), 1)).next).toHaveLength(1);
  });

  test('a request for later has nothing to hand over', async () => {
    const scheduled_at = new Date(Date.now() + 60_000).toISOString();
    expect((await startNext(await db.createUser(), 1, { scheduled_at })).next).toBeUndefined();
  });
});

test('a refused start hands over nothing', async () => {
  const user = await db.createUser({ images_per_day: 0 });
  expect((await refusal(startNext(user, 1))).sqlstate).toBe('PT429');
  expect(await db.claim(5)).toEqual([]);
});

test('a lost run is no attempt, however it was lost, and the next one counts', async () => {
  const user = await db.createUser();
  const started = await startNext(user, 1, { model_id: MODEL });
  await db.pass(61);
  const [rescued] = await db.claim(1);
  expect(rescued).toMatchObject({ id: started.job_id, attempts: 0, outcome_unknown: true, rescued: true });
  await db.service('snooze_job', { p_job_id: rescued?.id, p_lease: rescued?.lease, p_seconds: 0 });
  await db.claimOne();
  await db.pass(61);
  expect((await db.claim(1))[0]).toMatchObject({ id: started.job_id, attempts: 1, outcome_unknown: false });
});

test('once its prediction is known, a run is like any other', async () => {
  const { next: [job] = [] } = await startNext(await db.createUser(), 1);
  await db.service('record_prediction', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_prediction_id: 'p1',
    p_wait_seconds: 60,
  });
  await db.pass(61);
  expect((await db.claim(1))[0]).toMatchObject({ prediction_id: 'p1', outcome_unknown: false, attempts: 0 });
});
