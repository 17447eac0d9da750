import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectSlotsRight, jobsByState } from './slots.ts';
import { Database } from './support.ts';

// Under an old snapshot a user's blocked jobs are looked up from marks on. No job may ever be below one.

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const TYPE = 'work';
const enqueue = (user: string, priorities: number[]) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: priorities.map((priority) => ({ job_type: TYPE, priority, payload: { user_id: user } })),
  });

/** Marks as they would be had many jobs passed: nothing of that priority is blocked before them. */
const setMarks = (user: string, marks: string) =>
  db.sql.unsafe(`
    update private.user_slots set passed = (
      select array_agg(row(m.priority, m.seq)::private.blocked_mark) from (${marks}) as m (priority, seq)
    ) where fair_key = '${user}'`);
const NONE_WAIT = (priority: number) => `select ${priority}, last_value + 1000 from private.job_seq`;

const marksOf = async (user: string) =>
  (
    await db.sql<{ priority: number; id: string | null }[]>`
      select m.priority, j.id from private.user_slots as s cross join unnest(s.passed) as m
      left join private.blocked_jobs as j on j.seq = m.seq where s.fair_key = ${user}`
  ).map(({ priority, id }) => [priority, id]);

/** Runs all there is, one by one or ten by ten, and answers the order. */
async function runAll(limit: number): Promise<string[]> {
  const order: string[] = [];
  for (let jobs = await db.claim(limit); jobs.length > 0; jobs = await db.claim(limit)) {
    order.push(...jobs.map((job) => job.id));
    if (limit === 1)
      await db.service('complete_job', { p_job_id: jobs[0]?.id, p_lease: Number(jobs[0]?.lease) });
    else await db.complete(jobs);
  }
  return order;
}

test.each([
  ['one', 1],
  ['many', 10],
])(
  'slots go to blocked jobs in their order, from whatever marks there are, by the end of %s',
  async (_, limit) => {
    const user = await db.createUser({ running_jobs: 1 });
    const priorities = [0, 10, -10, 5, 0, 10, -10, 5, 0, 10, -10];
    const [first, ...ids] = await enqueue(user, [20, ...priorities]);
    await setMarks(
      user,
      `select priority, min(seq) from private.blocked_jobs where priority in (10, 0, -10) group by priority
     union all ${NONE_WAIT(7)}`,
    );
    const sorted = ids
      .map((id, n) => ({ id, priority: priorities[n] as number, n }))
      .toSorted((a, b) => b.priority - a.priority || a.n - b.n);
    expect(await runAll(limit)).toEqual([first, ...sorted.map(({ id }) => id)]);
  },
);

test('a job that gives its slot to one of a higher priority lowers the mark', async () => {
  const user = await db.createUser({ running_jobs: 2 });
  const [first, second] = await enqueue(user, [-10, -10]);
  await setMarks(user, NONE_WAIT(-10));
  const [high] = await enqueue(user, [10]);
  expect((await jobsByState(db, user, TYPE)).blocked).toEqual([second]);
  await expectSlotsRight(db);
  expect(await runAll(1)).toEqual([high, first, second]);
});

test('so does a retry that is blocked when it is due', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [retried, next, last] = await enqueue(user, [0, 0, 0]);
  const [job] = await db.claim(1);
  await db.service('fail_job', {
    p_job_id: job?.id,
    p_lease: Number(job?.lease),
    p_error_message: 'Not yet.',
    p_error_details: {},
    p_retry_in_seconds: 0,
  });
  await setMarks(user, `select 0, seq from private.blocked_jobs where id = '${last}'`);
  const [running] = await db.claim(1);
  expect(running?.id).toBe(next);
  expect((await jobsByState(db, user, TYPE)).blocked).toEqual([retried, last]);
  expect(await marksOf(user)).toEqual([[0, retried]]);
  await db.complete([running as NonNullable<typeof running>]);
  expect(await runAll(1)).toEqual([retried, last]);
});

test('so do jobs that had their position before a mark rose', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [first] = await enqueue(user, [0]);
  const waiting = async () => {
    const [row] = await db.sql`select count(*)::int as locks from pg_locks where not granted`;
    return row?.locks > 0;
  };
  let later: Promise<string[]> = Promise.resolve([]);
  await db.sql.begin(async (sql) => {
    await sql`select from private.user_slots where fair_key = ${user} for update`;
    later = enqueue(user, [0, 0]);
    while (!(await waiting()));
    await sql.unsafe(`update private.user_slots set version = version + 1, passed = array[(
      select row(0, last_value + 1000)::private.blocked_mark from private.job_seq
    )] where fair_key = '${user}'`);
  });
  const ids = await later;
  expect(await marksOf(user)).toEqual([[0, ids[0]]]);
  expect(await runAll(1)).toEqual([first, ...ids]);
});

test('the mark rises while dead entries stand before it, and goes when there are few', async () => {
  await db.sql`alter table private.blocked_jobs set (autovacuum_enabled = off)`;
  const user = await db.createUser({ running_jobs: 1 });
  await enqueue(user, Array(1_000).fill(0));
  const other = await db.createUser({ running_jobs: 1 });
  const pass = async () => {
    const [job] = await db.claim(1);
    await db.complete([job as NonNullable<typeof job>]);
  };
  // Others' dead rows count, too.
  for (let time = 0; time < 3; time++) {
    await enqueue(other, Array(1_000).fill(-10));
    await db.sql`delete from public.job_queue where fair_key = ${other}`;
  }
  const dead = async () => {
    const [row] = await db.sql`
      select pg_stat_get_dead_tuples('private.blocked_jobs'::regclass)::int as dead`;
    return row?.dead as number;
  };
  while ((await dead()) <= 2_000) await pass();
  while ((await marksOf(user)).length === 0) await pass();
  const [[priority, id]] = (await marksOf(user)) as [[number, string | null]];
  expect(priority).toBe(0);
  expect((await jobsByState(db, user, TYPE)).blocked.slice(0, 5)).toContain(id);
  await db.sql`vacuum private.blocked_jobs`;
  while ((await dead()) > 2_000);
  while ((await marksOf(user)).length > 0) await pass();
});
