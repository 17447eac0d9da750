import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countsOf, expectSlotsRight } from './slots.ts';
import { Database, type Job, refusal } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const enqueue = (jobs: unknown) => db.service<string[]>('enqueue_jobs', { p_jobs: jobs });
const complete = (jobs: Pick<Job, 'id' | 'lease'>[]) =>
  db.as('service_role', null, async (sql) => {
    const [row] = await sql<{ ids: string[] }[]>`select public.complete_jobs(
      ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.lease)}::bigint[]) as ids`;
    return row?.ids;
  });

describe('enqueue_jobs', () => {
  test('takes jobs of mixed users, types, priorities and times, and answers their ids in order', async () => {
    const [one, other] = [await db.createUser(), await db.createUser()];
    const stranger = randomUUID();
    const { generation_id } = await db.start(one);
    await db.claim(1);
    const later = new Date(Date.now() + 3_600_000);
    const own = randomUUID();
    const ids = await enqueue([
      { job_type: 'a', payload: { user_id: one, generation_id, n: 1 }, priority: 5, max_attempts: 7 },
      { id: own, job_type: 'b', payload: { user_id: other, generation_id: randomUUID() }, priority: -5 },
      { job_type: 'a', payload: { user_id: stranger }, scheduled_at: later },
      {
        job_type: 'c',
        payload: null,
        priority: null,
        scheduled_at: null,
        max_attempts: null,
        expires_at: later,
      },
      { job_type: 'c', payload: { user_id: 'not a uuid', generation_id: 5 } },
    ]);
    expect(ids[1]).toBe(own);
    const rows = await Promise.all(ids.map((id) => db.job(id)));
    expect(rows).toMatchObject([
      { job_type: 'a', priority: 5, max_attempts: 7, created_by: one, generation_id, payload: { n: 1 } },
      { job_type: 'b', priority: -5, max_attempts: 3, created_by: other },
      {
        job_type: 'a',
        priority: 0,
        created_by: stranger,
        scheduled_at: later,
        fair_key: stranger,
        ready_at: null,
      },
      { job_type: 'c', priority: 0, max_attempts: 3, payload: {}, created_by: null, expires_at: later },
      { job_type: 'c', fair_key: null, generation_id: null },
    ]);
    expect((await db.claim(10)).map((job) => job.id)).toEqual([ids[0], ids[3], ids[4], ids[1]]);
  });

  test('gives a user’s slots to the best of a call, whatever their order in it', async () => {
    const user = await db.createUser();
    const priorities = [-10, 0, 10, -10, 0, 10, -10, 0, 10];
    await enqueue(priorities.map((priority) => ({ job_type: 'a', priority, payload: { user_id: user } })));
    expect(await countsOf(db, user, 'a')).toMatchObject({ ready: 5, blocked: 4 });
    expect((await db.claim(9)).map((job) => job.priority)).toEqual([10, 10, 10, 0, 0]);
  });

  test('takes none and takes 1,000, not 1,001', async () => {
    expect(await enqueue([])).toEqual([]);
    const ids = await enqueue(Array(1000).fill({ job_type: 'a' }));
    expect(new Set(ids).size).toBe(1000);
    expect((await db.claim(1000)).map((job) => job.id)).toEqual(ids);
    expect(await refusal(enqueue(Array(1001).fill({ job_type: 'a' })))).toMatchObject({
      sqlstate: 'PT422',
      code: 'invalid_request',
    });
  });

  const good = { job_type: 'a' };
  test.each<[string, unknown, string]>([
    ['null', null, 'PT422'],
    ['an object', { job_type: 'a' }, 'PT422'],
    ['a text', 'a', 'PT422'],
    ['a job without a type', [good, {}], '23502'],
    ['a job that is no object', [good, 5], '22023'],
    ['a null among the jobs', [good, null], '22023'],
    ['an empty type', [good, { job_type: '' }], '23514'],
    ['a type too long', [good, { job_type: 'x'.repeat(101) }], '23514'],
    ['a priority that is no number', [good, { ...good, priority: 'high' }], '22P02'],
    ['a time that is none', [good, { ...good, scheduled_at: 'soon' }], '22007'],
    ['0 attempts', [good, { ...good, max_attempts: 0 }], '23514'],
    ['an id that is no uuid', [good, { ...good, id: '1' }], '22P02'],
  ])('refuses %s and enqueues nothing', async (_, jobs, sqlstate) => {
    expect((await refusal(enqueue(jobs))).sqlstate).toBe(sqlstate);
    expect((await db.sql`select from public.job_queue`).length).toBe(0);
  });

  test('refuses an id that exists, and takes no slot for it', async () => {
    const user = await db.createUser();
    const [id] = await enqueue([{ job_type: 'a', payload: { user_id: user } }]);
    const again = [
      { job_type: 'a', payload: { user_id: user } },
      { id, job_type: 'a', payload: { user_id: user } },
    ];
    expect((await refusal(enqueue(again))).sqlstate).toBe('23505');
    expect(await countsOf(db, user, 'a')).toMatchObject({ ready: 1, blocked: 0 });
  });
});

