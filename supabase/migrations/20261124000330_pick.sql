-- Which ready jobs are next. Higher priority first, fair turns within a priority. Where the next job
-- of a lower priority has waited longer than settings.age_after, the priority that has waited longest
-- gets its share of the claim ahead of the others: low is slow and never starved, and high keeps the
-- rest even under a backlog that is all old. At most 8 priorities are looked at.
--
-- Two functions of one shape, because each is one range of one index: all types, or one type.
-- `ARRAY(SELECT … FOR UPDATE SKIP LOCKED LIMIT n)` is locked and counted exactly once; a join in its
-- place was planned as a hash join over the whole table. Rows are passed on by ctid, which cannot change
-- while this transaction holds their locks, and saves a look-up for each.

create function private.pick_ready(p_limit int) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_settings private.settings;
  v_top int;
  v_level int;
  v_since timestamptz;
  v_oldest timestamptz;
  v_aged_level int;
  v_aged tid[] := '{}';
begin
  select
    (
      select priority from public.job_queue
      where status = 'pending' and turn is not null and seq > 0
      order by priority desc, turn, seq limit 1
    ), (
      select priority from public.job_queue
      where status = 'pending' and turn is not null and seq > 0
      order by priority, turn desc, seq desc limit 1
    )
  into v_top, v_level;

  if v_level < v_top then
    select * into v_settings from private.settings;
    v_oldest := now() - v_settings.age_after;
    for v_step in 1..8 loop
      select scheduled_at into v_since from public.job_queue
      where status = 'pending' and turn is not null and seq > 0 and priority = v_level
      order by turn, seq limit 1;
      if v_since <= v_oldest then
        v_oldest := v_since;
        v_aged_level := v_level;
      end if;
      select priority into v_level from public.job_queue
      where status = 'pending' and turn is not null and seq > 0 and priority > v_level
      order by priority, turn desc, seq desc limit 1;
      exit when v_level is null or v_level >= v_top;
    end loop;
    if v_aged_level is not null then
      v_aged := array(
        select ctid from public.job_queue
        where status = 'pending' and turn is not null and seq > 0 and priority = v_aged_level
          and (expires_at is null or expires_at > now())
        order by turn, seq limit private.aged_quota(p_limit, v_settings.aged_share)
        for update skip locked
      );
    end if;
  end if;

  return v_aged || array(
    select ctid from public.job_queue
    where status = 'pending' and turn is not null and seq > 0
      and (expires_at is null or expires_at > now())
      and ctid <> all(v_aged)
    order by priority desc, turn, seq limit p_limit - cardinality(v_aged)
    for update skip locked
  );
end
$$;

create function private.pick_ready_of_type(p_job_type text, p_limit int) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_settings private.settings;
  v_top int;
  v_level int;
  v_since timestamptz;
  v_oldest timestamptz;
  v_aged_level int;
  v_aged tid[] := '{}';
begin
  select
    (
      select priority from public.job_queue
      where status = 'pending' and turn is not null and job_type = p_job_type
      order by priority desc, turn, seq limit 1
    ), (
      select priority from public.job_queue
      where status = 'pending' and turn is not null and job_type = p_job_type
      order by priority, turn desc, seq desc limit 1
    )
  into v_top, v_level;

  if v_level < v_top then
    select * into v_settings from private.settings;
    v_oldest := now() - v_settings.age_after;
    for v_step in 1..8 loop
      select scheduled_at into v_since from public.job_queue
      where status = 'pending' and turn is not null and job_type = p_job_type and priority = v_level
      order by turn, seq limit 1;
      if v_since <= v_oldest then
        v_oldest := v_since;
        v_aged_level := v_level;
      end if;
      select priority into v_level from public.job_queue
      where status = 'pending' and turn is not null and job_type = p_job_type and priority > v_level
      order by priority, turn desc, seq desc limit 1;
      exit when v_level is null or v_level >= v_top;
    end loop;
    if v_aged_level is not null then
      v_aged := array(
        select ctid from public.job_queue
        where status = 'pending' and turn is not null and job_type = p_job_type and priority = v_aged_level
          and (expires_at is null or expires_at > now())
        order by turn, seq limit private.aged_quota(p_limit, v_settings.aged_share)
        for update skip locked
      );
    end if;
  end if;

  return v_aged || array(
    select ctid from public.job_queue
    where status = 'pending' and turn is not null and job_type = p_job_type
      and (expires_at is null or expires_at > now())
      and ctid <> all(v_aged)
    order by priority desc, turn, seq limit p_limit - cardinality(v_aged)
    for update skip locked
  );
end
$$;

-- Up to p_limit jobs under a new lease: lost ones first, then ready ones in order. With p_job_types
-- the types are served in the order in which they are named.
create function private.claim_jobs(p_limit int, p_lease_seconds int, p_job_types text[])
returns setof public.job_queue
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_limit int := least(coalesce(p_limit, 1), 1000);
  v_lease_seconds int := least(greatest(coalesce(p_lease_seconds, 60), 1), 86400);
  v_expired boolean;
  v_due boolean;
  v_lost boolean;
  v_rescued int;
  v_rows tid[] := '{}';
  v_type text;
begin
  if v_limit < 1 then
    return;
  end if;
  -- One look tells whether there is anything to do but hand out ready jobs.
  select
    exists (select from public.job_queue where status = 'pending' and expires_at <= now()),
    exists (select from public.job_queue where status = 'pending' and turn is null and scheduled_at <= now()),
    exists (select from public.job_queue where status = 'processing' and seq > 0 and lease_expires_at <= now())
  into v_expired, v_due, v_lost;
  if v_expired then
    perform private.cancel_expired(100);
  end if;
  if v_due then
    perform private.promote_due(greatest(100, v_limit * 2));
  end if;
  if v_lost then
    return query select * from private.rescue_jobs(v_limit, v_lease_seconds, p_job_types);
    get diagnostics v_rescued = row_count;
    v_limit := v_limit - v_rescued;
  end if;

  if p_job_types is null then
    if v_limit > 0 then
      v_rows := private.pick_ready(v_limit);
    end if;
  else
    foreach v_type in array p_job_types loop
      exit when cardinality(v_rows) >= v_limit;
      v_rows := v_rows || private.pick_ready_of_type(v_type, v_limit - cardinality(v_rows));
    end loop;
  end if;
  if cardinality(v_rows) = 0 then
    return;
  end if;

  return query
  with claimed as (
    update public.job_queue set
      status = 'processing',
      lease = lease + 1,
      lease_expires_at = now() + make_interval(secs => v_lease_seconds),
      rescued = false,
      started_at = now(),
      updated_at = now()
    where ctid = any(v_rows)
    returning *
  )
  select * from claimed order by array_position(p_job_types, job_type), priority desc, turn, seq;
end
$$;
