import { beforeEach, describe, expect, test } from 'vitest';
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
const unlimited = () => db.createUser({ running_jobs: null });

describe('turns', () => {
  test("10,000 jobs of one user do not delay another's first, whatever the plan allows", async () => {
    for (const busy of [await db.createUser(), await unlimited()]) {
      const other = await db.createUser();
      await backlog(busy, 10_000);
      await db.claim(10);
      await backlog(other, 1);
      expect(owners(await db.claim(10))).toContain(other);
      await db.clear();
    }
  }, 180_000);

  test('users with a backlog take turns, also one who came later or had been served before', async () => {
    const [first, second, third] = [await unlimited(), await unlimited(), await unlimited()];
    await backlog(first, 300);
    let served = 0;
    for (;;) {
      const jobs = await db.claim(100);
      if (jobs.length === 0) break;
      served += jobs.length;
      await db.complete(jobs);
    }
    expect(served).toBe(300); // while nobody else waited: not held against them
    await backlog(second, 100);
    await backlog(first, 100);
    const early = await db.claim(20);
    expect(share(early, first)).toBeGreaterThanOrEqual(9);
    expect(share(early, second)).toBeGreaterThanOrEqual(9);
    await db.complete(early);
    await backlog(third, 100);
    const late = await db.claim(30);
    for (const user of [first, second, third]) expect(share(late, user)).toBeGreaterThanOrEqual(9);
  });

  test('jobs that come due together take turns with those that wait', async () => {
    const [planner, other] = [await unlimited(), await unlimited()];
    await backlog(planner, 90, 0, "now() + interval '1 hour'");
    await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'`;
    await backlog(other, 90);
    const jobs = await db.claim(20);
    expect(share(jobs, other)).toBeGreaterThanOrEqual(9);
    expect(share(jobs, planner)).toBeGreaterThanOrEqual(9);
  });

  test('a higher priority goes first, a user’s backlog at one priority does not count at another', async () => {
    const [a, b] = [await unlimited(), await unlimited()];
    await backlog(a, 50, -10);
    await backlog(b, 5, 0);
    await backlog(a, 5, 0);
    await backlog(b, 5, 10);
    const jobs = await db.claim(15);
    expect(jobs.map((job) => job.priority)).toEqual([...Array(5).fill(10), ...Array(10).fill(0)]);
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
});

describe('ageing', () => {
  test('a low job older than age_after is never overtaken again, a younger one always', async () => {
    const [low, high] = [await unlimited(), await unlimited()];
    await backlog(low, 3, -10, "now() - interval '9 minutes'");
    await backlog(high, 40, 10);
    expect(share(await db.claim(10), low), 'not before its time').toBe(0);
    await db.sql`update public.job_queue set scheduled_at = scheduled_at - interval '2 minutes'
      where created_by = ${low}`;
    await backlog(high, 40, 10);
    for (let n = 0; n < 3; n++) expect(owners(await db.claim(1))).toEqual([low]);
    expect(share(await db.claim(10), high)).toBe(10);
  });

  test('among old jobs only the age counts, and what is young stays in order behind them', async () => {
    const users = await Promise.all([0, 1, 2].map(() => unlimited()));
    const [low, normal, high] = users as [string, string, string];
    await backlog(normal, 1, 0, "now() - interval '20 minutes'");
    await backlog(low, 1, -10, "now() - interval '21 minutes'");
    await backlog(high, 1, 10, "now() - interval '22 minutes'");
    await backlog(low, 2, -10);
    await backlog(normal, 2, 0);
    await backlog(high, 2, 10);
    const one = async () => (await db.claim(1)).map((job) => job.priority);
    expect([await one(), await one(), await one()]).toEqual([[10], [-10], [0]]);
    expect((await db.claim(6)).map((job) => job.priority)).toEqual([10, 10, 0, 0, -10, -10]);
  });

  test('parallel claims hand out every old job before a young one', async () => {
    const [low, high] = [await unlimited(), await unlimited()];
    await db.sql`update private.settings set virtual_time_step = '0 seconds'`;
    await backlog(low, 60, -10, "now() - interval '20 minutes'");
    await backlog(high, 60, 10);
    const claims = await Promise.all(Array.from({ length: 6 }, () => db.claim(5)));
    await db.sql`update private.settings set virtual_time_step = default`;
    expect(share(claims.flat(), low)).toBe(30);
  });
});
