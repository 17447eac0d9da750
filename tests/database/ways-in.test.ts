import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { makeDeadRows } from './fill.ts';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job, SUCCEEDED } from './support.ts';

// Whatever brings a job in, at whatever type, priority and time: a job that is due is handed out by the next
// claim. Claims look through an index of ready queues and begin at marks, so each way in has to keep both true. Every
// way is tried with lines that nobody has opened yet and with open ones, and with the marks raised.

const db = await Database.open();
// Dead rows are made below, and must stay.
for (const state of ['ready', 'running', 'scheduled'])
  await db.sql.unsafe(`alter table private.${state}_jobs set (autovacuum_enabled = off)`);
afterEach(() => expectSlotsRight(db));

interface Tried {
  type: string;
  priority: number;
  /** When it is due, as SQL; the same text for all jobs of a try. */
  at: string;
}
/** Brings jobs in and answers with their ids. */
type Way = (tried: Tried) => Promise<string | string[]>;

const sqlTime = async (at: string): Promise<string> => {
  const [row] = await db.sql.unsafe(`select (${at})::text as at`);
  return row?.at as string;
};
const set = (id: string, sets: string) =>
  db.sql.unsafe(`update public.job_queue set ${sets} where id = $1`, [id]);
const insert = async (columns: string, values: string) => {
  const [row] = await db.sql.unsafe(
    `insert into public.job_queue (${columns}) values (${values}) returning id`,
  );
  return row?.id as string;
};
const enqueue = ({ type, priority }: Tried, payload: object = {}) =>
  db.service<string>('enqueue_job', { p_job_type: type, p_payload: payload, p_priority: priority });
/** The time as SQL has it: a driver knows no -infinity. */
const enqueueAt = ({ type, priority, at }: Tried, payload: object): Promise<string> =>
  db.as('service_role', null, async (sql) => {
    const [row] = await sql.unsafe(
      `select public.enqueue_job('${type}', '${JSON.stringify(payload)}', ${priority}, ${at}) as id`,
    );
    return row?.id as string;
  });
/** A job that was claimed, with its lines closed again. */
const claimed = async (tried: Tried, payload: object = {}, closing = true): Promise<Job> => {
  const id = await enqueue(tried, payload);
  const jobs = await db.claim(100, { types: [tried.type] });
  const job = jobs.find((one) => one.id === id);
  if (!job) throw new Error('the job of the preparation was not handed out');
  if (closing) await close(tried);
  return job;
};
const close = ({ type }: Tried) => db.sql`delete from private.ready_queues where job_type = ${type}`;
const lease = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });

