import postgres from 'postgres';
import { expect } from 'vitest';
import type { Calls } from '../../web/dashboard/src/api/contract.ts';
import { type Admin, withToken } from './admin-support.ts';
import { allBlocks, type Node } from './explain.ts';
import type { Database } from './support.ts';

/** What is there to ask for by its id. */
interface Known {
  job: string;
  generation: string;
  user: string;
}

/** The calls that read, as SQL: each function, and each way through it that reads something else. */
const CALLS: Partial<Record<keyof Calls, (known: Known) => Record<string, string>>> = {
  admin_overview: () => ({ '': '' }),
  admin_timeline: () => ({
    '': "p_from => now() - interval '6 hours', p_step => 300",
    ' of two weeks': "p_from => now() - interval '14 days', p_step => 14400",
  }),
  admin_jobs: ({ user }) => ({
    ' ready': "'ready'",
    ' blocked': "'blocked'",
    ' scheduled': "'scheduled'",
    ' running': "'running'",
    ' stuck': "'stuck'",
    ' failed': "'failed'",
    ' completed': "'completed'",
    ' cancelled': "'cancelled'",
    ' ready of a type': "'ready', 'generate-image'",
    ' blocked of a user': `'blocked', p_user_id => '${user}'`,
    ' failed with a code': "'failed', p_error_code => 'x'",
    ' failed of a user': `'failed', p_user_id => '${user}'`,
  }),
  admin_job: ({ job }) => ({ '': `'${job}'` }),
  admin_find: ({ job, generation }) => ({ ' a job': `'${job}'`, ' a generation': `'${generation}'` }),
  admin_generation: ({ generation }) => ({ '': `'${generation}'` }),
  admin_predictions: ({ generation }) => ({ '': '', ' of a generation': `'${generation}'` }),
  admin_users: ({ user }) => ({
    '': '',
    ' one': `'${user}'`,
    ' by images': "p_sort => 'images_today'",
    ' by slots': "p_sort => 'slots'",
  }),
  admin_models: () => ({ '': '' }),
  admin_plans: () => ({ '': '' }),
  admin_alerts: () => ({ '': '' }),
  admin_audit: () => ({ '': '', ' of an action': "p_action => 'pause'" }),
  admin_cron_history: () => ({ '': '' }),
  admin_analytics: ({ user }) => ({ '': '', ' of a user': `p_user_id => '${user}'` }),
  admin_export: ({ user }) => ({
    '': '',
    ' of users': "p_by => '{day,user}'",
    ' of a user': `p_user_id => '${user}'`,
  }),
  usage_history: () => ({ '': '' }),
};

/** Pages that each call looks at: the middle of three, when the plans are made. */
export async function pagesOfCalls(admin: Admin, known: Known): Promise<Record<string, number>> {
  const pages: Record<string, number> = {};
  await withToken(admin.db, admin.id, 'admin', async (sql) => {
    for (const [name, ways] of Object.entries(CALLS))
      for (const [way, args] of Object.entries(ways(known))) {
        const costs: number[] = [];
        for (let time = 0; time < 9; time += 1) {
          const [row] = await sql.unsafe<{ 'QUERY PLAN': [{ Plan: Node }] }[]>(
            `explain (analyze, buffers, timing off, format json) select * from public.${name}(${args})`,
          );
          if (time >= 6) costs.push(allBlocks([row?.['QUERY PLAN'][0].Plan as Node]));
        }
        pages[name + way] = costs.toSorted((a, b) => a - b)[1] as number;
      }
  });
  return pages;
}

/** Every function of the dashboard that reads is measured. */
export async function expectAllMeasured(db: Database): Promise<void> {
  const rows = await db.sql<{ name: string }[]>`select proname as name from pg_proc
    where pronamespace = 'public'::regnamespace and proname like 'admin\\_%' and provolatile <> 'v' order by 1`;
  expect(
    rows.map(({ name }) => name),
    'a call that is not measured here may read more the more there is: add it to CALLS',
  ).toEqual(
    Object.keys(CALLS)
      .filter((name) => name.startsWith('admin_'))
      .toSorted(),
  );
}

/** What a list reads for its rows, as many as they are: of few, many stand on one page, and no index is deep. */
function pagesOfRows(name: string): number {
  // 50 jobs on as many pages; where the list sifts, it looks at four times as many at once.
  if (/^admin_jobs (stuck|failed with a code|failed of a user)$/.test(name)) return 200;
  if (name.startsWith('admin_jobs ')) return 50;
  // The first 200 jobs that run, and the next 200.
  if (name === 'admin_users by slots') return 400;
  // What else its user's jobs have finished from then on.
  if (name === 'admin_generation') return 50;
  // The user of each, by an index that is two levels deeper.
  return name === 'admin_predictions' ? 100 : 0;
}

