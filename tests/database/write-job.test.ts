import type postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job } from './support.ts';

// A row is changed by hand while a step moves it: the statement has read it before the step, and waits for it.

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const enqueue = (user: string | null, count = 1, more: object = {}) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: Array(count).fill({ job_type: 'a', payload: user ? { user_id: user } : {}, ...more }),
  });

/** Runs the step, and then the statement so that it has read the job before the step and goes on after it. */
async function meanwhile(
  step: (sql: postgres.TransactionSql) => Promise<unknown>,
  statement: string,
): Promise<number> {
  let byHand: Promise<number> | undefined;
  await db.sql.begin(async (sql) => {
    await step(sql);
    byHand = db.sql.unsafe(statement).then((result) => result.count);
    for (let waits = false; !waits; ) {
      const [row] = await db.sql<{ waits: boolean }[]>`
        select exists (
          select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like 'update public.job_queue%'
        ) as waits`;
      waits = row?.waits ?? false;
    }
  });
  return (await byHand) ?? -1;
}

test('a prediction that is recorded meanwhile stays recorded', async () => {
  const user = await db.createUser();
  await db.start(user);
  const job = await db.claimOne();
  const changed = await meanwhile(
    (sql) => sql`select public.record_prediction(${job.id}, ${job.lease}, 'p1', 300)`,
    `update public.job_queue set max_attempts = 9 where id = '${job.id}'`,
  );
  expect(changed).toBe(1);
  expect(await db.job(job.id)).toMatchObject({ max_attempts: 9, prediction_id: 'p1', status: 'processing' });
  expect((await db.job(job.id)).lease_expires_at?.getTime()).toBeGreaterThan(Date.now() + 120_000);
});

test('an attempt that ends meanwhile counts', async () => {
  const [id] = (await enqueue(null)) as [string];
  await meanwhile(
    (sql) => sql`select public.complete_job(${id}, p_error_message => 'It failed.')`,
    `update public.job_queue set priority = 7 where id = '${id}'`,
  );
  expect(await db.job(id)).toMatchObject({ priority: 7, attempts: 1, error_message: 'It failed.' });
});

test('a blocked job that is let in meanwhile keeps its slot', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [, second] = (await enqueue(user, 2)) as [string, string];
  const job = (await db.claimOne()) as Job;
  await meanwhile(
    (sql) => sql`select public.complete_job(${job.id}, ${job.lease}::bigint)`,
    `update public.job_queue set max_attempts = 9 where id = '${second}'`,
  );
  expect(await db.claimOne()).toMatchObject({ id: second, max_attempts: 9 });
});

test('a ready job that gives its slot away meanwhile is blocked', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [id] = (await enqueue(user)) as [string];
  await meanwhile(
    (sql) =>
      sql`select private.insert_jobs(${sql.json([{ job_type: 'a', priority: 5, payload: { user_id: user } }])})`,
    `update public.job_queue set max_attempts = 9 where id = '${id}'`,
  );
  expect(await db.job(id)).toMatchObject({ blocked: true, max_attempts: 9 });
});

test('a job that is claimed meanwhile is left as it is', async () => {
  const [id] = (await enqueue(null)) as [string];
  const changed = await meanwhile(
    (sql) => sql`select public.claim_jobs(1)`,
    `update public.job_queue set status = 'cancelled' where id = '${id}'`,
  );
  expect(changed).toBe(0);
  expect(await db.job(id)).toMatchObject({ status: 'processing', lease: '1' });
});

test('a job that ended long ago and is set to pending is counted', async () => {
  const [id] = (await enqueue(null)) as [string];
  const job = await db.claimOne();
  await db.service('fail_job', { p_job_id: id, p_lease: job.lease, p_error_message: 'x' });
  await db.sql`update public.job_queue set completed_at = now() - interval '3 days' where id = ${id}`;
  await db.sql`update public.job_queue set status = 'pending' where id = ${id}`;
  const rows = await db.sql`
    select status, count::int, avg_duration_seconds from public.queue_health where job_type = 'a'`;
  expect([...rows]).toEqual([{ status: 'pending', count: 1, avg_duration_seconds: null }]);
});

test('slots are nobody’s to write', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [first, second] = (await enqueue(user, 2)) as [string, string];
  await db.sql`update public.job_queue set slot = not slot where id in (${first}, ${second})`;
  await expectSlotsRight(db);
  expect(await db.claimOne()).toMatchObject({ id: first });
});

test('an id is a job’s alone, whichever table it stands in', async () => {
  const [id] = (await enqueue(null)) as [string];
  const taken = [
    () => db.sql`insert into public.job_queue (id, job_type) values (${id}, 'a')`,
    () => db.sql`insert into public.job_queue (id, job_type, status) values (${id}, 'a', 'completed')`,
    () => enqueue(null, 1, { id }),
    () => enqueue(null, 1, { id, scheduled_at: new Date(Date.now() + 3_600_000) }),
  ];
  for (const insert of taken) await expect(insert()).rejects.toMatchObject({ code: '23505' });
  await db.claimOne();
  for (const insert of taken) await expect(insert()).rejects.toMatchObject({ code: '23505' });
  expect(await db.sql`select id from public.job_queue`).toHaveLength(1);
});

test('of many who bring the same id at the same time, one comes in', async () => {
  const id = '11111111-2222-4333-8444-555555555555';
  const inAnHour = new Date(Date.now() + 3_600_000);
  const twice = {
    p_jobs: [
      { job_type: 'a', id },
      { job_type: 'a', id, scheduled_at: inAnHour },
    ],
  };
  await expect(db.service('enqueue_jobs', twice)).rejects.toMatchObject({ code: '23505' });
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => enqueue(null, 1, n % 2 ? { id } : { id, scheduled_at: inAnHour })),
  );
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await db.sql`select id from public.job_queue`).toHaveLength(1);
});
