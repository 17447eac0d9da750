import { expect } from 'vitest';
import type { Database } from './support.ts';

/**
 * Says what is wrong with the users' places, read in one snapshot: lanes that do not count what is there,
 * jobs in none or two of a pending job's states, users over their limit, and jobs held beside a free place.
 */
const WRONG_PLACES = `
  with limits as (
    select l.fair_key, l.job_type, l.active, p.running_jobs
    from private.lanes as l
    left join private.user_plans as u on u.user_id = l.fair_key
    join private.plans as p on p.name = coalesce(u.plan, 'default')
  ), taken as (
    select fair_key, job_type, count(*) filter (where slot)::int as places, count(*) filter (where held)::int as held
    from public.job_queue
    where fair_key is not null
      and job_type not in ('download-image', 'process-webhook', 'cleanup-storage', 'cancel-prediction')
    group by fair_key, job_type
  ), both_sides as (
    select fair_key, job_type, coalesce(l.active, 0) as active, coalesce(t.places, 0) as places,
      coalesce(t.held, 0) as held, l.running_jobs
    from limits as l full join taken as t using (fair_key, job_type)
  )
  select format('lane %s %s counts %s places, %s are taken', fair_key, job_type, active, places) as wrong
  from both_sides where active <> places
  union all
  select format('lane %s %s has %s of %s places', fair_key, job_type, places, running_jobs)
  from both_sides where places > running_jobs
  union all
  select format('lane %s %s has a place free (%s of %s) beside %s held jobs', fair_key, job_type, places,
    running_jobs, held)
  from both_sides where held > 0 and places < coalesce(running_jobs, 1000000)
  union all
  select format('job %s is %s, held %s, slot %s, ready %s, turn %s', id, status, held, slot, ready_at, turn)
  from public.job_queue
  where (held and (slot or status <> 'pending' or ready_at is not null or turn is not null))
    or (slot and status = 'pending' and (ready_at is null or turn is null))
    or (slot and status not in ('pending', 'processing'))
    or (status = 'pending' and (ready_at is null) <> (turn is null))
    or (slot and (fair_key is null
      or job_type in ('download-image', 'process-webhook', 'cleanup-storage', 'cancel-prediction')))`;

/** Fails when the places are counted or given wrongly. */
export async function expectPlacesRight(db: Database): Promise<void> {
  const rows = await db.sql.unsafe<{ wrong: string }[]>(WRONG_PLACES);
  expect(
    rows.map((row) => row.wrong),
    'places of users',
  ).toEqual([]);
}

export interface Places {
  running: string[];
  ready: string[];
  held: string[];
  later: string[];
}

/** A user's unfinished jobs of one type by state, each list in order of arrival. */
export async function placesOf(db: Database, user: string, type = 'generate-image'): Promise<Places> {
  const rows = await db.sql<{ id: string; state: keyof Places }[]>`
    select id, case
      when status = 'processing' then 'running'
      when held then 'held'
      when ready_at is not null then 'ready'
      else 'later'
    end as state
    from public.job_queue
    where fair_key = ${user} and job_type = ${type} and status in ('pending', 'processing') order by seq`;
  const places: Places = { running: [], ready: [], held: [], later: [] };
  for (const { id, state } of rows) places[state].push(id);
  return places;
}

/** How many jobs are in each state. */
export async function countsOf(
  db: Database,
  user: string,
  type?: string,
): Promise<Record<keyof Places, number>> {
  const { running, ready, held, later } = await placesOf(db, user, type);
  return { running: running.length, ready: ready.length, held: held.length, later: later.length };
}
