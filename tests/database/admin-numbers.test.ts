import { beforeEach, expect, test } from 'vitest';
import { Admin, rollUp, withToken } from './admin-support.ts';
import { Database, type Job, MODEL, refusal, SUCCEEDED } from './support.ts';

// Each number of the dashboard is what SQL says of the rows.

const db = await Database.open();
const admin = await Admin.open(db);
beforeEach(async () => {
  await db.clear();
  await db.sql`truncate private.ended_counts, private.ended_times, private.daily_totals, private.daily_users,
    private.user_totals`;
  await db.sql`update private.roll_up set counted_until = now() - interval '10 seconds' where only_row`;
});

const overview = () => admin.call('admin_overview', {});
const today = async () => (await db.sql`select private.today()::text as day`)[0]?.day as string;

/** A start whose image is stored, of a job that has waited and run so long. */
async function complete(user: string, request: object = {}): Promise<string> {
  const { generation_id, job_id } = await db.start(user, request as never);
  const jobs = await db.claim(100, { types: ['generate-image'] });
  const job = jobs.find((one) => one.id === job_id);
  await db.service('record_prediction', {
    p_job_id: job_id,
    p_lease: job?.lease,
    p_prediction_id: `p-${job_id}`,
    p_wait_seconds: 60,
  });
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job_id,
    p_prediction_id: `p-${job_id}`,
    p_outcome: SUCCEEDED,
  });
  await db.service('finish_download', {
    p_job_id: download.id,
    p_lease: download.lease,
    p_image: { public_url: 'https://x/y.webp', storage_path: `${user}/${job_id}.webp`, format: 'webp' },
  });
  return generation_id;
}

async function failOne(user: string, code: string, request: object = {}): Promise<void> {
  const { job_id } = await db.start(user, request as never);
  const job = (await db.claim(100, { types: ['generate-image'] })).find((one) => one.id === job_id);
  await db.service('fail_job', {
    p_job_id: job_id,
    p_lease: job?.lease,
    p_error_message: 'No.',
    p_error_details: { code },
  });
}

test('the live page: each queue by state, with its oldest', async () => {
  const user = await db.createUser({ running_jobs: 2 });
  await db.start(user, { items: Array(5).fill({ prompt: 'x' }) });
  await db.start(user, { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });
  await db.claim(1);
  await db.service('enqueue_job', { p_job_type: 'work', p_payload: {} });
  await db.sql`update public.job_queue set lease_expires_at = now() - interval '1 second',
    started_at = now() - interval '12 minutes' where status = 'processing'`;
  const its = await overview();
  const [image] = its.queues;
  const [sql] = await db.sql`select
    (select min(created_at) from private.ready_jobs where job_type = 'generate-image') as ready,
    (select min(created_at) from private.blocked_jobs) as blocked,
    (select min(scheduled_at) from private.scheduled_jobs) as scheduled,
    (select date_trunc('minute', min(started_at)) from private.running_jobs) as running`;
  const ms = (time: string | null | undefined) => Date.parse(time ?? '');
  expect(image).toMatchObject({
    job_type: 'generate-image',
    waiting: 5,
    ready: 1,
    blocked: 3,
    scheduled: 1,
    running: 1,
    is_held: false,
  });
  expect([
    ms(image?.oldest_ready_at),
    ms(image?.oldest_blocked_at),
    ms(image?.next_scheduled_at),
    ms(image?.oldest_running_at),
  ]).toEqual([sql?.ready, sql?.blocked, sql?.scheduled, sql?.running].map((at: Date) => at.getTime()));
  expect(its.queues.find((one) => one.job_type === 'work')).toMatchObject({ waiting: 1, ready: 1 });
  expect(its.totals).toEqual({
    waiting: 6,
    ready: 2,
    blocked: 3,
    scheduled: 1,
    running: 1,
    lost: 1,
    stuck: 1,
    dead_letters_24h: 0,
  });
  // The same once the cron has folded the counts.
  await db.service('record_sweep', { p_stats: {} });
  expect((await overview()).totals).toEqual(its.totals);
});