/** What deeper trees cost: a level or two of the indexes that are looked at. */
export function expectAdminFlat(before: Record<string, number>, after: Record<string, number>): void {
  for (const [name, pages] of Object.entries(after)) {
    const few = before[name] as number;
    expect(
      pages,
      `${name} reads more the more there is (${few} pages of little): it needs a count that is kept, or an index`,
    ).toBeLessThanOrEqual(few * 1.3 + 12 + pagesOfRows(name));
  }
}

const COLUMNS =
  'id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type, payload, fair_key';
/** Users that have jobs. */
const USERS = 1_000;
const userOf = (n: string) => `md5(((${n}) % ${USERS})::text)::uuid`;

/**
 * So many jobs that wait, of these states in equal parts, as many that have ended, as many generations and predictions
 * and up to 10,000 that run, in the place of what is there; and the counts of them. What has ended over time is the
 * same for any count.
 */
export async function fillAdmin(
  db: Database,
  count: number,
  states = ['ready', 'blocked', 'scheduled'],
): Promise<Known> {
  await db.clear();
  const values = (at: string) =>
    `gen_random_uuid(), nextval('private.job_seq'), now() - n * interval '1 millisecond', ${at}, 1, 0, 1, 3,
     'generate-image', '{"model_id": "test/painter", "prompt": "a lighthouse at dusk"}', ${userOf('n')}`;
  const rows = (of: number) => `from generate_series(1, ${Math.ceil(of)}) as n`;
  const waiting = rows(count / states.length);
  if (states.includes('ready'))
    await db.sql.unsafe(`insert into private.ready_jobs (${COLUMNS}, virtual_time, slot)
      select ${values('now()')}, (extract(epoch from now()) * 1000000)::bigint + n, false ${waiting}`);
  if (states.includes('blocked'))
    await db.sql.unsafe(`insert into private.blocked_jobs (${COLUMNS}) select ${values('now()')} ${waiting}`);
  if (states.includes('scheduled'))
    await db.sql.unsafe(`insert into private.scheduled_jobs (${COLUMNS})
      select ${values("now() + interval '1 day' + n * interval '1 second'")} ${waiting}`);
  await db.sql.unsafe(`insert into private.running_jobs
      (${COLUMNS}, started_at, lease_expires_at, slot, rescued, outcome_unknown)
    select ${values('now()')}, now() - (n % 15) * interval '1 minute', now() + n * interval '1 second', false, false,
      false ${rows(Math.min(count, 10_000))}`);
  for (const status of ['completed', 'failed'])
    await db.sql.unsafe(`insert into private.finished_jobs
        (${COLUMNS}, started_at, completed_at, status, error_details)
      select ${values("now() - interval '2 minutes'")}, now() - interval '1 minute',
        now() - interval '30 seconds' - n * interval '0.01 second', '${status}',
        jsonb_build_array(jsonb_build_object('code', case n % 3 when 0 then 'x' else 'y' end)) ${rows(count / 2)}`);
  await db.sql.unsafe(`insert into private.predictions
      (id, job_id, generation_id, attempt, lease, model, source, recorded_at)
    select 'p' || n, gen_random_uuid(), md5('generation ' || n)::uuid, 1, 1, 'test/painter', 'created',
      now() - n * interval '1 second' ${rows(count)}`);
  await fillGenerations(db, count);
  await fillHistory(db);
  await countAdmin(db);
  await db.sql.unsafe(`vacuum analyze private.ready_jobs, private.blocked_jobs, private.scheduled_jobs,
    private.running_jobs, private.finished_jobs, private.predictions, private.job_counts, private.running_counts,
    private.job_deltas, private.ended_counts, private.ended_times, private.daily_totals, private.user_totals,
    public.image_generations`);
  const [known] = await db.sql<Known[]>`
    select id as job, generation_id as generation, fair_key as user from private.finished_jobs
    where generation_id is not null limit 1`;
  return known as Known;
}

/** Rows of generations, past the triggers and keys that a start goes through. */
async function fillGenerations(db: Database, count: number): Promise<void> {
  const superuser = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
  await superuser.unsafe(`set session_replication_role = replica;
    insert into public.image_generations (id, user_id, prompt, status, model, created_at, completed_at)
    select md5('generation ' || n)::uuid, ${userOf('n')}, 'a lighthouse at dusk', 'completed', 'test/painter',
      now() - n * interval '1 second', now() from generate_series(1, ${count}) as n`);
  await superuser.end();
  await db.sql.unsafe(`update private.finished_jobs set generation_id = md5('generation 7')::uuid
    where id = (select id from private.finished_jobs where fair_key = ${userOf('7')} and status = 'failed' limit 1)`);
}