describe('complete_jobs', () => {
  test('completes those whose lease is named and leaves the others as they are', async () => {
    const ids = await enqueue(Array(7).fill({ job_type: 'a' }));
    const [good, stale, failed, done, cancelled] = (await db.claim(5)) as [Job, Job, Job, Job, Job];
    const waiting = await db.job(ids[5] as string);
    await db.letTimePass(stale.id);
    expect(await db.claim(1)).toMatchObject([{ id: stale.id, lease: '2' }]);
    await db.service('fail_job', { p_job_id: failed.id, p_lease: failed.lease, p_error_message: 'x' });
    await db.complete([done]);
    await db.sql`update public.job_queue set status = 'cancelled' where id = ${cancelled.id}`;
    const others = [stale, failed, done, cancelled, waiting];
    const before = await Promise.all(others.map((job) => db.job(job.id)));
    expect(
      await complete([waiting, cancelled, done, failed, stale, good, { id: randomUUID(), lease: '1' }]),
    ).toEqual([good.id]);
    expect(await db.job(good.id)).toMatchObject({ status: 'completed', lease_expires_at: null });
    expect(await Promise.all(others.map((job) => db.job(job.id)))).toEqual(before);
  });

  test('goes by each job’s own lease, not by the order of any', async () => {
    await enqueue(Array(3).fill({ job_type: 'a' }));
    const [a, b] = (await db.claim(2)) as [Job, Job];
    await db.letTimePass(b.id);
    const [again] = (await db.claim(1)) as [Job];
    expect(again).toMatchObject({ id: b.id, lease: '2' });
    expect(
      await complete([
        { id: a.id, lease: '2' },
        { id: b.id, lease: '1' },
      ]),
    ).toEqual([]);
    expect(new Set(await complete([again, a]))).toEqual(new Set([a.id, b.id]));
  });

  test('refuses lists of different lengths, takes empty ones', async () => {
    await enqueue([{ job_type: 'a' }]);
    const [job] = (await db.claim(1)) as [Job];
    const uneven = db.sql`select public.complete_jobs(${[job.id]}::uuid[], '{}')`;
    expect(await refusal(uneven)).toMatchObject({ sqlstate: 'PT422', code: 'invalid_request' });
    expect((await db.job(job.id)).status).toBe('processing');
    expect(await complete([])).toEqual([]);
    expect(await complete([job, job])).toEqual([job.id]);
  });
});

test('8 connections in parallel with overlapping users and lines do not deadlock', async () => {
  const users = await Promise.all(Array.from({ length: 15 }, () => db.createUser()));
  const shuffled = () =>
    users
      .map((user) => ({ user, key: Math.random() }))
      .sort((x, y) => x.key - y.key)
      .map(({ user }) => user);
  let completed = 0;
  const worker = async (n: number) => {
    for (let round = 0; round < 12; round++) {
      // New lines in each round, the same for all connections, and jobs that have waited for some time.
      await enqueue(
        shuffled().map((user, index) => ({
          job_type: `work-${index % 3}`,
          priority: round * 10 + (index % 5),
          payload: { user_id: user },
          ...((n + round) % 3 === 0 ? { scheduled_at: new Date(Date.now() - 60_000) } : {}),
        })),
      );
      if (n === 0) await db.service('record_sweep', { p_stats: {} });
      const done = await complete((await db.claim(20)).reverse());
      completed += done?.length ?? 0;
    }
  };
  const answers = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => worker(n)));
  expect(answers.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : []))).toEqual(
    [],
  );
  for (let jobs = await db.claim(1000); jobs.length > 0; jobs = await db.claim(1000)) {
    const done = await complete(jobs);
    completed += done?.length ?? 0;
  }
  expect(completed).toBe(8 * 12 * 15);
}, 120_000);
