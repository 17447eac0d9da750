-- How many jobs there are of each type and status, without counting them.
--
-- Every change of a job appends what it adds and takes away, in its own transaction: no row is shared,
-- so nothing waits, and what is rolled back was never counted. The cron folds the changes into the
-- totals; a reader adds up both, in one snapshot. Triggers, so that changes by hand count too.

create table private.job_deltas (
  job_type text not null,
  status text not null,
  -- The hour (UTC) in which a finished job ended; -infinity for jobs that are not finished.
  hour timestamptz not null,
  jobs int not null,
  attempts int not null,
  -- Jobs whose run time is known, and their sum in seconds.
  timed int not null,
  seconds numeric not null,
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
  seconds numeric not null,
  -- Of all that ever ended in that hour: a job that is taken back later does not move them.
  oldest timestamptz,
  newest timestamptz,
  primary key (job_type, status, hour)
)
with (fillfactor = 50);

-- Folds the changes so far into the totals; one call at a time, others leave it to the one.
create function private.roll_up_counts() returns void
language plpgsql set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(7263590115) then
    return;
  end if;
  with taken as (
    delete from private.job_deltas where true returning *
  )
  insert into private.job_counts as c (job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest)
  select job_type, status, hour, sum(jobs), sum(attempts), sum(timed), sum(seconds), min(oldest), max(newest)
  from taken
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