test('the live page: what ended, and what that is of all', async () => {
  const user = await db.createUser();
  for (let n = 0; n < 3; n += 1) await complete(user);
  await failOne(user, 'x');
  expect((await overview()).throughput[0]).toMatchObject({ completed: 0, success_rate: null });
  expect(await rollUp(db), 'three images and their downloads, and one that failed').toBe(7);
  expect(await rollUp(db), 'each once').toBe(0);
  const its = await overview();
  expect(its.throughput).toEqual(
    [5, 15, 60].map((minutes) => ({
      minutes,
      completed: 6,
      failed: 1,
      cancelled: 0,
      success_rate: 0.8571,
    })),
  );
  expect(its.totals.dead_letters_24h).toBe(1);
  expect(its.budget.spent_today_usd, 'noted by the cron').toBe(0);
  await db.service('record_sweep', { p_stats: {} });
  expect((await overview()).budget).toEqual({
    spent_today_usd: 0.009,
    spent_this_month_usd: 0.009,
    reserved_usd: null,
    per_day_usd: null,
    per_month_usd: null,
    state: 'none',
    source: 'roll_ups',
  });
});

test('the live page: budgets, the provider, refused models and the cron', async () => {
  const user = await db.createUser();
  await admin.call('admin_set_budget', { p_per_day_usd: 1, p_per_month_usd: 10, p_reason: 'x' });
  await complete(user);
  await db.start(user);
  expect((await overview()).budget).toEqual({
    spent_today_usd: 0.003,
    spent_this_month_usd: 0.003,
    reserved_usd: 0.003,
    per_day_usd: 1,
    per_month_usd: 10,
    state: 'ok',
    source: 'budget',
  });
  await admin.call('admin_set_budget', { p_per_day_usd: null, p_per_month_usd: null, p_reason: 'x' });
  await db.sql`update private.provider_pause set until = now() + interval '1 minute', since = now(),
    reason = 'throttled', code = 429, probing = true where only_row`;
  await db.sql`insert into private.refused_models (model, since, until, status)
    values ('a/b', now(), now() + interval '1 minute', 404)`;
  await db.service('record_sweep', { p_stats: { claimed: 3 } });
  const its = await overview();
  expect(its.provider).toMatchObject({ reason: 'throttled', code: 429, is_probing: false });
  expect(Date.parse(its.provider.paused_until ?? '')).toBeGreaterThan(Date.now());
  expect(its.refused_models).toMatchObject([{ model: 'a/b', status: 404, refusals: 1 }]);
  expect(its.cron.last_run).toEqual({ claimed: 3 });
  expect(its.cron.lag_seconds).toBeLessThan(60);
  expect((await admin.call('admin_cron_history', { p_limit: 1 })).runs).toMatchObject([
    { stats: { claimed: 3 }, ran_at: its.cron.last_run_at },
  ]);
  await db.sql`delete from private.refused_models where true`;
});

