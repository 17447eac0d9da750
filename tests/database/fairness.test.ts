import { beforeEach, expect, test } from 'vitest';
import { Database, type Job } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

/** Many jobs of one user through enqueue_job, in one statement. */
async function backlog(user: string, count: number, priority = 0, at = 'now()'): Promise<void> {
  await db.as('service_role', null, (sql) =>
    sql.unsafe(
      `select public.enqueue_job('generate-image', jsonb_build_object('user_id', $1::text), $2::int, ${at})
       from generate_series(1, $3::int)`,
      [user, priority, count],
    ),
  );
}

const owners = (jobs: Job[]) => jobs.map((job) => job.created_by);
const share = (jobs: Job[], user: string) => jobs.filter((job) => job.created_by === user).length;

test("10,000 jobs of one user do not delay another's first", async () => {
  const [busy, other] = [await db.createUser(), await db.createUser()];
  await backlog(busy, 10_000);
  await db.claim(10);
  await backlog(other, 1);
  expect(owners(await db.claim(10))).toContain(other);
});

test('users with a backlog take turns, also one who came later or had been served before', async () => {
  const [first, second, third] = [await db.createUser(), await db.createUser(), await db.createUser()];
  await backlog(first, 300);
  while ((await db.claim(100)).length > 0); // served while nobody else waited: not held against them
  await backlog(second, 100);
  await backlog(first, 100);
  const early = await db.claim(20);
  expect(share(early, first)).toBeGreaterThanOrEqual(9);
  expect(share(early, second)).toBeGreaterThanOrEqual(9);
  await backlog(third, 100);
  const late = await db.claim(30);
  for (const user of [first, second, third]) expect(share(late, user)).toBeGreaterThanOrEqual(9);
});

test('jobs that come due together take turns with those that wait', async () => {
  const [planner, other] = [await db.createUser(), await db.createUser()];
  await backlog(planner, 90, 0, "now() + interval '1 hour'");
  await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'`;
  await backlog(other, 90);
  const jobs = await db.claim(20);
  expect(share(jobs, other)).toBeGreaterThanOrEqual(9);
  expect(share(jobs, planner)).toBeGreaterThanOrEqual(9);
});

test('enqueueing for one user does not wait for another', async () => {
  const [slow, quick] = [await db.createUser(), await db.createUser()];
  await db.as('authenticated', slow, async (sql) => {
    await sql`select start_generation('{"prompt": "x", "model_id": "test/painter"}')`;
    // While that transaction is open: an answer within the statement timeout, or none at all.
    const answer = await db.as('authenticated', quick, async (other) => {
      await other`set local lock_timeout = '2s'`;
      return other`select start_generation('{"prompt": "x", "model_id": "test/painter"}') as answer`;
    });
    expect(answer.length).toBe(1);
  });
});

test('a higher priority goes first, a user’s backlog at one priority does not count at another', async () => {
  const [a, b] = [await db.createUser(), await db.createUser()];
  await backlog(a, 50, -10);
  await backlog(b, 5, 0);
  await backlog(a, 5, 0);
  await backlog(b, 5, 10);
  const jobs = await db.claim(12);
  expect(jobs.map((job) => job.priority)).toEqual([...Array(5).fill(10), ...Array(7).fill(0)]);
  expect(share(jobs.slice(5), a)).toBeGreaterThanOrEqual(3);
});

test('a low job that has waited long gets its share beside endless high ones', async () => {
  const [low, high] = [await db.createUser(), await db.createUser()];
  await backlog(low, 40, -10, "now() - interval '9 minutes'");
  await backlog(high, 400, 10);
  expect(share(await db.claim(20), low), 'not before its time').toBe(0);
  await db.sql`update public.job_queue set scheduled_at = scheduled_at - interval '2 minutes' where created_by = ${low}`;
  expect(share(await db.claim(20), low), 'a quarter of every claim').toBe(5);
  let got = 0;
  for (let i = 0; i < 40; i++) got += share(await db.claim(1), low);
  expect(got, 'a quarter of single claims too').toBe(10);
});

test('when everything is old, high still gets most, and no priority in between starves', async () => {
  const [low, normal, high] = [await db.createUser(), await db.createUser(), await db.createUser()];
  await backlog(low, 100, -10, "now() - interval '20 minutes'");
  await backlog(normal, 100, 0, "now() - interval '21 minutes'");
  await backlog(high, 400, 10, "now() - interval '22 minutes'");
  const first = await db.claim(100);
  expect(share(first, high)).toBe(75);
  expect(share(first, normal), 'the one that waits longest is helped').toBe(25);
  await db.sql`update public.job_queue set scheduled_at = now() where created_by = ${normal}`;
  expect(share(await db.claim(100), low)).toBe(25);
});
