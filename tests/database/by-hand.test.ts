import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDeadRows } from './fill.ts';
import { countsOf, expectSlotsRight, jobsByState } from './slots.ts';
import { Database, type Job } from './support.ts';

// Operators change rows of job_queue by plain SQL, as they did with the original: no job may get lost.

const db = await Database.open();
// Dead rows are made below, and must stay.
for (const state of ['ready', 'running', 'scheduled'])
  await db.sql.unsafe(`alter table private.${state}_jobs set (autovacuum_enabled = off)`);
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const enqueue = (user: string | null, count = 1, more: object = {}) =>
  db.service<string[]>('enqueue_jobs', {
    p_jobs: Array(count).fill({ job_type: 'a', payload: user ? { user_id: user } : {}, ...more }),
  });

const set = (id: string, sets: string) =>
  db.sql.unsafe(`update public.job_queue set ${sets} where id = $1`, [id]);

test.each([10, -10])('a ready job whose priority becomes %i is handed out', async (priority) => {
  const [id] = (await enqueue(null)) as [string];
  await set(id, `priority = ${priority}`);
  expect(await db.claimOne()).toMatchObject({ id, priority });
});

test('a ready job whose type changes is handed out, and its slot counts for the new type', async () => {
  const user = await db.createUser();
  const [id] = (await enqueue(user)) as [string];
  await set(id, "job_type = 'never-seen'");
  expect(await db.claimOne()).toMatchObject({ id, job_type: 'never-seen' });
});

test('a blocked job whose priority is raised gets the next slot', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const ids = await enqueue(user, 4);
  const running = await db.claimOne();
  await set(ids[3] as string, 'priority = 50');
  await db.complete([running]);
  expect(await db.claimOne()).toMatchObject({ id: ids[3], priority: 50 });
});

test('a blocked job that is put off is not ready before', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [, second, third] = (await enqueue(user, 3)) as [string, string, string];
  const running = await db.claimOne();
  await set(second, "scheduled_at = now() + interval '1 hour'");
  await db.complete([running]);
  expect((await db.claimOne()).id).toBe(third);
  expect((await jobsByState(db, user, 'a')).scheduled).toEqual([second]);
});

test('the original’s complete_job with an error puts a blocked job off', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [, second] = (await enqueue(user, 2)) as [string, string];
  await db.service('complete_job', { p_job_id: second, p_error_message: 'broken' });
  expect(await db.job(second)).toMatchObject({
    status: 'pending',
    attempts: 1,
    blocked: false,
    ready_at: null,
  });
});

test('the service sets the time of a ready job back, over the API', async () => {
  const [, second] = (await enqueue(null, 2)) as [string, string];
  await db.as(
    'service_role',
    null,
    (sql) => sql`update public.job_queue set scheduled_at = now() - interval '1 day' where id = ${second}`,
  );
  expect(await db.claim(1)).toMatchObject([{ id: second }]);
});

test.each(['started_at', 'completed_at'])('a %s that is no time of day is refused', async (column) => {
  const [id] = (await enqueue(null)) as [string];
  await expect(set(id, `${column} = '-infinity'`)).rejects.toMatchObject({ code: '23514' });
});

test('a job that awaits a prediction and is set to pending takes one slot, not two', async () => {
  const user = await db.createUser();
  await enqueue(user, 6);
  const [job] = (await db.claim(1)) as [Job];
  const leased = { p_job_id: job.id, p_lease: job.lease };
  await db.service('record_prediction', { ...leased, p_prediction_id: 'p', p_wait_seconds: 60 });
  await db.service('snooze_job', { ...leased, p_seconds: 60 });
  await set(job.id, "status = 'pending'");
  await expectSlotsRight(db);
  await db.claim(10);
  expect(await countsOf(db, user, 'a')).toEqual({ running: 5, ready: 0, blocked: 1, scheduled: 0 });
});

test('a failed job that is set to pending runs again', async () => {
  const [id] = (await enqueue(await db.createUser())) as [string];
  const job = await db.claimOne();
  await db.service('fail_job', { p_job_id: id, p_lease: job.lease, p_error_message: 'x' });
  await set(id, "status = 'pending', attempts = 0, scheduled_at = now()");
  expect(await db.claimOne()).toMatchObject({ id, lease: '2' });
});