test('over time: counts are exact, and percentiles within a tenth', async () => {
  await db.sql`update private.roll_up set counted_until = now() - interval '1 hour' where only_row`;
  // 500 jobs, whose times are spread over four orders of magnitude.
  await db.sql`
    insert into private.finished_jobs (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts,
      job_type, payload, started_at, completed_at, status)
    select gen_random_uuid(), n, at - run - wait, at - run - wait, 1, 0, 0, 3, case when n % 5 = 0 then 'other' else 'work' end,
      '{}', at - run, at, case when n % 10 = 0 then 'failed' else 'completed' end
    from (
      select n, now() - interval '30 minutes' + n * interval '1.7 seconds' as at,
        exp(random() * 9 - 4) * interval '1 second' as run, exp(random() * 9 - 4) * interval '1 second' as wait
      from generate_series(1, 500) as n
    ) as made`;
  const [rolled] = await db.sql`select private.roll_up_ended(20000) as jobs`;
  expect(rolled?.jobs).toBe(500);
  const from = new Date(Date.now() - 3_600_000).toISOString();
  for (const job_type of [null, 'other']) {
    const { points, counted_until } = await admin.call('admin_timeline', {
      p_from: from,
      p_step: 300,
      ...(job_type ? { p_job_type: job_type } : {}),
    });
    expect(Date.parse(counted_until ?? '')).toBeGreaterThan(Date.now() - 60_000);
    const exact = await db.sql<Record<string, number>[]>`
      select extract(epoch from date_bin('5 minutes', completed_at, 'epoch')) * 1000 as at,
        count(*) filter (where status = 'completed')::int as completed, count(*) filter (where status = 'failed')::int as failed,
        percentile_disc(0.5) within group (order by extract(epoch from started_at - scheduled_at))::float8 as wait_p50,
        percentile_disc(0.95) within group (order by extract(epoch from started_at - scheduled_at))::float8 as wait_p95,
        percentile_disc(0.99) within group (order by extract(epoch from completed_at - started_at))::float8 as run_p99
      from private.finished_jobs where ${job_type}::text is null or job_type = ${job_type} group by 1 order by 1`;
    expect(exact.length).toBeGreaterThan(2);
    const told = points.filter((point) => point.completed + point.failed > 0);
    expect(told.map((point) => [Date.parse(point.at), point.completed, point.failed])).toEqual(
      exact.map((row) => [Number(row.at), row.completed, row.failed]),
    );
    for (const [n, row] of exact.entries())
      for (const key of ['wait_p50', 'wait_p95', 'run_p99'] as const)
        expect(Math.abs(Math.log((told[n]?.[key] as number) / (row[key] as number))), key).toBeLessThan(0.1);
  }
  const { points } = await admin.call('admin_timeline', { p_from: from, p_step: 3600 });
  expect(points.reduce((sum, one) => sum + one.completed, 0)).toBe(450);
  const refused = async (args: object) =>
    (await refusal(admin.call('admin_timeline', { p_from: from, p_step: 300, ...args }))).field;
  expect(await refused({ p_step: 61 })).toBe('p_step');
  expect(await refused({ p_from: new Date(Date.now() - 86_400_000).toISOString() }), 'of quarters').toBe(
    'p_step',
  );
  expect(await refused({ p_from: new Date(Date.now() - 20 * 86_400_000).toISOString(), p_step: 900 })).toBe(
    'p_from',
  );
  expect(await refused({ p_from: new Date(Date.now() + 3_600_000).toISOString() })).toBe('p_from');
});

test('users by the slots that they take now, also those of whom nothing has ended yet', async () => {
  const [few, many, none] = [await db.createUser(), await db.createUser(), await db.createUser()];
  await complete(none);
  await db.start(few);
  await db.start(many, { items: Array(3).fill({ prompt: 'x' }) });
  await db.claim(2);
  const { users, next_cursor } = await admin.call('admin_users', { p_sort: 'slots' });
  expect(users.map(({ id, slots_taken: slots }) => [id, slots])).toEqual([
    [many, 3],
    [few, 1],
  ]);
  expect(next_cursor).toBeNull();
});

