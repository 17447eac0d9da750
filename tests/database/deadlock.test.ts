import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { stopped } from './stopped.ts';
import { Database } from './support.ts';

// The rows of slots are locked in the order of their users. Each test stops one call half-way, by a lock that a third
// transaction holds, until the other has come as far as it can; then both must come to their end.

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const enqueue = (users: string[], more: object = {}) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: users.map((user) => ({ job_type: 'generate-image', payload: { user_id: user }, ...more })),
  });
const inAnHour = () => new Date(Date.now() + 3_600_000);

/** Three users in the order in which their slots are locked. */
async function createUsers(): Promise<[string, string, string]> {
  const users = await Promise.all([0, 1, 2].map(() => db.createUser()));
  return users.sort() as [string, string, string];
}

/** The calls are stopped by the slots of this user, which a job of theirs is just taking. */
function stoppedAt(user: string, calls: (() => Promise<unknown>)[]): Promise<void> {
  const jobs = JSON.stringify([{ job_type: 'generate-image', payload: { user_id: user } }]);
  return stopped(db, (sql) => sql`select public.enqueue_jobs(${jobs}::text::jsonb)`, calls);
}

type Kind = 'expired' | 'due' | 'lost';
test.each<[Kind, Kind]>([
  ['expired', 'due'],
  ['expired', 'lost'],
  ['due', 'lost'],
])('a claim that finds %s jobs of one user, then %s ones of another', async (kindOfLast, kindOfFirst) => {
  const [first, middle, last] = await createUsers();
  const prepare = async (user: string, kind: Kind) => {
    const more = { max_attempts: 1, ...(kind === 'due' ? { scheduled_at: inAnHour() } : {}) };
    const [id] = (await enqueue([user], more)) as [string];
    if (kind === 'lost') expect((await db.claimOne()).id).toBe(id);
    return id;
  };
  const ids = [await prepare(first, kindOfFirst), await prepare(last, kindOfLast)];
  await db.sql`update public.job_queue set
    expires_at = case when status = 'pending' and scheduled_at <= now() then now() - interval '1 second' end,
    lease_expires_at = case when status = 'processing' then now() - interval '1 second' end`;
  await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second' where scheduled_at > now()`;

  await stoppedAt(middle, [() => enqueue([first, middle, last]), () => db.claim(1)]);
  for (let more = 0; more < 3; more++) await db.claim(10);
  const ends = { expired: 'cancelled', due: 'processing', lost: 'failed' };
  const states = await Promise.all(ids.map(async (id) => (await db.job(id)).status));
  expect(states, 'claims have seen to both').toEqual([ends[kindOfFirst], ends[kindOfLast]]);
});

test('a claim that finds due jobs of a priority never seen, and a call that brings the first one', async () => {
  const [first, middle, last] = await createUsers();
  await enqueue([first, middle, last], { priority: 33, scheduled_at: inAnHour() });
  await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'`;
  await stoppedAt(middle, [() => db.claim(1), () => enqueue([last], { priority: 33 })]);
  expect((await db.claim(10)).length + 1, 'all of them are handed out').toBe(5);
});

test('a call that brings the first jobs of a priority, and a claim that finds due ones of it', async () => {
  const [, middle, last] = await createUsers();
  await enqueue([last], { priority: 34, scheduled_at: inAnHour() });
  await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'`;
  // The call has opened the priority's queue when it waits for the slots of the one in the middle.
  await stoppedAt(middle, [() => enqueue([middle, last], { priority: 34 }), () => db.claim(1)]);
  expect((await db.claim(10)).length + 1, 'all of them are handed out').toBe(4);
});

test('the first job of a priority, due for some time, and a call that brings others', async () => {
  const [, middle, last] = await createUsers();
  const since = { priority: 35, scheduled_at: new Date(Date.now() - 60_000) };
  await stoppedAt(middle, [() => enqueue([middle, last], { priority: 35 }), () => enqueue([last], since)]);
  expect((await db.claim(10)).length, 'all of them are handed out').toBe(4);
});

test('calls for new lines in opposite orders', async () => {
  const [first, middle, last] = await createUsers();
  const types = Array.from({ length: 12 }, (_, n) => `new-${n}`);
  const lines = (user: string, named: string[]) =>
    db.service('enqueue_jobs', {
      p_jobs: ['generate-image', ...named].map((job_type) => ({
        job_type,
        payload: { user_id: job_type === 'generate-image' ? middle : user },
      })),
    });
  await stoppedAt(middle, [() => lines(first, types), () => lines(last, [...types].reverse())]);
  expect((await db.claim(100)).length).toBe(12 + 12 + 3);
});

test('calls for jobs that have waited for some time, over lines in opposite orders', async () => {
  const users = await createUsers();
  const call = (user: string, types: string[]) =>
    db.service('enqueue_jobs', {
      p_jobs: types.map((job_type) => ({
        job_type,
        scheduled_at: new Date(Date.now() - 60_000),
        payload: { user_id: user },
      })),
    });
  const types = Array.from({ length: 20 }, (_, n) => `line-${n}`);
  await db.service('enqueue_jobs', { p_jobs: types.map((job_type) => ({ job_type })) });
  expect((await db.claim(100)).length).toBe(20);
  for (let round = 0; round < 20; round++) {
    // Raises the marks of all ready queues; the first call lowers that of all times, so that the next ones find it low.
    await db.service('record_sweep', { p_stats: {} });
    await call(users[0], types.slice(0, 1));
    const answers = await Promise.allSettled(
      users.flatMap((user) => [call(user, types), call(user, [...types].reverse())]),
    );
    expect(
      answers.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : [])),
    ).toEqual([]);
  }
});

test('a sweep that makes blocked jobs ready, and a call for jobs that have waited for some time', async () => {
  const users = await Promise.all([0, 1].map(() => db.createUser({ running_jobs: 1 })));
  const [first, last] = users.sort() as [string, string];
  await enqueue([first, first]);
  await db.sql`update private.plans set running_jobs = 9 where name = ${first}`;
  await stoppedAt(last, [
    () => enqueue([first, last], { scheduled_at: new Date(Date.now() - 60_000) }),
    () => db.service('record_sweep', { p_stats: {} }),
  ]);
});

test('the first jobs of a user and of a type at once', async () => {
  const user = randomUUID();
  const payload = { user_id: user };
  let many: Promise<unknown> = Promise.resolve();
  await db.sql.begin(async (sql) => {
    await sql`select public.enqueue_job('fresh', '{}')`;
    many = db.service('enqueue_jobs', { p_jobs: Array(2).fill({ job_type: 'fresh', payload }) });
    for (let waiting = false; !waiting; ) {
      const [row] = await db.sql`select exists (select from pg_locks where not granted) as waiting`;
      waiting = row?.waiting;
    }
    await sql`select public.enqueue_job('fresh', ${sql.json(payload)})`;
  });
  await many;
  await expectSlotsRight(db);
});
