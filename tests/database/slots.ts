import { expect } from 'vitest';
import type { Database } from './support.ts';

/**
 * Says what is wrong with the users' slots, read in one snapshot: slots that are not counted, jobs that stand in two
 * tables, users over their limit, users with two rows, and jobs blocked beside a free slot or below a mark.
 */
const WRONG_SLOTS = `
  with limits as (
    select s.fair_key, s.job_type, s.taken, p.running_jobs
    from private.user_slots as s
    left join private.user_plans as u on u.user_id = s.fair_key
    join private.plans as p on p.name = coalesce(u.plan, 'default')
  ), jobs as (
    select fair_key, job_type, count(*) filter (where slot)::int as slots,
      count(*) filter (where blocked)::int as blocked
    from public.job_queue
    where fair_key is not null
      and job_type not in ('download-image', 'process-webhook', 'cleanup-storage', 'cancel-prediction')
    group by fair_key, job_type
  ), both_sides as (
    select fair_key, job_type, coalesce(l.taken, 0) as taken, coalesce(j.slots, 0) as slots,
      coalesce(j.blocked, 0) as blocked, l.running_jobs
    from limits as l full join jobs as j using (fair_key, job_type)
  )
  select format('user %s, type %s: %s slots counted, %s taken', fair_key, job_type, taken, slots) as wrong
  from both_sides where taken <> slots
  union all
  select format('user %s, type %s has %s of %s slots', fair_key, job_type, slots, running_jobs)
  from both_sides where slots > running_jobs
  union all
  select format('user %s, type %s has a slot free (%s of %s) beside %s blocked jobs', fair_key, job_type, slots,
    running_jobs, blocked)
  from both_sides where blocked > 0 and slots < coalesce(running_jobs, 1000000)
  union all
  select format('user %s, type %s has %s rows', fair_key, job_type, count(*)) from private.user_slots
  group by fair_key, job_type having count(*) > 1
  union all
  select format('job %s is blocked below its user''s mark', b.id)
  from private.blocked_jobs as b
  join private.user_slots as s using (fair_key, job_type)
  cross join unnest(s.passed) as m where m.priority = b.priority and m.seq > b.seq
  union all
  select format('job %s stands in %s tables', id, count(*)) from public.job_queue group by id having count(*) > 1
  union all
  select format('job %s, %s, has a slot and should not', id, job_type) from public.job_queue
  where slot and (fair_key is null
    or job_type in ('download-image', 'process-webhook', 'cleanup-storage', 'cancel-prediction'))`;

/** Fails if slots are counted or given out wrongly. */
export async function expectSlotsRight(db: Database): Promise<void> {
  const rows = await db.sql.unsafe<{ wrong: string }[]>(WRONG_SLOTS);
  expect(
    rows.map((row) => row.wrong),
    'slots of users',
  ).toEqual([]);
}

export interface JobsByState {
  running: string[];
  ready: string[];
  blocked: string[];
  scheduled: string[];
}

/** A user's unfinished jobs of one type by state, each list in order of arrival. */
export async function jobsByState(db: Database, user: string, type = 'generate-image'): Promise<JobsByState> {
  const rows = await db.sql<{ id: string; state: keyof JobsByState }[]>`
    select id, case
      when status = 'processing' then 'running'
      when blocked then 'blocked'
      when ready_at is not null then 'ready'
      else 'scheduled'
    end as state
    from public.job_queue
    where fair_key = ${user} and job_type = ${type} and status in ('pending', 'processing') order by seq`;
  const jobs: JobsByState = { running: [], ready: [], blocked: [], scheduled: [] };
  for (const { id, state } of rows) jobs[state].push(id);
  return jobs;
}

/** How many jobs are in each state. */
export async function countsOf(
  db: Database,
  user: string,
  type?: string,
): Promise<Record<keyof JobsByState, number>> {
  const { running, ready, blocked, scheduled } = await jobsByState(db, user, type);
  return {
    running: running.length,
    ready: ready.length,
    blocked: blocked.length,
    scheduled: scheduled.length,
  };
}