test('analytics: by model, user, status, country and error', async () => {
  const [one, two] = [await db.createUser(), await db.createUser()];
  await complete(one, { country: 'PT' });
  await complete(one, { country: 'PT' });
  await complete(two, { country: 'DE' });
  await failOne(one, 'nsfw', { country: 'XX' });
  const cancelled = await db.start(two);
  await db.callAs(two, 'cancel_generation', { p_generation_id: cancelled.generation_id });
  await rollUp(db);
  await rollUp(db);
  const day = await today();
  const none = { day: null, user_id: null, model: null, status: null, country: null, error_code: null };
  const ask = (args: object) => admin.call('admin_analytics', { p_from: day, p_to: day, ...args });
  expect(await ask({ p_by: ['status'] })).toMatchObject([
    { ...none, status: 'cancelled', generations: 1, cost_usd: 0 },
    { ...none, status: 'completed', generations: 3, cost_usd: 0.009 },
    { ...none, status: 'failed', generations: 1, cost_usd: 0 },
  ]);
  expect(await ask({ p_by: ['country', 'error_code'] })).toMatchObject([
    { country: '', error_code: 'cancelled', generations: 1 },
    { country: '', error_code: 'nsfw', generations: 1 },
    { country: 'DE', error_code: '', generations: 1 },
    { country: 'PT', error_code: '', generations: 2 },
  ]);
  expect(await ask({ p_by: ['user', 'status'], p_model: MODEL, p_country: 'PT' })).toMatchObject([
    { user_id: one, status: 'completed', generations: 2 },
  ]);
  expect(await ask({ p_by: ['day'], p_user_id: two })).toMatchObject([
    { day, user_id: null, generations: 2, cost_usd: 0.003 },
  ]);
  const [seconds] = await db.sql`
    select sum(generation_time_seconds)::float8 as all from public.image_generations where status = 'completed'`;
  const [all] = await ask({ p_by: [] });
  expect(all).toMatchObject({ ...none, generations: 5, seconds: seconds?.all });
  const refused = async (args: object) => (await refusal(ask(args))).field;
  expect(await refused({ p_by: ['odd'] })).toBe('p_by');
  expect(await refused({ p_by: ['user'], p_from: '2026-01-01' })).toBe('p_by');
  expect(await refused({ p_from: '2020-01-01' })).toBe('p_from');

  // Each user's own.
  const history = await withToken(
    db,
    one,
    undefined,
    async (sql) => (await sql`select json_agg(h) as rows from public.usage_history() as h`)[0]?.rows,
  );
  expect(history).toMatchObject([
    { day, model: MODEL, completed: 2, failed: 1, cancelled: 0, cost_usd: 0.006 },
  ]);

  const { users } = await admin.call('admin_users', { p_sort: 'cost_month' });
  expect(users.map((user) => [user.id, user.this_month.cost_usd])).toEqual([
    [one, 0.006],
    [two, 0.003],
  ]);
  expect(users[0]).toMatchObject({
    email: `${one}@example.com`,
    plan: 'default',
    images_today: 3,
    cost_today_usd: 0.006,
    slots_taken: 0,
    blocked_since: null,
    today: { completed: 2, failed: 1, cancelled: 0, cost_usd: 0.006 },
  });
  const paged: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await admin.call('admin_users', {
      p_sort: 'images_today',
      p_limit: 1,
      ...(cursor ? { p_cursor: cursor } : {}),
    });
    paged.push(...page.users.map((user) => user.id));
    cursor = page.next_cursor;
  }
  expect(paged).toEqual([one, two]);
  for (const p_search of [two, `${two}@Example.com`])
    expect((await admin.call('admin_users', { p_search })).users.map((user) => user.id)).toEqual([two]);

  const { models } = await admin.call('admin_models', {});
  expect(models.find((model) => model.model === MODEL)).toMatchObject({
    is_active: true,
    refused: null,
    usd_per_image: 0.003,
    today: { completed: 3, failed: 1, cancelled: 1, success_rate: 0.75, cost_usd: 0.009 },
    last_30_days: { completed: 3 },
  });

  // With an account goes what it has used; the sums of all stay.
  await db.sql`delete from auth.users where id = ${two}`;
  await rollUp(db);
  expect(await ask({ p_by: ['day'], p_user_id: two })).toEqual([]);
  expect(await ask({ p_by: [] })).toMatchObject([{ generations: 5 }]);
});

test('an end that is committed late is counted once, whatever was rolled up meanwhile', async () => {
  await db.service('enqueue_job', { p_job_type: 'work', p_payload: {} });
  const job = await db.claimOne();
  let commit = () => {};
  const open = new Promise<void>((resolve) => {
    commit = resolve;
  });
  let written = () => {};
  const isWritten = new Promise<void>((resolve) => {
    written = resolve;
  });
  const late = db.as('service_role', null, async (sql) => {
    await sql`select public.complete_job(${job.id}::uuid, ${job.lease}::bigint)`;
    written();
    await open;
  });
  await isWritten;
  const roll = async () => (await db.sql`select private.roll_up_ended(20000) as jobs`)[0]?.jobs;
  await db.sql`select pg_sleep(0.01)`;
  expect(await roll()).toBe(0);
  const [bound] = await db.sql`select private.settled_until() <= now() - interval '10 seconds' as is_before`;
  expect(bound?.is_before).toBe(true);
  commit();
  await late;
  expect(await rollUp(db)).toBe(1);
  expect(await rollUp(db)).toBe(0);
});

