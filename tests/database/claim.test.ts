import { beforeEach, expect, test } from 'vitest';
import { Database } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

const enqueue = (type: string, priority = 0, payload: object = {}) =>
  db.service<string>('enqueue_job', { p_job_type: type, p_payload: payload, p_priority: priority });

test('20 parallel claims of one job each get 20 different jobs', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 20; i++) ids.push(await enqueue('work'));
  const claims = await Promise.all(Array.from({ length: 20 }, () => db.claim(1)));
  expect(
    claims.map((jobs) => jobs.length),
    'every claim gets one',
  ).toEqual(Array(20).fill(1));
  expect(new Set(claims.flat().map((job) => job.id))).toEqual(new Set(ids));
  expect(await db.claim(1)).toEqual([]);
});

test('20 parallel claims share jobs that have just come due', async () => {
  for (let i = 0; i < 20; i++) await enqueue('work', 0, { user_id: await db.createUser() });
  // Due, and nobody has made them ready yet.
  await db.sql`update public.job_queue set scheduled_at = now() + interval '1 hour'`;
  expect(await db.claim(20)).toEqual([]);
  await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'`;
  const claims = await Promise.all(Array.from({ length: 20 }, () => db.claim(1)));
  expect(new Set(claims.flat().map((job) => job.id)).size).toBe(20);
});

test('a claim hands out in order of priority, then of arrival, across job types', async () => {
  const third = await enqueue('a', 0);
  const fourth = await enqueue('b', 0);
  const first = await enqueue('b', 7);
  const second = await enqueue('a', 3);
  expect((await db.claim(10)).map((job) => job.id)).toEqual([first, second, third, fourth]);
});

test('a claim of some types leaves the others alone; equal types go by their oldest job, not as they are named', async () => {
  const a = await enqueue('a');
  const b = await enqueue('b');
  const c = await enqueue('c');
  expect((await db.claim(10, { types: ['c', 'a'] })).map((job) => job.id)).toEqual([a, c]);
  expect(await db.claim(10, { types: ['a', 'c', 'nothing'] })).toEqual([]);
  expect((await db.claim(10)).map((job) => job.id)).toEqual([b]);
});

test.each([0, -1])('a claim of %i jobs takes none', async (limit) => {
  await enqueue('work');
  expect(await db.claim(limit)).toEqual([]);
});

test('a claimed job says so: lease, start, no rescue', async () => {
  await enqueue('work');
  const [job] = await db.claim(1, { seconds: 30 });
  expect(job).toMatchObject({ status: 'processing', lease: '1', rescued: false, attempts: 0 });
  const left = (job?.lease_expires_at?.getTime() ?? 0) - Date.now();
  expect(left).toBeGreaterThan(25_000);
  expect(left).toBeLessThanOrEqual(30_500);
});

test('a scheduled job is not ready before its time, and is then', async () => {
  const id = await db.service<string>('enqueue_job', {
    p_job_type: 'work',
    p_payload: {},
    p_scheduled_at: new Date(Date.now() + 3_600_000),
  });
  expect(await db.claim(1)).toEqual([]);
  await db.letTimePass(id);
  expect((await db.claim(1)).map((job) => job.id)).toEqual([id]);
});

test('more due jobs than one claim promotes are all handed out in the end, in order of their time', async () => {
  const user = await db.createUser({ running_jobs: null });
  await db.sql`insert into public.job_queue (job_type, fair_key, scheduled_at, payload)
    select 'work', ${user}, now() - n * interval '1 second', jsonb_build_object('n', n)
    from generate_series(1, 450) as n`;
  const seen: unknown[] = [];
  for (let jobs = await db.claim(90); jobs.length > 0; jobs = await db.claim(90))
    seen.push(...jobs.map((job) => job.payload.n));
  expect(seen).toEqual(Array.from({ length: 450 }, (_, index) => 450 - index));
});

test('a job that was not started before expires_at is cancelled with its generation', async () => {
  const user = await db.createUser();
  const expired = await db.start(user, { expires_in: 60 });
  const valid = await db.start(user, { expires_in: 60 });
  await db.sql`update public.job_queue set expires_at = now() - interval '1 second' where id = ${expired.job_id}`;
  expect((await db.claim(10)).map((job) => job.id)).toEqual([valid.job_id]);
  expect((await db.job(expired.job_id)).status).toBe('cancelled');
  expect(await db.generation(expired.generation_id)).toMatchObject({
    status: 'cancelled',
    error_code: 'expired',
  });
});

test('an expired job is never handed out, however many expire at once', async () => {
  await db.sql`select public.enqueue_jobs(jsonb_agg(jsonb_build_object('job_type', 'work')))
    from generate_series(1, 250)`;
  await db.sql`update public.job_queue set expires_at = now() - interval '1 second'`;
  for (let i = 0; i < 3; i++) expect(await db.claim(100)).toEqual([]);
  const [row] = await db.sql`select count(*)::int as n from public.job_queue where status = 'cancelled'`;
  expect(row?.n).toBe(250);
});

test('once its prediction exists, a job no longer expires', async () => {
  const { job_id } = await db.start(await db.createUser(), { expires_in: 60 });
  const job = await db.claimOne();
  await db.service('record_prediction', {
    p_job_id: job_id,
    p_lease: job.lease,
    p_prediction_id: 'p',
    p_wait_seconds: 60,
  });
  const [row] = await db.sql`select expires_at from public.job_queue where id = ${job_id}`;
  expect(row?.expires_at).toBeNull();
});
