-- Where an index begins. While some transaction runs for long, vacuum cannot remove the entries of jobs
-- that have passed meanwhile, and every claim would step over all of them. Once many dead rows stand in
-- the table, claims begin at low-water marks instead, which one claim a second raises.
--
-- A job committed later than a second after it was given its turn, in that state, may lie below a mark:
-- the cron looks at all of the index each minute and lowers the marks to what it finds.

-- The lines that have ready jobs, read from the index itself: whatever brought a job in past the triggers (a
-- restore without them), the cron finds it.
create function private.open_lines() returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
begin
  insert into private.lines (job_type, priority)
  with recursive used as (
    (
      select job_type, priority from public.job_queue
      where status = 'pending' and ready_at is not null
      order by job_type, priority desc limit 1
    )
    union all
    select next.job_type, next.priority from used
    cross join lateral (
      (
        select j.job_type, j.priority from public.job_queue as j
        where j.status = 'pending' and j.ready_at is not null
          and j.job_type = used.job_type and j.priority < used.priority
        order by j.priority desc limit 1
      )
      union all
      (
        select j.job_type, j.priority from public.job_queue as j
        where j.status = 'pending' and j.ready_at is not null and j.job_type > used.job_type
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
  v_safe_turn bigint := extract(epoch from v_safe) * 1000000;
begin
  select * into v_marks from private.low_water where p_thorough or raised_at < v_safe for update skip locked;
  if not found then
    return;
  end if;
  if p_thorough then
    v_marks := (true, '-infinity', '-infinity', '-infinity', null);
    perform private.open_lines();
  end if;
  update private.lines as l set low_turn = least(v_safe_turn, (
    select j.turn from public.job_queue as j
    where j.status = 'pending' and j.ready_at is not null and j.job_type = l.job_type and j.priority = l.priority
      and j.turn >= case when p_thorough then -9223372036854775808 else l.low_turn end
    order by j.turn, j.seq limit 1
  ))
  where true;
  update private.low_water set
    raised_at = clock_timestamp(),
    lease_expires_at = least(v_safe, (
      select lease_expires_at from public.job_queue
      where status = 'processing' and seq > 0 and lease_expires_at >= v_marks.lease_expires_at
      order by lease_expires_at limit 1
    )),
    scheduled_at = least(v_safe, (
      select scheduled_at from public.job_queue
      where status = 'pending' and ready_at is null and not held and scheduled_at >= v_marks.scheduled_at
      order by scheduled_at limit 1
    )),
    expires_at = least(v_safe, (
      select expires_at from public.job_queue
      where status = 'pending' and expires_at >= v_marks.expires_at
      order by expires_at limit 1
    ))
  where only_row;
end
$$;

-- The marks to begin at; all -infinity (raised_at too) while there is nothing to step over.
create function private.low_water_marks() returns private.low_water
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water := (true, '-infinity', '-infinity', '-infinity', '-infinity');
begin
  if pg_stat_get_dead_tuples('public.job_queue'::regclass) > 20000 then
    select * into v_marks from private.low_water;
    if v_marks.raised_at < clock_timestamp() - interval '1 second' then
      perform private.raise_low_water(false);
      select * into v_marks from private.low_water;
    end if;
  end if;
  return v_marks;
end
$$;

-- What is set back in time by hand, or enqueued for a time in the past, may lie below the marks.
create function private.lower_marks(p_job_type text, p_priority int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  -- The one row first, so that calls for several lines never meet crosswise.
  perform 1 from private.low_water for update;
  update private.low_water set
    lease_expires_at = '-infinity', scheduled_at = '-infinity', expires_at = '-infinity'
  where greatest(lease_expires_at, scheduled_at, expires_at) > '-infinity';
  update private.lines set low_turn = -9223372036854775808
  where job_type = p_job_type and priority = p_priority and low_turn > -9223372036854775808;
end
$$;
