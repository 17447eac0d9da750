import { expect } from 'vitest';
import type { Calls } from '../../web/dashboard/src/api/contract.ts';
import { type Admin, withToken } from './admin-support.ts';
import { allBlocks, type Node } from './explain.ts';
import type { Database } from './support.ts';

/** The calls that are asked without an id of something, as SQL. */
const CALLS: Partial<Record<keyof Calls, string>> = {
  admin_overview: '',
  admin_timeline: "p_from => now() - interval '6 hours', p_step => 300",
  admin_predictions: '',
  admin_users: '',
  admin_models: '',
  admin_plans: '',
  admin_alerts: '',
  admin_audit: '',
  admin_cron_history: '',
  admin_analytics: '',
};
const STATES = ['ready', 'blocked', 'scheduled', 'running', 'failed', 'completed'];
/** Of each of three states the overview reads at most 1,000 jobs, which may stand on as many pages. */
const MOST = 3_000;

/** Pages that each call looks at: the middle of three, when the plans are made. */
export async function pagesOfCalls(admin: Admin): Promise<Record<string, number>> {
  const calls = Object.entries(CALLS).map(([name, args]) => [name, `select * from public.${name}(${args})`]);
  for (const state of STATES) calls.push([`jobs ${state}`, `select public.admin_jobs('${state}')`]);
  const pages: Record<string, number> = {};
  await withToken(admin.db, admin.id, 'admin', async (sql) => {
    for (const [name, text] of calls as [string, string][]) {
      const costs: number[] = [];
      for (let time = 0; time < 9; time += 1) {
        const [row] = await sql.unsafe<{ 'QUERY PLAN': [{ Plan: Node }] }[]>(
          `explain (analyze, buffers, timing off, format json) ${text}`,
        );
        if (time >= 6) costs.push(allBlocks([row?.['QUERY PLAN'][0].Plan as Node]));
      }
      pages[name] = costs.toSorted((a, b) => a - b)[1] as number;
    }
  });
  return pages;
}

/**
 * Deeper trees cost a level or two of an index; a page of 50 jobs one for each of them, in at most two tables. The
 * overview counts up to 1,000 of a state in place of the few that there were.
 */
export function expectAdminFlat(before: Record<string, number>, after: Record<string, number>): void {
  for (const [name, pages] of Object.entries(after)) {
    const few = before[name] as number;
    const most =
      name === 'admin_overview' ? MOST : name.startsWith('jobs ') ? few * 1.5 + 210 : few * 1.2 + 20;
    expect(pages, `${name} reads more the more there is: it needs an index, or a bound`).toBeLessThanOrEqual(
      most,
    );
  }
}

const COLUMNS =
  'id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type, payload, fair_key';

/**
 * So many jobs that wait, of these states in equal parts, as many that have ended, as many predictions and up to 10,000
 * that run, in the place of what is there; and the counts of them.
 */
export async function fillAdmin(
  db: Database,
  count: number,
  states = ['ready', 'blocked', 'scheduled'],
): Promise<void> {
  await db.clear();
  const values = (at: string) =>
    `gen_random_uuid(), nextval('private.job_seq'), now(), ${at}, 1, 0, 1, 3, 'generate-image',
     '{"model_id": "test/painter", "prompt": "a lighthouse at dusk"}', md5((n % 1000)::text)::uuid`;
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
    select ${values('now()')}, now(), now() + n * interval '1 second', false, false, false
    ${rows(Math.min(count, 10_000))}`);
  for (const status of ['completed', 'failed'])
    await db.sql.unsafe(`insert into private.finished_jobs
        (${COLUMNS}, started_at, completed_at, status, error_details)
      select ${values("now() - interval '2 minutes'")}, now() - interval '1 minute',
        now() - interval '30 seconds' - n * interval '0.01 second', '${status}', '[{"code": "x"}]' ${rows(count / 2)}`);
  await db.sql.unsafe(`insert into private.predictions
      (id, job_id, generation_id, attempt, lease, model, source, recorded_at)
    select 'p' || n, gen_random_uuid(), gen_random_uuid(), 1, 1, 'test/painter', 'created',
      now() - n * interval '1 second' ${rows(count)}`);
  await db.sql`insert into private.ready_queues (job_type, priority) values ('generate-image', 0) on conflict do nothing`;
  await db.sql`
    insert into private.job_counts (job_type, status, hour, jobs, attempts, measured, seconds)
    select job_type, status,
      case when completed_at is null then '-infinity' else date_trunc('hour', completed_at, 'UTC') end, count(*), 0, 0, 0
    from public.job_queue group by 1, 2, 3`;
  await db.sql.unsafe(`vacuum analyze private.ready_jobs, private.blocked_jobs, private.scheduled_jobs,
    private.running_jobs, private.finished_jobs, private.predictions`);
}

/** The overview's numbers against SQL's. */
export async function splitsAreRight(admin: Admin): Promise<void> {
  const [sql] = await admin.db.sql<Record<string, number>[]>`select
    (select count(*)::int from private.ready_jobs) as ready, (select count(*)::int from private.blocked_jobs) as blocked,
    (select count(*)::int from private.scheduled_jobs) as scheduled, (select count(*)::int from private.running_jobs) as running,
    (select count(*)::int from private.finished_jobs where status = 'failed') as dead_letters_24h`;
  const { totals } = await admin.call('admin_overview', {});
  const { ready, blocked, scheduled, ...exact } = sql as Record<string, number>;
  expect(totals).toMatchObject({
    ...exact,
    waiting: (ready as number) + (blocked as number) + (scheduled as number),
  });
  const split = [totals.ready, totals.blocked, totals.scheduled];
  if (totals.is_split_exact) expect(split).toEqual([ready, blocked, scheduled]);
  else for (const part of split) expect(part).toBeGreaterThanOrEqual(1_000);
}