const WAYS: Record<string, Way> = {
  enqueue_job: (tried) => enqueueAt(tried, {}),
  'enqueue_job for a user': (tried) => enqueueAt(tried, { user_id: randomUUID() }),
  enqueue_jobs: async ({ type, priority, at }) => {
    const scheduled_at = await sqlTime(at);
    const job = { job_type: type, priority, scheduled_at };
    return db.service('enqueue_jobs', {
      p_jobs: [job, { ...job, payload: { user_id: randomUUID() } }, job],
    });
  },
  requeue_job: async (tried) => {
    const job = await claimed(tried);
    await db.service('fail_job', { ...lease(job), p_error_message: 'x' });
    await db.service('requeue_job', { p_job_id: job.id });
    return job.id;
  },
  'a retry': async (tried) => {
    const job = await claimed(tried, { user_id: randomUUID() });
    await db.service('fail_job', { ...lease(job), p_error_message: 'x', p_retry_in_seconds: 0 });
    return job.id;
  },
  'a snooze': async (tried) => {
    const job = await claimed(tried);
    await db.service('snooze_job', { ...lease(job), p_seconds: 0 });
    return job.id;
  },
  'the original’s retry, set back': async (tried) => {
    const job = await claimed(tried);
    await db.service('complete_job', { p_job_id: job.id, p_error_message: 'x' });
    await set(job.id, `scheduled_at = ${tried.at}`);
    return job.id;
  },
  'a slot that becomes free': async (tried) => {
    const user = await db.createUser({ running_jobs: 1 });
    const running = await claimed(tried, { user_id: user }, false);
    const blocked = await enqueue(tried, { user_id: user });
    expect((await db.job(blocked)) as Job & { blocked: boolean }).toMatchObject({ blocked: true });
    await close(tried);
    await db.complete([running]);
    return blocked;
  },
  'a plan that is raised, by the cron': async (tried) => {
    const user = await db.createUser({ running_jobs: 1 });
    await claimed(tried, { user_id: user }, false);
    const blocked = await enqueue(tried, { user_id: user });
    await close(tried);
    await db.sql`update private.plans set running_jobs = 9 where name = ${user}`;
    await db.service('record_sweep', { p_stats: {} });
    return blocked;
  },
  'a lost run': async (tried) => {
    const job = await claimed(tried);
    await set(job.id, `lease_expires_at = ${tried.at}`);
    return job.id;
  },
  'a lost run, claimed for another type first': async (tried) => {
    const job = await claimed(tried);
    await set(job.id, `lease_expires_at = ${tried.at}`);
    await db.claim(1, { types: ['another'] });
    return job.id;
  },
  'a row inserted by hand': ({ type, priority, at }) =>
    insert('job_type, priority, scheduled_at', `'${type}', ${priority}, ${at}`),
  'a row inserted by hand, ready': ({ type, priority, at }) =>
    insert(
      'job_type, priority, scheduled_at, ready_at, virtual_time',
      `'${type}', ${priority}, ${at}, now(), private.time_at(${at})`,
    ),
  'a row inserted by hand, ready without a virtual time': ({ type, priority, at }) =>
    insert('job_type, priority, scheduled_at, ready_at', `'${type}', ${priority}, ${at}, now()`),
  'a row inserted by hand, running until then': ({ type, priority, at }) =>
    insert('job_type, priority, status, lease_expires_at', `'${type}', ${priority}, 'processing', ${at}`),
  'a waiting job set back by hand': async (tried) => {
    const later = new Date(Date.now() + 3_600_000);
    const id = await db.service<string>('enqueue_job', {
      p_job_type: tried.type,
      p_payload: {},
      p_priority: tried.priority,
      p_scheduled_at: later,
    });
    await set(id, `scheduled_at = ${tried.at}`);
    return id;
  },
  'a ready job set back by hand': async (tried) => {
    const id = await enqueue(tried);
    await close(tried);
    await db.sql`insert into private.ready_queues (job_type, priority) values (${tried.type}, ${tried.priority})`;
    await set(id, `scheduled_at = ${tried.at}`);
    return id;
  },
  'a job of another priority, moved by hand': async (tried) => {
    const id = await enqueue({ ...tried, priority: tried.priority + 1 });
    await set(id, `priority = ${tried.priority}, scheduled_at = ${tried.at}`);
    return id;
  },
  'a job of another type, moved by hand': async (tried) => {
    const id = await enqueue({ ...tried, type: `other-${tried.type}` });
    await set(id, `job_type = '${tried.type}', scheduled_at = ${tried.at}`);
    return id;
  },
  'a failed job set to pending by hand': async (tried) => {
    const job = await claimed(tried);
    await db.service('fail_job', { ...lease(job), p_error_message: 'x' });
    await set(job.id, `status = 'pending', attempts = 0, scheduled_at = ${tried.at}`);
    return job.id;
  },
  'a ready job whose virtual time is cleared by hand': async (tried) => {
    const id = await enqueue(tried);
    await set(id, 'virtual_time = null');
    return id;
  },
};

const TIMES = {
  now: 'now()',
  '5 s ago': "now() - interval '5 seconds'",
  'an hour ago': "now() - interval '1 hour'",
  '30 years ago': "now() - interval '30 years'",
  'at the beginning of time': "'-infinity'::timestamptz",
  'the same moment for all': "'2020-01-01'::timestamptz",
};
const LINES = ['no line of the type', 'a line of another priority', 'its own line'] as const;

const CASES = Object.keys(WAYS).flatMap((way) =>
  LINES.flatMap((lines) => Object.keys(TIMES).map((time) => ({ way, lines, time }))),
);