test('a roll-up is bounded, and goes on where it was', async () => {
  await db.sql`
    insert into private.finished_jobs (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts,
      job_type, payload, started_at, completed_at, status)
    select gen_random_uuid(), n, now(), now(), 1, 0, 0, 3, 'work', '{}', now(),
      now() - interval '5 minutes' - (n / 10) * interval '1 second', (array['completed', 'failed', 'cancelled'])[n % 3 + 1]
    from generate_series(0, 99) as n`;
  await db.sql`update private.roll_up set counted_until = now() - interval '1 hour' where only_row`;
  const jobs: number[] = [];
  for (;;) {
    const [row] = await db.sql`select private.roll_up_ended(25) as jobs`;
    if (row?.jobs === 0) break;
    jobs.push(row?.jobs as number);
  }
  expect(jobs, 'with those that ended at the same moment').toEqual([30, 30, 30, 10]);
  const [sum] =
    await db.sql`select sum(completed + failed + cancelled)::int as n from private.ended_counts where seconds = 60`;
  expect(sum?.n).toBe(100);
});

test('a job that was due since for ever does not stop the cron', async () => {
  await db.sql`insert into public.job_queue (job_type, scheduled_at) values ('work', '-infinity')`;
  await db.complete([await db.claimOne()]);
  expect(await rollUp(db)).toBe(1);
  const [times] = await db.sql`select count(*)::int as n from private.ended_times where measure = 'wait'`;
  expect(times?.n).toBe(0);
});

test('what has stood its time goes, and no more', async () => {
  for (const [seconds, keep] of [
    [60, '6 hours'],
    [900, '14 days'],
  ] as const)
    await db.sql`insert into private.ended_counts values
      (${seconds}, now() - ${keep}::interval, 'kept', 1, 0, 0),
      (${seconds}, now() - ${keep}::interval - interval '2 days', 'gone', 1, 0, 0)`;
  await db.sql`insert into private.daily_totals values (private.today() - 400, 'kept', 'completed', '', '', 1, 1, 1),
    (private.today() - 401, 'gone', 'completed', '', '', 1, 1, 1)`;
  await db.sql`select private.prune_roll_ups(1000)`;
  const rows = await db.sql`select job_type as name from private.ended_counts
    union all select model from private.daily_totals`;
  expect(rows.map((row) => row.name)).toEqual(['kept', 'kept', 'kept']);
});

test('the cron keeps the runs of a day, and each of them rolls up', async () => {
  await db.sql`truncate private.cron_runs, private.last_cron_run`;
  await db.sql`insert into private.cron_runs (minute, ran_at, stats, rolled_up)
    select n, now() - interval '2 days', '{"old": true}', 0 from generate_series(0, 1439) as n`;
  await db.sql`insert into private.last_cron_run (ran_at, stats) values (now() - interval '90 seconds', '{}')`;
  await db.service('enqueue_job', { p_job_type: 'work', p_payload: {} });
  await db.complete([await db.claimOne()]);
  await db.sql`update private.finished_jobs set completed_at = completed_at - interval '11 seconds' where true`;
  await db.sql`update private.roll_up set counted_until = counted_until - interval '1 minute' where only_row`;
  await db.service('record_sweep', { p_stats: { claimed: 1 } });
  await db.service('record_sweep', { p_stats: { claimed: 2 } });
  const { runs } = await admin.call('admin_cron_history', { p_limit: 1440 });
  expect(runs, 'a row for each minute of the day').toHaveLength(1440);
  // The second run may have come with the next minute.
  const fresh = runs.filter((run) => !('old' in run.stats));
  expect(fresh[0]?.stats).toEqual({ claimed: 2 });
  expect(fresh.reduce((sum, run) => sum + run.rolled_up, 0)).toBe(1);
  expect(await refusal(admin.call('admin_cron_history', { p_limit: 1441 }))).toMatchObject({
    field: 'p_limit',
  });
});

test('a country is two capital letters, and an app’s own member of that name is none', async () => {
  const user = await db.createUser();
  for (const country of ['Germany', 'de', 'D', 1])
    expect(await refusal(db.start(user, { country })), String(country)).toMatchObject({
      sqlstate: 'PT422',
      field: 'country',
    });
  const countryOf = async (id: string) => (await db.generation(id)).country;
  expect(await countryOf((await db.start(user, { country: 'T1' })).generation_id)).toBe('T1');
  expect(await countryOf((await db.start(user, { country: 'XX' })).generation_id), 'unknown').toBeNull();
  const job = await db.callAs<string>(user, 'enqueue_job', {
    p_job_type: 'generate-image',
    p_payload: { prompt: 'x', model_id: MODEL, country: 'Germany' },
  });
  expect(await countryOf((await db.job(job)).generation_id as string)).toBeNull();
});
