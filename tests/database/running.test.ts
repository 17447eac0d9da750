import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countsOf, expectSlotsRight, jobsByState } from './slots.ts';
import { Database, type Job, type Started, SUCCEEDED } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const enqueue = (user: string | null, count: number, type = 'generate-image', priority = 0) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: Array(count).fill({ job_type: type, priority, payload: user ? { user_id: user } : {} }),
  });

describe('a user’s jobs of one type', () => {
  test('run 5 at a time by default; the rest is blocked', async () => {
    const user = await db.createUser();
    await enqueue(user, 12);
    expect(await countsOf(db, user)).toEqual({ running: 0, ready: 5, blocked: 7, scheduled: 0 });
    expect((await db.claim(100)).length).toBe(5);
    expect(await db.claim(100), 'and none is handed out beyond').toEqual([]);
    expect(await countsOf(db, user)).toEqual({ running: 5, ready: 0, blocked: 7, scheduled: 0 });
  });

  test.each([
    [1, 1],
    [3, 3],
    [null, 12],
  ])('run as many as plans.running_jobs allows: %s', async (running_jobs, expected) => {
    const user = await db.createUser({ running_jobs });
    await enqueue(user, 12);
    expect((await db.claim(100)).length).toBe(expected);
  });

  test('are limited for each type and each user alone', async () => {
    const [one, other] = [await db.createUser(), await db.createUser()];
    await enqueue(one, 7);
    await enqueue(one, 7, 'another-type');
    await enqueue(other, 7);
    expect((await db.claim(100)).length).toBe(15);
  });

  test('all run in the end, each once, in order of arrival', async () => {
    const user = await db.createUser({ running_jobs: 2 });
    const ids = await enqueue(user, 9);
    const seen: string[] = [];
    for (let jobs = await db.claim(10); jobs.length > 0; jobs = await db.claim(10)) {
      expect(jobs.length).toBeLessThanOrEqual(2);
      seen.push(...jobs.map((job) => job.id));
      await db.complete(jobs);
    }
    expect(seen).toEqual(ids);
  });

  test('that are due together later are limited too', async () => {
    const user = await db.createUser();
    await enqueue(user, 8);
    await db.sql`update public.job_queue set scheduled_at = now() + interval '1 hour' where fair_key = ${user}`;
    await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second' where fair_key = ${user}`;
    expect((await db.claim(100)).length).toBe(5);
  });

  test('of a higher priority take the slots of ready lower ones, not of running ones', async () => {
    const user = await db.createUser();
    await enqueue(user, 7, 'generate-image', -10);
    const [running] = await db.claim(1);
    const high = await enqueue(user, 3, 'generate-image', 10);
    const jobs = await jobsByState(db, user);
    expect(jobs.running).toEqual([running?.id]);
    expect(jobs.ready).toEqual(expect.arrayContaining(high));
    expect([jobs.ready.length, jobs.blocked.length]).toEqual([4, 5]);
    expect((await db.claim(3)).map((job) => job.id)).toEqual(high);
  });
});

test.each(['download-image', 'process-webhook', 'cleanup-storage', 'cancel-prediction'])(
  'jobs %s are not limited',
  async (type) => {
    const user = await db.createUser();
    await enqueue(user, 12, type);
    expect((await db.claim(100)).length).toBe(12);
  },
);

test('jobs without a user are not limited', async () => {
  await enqueue(null, 12);
  expect((await db.claim(100)).length).toBe(12);
});

test('a batch of 10 by start_generation: 5 ready, 5 blocked, each with its position', async () => {
  const user = await db.createUser();
  const started = await db.start(user, { items: Array(10).fill({ prompt: 'x' }) });
  expect(await countsOf(db, user)).toEqual({ running: 0, ready: 5, blocked: 5, scheduled: 0 });
  const expected = Array.from({ length: 10 }, (_, index) => index + 1);
  expect(started.generations.map((generation) => generation.queue_position)).toEqual(expected);
  const seen: unknown[] = [];
  for (const { generation_id } of started.generations) {
    const generation = await db.callAs<{ queue_position: number }>(user, 'get_generation', {
      p_generation_id: generation_id,
    });
    seen.push(generation.queue_position);
  }
  expect(seen).toEqual(expected);
  expect((await db.claim(10)).map((job) => job.id)).toEqual(
    started.generations.slice(0, 5).map((generation) => generation.job_id),
  );
});

test('a plan that comes to allow more makes blocked jobs ready with the next sweep', async () => {
  const user = await db.createUser({ running_jobs: 2 });
  await enqueue(user, 9);
  await db.sql`update private.plans set running_jobs = 6 where name = ${user}`;
  await db.service('record_sweep', { p_stats: {} });
  expect(await countsOf(db, user)).toEqual({ running: 0, ready: 6, blocked: 3, scheduled: 0 });
});

