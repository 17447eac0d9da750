-- Where an index begins. While some transaction runs for long, vacuum cannot remove the entries of jobs
-- that have passed meanwhile, and every claim would step over all of them. Once some dead rows stand in
-- the tables, claims begin at low-water marks instead, which one claim a second raises.
--
-- A mark is what the head of the index was when the marks were raised the last time, at least a second ago: a job
-- gets a virtual time at or behind that (private.next_time), and is committed within a second. One that is committed
-- later, in that state, may lie below a mark: the cron looks at all of the index each minute and lowers the marks to
-- what it finds.

-- The ready queues that have jobs, read from the index itself: whatever brought a job in past the functions (a
-- restore of the tables), the cron finds it.
create function private.open_queues() returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
begin
  insert into private.ready_queues (job_type, priority)
  with recursive used as (
    (
      select job_type, priority from private.ready_jobs
      order by job_type, priority desc limit 1
    )
    union all
    select next.job_type, next.priority from used
    cross join lateral (
      (
        select j.job_type, j.priority from private.ready_jobs as j
        where j.job_type = used.job_type and j.priority < used.priority
        order by j.priority desc limit 1
      )
      union all
      (
        select j.job_type, j.priority from private.ready_jobs as j
        where j.job_type > used.job_type
        order by j.job_type, j.priority desc limit 1
      )
      limit 1
    ) as next
  )
  select job_type, priority from used
  on conflict do nothing;
end
$$;

create function private.raise_low_water(p_thorough boolean) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_marks private.low_water;
  v_safe timestamptz := clock_timestamp() - interval '1 second';
  v_now_time bigint := extract(epoch from clock_timestamp()) * 1000000;
begin
  select * into v_marks from private.low_water where p_thorough or raised_at < v_safe for update skip locked;
  if not found then
    return;
  end if;
  if p_thorough then
    v_marks.lease_expires_at := '-infinity';
    v_marks.scheduled_at := '-infinity';
    v_marks.expires_at := '-infinity';
    perform private.open_queues();
  end if;
  update private.ready_queues as q set
    low_time = least(h.head, q.head_time),
    head_time = h.head
  from (
    select r.job_type, r.priority, coalesce((
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = r.job_type and j.priority = r.priority
        and j.virtual_time >= case when p_thorough then -9223372036854775808 else r.low_time end
      order by j.virtual_time, j.seq limit 1
    ), v_now_time) as head
    from private.ready_queues as r
  ) as h
  where q.job_type = h.job_type and q.priority = h.priority;
  update private.low_water set
    raised_at = clock_timestamp(),
    lease_expires_at = least(v_safe, (
      select lease_expires_at from private.running_jobs
      where lease_expires_at >= v_marks.lease_expires_at
      order by lease_expires_at limit 1
    )),
    scheduled_at = least(v_safe, (
      select scheduled_at from private.scheduled_jobs
      where scheduled_at >= v_marks.scheduled_at
      order by scheduled_at limit 1
    )),
    expires_at = least(
      v_safe,
      (
        select expires_at from private.ready_jobs where expires_at >= v_marks.expires_at
        order by expires_at limit 1
      ),
      (
        select expires_at from private.blocked_jobs where expires_at >= v_marks.expires_at
        order by expires_at limit 1
      ),
      (
        select expires_at from private.scheduled_jobs where expires_at >= v_marks.expires_at
        order by expires_at limit 1
      )
    )
  where only_row;
end
$$;

-- The marks to begin at; all -infinity (raised_at too) while there is nothing to step over.
create function private.low_water_marks() returns private.low_water
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water := (true, '-infinity', '-infinity', '-infinity', '-infinity');
begin
  if pg_stat_get_dead_tuples('private.ready_jobs'::regclass) > 2000
    or pg_stat_get_dead_tuples('private.running_jobs'::regclass) > 2000
    or pg_stat_get_dead_tuples('private.scheduled_jobs'::regclass) > 2000
  then
    select * into v_marks from private.low_water;
    v_marks.raised_at := greatest(v_marks.raised_at, 'epoch');
  end if;
  return v_marks;
end
$$;

-- What is set back in time by hand, or enqueued for a time in the past, may lie below the marks.
create function private.lower_marks(p_job_type text, p_priority int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  -- The one row first, so that calls for several queues never meet crosswise.
  perform 1 from private.low_water for update;
  update private.low_water set
    lease_expires_at = '-infinity', scheduled_at = '-infinity', expires_at = '-infinity'
  where greatest(lease_expires_at, scheduled_at, expires_at) > '-infinity';
  update private.ready_queues set low_time = -9223372036854775808, head_time = -9223372036854775808
  where job_type = p_job_type and priority = p_priority and head_time > -9223372036854775808;
end
$$;
