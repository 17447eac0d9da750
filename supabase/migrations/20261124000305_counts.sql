-- How many jobs there are of each type and status, without counting them.
--
-- Every step appends what it moves, one row for a type and a move, in its own transaction: no row is shared, so
-- nothing waits, and what is rolled back was never counted. The cron folds the rows into the totals; a reader adds
-- up both, in one snapshot.

create table private.job_deltas (
  job_type text not null,
  -- Where the jobs came from; null: they are new, or go on as what they were.
  from_status text,
  -- Where they are now; null: deleted.
  status text,
  -- The hour (UTC) in which a finished job ended; -infinity for jobs that are not finished.
  hour timestamptz not null default '-infinity',
  jobs int not null,
  -- Attempts of these jobs, before and after.
  from_attempts int not null default 0,
  attempts int not null default 0,
  -- Jobs whose run time is known, and their sum in seconds.
  timed int not null default 0,
  seconds double precision not null default 0,
  oldest timestamptz,
  newest timestamptz
)
-- Filled and emptied all the time, and read whole.
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create table private.job_counts (
  job_type text not null,
  status text not null,
  hour timestamptz not null,
  jobs bigint not null,
  attempts bigint not null,
  timed bigint not null,
  seconds double precision not null,
  -- Of all that ever ended in that hour: a job that is taken back later does not move them.
  oldest timestamptz,
  newest timestamptz,
  primary key (job_type, status, hour)
)
with (fillfactor = 50);

create function private.this_hour() returns timestamptz
language sql stable
return date_trunc('hour', now(), 'UTC');

-- What a single job adds where it comes to, and takes away where it came from.
create function private.count_change(p_old public.job_queue, p_new public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v_job public.job_queue;
begin
  if p_old.status is not distinct from p_new.status and p_old.attempts is not distinct from p_new.attempts
    and p_old.job_type is not distinct from p_new.job_type
    and p_old.completed_at is not distinct from p_new.completed_at
    and p_old.started_at is not distinct from p_new.started_at
  then
    return;
  end if;
  v_job := p_old;
  for v_sign in 0..1 loop
    -- What ended long ago is no longer counted.
    if v_job.id is not null and (v_job.completed_at is null or v_job.completed_at > now() - interval '48 hours') then
      insert into private.job_deltas (job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest)
      select
        v_job.job_type, v_job.status,
        case
          when v_job.status in ('pending', 'processing') then '-infinity'
          else date_trunc('hour', coalesce(v_job.completed_at, now()), 'UTC')
        end,
        s.sign, s.sign * v_job.attempts, s.sign * t.timed,
        case t.timed when 1 then s.sign * extract(epoch from v_job.completed_at - v_job.started_at) else 0 end,
        case s.sign when 1 then v_job.created_at end, case s.sign when 1 then v_job.created_at end
      from (select v_sign * 2 - 1 as sign) as s
      cross join (select coalesce((v_job.completed_at >= v_job.started_at)::int, 0) as timed) as t;
    end if;
    v_job := p_new;
  end loop;
end
$$;

-- The deltas as what each adds to a type, status and hour.
create function private.delta_sums() returns setof private.job_counts
language sql stable set search_path = '' as $$
  select job_type, status, hour, sum(jobs), sum(attempts), sum(timed), sum(seconds), min(oldest), max(newest)
  from (
    select job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest from private.job_deltas
    where status is not null
    union all
    select job_type, from_status, '-infinity', -jobs, -from_attempts, 0, 0, null, null from private.job_deltas
    where from_status is not null
  ) as each_side
  group by job_type, status, hour
$$;

-- Folds the changes so far into the totals; one call at a time, others leave it to the one.
create function private.roll_up_counts() returns void
language plpgsql set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(7263590115) then
    return;
  end if;
  with gone as (
    delete from private.job_deltas where true returning *
  ), each_side as (
    select job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest from gone where status is not null
    union all
    select job_type, from_status, '-infinity', -jobs, -from_attempts, 0, 0, null, null from gone
    where from_status is not null
  )
  insert into private.job_counts as c (job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest)
  select job_type, status, hour, sum(jobs), sum(attempts), sum(timed), sum(seconds), min(oldest), max(newest)
  from each_side
  where hour = '-infinity' or hour > now() - interval '48 hours'
  group by job_type, status, hour
  on conflict (job_type, status, hour) do update set
    jobs = c.jobs + excluded.jobs,
    attempts = c.attempts + excluded.attempts,
    timed = c.timed + excluded.timed,
    seconds = c.seconds + excluded.seconds,
    oldest = least(c.oldest, excluded.oldest),
    newest = greatest(c.newest, excluded.newest);
  delete from private.job_counts where hour > '-infinity' and hour < now() - interval '48 hours';
end
$$;