/** What has ended over time: as much as there is of a busy queue, whatever stands in the queue now. */
async function fillHistory(db: Database): Promise<void> {
  await db.sql`truncate private.ended_counts, private.ended_times, private.daily_totals, private.user_totals`;
  await db.sql.unsafe(`insert into private.ended_counts
    select s, date_bin(make_interval(secs => s), now(), 'epoch') - n * make_interval(secs => s), t, 5, 1, 0
    from unnest('{60,900}'::int[]) as s, generate_series(0, 360) as n,
      unnest('{generate-image,download-image}'::text[]) as t`);
  await db.sql.unsafe(`insert into private.ended_times
    select c.seconds, c.at, c.job_type, m, k, 1 from private.ended_counts as c, unnest('{wait,run}'::text[]) as m,
      generate_series(40, 60, 2) as k`);
  await db.sql.unsafe(`insert into private.daily_totals
    select private.today() - n, 'test/painter', s, c, case s when 'completed' then '' else 'x' end, 5, 10, 0.015
    from generate_series(0, 29) as n, unnest('{completed,failed,cancelled}'::text[]) as s,
      unnest('{DE,FR,""}'::text[]) as c`);
  await db.sql.unsafe(`insert into private.user_totals
    select ${userOf('n')}, p, date_trunc(p, private.today()::timestamp)::date, n, 1, 0, n + 1, n * 0.003
    from generate_series(1, 100) as n, unnest('{day,month}'::text[]) as p`);
}

/** The counts of what was written past the functions that count. */
async function countAdmin(db: Database): Promise<void> {
  await db.sql`insert into private.ready_queues (job_type, priority) values ('generate-image', 0) on conflict do nothing`;
  await db.sql`
    insert into private.job_counts (job_type, status, hour, jobs, attempts, measured, seconds, blocked, scheduled)
    select job_type, status,
      case when completed_at is null then '-infinity' else date_trunc('hour', completed_at, 'UTC') end, count(*), 0, 0,
      0, count(*) filter (where blocked), count(*) filter (
        where status = 'pending' and not blocked and virtual_time is null)
    from public.job_queue group by 1, 2, 3`;
  await db.sql`
    insert into private.running_counts select job_type, date_trunc('minute', started_at), count(*)
    from private.running_jobs group by 1, 2`;
}

/** The overview's numbers against SQL's. */
export async function expectNumbersRight(admin: Admin): Promise<void> {
  const [sql, its] = await admin.db.sql.begin('isolation level repeatable read', async (transaction) => {
    const [numbers] = await transaction<Record<string, unknown>[]>`select
      (select count(*)::int from private.ready_jobs) as ready, (select count(*)::int from private.blocked_jobs) as blocked,
      (select count(*)::int from private.scheduled_jobs) as scheduled,
      (select count(*)::int from private.running_jobs) as running,
      (select count(*)::int from private.running_jobs where lease_expires_at <= now()) as lost,
      (select count(*)::int from private.running_jobs
        where date_trunc('minute', started_at) <= now() - interval '11 minutes') as stuck,
      (select count(*)::int from private.finished_jobs where status = 'failed') as dead_letters_24h,
      (select min(created_at) from private.blocked_jobs) as oldest_blocked_at,
      (select min(scheduled_at) from private.scheduled_jobs) as next_scheduled_at,
      (select date_trunc('minute', min(started_at)) from private.running_jobs) as oldest_running_at,
      (select created_at from private.ready_jobs order by virtual_time, seq limit 1) as oldest_ready_at`;
    const claims = { role: 'authenticated', sub: admin.id, app_metadata: { role: 'admin' } };
    await transaction`select set_config('role', 'authenticated', true),
      set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
    const [row] = await transaction<
      { its: Calls['admin_overview']['answer'] }[]
    >`select public.admin_overview() as its`;
    return [numbers as Record<string, unknown>, row?.its] as const;
  });
  const queue = its?.queues.find((one) => one.job_type === 'generate-image');
  const time = (at: unknown) => (at ? new Date(at as string).getTime() : null);
  const { ready, blocked, scheduled, running, lost, stuck, dead_letters_24h } = sql as Record<string, number>;
  expect(its?.totals).toEqual({
    waiting: (ready as number) + (blocked as number) + (scheduled as number),
    ready,
    blocked,
    scheduled,
    running,
    lost,
    stuck,
    dead_letters_24h,
  });
  for (const at of [
    'oldest_ready_at',
    'oldest_blocked_at',
    'next_scheduled_at',
    'oldest_running_at',
  ] as const)
    expect(time(queue?.[at]), at).toBe(time(sql[at]));
}
