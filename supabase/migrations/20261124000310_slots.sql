-- A user's slots, and virtual time. A user may have only so many jobs of one type ready or running at once
-- (plans.running_jobs); further ones are blocked, outside every index that a claim reads, and each slot that
-- becomes free goes to the user's best blocked job, in the same transaction. So a claim never meets a job that it
-- may not hand out, however long a user's backlog.
--
-- Rows are locked in the order job, user_slots; those of several users in the order of their keys.

-- A function of SQL whose body is one expression is put in the place of its call; with settings of its own, or
-- immutable and called with constants, it would be planned anew at each call, which costs more than most statements.

-- The jobs that a plan limits. What follows an image already made is not: holding it back would only
-- put a paid picture at risk.
create function private.is_limited(p_fair_key uuid, p_job_type text) returns boolean
language sql stable
return p_fair_key is not null
  and p_job_type <> all('{download-image,process-webhook,cleanup-storage,cancel-prediction}'::text[]);

-- Jobs of one type that a user may have ready or running at once.
create function private.running_limit(p_fair_key uuid) returns int
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_most int;
begin
  select p.running_jobs into v_most from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_fair_key), 'default');
  return coalesce(v_most, 1000000000);
end
$$;

-- Sees to it that claims look through the ready queue of a type and priority.
create function private.open_queue(p_job_type text, p_priority int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if not exists (select from private.ready_queues where job_type = p_job_type and priority = p_priority) then
    insert into private.ready_queues (job_type, priority) values (p_job_type, p_priority) on conflict do nothing;
  end if;
end
$$;

-- A time as virtual time, which may be -infinity.
create function private.time_at(p_at timestamptz) returns bigint
language sql stable
return greatest(extract(epoch from p_at) * 1000000, -1000000000000000000)::bigint;

-- The virtual time of a job that becomes ready now: now, or the one at the head of its queue if that is later, as
-- in start-time fair queueing. A user's further jobs follow in steps of settings.turn_step for each slot that the
-- user has taken: the fewer jobs a user has running, the sooner the next one. Never before the head of a second ago,
-- which may be ahead of the clock and is the next low-water mark (private.raise_low_water).
create function private.next_time(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_time bigint;
begin
  for v_try in 1..2 loop
    select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, q.head_time, (
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = p_job_type and j.priority = p_priority and j.virtual_time >= q.low_time
      order by j.virtual_time, j.seq limit 1
    )) into v_time
    from private.ready_queues as q where q.job_type = p_job_type and q.priority = p_priority;
    exit when found;
    perform private.open_queue(p_job_type, p_priority);
  end loop;
  -- An older snapshot does not see a queue that somebody else has opened.
  return coalesce(v_time, (extract(epoch from clock_timestamp()) * 1000000)::bigint);
end
$$;

-- Where a job comes in that has had its turn: at the head of its ready queue.
create function private.head_time(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = '' set enable_seqscan = off set enable_sort = off as $$
begin
  return coalesce(
    (
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = p_job_type and j.priority = p_priority and j.virtual_time >= (
        select low_time from private.ready_queues where job_type = p_job_type and priority = p_priority
      )
      order by j.virtual_time, j.seq limit 1
    ),
    private.next_time(p_job_type, p_priority)
  );
end
$$;

create function private.turn_step() returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (select extract(epoch from turn_step) * 1000000 from private.settings);
end
$$;

-- Takes up to p_count slots. first: how many the user had taken before; granted: how many more it has now. Where
-- the job is not limited all are granted, and nothing is counted.
create function private.take_slots(
  p_fair_key uuid, p_job_type text, p_count int, out first int, out granted int
) language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_most int;
begin
  if not private.is_limited(p_fair_key, p_job_type) then
    first := 0;
    granted := p_count;
    return;
  end if;
  v_most := private.running_limit(p_fair_key);
  insert into private.user_slots as s (fair_key, job_type, taken, granted, most)
  values (p_fair_key, p_job_type, least(p_count, v_most), least(p_count, v_most), v_most)
  on conflict (fair_key, job_type) do update set
    taken = s.taken + least(p_count, greatest(v_most - s.taken, 0)),
    granted = least(p_count, greatest(v_most - s.taken, 0)),
    most = v_most
  returning s.taken - s.granted, s.granted into first, granted;
end
$$;

-- Slots are free, so many of each of these users: they go to their users' blocked jobs, best priority first, then by
-- age, of each user at most 1,000. The keys are given in order, each once; a count of 0 looks whether a plan has come
-- to allow more.
create function private.free_slots(p_fair_keys uuid[], p_job_types text[], p_counts int[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_step bigint;
  v record;
begin
  -- A statement of its own: the next one sees what was blocked while this one waited.
  select
    array_agg(slots.rid) filter (where is_plain) as rows,
    array_agg(slots.taken - u.jobs) filter (where is_plain) as taken,
    bool_and(is_plain) as all_plain,
    array_agg(u.fair_key) filter (where not is_plain) as fair_keys,
    array_agg(u.job_type) filter (where not is_plain) as job_types,
    array_agg(u.jobs) filter (where not is_plain) as counts
  into v
  from unnest(p_fair_keys, p_job_types, p_counts) as u (fair_key, job_type, jobs)
  cross join lateral (
    select s.ctid as rid, s.taken, s.most from private.user_slots as s
    where s.fair_key = u.fair_key and s.job_type = u.job_type for update
  ) as slots
  -- Nothing of the user's is blocked.
  cross join lateral (select slots.taken < slots.most and u.jobs > 0 as is_plain) as its;
  update private.user_slots as s set taken = u.taken
  from unnest(v.rows, v.taken) as u (rid, taken)
  where s.ctid = u.rid;
  if v.all_plain is not false then
    return;
  end if;
  v_step := (select extract(epoch from turn_step) * 1000000 from private.settings);
  with free as materialized (
    select s.fair_key, s.job_type, u.jobs, s.taken - u.jobs as taken,
      coalesce(p.running_jobs, 1000000000) as most
    from unnest(v.fair_keys, v.job_types, v.counts) as u (fair_key, job_type, jobs)
    cross join lateral (
      select l.fair_key, l.job_type, l.taken from private.user_slots as l
      where l.fair_key = u.fair_key and l.job_type = u.job_type offset 0
    ) as s
    left join private.user_plans as up on up.user_id = u.fair_key
    left join private.plans as p on p.name = coalesce(up.plan, 'default')
  ), best as materialized (
    select f.fair_key, f.job_type, b.id, b.rid, b.priority,
      f.taken + row_number() over (partition by f.fair_key, f.job_type order by b.priority desc, b.seq) - 1 as taken
    from free as f
    cross join lateral (
      select j.id, j.ctid as rid, j.priority, j.seq from private.blocked_jobs as j
      where j.fair_key = f.fair_key and j.job_type = f.job_type
      order by j.priority desc, j.seq limit least(greatest(f.most - f.taken, 0), 1000) for update skip locked
    ) as b
  ), queues as materialized (
    select job_type, priority, private.next_time(job_type, priority) as head
    from (select distinct job_type, priority from best) as used
  ), gone as (
    delete from private.blocked_jobs where ctid = any(array(select rid from best)) returning *
  ), ready as (
    insert into private.ready_jobs
    select g.*, q.head + b.taken * v_step, true
    from gone as g
    join best as b on b.id = g.id
    join queues as q on q.job_type = g.job_type and q.priority = g.priority
  )
  update private.user_slots as s set taken = f.taken + coalesce(n.jobs, 0), most = f.most
  from free as f
  left join (
    select fair_key, job_type, count(*)::int as jobs from best group by fair_key, job_type
  ) as n on n.fair_key = f.fair_key and n.job_type = f.job_type
  where s.fair_key = f.fair_key and s.job_type = f.job_type
    and (coalesce(n.jobs, 0) <> f.jobs or s.most <> f.most);
end
$$;

-- The same for one slot of one user, in plain statements: these cost less than one for many.
create function private.free_slot(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_taken int;
  v_most int;
  v_limit int;
  v_job private.blocked_jobs;
  v_time bigint;
begin
  -- Nothing of the user's is blocked.
  update private.user_slots set taken = taken - 1
  where fair_key = p_fair_key and job_type = p_job_type and taken < most;
  if found then
    return;
  end if;
  select taken - 1, most into v_taken, v_most from private.user_slots
  where fair_key = p_fair_key and job_type = p_job_type for update;
  select * into v_job from private.blocked_jobs
  where fair_key = p_fair_key and job_type = p_job_type
  order by priority desc, seq limit 1 for update skip locked;
  if found then
    v_limit := private.running_limit(p_fair_key);
    if v_taken = v_limit - 1 and v_most = v_limit then
      delete from private.blocked_jobs where id = v_job.id;
      v_time := private.next_time(p_job_type, v_job.priority);
      insert into private.ready_jobs
      select v_job.*, v_time + v_taken * s.step, true
      from (select (extract(epoch from turn_step) * 1000000)::bigint as step from private.settings) as s;
      return;
    end if;
    -- The plan has come to allow more, or less.
    perform private.free_slots(array[p_fair_key], array[p_job_type], '{1}');
    return;
  end if;
  update private.user_slots set taken = v_taken where fair_key = p_fair_key and job_type = p_job_type;
end
$$;

-- After a job was blocked: where the user's ready jobs include one of a lower priority, the two change places.
create function private.reorder_user(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_best int;
  v_last private.ready_jobs;
begin
  for v_try in 1..10 loop
    select priority into v_best from private.blocked_jobs
    where fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1;
    exit when not found;
    select * into v_last from private.ready_jobs
    where slot and fair_key = p_fair_key and job_type = p_job_type and priority < v_best
    order by priority, seq desc limit 1 for update skip locked;
    exit when not found;
    delete from private.ready_jobs where id = v_last.id;
    insert into private.blocked_jobs
    select v_last.id, v_last.seq, v_last.created_at, v_last.scheduled_at, v_last.lease, v_last.expires_at,
      v_last.retry_until, v_last.fair_key, v_last.generation_id, v_last.priority, v_last.attempts,
      v_last.max_attempts, v_last.job_type, v_last.payload, v_last.error_message, v_last.error_details;
    perform private.free_slot(p_fair_key, p_job_type);
  end loop;
end
$$;
