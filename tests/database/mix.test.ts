import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job, type Started, SUCCEEDED } from './support.ts';

// Everything that users, workers, webhooks and the cron call, at once and at random. No call may fail but
// for the reasons it names, and in the end every account agrees with what is there.

const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

const below = (n: number) => Math.floor(Math.random() * n);
const any = <T>(list: readonly T[]) => list[below(list.length)] as T;
const leased = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });

/** Refusals that a call names itself (PT409: it has ended already) are answers, too. */
async function answered(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!String((error as { code?: string }).code).startsWith('PT')) throw error;
  }
}

const fail = (job: Job) =>
  db.service('fail_job', {
    ...leased(job),
    p_error_message: 'x',
    p_retry_in_seconds: any([null, 0, 0, 60]),
  });

async function store(job: Job): Promise<void> {
  const image = {
    storage_path: 'a',
    public_url: 'https://x.example/a',
    format: 'webp',
    cost_usd: below(50) / 1000,
  };
  await db.service('finish_download', { ...leased(job), p_image: image });
}

async function predict(job: Job): Promise<void> {
  const p_prediction_id = `p-${job.id}-${job.lease}`;
  await db.service('record_prediction', { ...leased(job), p_prediction_id, p_wait_seconds: 60 });
  if (below(5) === 0) return; // the webhook never comes
  const p_outcome = any([
    SUCCEEDED,
    SUCCEEDED,
    { status: 'failed', error_message: 'x', retry_in_seconds: any([null, 0]) },
  ]);
  const finish = () =>
    db.service<{ outcome: string; job?: Job }>('finish_prediction', {
      p_job_id: job.id,
      p_prediction_id,
      p_outcome,
    });
  const answers = await Promise.all(below(3) === 0 ? [finish(), finish()] : [finish()]);
  for (const { job: download } of answers)
    if (download) await any([store, store, fail, async () => {}])(download);
}

const run: ((job: Job) => Promise<unknown>)[] = [
  predict,
  predict,
  predict,
  fail,
  (job) =>
    db.service('snooze_job', { ...leased(job), p_seconds: any([0, 60]), p_outcome_unknown: below(2) === 0 }),
  (job) => db.service('extend_lease', { ...leased(job), p_lease_seconds: 60 }),
  async () => {}, // the worker dies
];
const stop = (job: Job) =>
  db.service('complete_job', {
    ...leased(job),
    p_result: { predictions: [{ id: `p-${job.payload.job_id}`, status: 'canceled', predict_time: 1 }] },
  });
const work = (job: Job): Promise<unknown> => {
  if (job.job_type === 'generate-image') return any(run)(job);
  return job.job_type === 'cancel-prediction' ? stop(job) : any([store, fail])(job);
};

async function step(users: string[], started: Started[]): Promise<void> {
  const user = any(users);
  switch (below(10)) {
    case 0:
    case 1: {
      const items = Array(1 + below(4)).fill({ prompt: 'x' });
      const more = { priority: any(['low', 'normal', 'high']), ...(below(4) === 0 ? { expires_in: 1 } : {}) };
      started.push(await db.start(user, { items, ...more }));
      break;
    }
    case 2:
      if (started.length > 0) {
        const generation = any(any(started).generations).generation_id;
        const { user_id } = await db.generation(generation);
        await answered(db.callAs(user_id as string, 'cancel_generation', { p_generation_id: generation }));
      }
      break;
    case 3: // as if leases ran out, and times came
      await db.sql`update public.job_queue set
        lease_expires_at = case when status = 'processing' then now() - interval '1 second' end,
        scheduled_at = least(scheduled_at, now())
        where id = (select id from public.job_queue where status in ('pending', 'processing')
          order by random() limit 1 for update skip locked)`;
      break;
    case 4: {
      const [failed] =
        await db.sql`select id from public.job_queue where status = 'failed' order by random() limit 1`;
      if (failed && below(4) === 0) await db.service('requeue_job', { p_job_id: failed.id });
      break;
    }
    case 5:
      await db.service('record_sweep', { p_stats: {} });
      break;
    default:
      for (const job of await db.claim(1 + below(5))) await work(job);
  }
}

test('12 connections at everything leave every account right', async () => {
  const limits = { requests_per_minute: null, images_per_day: null };
  const users = await Promise.all(
    [1, 2, 5, null].map((running_jobs) => db.createUser({ ...limits, running_jobs })),
  );
  await db.sql`update private.settings set budget_per_day_usd = 1000 where only_row`;
  const started: Started[] = [];
  const worker = async () => {
    for (let n = 0; n < 150; n++) await step(users, started);
  };
  const ends = await Promise.allSettled(Array.from({ length: 12 }, worker));
  const refused = ends.flatMap((end) =>
    end.status === 'rejected' ? [`${end.reason.code} ${end.reason}`] : [],
  );
  expect(refused, '40P01 is a deadlock').toEqual([]);

  const statuses =
    await db.sql`select status, count(*)::int as n from public.image_generations group by status`;
  const seen = Object.fromEntries(statuses.map((row) => [row.status, row.n]));
  expect(Object.keys(seen), JSON.stringify(seen)).toEqual(
    expect.arrayContaining(['completed', 'failed', 'cancelled', 'pending']),
  );
  const wrong = async (what: string, query: string) =>
    expect([...(await db.sql.unsafe(query))], what).toEqual([]);
  await wrong(
    'money: what was used is what finished ones cost and what unfinished ones are reserved',
    `select u.user_id, u.day_cost, g.cost from private.usage as u
     cross join lateral (
       select coalesce(sum(case status when 'completed' then cost_usd when 'failed' then 0
         else reserved_usd end), 0) as cost
       from public.image_generations where user_id = u.user_id and reserved_on = u.day
     ) as g where u.day_cost <> g.cost`,
  );
  const budget = () => db.sql`select private.budget_periods() as periods`;
  const counted = await budget();
  await db.sql`select private.recount_budget()`;
  expect(counted, 'the budget: what is counted is what the ledger and open generations say').toEqual(
    await budget(),
  );
  await wrong(
    'batches: their counters count their generations',
    `select b.* from public.batch_generations as b
     cross join lateral (
       select count(*) filter (where status = 'completed') as completed,
         count(*) filter (where status = 'failed') as failed,
         count(*) filter (where status = 'cancelled') as cancelled
       from public.image_generations where batch_id = b.id
     ) as g
     where (b.completed_count, b.failed_count, b.cancelled_count) <> (g.completed, g.failed, g.cancelled)`,
  );
  await wrong(
    'generations: each that has not ended has a job that has not ended, and no other has',
    `select g.id, g.status, j.n from public.image_generations as g
     cross join lateral (
       select count(*) as n from public.job_queue as j
       where j.generation_id = g.id and j.status in ('pending', 'processing')
         and j.job_type in ('generate-image', 'download-image')
     ) as j
     where j.n <> case when g.status in ('completed', 'failed', 'cancelled') then 0 else 1 end`,
  );
  await wrong(
    'counts: queue_health shows as many jobs as there are',
    `select job_type, status, h.count, j.count from private.queue_totals() as h
     full join (select job_type, status, count(*) from public.job_queue group by job_type, status) as j
       using (job_type, status)
     where h.count is distinct from j.count`,
  );
}, 300_000);