test('a plan that comes to allow less makes none ready until enough have ended', async () => {
  const user = await db.createUser({ running_jobs: 4 });
  await enqueue(user, 9);
  const running = await db.claim(9);
  await db.sql`update private.plans set running_jobs = 2 where name = ${user}`;
  await db.complete(running.slice(0, 2));
  expect(await countsOf(db, user)).toEqual({ running: 2, ready: 0, blocked: 5, scheduled: 0 });
  await db.complete(running.slice(2, 3));
  expect(await countsOf(db, user)).toEqual({ running: 1, ready: 1, blocked: 4, scheduled: 0 });
});

/** Whatever ends a job's run, or its time in the ready queue. */
interface End {
  name: string;
  /** Whether the job has been claimed before; else it is ready. */
  running: boolean;
  end: (job: Job, user: string) => Promise<unknown>;
}
const leased = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
const byHand = (job: Job, sets: string) =>
  db.sql.unsafe(`update public.job_queue set ${sets} where id = $1`, [job.id]);
const ENDS: End[] = [
  { name: 'complete_job', running: true, end: (job) => db.service('complete_job', leased(job)) },
  { name: 'complete_jobs', running: true, end: (job) => db.complete([job]) },
  {
    name: 'the original’s complete_job',
    running: true,
    end: (job) => db.service('complete_job', { p_job_id: job.id }),
  },
  {
    name: 'fail_job for good',
    running: true,
    end: (job) => db.service('fail_job', { ...leased(job), p_error_message: 'broken' }),
  },
  {
    name: 'fail_job with a retry',
    running: true,
    end: (job) => db.service('fail_job', { ...leased(job), p_error_message: 'x', p_retry_in_seconds: 60 }),
  },
  {
    name: 'snooze_job',
    running: true,
    end: (job) => db.service('snooze_job', { ...leased(job), p_seconds: 60 }),
  },
  {
    name: 'the end of its prediction',
    running: true,
    end: (job) =>
      db.service('finish_prediction', { p_job_id: job.id, p_prediction_id: 'p', p_outcome: SUCCEEDED }),
  },
  {
    name: 'its prediction’s failure',
    running: true,
    end: (job) =>
      db.service('finish_prediction', {
        p_job_id: job.id,
        p_prediction_id: 'p',
        p_outcome: { status: 'failed', error_message: 'x' },
      }),
  },
  ...[true, false].map((running) => ({
    name: `cancel_generation while ${running ? 'running' : 'ready'}`,
    running,
    end: (job: Job, user: string) =>
      db.callAs(user, 'cancel_generation', { p_generation_id: job.generation_id }),
  })),
  {
    name: 'the loss of its last lease',
    running: true,
    end: async (job) => {
      await byHand(job, "attempts = 2, lease_expires_at = now() - interval '1 second'");
      return db.claim(1);
    },
  },
  {
    name: 'its expiry',
    running: false,
    end: async (job) => {
      await byHand(job, "expires_at = now() - interval '1 second'");
      return db.claim(1);
    },
  },
  ...[true, false].map((running) => ({
    name: `delete while ${running ? 'running' : 'ready'}`,
    running,
    end: (job: Job) => db.sql`delete from public.job_queue where id = ${job.id}`,
  })),
  ...['completed', 'failed', 'cancelled'].map((status) => ({
    name: `update to ${status} by hand`,
    running: true,
    end: (job: Job) => byHand(job, `status = '${status}', completed_at = now()`),
  })),
  { name: 'update to pending by hand', running: true, end: (job) => byHand(job, "status = 'pending'") },
  {
    name: 'putting it off by hand',
    running: false,
    end: (job) => byHand(job, "scheduled_at = now() + interval '1 hour'"),
  },
];

describe('one slot becomes free and goes to the best blocked job', () => {
  test.each(ENDS)('by $name', async ({ running, end }) => {
    const user = await db.createUser();
    const start = (priority: string) => db.start(user, { priority });
    const started: Started[] = [];
    for (let n = 0; n < 5; n++) started.push(await start('high'));
    await start('low');
    const normal = await start('normal');
    await start('normal');
    const high = await start('high');
    if (running) expect((await db.claim(9)).length).toBe(5);
    const before = await jobsByState(db, user);
    expect([before.running.length + before.ready.length, before.blocked.length]).toEqual([5, 4]);
    const first = await db.job(started[0]?.job_id as string);

    await end(first, user);
    const after = await jobsByState(db, user);
    const without = (ids: string[]) => before.blocked.filter((id) => !ids.includes(id));
    expect(
      after.blocked.filter((id) => id !== first.id),
      'the high one has left',
    ).toEqual(without([high.job_id]));
    expect([...after.running, ...after.ready]).toContain(high.job_id);
    expect([...after.running, ...after.ready].length, 'all slots are taken again').toBe(5);

    // The next one goes to the older of the two normal ones.
    await db.sql`delete from public.job_queue where id = ${started[1]?.job_id as string}`;
    expect((await jobsByState(db, user)).blocked.filter((id) => id !== first.id)).toEqual(
      without([high.job_id, normal.job_id]),
    );
  });
});
