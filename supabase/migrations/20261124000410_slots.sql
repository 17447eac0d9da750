-- Whose turn it is: the order of ready jobs, and how many of a user's may be ready or running at once.

-- Virtual time --------------------------------------------------------------------------------------------------------
--
-- A ready queue is the ready jobs of one type and priority: one range of one index, in the order of their virtual time.

-- Sees to it that claims look through the ready queue of a type and priority.
create function private.open_queue(p_job_type text, p_priority int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if not exists (select from private.ready_queues where job_type = p_job_type and priority = p_priority) then
    insert into private.ready_queues (job_type, priority) values (p_job_type, p_priority) on conflict do nothing;
  end if;
end
$$;

create function private.virtual_time_step() returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (select extract(epoch from virtual_time_step) * 1000000 from private.settings);
end
$$;

-- The virtual time of a job that becomes ready now: now, or the one at the head of its queue if that is later, as
-- in start-time fair queueing. A user's further jobs follow in steps of settings.virtual_time_step for each slot that
-- the user has taken: the fewer jobs a user has running, the sooner the next one. Never before the head of a second
-- ago, which may be ahead of the clock and is the next low-water mark (private.raise_low_water).
create function private.next_time(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
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

-- The virtual time of a job that was claimed before and is ready again: the head of its ready queue.
create function private.head_time(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
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

-- A user's slots ------------------------------------------------------------------------------------------------------
--
-- A user may have only so many jobs of one type ready or running at once (plans.running_jobs); further ones are
-- blocked, outside every index that a claim reads, and each slot that becomes free goes to the user's best blocked job,
-- in the same transaction. So a claim never meets a job that it may not hand out, however long a user's backlog.

-- Jobs of one type that a user may have ready or running at once.
create function private.running_limit(p_fair_key uuid) returns int
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_most int;
begin
  select p.running_jobs into v_most from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_fair_key), 'default');
  return coalesce(v_most, 1000000000);
end
$$;

-- What a change writes as the version of the user's row. The others are HOT: they leave the index alone.
create function private.next_version(p_version bigint) returns bigint
language sql volatile
return p_version + (random() < 0.03125)::int;

-- Locks the row of a user and type, which is made where there is none, and writes nothing else.
create function private.lock_slots(p_fair_key uuid, p_job_type text, out rid tid, out taken int, out most int)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  loop
    select s.ctid, s.taken, s.most into rid, taken, most from private.user_slots as s
    where s.fair_key = p_fair_key and s.job_type = p_job_type order by s.version desc limit 1 for update;
    exit when found;
    -- In the place of the row's lock: no constraint spans the versions.
    perform pg_catalog.pg_advisory_xact_lock(hashtextextended(p_job_type, hashtextextended(p_fair_key::text, 0)));
    insert into private.user_slots (fair_key, job_type, taken)
    select p_fair_key, p_job_type, 0
    where not exists (select from private.user_slots where fair_key = p_fair_key and job_type = p_job_type);
  end loop;
end
$$;

-- Takes up to p_count slots of p_most. first: how many the user had taken before; added: how many more it has now.
create function private.take_slots(
  p_fair_key uuid, p_job_type text, p_count int, p_most int, out first int, out added int
) language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
begin
  v_slots := private.lock_slots(p_fair_key, p_job_type);
  first := v_slots.taken;
  added := least(p_count, greatest(p_most - first, 0));
  if added > 0 or v_slots.most <> p_most then
    update private.user_slots as s set
      taken = first + added, most = p_most, version = private.next_version(s.version)
    where s.ctid = v_slots.rid;
  end if;
end
$$;

-- Low-water marks of a user's blocked jobs. Those that have got their slot leave dead entries before the others, for as
-- long as an old snapshot keeps these. Who blocks a job or moves a mark holds the user's row, so no job is ever below a
-- mark.

-- Locks up to p_limit blocked jobs of a user that nobody else has locked, the best first, from the marks on: those of
-- the priorities above each mark, then those of its own.
create function private.pick_blocked(
  p_fair_key uuid, p_job_type text, p_passed private.blocked_mark[], p_limit int
) returns table (id uuid, priority int, seq bigint)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return query
  select b.id, b.priority, b.seq
  from (
    select m.priority, m.seq, lag(m.priority, 1, 2147483648) over (order by m.priority desc) as above
    from (
      select p.priority::bigint as priority, p.seq from unnest(p_passed) as p
      union all
      select -2147483649, 0
    ) as m
    order by m.priority desc
  ) as mark
  cross join lateral (
    select higher.* from (
      select j.id, j.priority, j.seq from private.blocked_jobs as j
      where j.fair_key = p_fair_key and j.job_type = p_job_type
        and j.priority < mark.above and j.priority > mark.priority
      order by j.priority desc, j.seq limit p_limit for update skip locked
    ) as higher
    union all
    select own.* from (
      select j.id, j.priority, j.seq from private.blocked_jobs as j
      where j.fair_key = p_fair_key and j.job_type = p_job_type
        and j.priority = mark.priority and j.seq >= mark.seq
      order by j.seq limit p_limit for update skip locked
    ) as own
  ) as b
  limit p_limit;
end
$$;

-- Sets the mark of a priority in the user's row, which the caller has locked.
create function private.set_blocked_mark(p_slots tid, p_priority int, p_seq bigint) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.user_slots as s set
    version = private.next_version(s.version),
    -- Few priorities are in use at once; a mark may be missing.
    passed = array(
      select m from unnest(s.passed) as m where m.priority <> p_priority order by m.seq desc limit 15
    ) || row(p_priority, p_seq)::private.blocked_mark
  where s.ctid = p_slots;
end
$$;

-- After a blocked job has got a slot: the mark of its priority rises, with one such job in four, while dead entries
-- stand before it. Where there are few the user's marks go.
create function private.raise_blocked_mark(p_fair_key uuid, p_job_type text, p_priority int, p_seq bigint) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
begin
  select s.ctid as rid, s.passed,
    coalesce((select m.seq from unnest(s.passed) as m where m.priority = p_priority), -1) as mark
  into v_slots
  from private.user_slots as s
  where s.fair_key = p_fair_key and s.job_type = p_job_type order by s.version desc limit 1;
  if private.has_many_dead('private.blocked_jobs') then
    perform private.set_blocked_mark(v_slots.rid, p_priority, coalesce(
      -- What somebody else has locked is not passed.
      (
        select j.seq from private.blocked_jobs as j
        where j.fair_key = p_fair_key and j.job_type = p_job_type and j.priority = p_priority
          and j.seq >= v_slots.mark
        order by j.seq limit 1
      ),
      p_seq
    ));
  elsif v_slots.passed is not null then
    update private.user_slots set passed = null where ctid = v_slots.rid;
  end if;
end
$$;

-- After jobs of a user have been blocked, the first of them with that seq: no mark may be above it.
create function private.lower_blocked_mark(p_fair_key uuid, p_job_type text, p_priority int, p_seq bigint) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
begin
  select s.ctid as rid, s.passed into v_slots from private.user_slots as s
  where s.fair_key = p_fair_key and s.job_type = p_job_type order by s.version desc limit 1;
  if exists (select from unnest(v_slots.passed) as m where m.priority = p_priority and m.seq > p_seq) then
    perform private.set_blocked_mark(v_slots.rid, p_priority, p_seq);
  end if;
end
$$;

-- Releases so many slots of each of these users. They go to their users' blocked jobs, best priority first, then by
-- age, of each user at most 1,000; what nobody waits for is free. The keys are given in order, each once. A count of 0
-- only looks whether a plan has come to allow more.
create function private.release_slots(p_fair_keys uuid[], p_job_types text[], p_counts int[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_step bigint;
  v record;
  v_passing boolean;
  v_passed jsonb;
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
    where s.fair_key = u.fair_key and s.job_type = u.job_type order by s.version desc limit 1 for update
  ) as slots
  -- Nothing of the user's is blocked.
  cross join lateral (select slots.taken < slots.most and u.jobs > 0 as is_plain) as its;
  update private.user_slots as s set taken = u.taken, version = private.next_version(s.version)
  from unnest(v.rows, v.taken) as u (rid, taken)
  where s.ctid = u.rid;
  if v.all_plain is not false then
    return;
  end if;
  v_step := (select extract(epoch from virtual_time_step) * 1000000 from private.settings);
  v_passing := private.has_many_dead('private.blocked_jobs');
  with released as materialized (
    select u.fair_key, u.job_type, u.jobs, s.rid, s.passed, s.taken - u.jobs as taken,
      coalesce(p.running_jobs, 1000000000) as most
    from unnest(v.fair_keys, v.job_types, v.counts) as u (fair_key, job_type, jobs)
    cross join lateral (
      select l.ctid as rid, l.taken, l.passed from private.user_slots as l
      where l.fair_key = u.fair_key and l.job_type = u.job_type order by l.version desc limit 1
    ) as s
    left join private.user_plans as up on up.user_id = u.fair_key
    left join private.plans as p on p.name = coalesce(up.plan, 'default')
  ), best as materialized (
    select f.fair_key, f.job_type, f.passed, b.id, b.priority, b.seq,
      f.taken + row_number() over (partition by f.fair_key, f.job_type order by b.priority desc, b.seq) - 1 as taken
    from released as f
    cross join lateral (
      select plain.* from (
        select j.id, j.priority, j.seq from private.blocked_jobs as j
        where j.fair_key = f.fair_key and j.job_type = f.job_type and f.passed is null
        order by j.priority desc, j.seq limit least(greatest(f.most - f.taken, 0), 1000) for update skip locked
      ) as plain
      union all
      select marked.*
      from private.pick_blocked(
        f.fair_key, f.job_type, f.passed, least(greatest(f.most - f.taken, 0), 1000)
      ) as marked
      where f.passed is not null
    ) as b
  ), queues as materialized (
    select job_type, priority, private.next_time(job_type, priority) as head
    from (select distinct job_type, priority from best) as used
  ), gone as (
    -- By id: one that was just changed by hand has another row by now.
    delete from private.blocked_jobs where id = any(array(select id from best)) returning *
  ), ready as (
    insert into private.ready_jobs
    select g.*, q.head + b.taken * v_step, true, private.is_standing(g.job_type, g.priority)
    from gone as g
    join best as b on b.id = g.id
    join queues as q on q.job_type = g.job_type and q.priority = g.priority
  ), counted as (
    insert into private.job_deltas (job_type, jobs, blocked)
    select job_type, 0, -count(*) from gone group by job_type
  ), written as (
    update private.user_slots as s set
      taken = f.taken + coalesce(n.jobs, 0), most = f.most, version = private.next_version(s.version)
    from released as f
    left join (
      select fair_key, job_type, count(*)::int as jobs from best group by fair_key, job_type
    ) as n on n.fair_key = f.fair_key and n.job_type = f.job_type
    where s.ctid = f.rid and (coalesce(n.jobs, 0) <> f.jobs or s.most <> f.most)
  )
  select jsonb_agg(to_jsonb(last)) into v_passed
  from (
    select fair_key, job_type, priority, max(seq) as seq from best
    where v_passing or passed is not null
    group by fair_key, job_type, priority having random() < 0.25
  ) as last;
  if v_passed is not null then
    perform private.raise_blocked_mark(b.fair_key, b.job_type, b.priority, b.seq)
    from jsonb_to_recordset(v_passed) as b (fair_key uuid, job_type text, priority int, seq bigint);
  end if;
end
$$;

-- Releases one slot of one user.
create function private.release_slot(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_unblocked int := private.pass_slot(p_fair_key, p_job_type);
begin
  if v_unblocked > 0 then
    insert into private.job_deltas (job_type, jobs, blocked) values (p_job_type, 0, -v_unblocked);
  end if;
end
$$;

-- The same for a caller that counts: answers how many jobs are not blocked any more and have to be counted. A slot goes
-- to the user's best blocked job, else it is free. In plain statements, which cost less than one for many.
create function private.pass_slot(p_fair_key uuid, p_job_type text) returns int
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
  v_mark private.blocked_mark;
  v_limit int;
  v_id uuid;
  v_job private.blocked_jobs;
  v_time bigint;
begin
  -- Nothing of the user's is blocked. A row that somebody else is changing may be missed here.
  update private.user_slots as s set taken = s.taken - 1, version = private.next_version(s.version)
  where s.ctid = (
    select ctid from private.user_slots
    where fair_key = p_fair_key and job_type = p_job_type order by version desc limit 1
  ) and s.taken < s.most;
  if found then
    return 0;
  end if;
  select ctid as rid, taken - 1 as taken, most, passed into v_slots from private.user_slots
  where fair_key = p_fair_key and job_type = p_job_type order by version desc limit 1 for update;
  if v_slots.passed is null then
    select * into v_job from private.blocked_jobs
    where fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1 for update skip locked;
  else
    -- Mostly all of a user's blocked jobs are of one priority.
    v_mark := v_slots.passed[1];
    if cardinality(v_slots.passed) = 1 and not exists (
      select from private.blocked_jobs
      where fair_key = p_fair_key and job_type = p_job_type and priority > v_mark.priority
    ) then
      select * into v_job from private.blocked_jobs
      where fair_key = p_fair_key and job_type = p_job_type and priority = v_mark.priority and seq >= v_mark.seq
      order by seq limit 1 for update skip locked;
    end if;
    if v_job.id is null then
      -- Two statements: the second sees all that the first has locked.
      v_id := (select id from private.pick_blocked(p_fair_key, p_job_type, v_slots.passed, 1));
      select * into v_job from private.blocked_jobs where id = v_id;
    end if;
  end if;
  if v_job.id is not null then
    v_limit := private.running_limit(p_fair_key);
    if v_slots.taken = v_limit - 1 and v_slots.most = v_limit then
      delete from private.blocked_jobs where id = v_job.id;
      v_time := private.next_time(p_job_type, v_job.priority);
      insert into private.ready_jobs
      select v_job.*, v_time + v_slots.taken * s.step, true, private.is_standing(v_job.job_type, v_job.priority)
      from (select (extract(epoch from virtual_time_step) * 1000000)::bigint as step from private.settings) as s;
      if random() < 0.25
        and (v_slots.passed is not null or private.has_many_dead('private.blocked_jobs'))
      then
        perform private.raise_blocked_mark(p_fair_key, p_job_type, v_job.priority, v_job.seq);
      end if;
      return 1;
    end if;
    -- The plan has come to allow more, or less.
    perform private.release_slots(array[p_fair_key], array[p_job_type], '{1}');
    return 0;
  end if;
  update private.user_slots as s set taken = v_slots.taken, version = private.next_version(s.version)
  where s.ctid = v_slots.rid;
  return 0;
end
$$;

-- Releases the slots of jobs that are in no table any more. Only jobs of limited types are given.
create function private.release_slots_of(p_fair_keys uuid[], p_job_types text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v record;
begin
  select array_agg(fair_key) as fair_keys, array_agg(job_type) as job_types, array_agg(jobs) as counts into v
  from (
    select fair_key, job_type, count(*)::int as jobs
    from unnest(p_fair_keys, p_job_types) as u (fair_key, job_type)
    group by fair_key, job_type order by fair_key, job_type
  ) as each_user;
  if v.fair_keys is not null then
    perform private.release_slots(v.fair_keys, v.job_types, v.counts);
  end if;
end
$$;

-- After p_count jobs of one priority were blocked: as many of the user's ready jobs, where these are of a lower
-- priority, are exchanged for the best blocked ones.
create function private.reorder_user(p_fair_key uuid, p_job_type text, p_priority int, p_count int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_last private.ready_jobs;
  v_blocked int := 0;
begin
  for v_try in 1..p_count loop
    select * into v_last from private.ready_jobs
    where slot and fair_key = p_fair_key and job_type = p_job_type and priority < p_priority
    order by priority, seq desc limit 1 for update skip locked;
    exit when not found;
    delete from private.ready_jobs where id = v_last.id;
    insert into private.blocked_jobs
    select v_last.id, v_last.seq, v_last.created_at, v_last.scheduled_at, v_last.lease, v_last.expires_at,
      v_last.retry_until, v_last.fair_key, v_last.generation_id, v_last.priority, v_last.attempts,
      v_last.max_attempts, v_last.job_type, v_last.payload, v_last.error_message, v_last.error_details;
    perform private.lower_blocked_mark(p_fair_key, p_job_type, v_last.priority, v_last.seq);
    v_blocked := v_blocked + 1 - private.pass_slot(p_fair_key, p_job_type);
  end loop;
  if v_blocked <> 0 then
    insert into private.job_deltas (job_type, jobs, blocked) values (p_job_type, 0, v_blocked);
  end if;
end
$$;
