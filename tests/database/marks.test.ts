import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDeadRows } from './fill.ts';
import { Database } from './support.ts';

// With a backlog, virtual time runs ahead of the clock, and the low-water marks follow it. What comes in when the
// backlog is over must not lie below them.

const db = await Database.open();
// Dead rows are made below, and must stay.
for (const state of ['ready', 'running', 'scheduled'])
  await db.sql.unsafe(`alter table private.${state}_jobs set (autovacuum_enabled = off)`);
beforeEach(() => db.clear());
afterEach(() => db.sql`update private.settings set virtual_time_step = '10 seconds' where only_row`);

const enqueue = (user: string | null, more: object = {}) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: [{ job_type: 'a', payload: user ? { user_id: user } : {}, ...more }],
  });

/** Waits until the next claim raises the marks. */
async function untilMarksMayRise(): Promise<void> {
  for (let may = false; !may; ) {
    const [row] = await db.sql<{ may: boolean }[]>`
      select raised_at < clock_timestamp() - interval '1.1 second' as may from private.low_water`;
    may = row?.may ?? false;
  }
}

/** A mark an hour ahead of the clock, and nothing ready any more. */
async function drainBacklogAhead(): Promise<void> {
  await db.sql`update private.settings set virtual_time_step = '1 hour' where only_row`;
  await makeDeadRows(db);
  const user = await db.createUser({ running_jobs: 5 });
  for (let count = 0; count < 5; count++) await enqueue(user);
  await db.service('record_sweep', { p_stats: {} });
  await db.claim(1);
  for (let time = 0; time < 2; time++) {
    await untilMarksMayRise();
    await db.claim(1);
  }
  const [queue] = await db.sql<{ ahead: boolean }[]>`
    select low_time > extract(epoch from now() + interval '30 minutes') * 1000000 as ahead
    from private.ready_queues where job_type = 'a' and priority = 0`;
  expect(queue?.ahead, 'the mark is ahead of the clock').toBe(true);
  await db.complete(await db.claim(10));
  const [left] = await db.sql<{ jobs: number }[]>`select count(*)::int as jobs from private.ready_jobs`;
  expect(left?.jobs).toBe(0);
}

test('a job that comes in after a backlog is handed out at once', async () => {
  await drainBacklogAhead();
  const [id] = await enqueue(null);
  expect(await db.claim(1)).toMatchObject([{ id }]);
});

test('so is one that comes in by itself', async () => {
  await drainBacklogAhead();
  const id = await db.service('enqueue_job', { p_job_type: 'a', p_payload: {} });
  expect(await db.claim(1)).toMatchObject([{ id }]);
});

test('so is one that is claimed after the marks have been raised', async () => {
  await drainBacklogAhead();
  const [id] = await enqueue(null);
  await untilMarksMayRise();
  expect(await db.claim(1)).toMatchObject([{ id }]);
});

test('so is a retry', async () => {
  await enqueue(null);
  const job = await db.claimOne();
  await drainBacklogAhead();
  await db.service('fail_job', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_error_message: 'x',
    p_retry_in_seconds: 0,
  });
  await untilMarksMayRise();
  expect(await db.claim(1)).toMatchObject([{ id: job.id }]);
});

test('a ready job that is set to now by hand is next, though its queue is ahead of the clock', async () => {
  await db.sql`update private.settings set virtual_time_step = '1 hour' where only_row`;
  await makeDeadRows(db);
  const user = await db.createUser({ running_jobs: 5 });
  const ids = [];
  for (let count = 0; count < 5; count++) ids.push(...(await enqueue(user)));
  await db.claim(1);
  for (let time = 0; time < 2; time++) {
    await untilMarksMayRise();
    await db.claim(1);
  }
  await db.sql`update public.job_queue set scheduled_at = now() where id = ${ids[4] as string}`;
  expect(await db.claim(1)).toMatchObject([{ id: ids[4] }]);
});