test('a blocked job that is set to processing and then completed takes no slot', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  const [, second] = (await enqueue(user, 2)) as [string, string];
  await set(second, "status = 'processing', started_at = now(), blocked = false");
  await set(second, "status = 'completed', completed_at = now()");
  expect(await countsOf(db, user, 'a')).toMatchObject({ ready: 1, blocked: 0 });
});

test('rows inserted by hand are handed out, and blocked where their user has no slot', async () => {
  const user = await db.createUser({ running_jobs: 1 });
  await db.sql`insert into public.job_queue (job_type, fair_key) values ('a', ${user}), ('a', ${user}), ('b', null)`;
  expect((await db.claim(5)).length).toBe(2);
  expect(await countsOf(db, user, 'a')).toMatchObject({ running: 1, blocked: 1 });
});

/** Raises the marks at which claims begin: what lies below them is found only if its change lowers them. */
async function raiseMarks(): Promise<void> {
  await makeDeadRows(db);
  await db.service('record_sweep', { p_stats: {} });
  const [row] =
    await db.sql`select scheduled_at > now() - interval '30 seconds' as raised from private.low_water`;
  expect(row?.raised, 'the marks are raised').toBe(true);
}

const inAnHour = () => new Date(Date.now() + 3_600_000);
interface Change {
  what: string;
  prepare?: () => Promise<string>;
  change: (id: string) => Promise<unknown>;
  status?: string;
}
const running = async () => {
  await enqueue(null);
  const [job] = await db.claim(1, { seconds: 600 });
  return (job as Job).id;
};
const one = async (more: object) => (await enqueue(null, 1, more))[0] as string;
const insert = async (columns: string, values: string) => {
  const [row] = await db.sql.unsafe(
    `insert into public.job_queue (job_type, ${columns}) values ('a', ${values}) returning id`,
  );
  return row?.id as string;
};
const CHANGES: Change[] = [
  {
    what: 'a lease set back',
    prepare: running,
    change: (id) => set(id, "lease_expires_at = now() - interval '5 minutes'"),
  },
  {
    what: 'a running job set to pending',
    prepare: async () => {
      const id = await running();
      await set(id, "scheduled_at = scheduled_at - interval '1 hour'");
      return id;
    },
    change: (id) => set(id, "status = 'pending'"),
  },
  {
    what: 'a waiting job moved to another priority',
    prepare: async () => {
      const id = await one({});
      await set(id, "scheduled_at = scheduled_at - interval '1 hour'");
      return id;
    },
    change: (id) => set(id, 'priority = 77'),
  },
  {
    what: 'a schedule set back',
    prepare: () => one({ scheduled_at: inAnHour() }),
    change: (id) => set(id, "scheduled_at = now() - interval '5 minutes'"),
  },
  {
    what: 'an expiry set back',
    prepare: () => one({ priority: -50, scheduled_at: inAnHour(), expires_at: inAnHour() }),
    change: (id) => set(id, "expires_at = now() - interval '5 minutes'"),
    status: 'cancelled',
  },
  {
    what: 'an expiry given',
    prepare: () => one({ scheduled_at: inAnHour() }),
    change: (id) => set(id, "expires_at = now() - interval '5 minutes'"),
    status: 'cancelled',
  },
  {
    what: 'a job enqueued for a time past',
    change: () => one({ scheduled_at: new Date(Date.now() - 300_000) }),
  },
  {
    what: 'a row inserted for a time past',
    change: () => insert('scheduled_at', "now() - interval '5 minutes'"),
  },
  {
    what: 'a row inserted as expired',
    change: () => insert('expires_at', "now() - interval '5 minutes'"),
    status: 'cancelled',
  },
  {
    what: 'a row inserted as lost',
    change: () => insert('status, lease_expires_at', "'processing', now() - interval '5 minutes'"),
  },
];

test.each(CHANGES)('$what is found below the marks', async ({ prepare, change, status = 'processing' }) => {
  const prepared = await prepare?.();
  await raiseMarks();
  const changed = await change(prepared ?? '');
  const id = prepared ?? (changed as string);
  const lease = Number((await db.job(id)).lease);
  await db.claim(5);
  const seen = await db.job(id);
  expect(seen.status).toBe(status);
  if (status === 'processing') expect(Number(seen.lease)).toBe(lease + 1);
});
