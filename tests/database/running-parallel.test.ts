import type postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { countsOf, expectSlotsRight, jobsByState } from './slots.ts';
import { Database, type Job } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, n) => make(n));

/** Fails when one of them was refused; 40P01 is a deadlock. */
async function allSucceed(calls: Promise<unknown>[]): Promise<void> {
  const refused = (await Promise.allSettled(calls)).flatMap((answer) => {
    if (answer.status === 'fulfilled') return [];
    const { code, message, where } = answer.reason as postgres.PostgresError;
    return [`${code} ${message}: ${where ?? ''}`];
  });
  expect(refused, `${refused.length} of ${calls.length} calls failed`).toEqual([]);
}

/** One job for each of the users, in their order, in one call. */
const enqueue = (users: string[], more: object = {}) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: users.map((user) => ({ job_type: 'generate-image', payload: { user_id: user }, ...more })),
  });

/** Users in the order in which their slots are locked. */
const createUsers = async (count: number) =>
  (
    await Promise.all(many(count, () => db.createUser({ requests_per_minute: null, images_per_day: null })))
  ).sort();

const owned = (jobs: Job[], user: string) => jobs.filter((job) => job.created_by === user);

test('50 parallel enqueues and 20 parallel workers never exceed the cap and leave nothing behind', async () => {
  const [user] = (await createUsers(1)) as [string];
  const seen: string[] = [];
  const watched: number[] = [];
  const work = async () => {
    while (seen.length < 50) {
      const jobs = await db.claim(3);
      seen.push(...jobs.map((job) => job.id));
      if (jobs.length > 0) await db.complete(jobs);
    }
  };
  const watch = async () => {
    while (seen.length < 50) {
      const { running, ready } = await countsOf(db, user);
      watched.push(running + ready);
      await expectSlotsRight(db);
    }
  };
  await Promise.all([
    ...many(50, (n) => (n % 5 === 0 ? db.start(user) : enqueue([user]))),
    ...many(20, work),
    watch(),
  ]);
  expect([seen.length, new Set(seen).size], 'each job was handed out once').toEqual([50, 50]);
  expect(Math.max(...watched), `the most of ${watched.length} looks`).toBeLessThanOrEqual(5);
  expect(Math.max(...watched), 'jobs were seen at work').toBeGreaterThan(0);
  expect(await countsOf(db, user)).toEqual({ running: 0, ready: 0, blocked: 0, scheduled: 0 });
});

test('50 parallel enqueues fill the slots exactly, and every kind of parallel end refills them', async () => {
  const [user] = (await createUsers(1)) as [string];
  await allSucceed(many(50, (n) => enqueue([user], { priority: [0, 10, -10][n % 3] })));
  expect(await countsOf(db, user)).toMatchObject({ ready: 5, blocked: 45 });
  for (let round = 0; round < 5; round++) {
    const [a, b, c, d, e] = (await db.claim(9)) as [Job, Job, Job, Job, Job];
    const blocked = (await jobsByState(db, user)).blocked[0] as string;
    await allSucceed([
      db.complete([a]),
      db.service('fail_job', { p_job_id: b.id, p_lease: b.lease, p_error_message: 'x' }),
      db.service('snooze_job', { p_job_id: c.id, p_lease: c.lease, p_seconds: 3600 }),
      db.sql`delete from public.job_queue where id = ${d.id}`,
      db.sql`update public.job_queue set status = 'cancelled' where id = ${e.id}`,
      db.sql`update public.job_queue set status = 'cancelled' where id = ${blocked}`,
      enqueue([user], { priority: 20 }),
    ]);
    await expectSlotsRight(db);
    expect(await countsOf(db, user)).toMatchObject({ running: 0, ready: 5 });
  }
});

test('starts, ends and cancellations of many users in opposite orders do not deadlock', async () => {
  const users = await createUsers(12);
  const reversed = [...users].reverse();
  for (let round = 0; round < 6; round++) {
    await allSucceed(users.map((user) => db.start(user, { items: Array(7).fill({ prompt: 'x' }) })));
    const jobs = await db.claim(1000);
    expect(jobs.length, 'every slot of every user is taken').toBe(60);
    const nth = (order: string[], n: number) => order.map((user) => owned(jobs, user)[n] as Job);
    const cancel = (user: string, id: string | null) =>
      db.callAs(user, 'cancel_generation', { p_generation_id: id });
    const blocked = await Promise.all(
      users.map(async (user) => (await jobsByState(db, user)).blocked[0] as string),
    );
    const blockedJobs = await Promise.all(blocked.map((id) => db.job(id)));
    await allSucceed([
      db.complete([...nth(users, 0), ...nth(users, 1)]),
      db.complete([...nth(reversed, 3), ...nth(reversed, 2)]),
      enqueue(users),
      enqueue(reversed, { priority: 10 }),
      ...nth(reversed, 4).map((job, n) =>
        n % 2 === 0
          ? cancel(job.created_by as string, job.generation_id)
          : db.service('fail_job', { p_job_id: job.id, p_lease: job.lease, p_error_message: 'x' }),
      ),
      ...blockedJobs.map((job) => cancel(job.created_by as string, job.generation_id)),
      ...users.map((user) => db.start(user)),
      db.service('record_sweep', { p_stats: {} }),
    ]);
    await expectSlotsRight(db);
    await db.clear();
  }
}, 300_000);