let tries = 0;
async function bringIn(way: string, lines: (typeof LINES)[number], time: string): Promise<void> {
  const tried: Tried = {
    type: `t-${randomUUID()}`,
    priority: (tries++ % 2001) - 1000,
    at: TIMES[time as keyof typeof TIMES],
  };
  if (lines !== LINES[0]) {
    const priority = lines === LINES[1] ? tried.priority - 2000 : tried.priority;
    await db.complete([await claimed({ ...tried, priority }, {}, false)]);
  }
  const ids = [await (WAYS[way] as Way)(tried)].flat();
  const handedOut = (await db.claim(10, { types: [tried.type] })).map((job) => job.id);
  const rows = await db.sql`select * from public.job_queue where id = any(${ids})`;
  expect(handedOut, `${JSON.stringify(tried)} ${JSON.stringify(rows)}`).toEqual(expect.arrayContaining(ids));
}

describe.each(['with all entries read', 'with the marks raised'])('%s', (marks) => {
  test.each(Object.keys(WAYS).map((way) => ({ way })))('$way', async ({ way }) => {
    if (marks !== 'with all entries read') await raiseMarks();
    for (const one of CASES.filter((each) => each.way === way)) await bringIn(way, one.lines, one.time);
  });
});

/** As in by-hand.test.ts: claims begin at the marks from here on. */
async function raiseMarks(): Promise<void> {
  await makeDeadRows(db);
  await db.service('record_sweep', { p_stats: {} });
}

test('a request of a user, an image that follows it, and what cancels it', async () => {
  const user = await db.createUser();
  for (const priority of ['low', 'normal', 'high']) {
    await db.sql`delete from private.ready_queues where job_type = 'generate-image'`;
    const started = await db.start(user, { priority, scheduled_at: '2020-01-01T00:00:00Z' });
    const [job] = await db.claim(10, { types: ['generate-image'] });
    expect(job?.id, priority).toBe(started.job_id);
    const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
      p_job_id: started.job_id,
      p_prediction_id: `p-${priority}`,
      p_outcome: SUCCEEDED,
    });
    await set(download.id, "lease_expires_at = now() - interval '1 hour'");
    expect((await db.claim(10, { types: ['download-image'] })).map((one) => one.id)).toEqual([download.id]);
    await db.service('fail_job', { p_job_id: download.id, p_lease: 2, p_error_message: 'x' });
  }
  await db.sql`delete from private.ready_queues where job_type in ('generate-image', 'cancel-prediction')`;
  const started = await db.start(user);
  const [job] = (await db.claim(10, { types: ['generate-image'] })) as [Job];
  await db.service('record_prediction', { ...lease(job), p_prediction_id: 'to-cancel', p_wait_seconds: 60 });
  await db.callAs(user, 'cancel_generation', { p_generation_id: started.generation_id });
  expect(await db.claim(10, { types: ['cancel-prediction'] })).toMatchObject([
    { payload: { prediction_id: 'to-cancel' } },
  ]);
});

test('the cron finds a job that came past the functions', async () => {
  const [row] = await db.sql`insert into private.ready_jobs
      (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type, payload, virtual_time, slot)
    values (gen_random_uuid(), nextval('private.job_seq'), now(), now(), 0, 0, 0, 3, 'restored', '{}', 1, false)
    returning id`;
  const id = row?.id as string;
  await db.service('record_sweep', { p_stats: {} });
  expect((await db.claim(1, { types: ['restored'] })).map((job) => job.id)).toEqual([id]);
});

test('a job that runs by hand without a lease comes back', async () => {
  const inserted = await insert('job_type, status', "'by-hand', 'processing'");
  const [updated] = await db.service<string[]>('enqueue_jobs', { p_jobs: [{ job_type: 'by-hand' }] });
  await set(updated as string, "status = 'processing'");
  for (const id of [inserted, updated as string]) {
    const left = ((await db.job(id)).lease_expires_at?.getTime() ?? 0) - Date.now();
    expect(left).toBeGreaterThan(500_000);
    await db.letTimePass(id);
  }
  expect(new Set((await db.claim(5, { types: ['by-hand'] })).map((job) => job.id))).toEqual(
    new Set([inserted, updated]),
  );
});
