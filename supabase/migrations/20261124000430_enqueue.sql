-- Into the queue ------------------------------------------------------------------------------------------------------
--
-- private.insert_jobs is the way in for any number of jobs; the others say who may use it for what.

-- No constraint spans the tables: ids that come from outside are looked for in all of them. Those who bring the same
-- id at the same time wait for each other.
create function private.refuse_taken_ids(p_ids uuid[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_taken uuid;
begin
  perform pg_catalog.pg_advisory_xact_lock(726359, bucket)
  from (select distinct hashtext(id::text) & 63 as bucket from unnest(p_ids) as id order by 1) as buckets;
  select id into v_taken from public.job_queue where id = any(p_ids) limit 1;
  if not found then
    select id into v_taken from unnest(p_ids) as id group by id having count(*) > 1 limit 1;
  end if;
  if found then
    raise exception using errcode = '23505', message = format('There is a job with the id %s already.', v_taken);
  end if;
end
$$;

-- Any number of jobs: [{id?, job_type, payload?, priority?, scheduled_at?, expires_at?, max_attempts?, retry_until?}].
-- The payload's user_id, where it is a uuid, is whose virtual time and slots the job uses; neither that user nor its
-- generation_id need exist. Returns the ids in order.
-- They are read once, into rows; then comes a statement for each thing that is there to do: one that could do them all
-- costs more to start than these together. New queues are made before slots are locked, and slots are locked by key.
create function private.insert_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job record;
  v record;
  v_jobs private.scheduled_jobs[];
  v_plain boolean;
  v_step bigint;
  v_head bigint;
  v_is_open boolean;
  -- Ready queues of the jobs that are due, and their heads.
  v_types text[];
  v_priorities int[];
  v_heads bigint[];
  -- Rows of the users' slots that change.
  v_rows tid[];
  v_taken int[];
  v_most int[];
  v_default_most int;
  v_added int;
  -- The users of limited jobs: how many slots they had taken, and how many more they get.
  v_fair_keys uuid[];
  v_slot_types text[];
  v_firsts int[];
  v_adds int[];
  -- When each job is ready; null: blocked or scheduled.
  v_times bigint[];
  v_ready int;
  v_blocked int;
  v_one record;
begin
  if jsonb_array_length(p_jobs) = 1 then
    select * into v_job from jsonb_to_record(p_jobs -> 0) as j (
      id uuid, job_type text, payload jsonb, priority int, scheduled_at timestamptz, expires_at timestamptz,
      max_attempts int, retry_until timestamptz
    );
    return array[private.insert_job(
      v_job.id, v_job.job_type, coalesce(v_job.payload, '{}'), coalesce(v_job.priority, 0),
      coalesce(v_job.scheduled_at, now()), coalesce(v_job.max_attempts, 3), v_job.expires_at, v_job.retry_until
    )];
  end if;
  -- Mostly all are uuids where uuids belong: trying costs less than asking of each.
  for v_try in 1..2 loop
    begin
      select
        array_agg(row(
          g.id, nextval('private.job_seq'), now(), g.scheduled_at, 0, g.expires_at, g.retry_until, g.fair_key,
          g.generation_id, g.priority, 0, g.max_attempts, g.job_type, g.payload, null, null
        )::private.scheduled_jobs) as jobs,
        array_agg(g.id) as ids,
        count(*)::int as count,
        (count(*) filter (where g.scheduled_at <= now()))::int as due,
        (count(*) filter (
          where g.scheduled_at <= now() and private.is_limited(g.fair_key, g.job_type)
        ))::int as limited,
        bool_or(g.scheduled_at < now() - interval '1 second') as is_late,
        bool_or(least(g.scheduled_at, g.expires_at) < now() - interval '1 second') as is_past,
        bool_or(length(g.job_type) not between 1 and 100 or g.max_attempts < 1) as is_refused,
        min(g.job_type) as job_type,
        min(g.job_type) = max(g.job_type) as is_one_type,
        min(g.priority) as priority,
        min(g.priority) = max(g.priority) as is_one_priority
      into v
      from (
        select
          coalesce(j.id, gen_random_uuid()) as id,
          coalesce(j.scheduled_at, now()) as scheduled_at,
          j.expires_at,
          j.retry_until,
          case v_try
            when 1 then (j.payload ->> 'user_id')::uuid
            else private.as_uuid(j.payload ->> 'user_id')
          end as fair_key,
          case v_try
            when 1 then (j.payload ->> 'generation_id')::uuid
            else private.as_uuid(j.payload ->> 'generation_id')
          end as generation_id,
          coalesce(j.priority, 0) as priority,
          coalesce(j.max_attempts, 3) as max_attempts,
          j.job_type,
          coalesce(j.payload, '{}') as payload
        from jsonb_to_recordset(p_jobs) as j (
          id uuid, job_type text, payload jsonb, priority int, scheduled_at timestamptz, expires_at timestamptz,
          max_attempts int, retry_until timestamptz
        )
        -- Each is reckoned once.
        offset 0
      ) as g;
      exit;
    exception when invalid_text_representation then
      if v_try = 2 then
        raise;
      end if;
    end;
  end loop;
  if v.count = 0 then
    return null;
  end if;
  v_jobs := v.jobs;
  if v.is_refused then
    perform private.check_job(g.job_type, g.max_attempts) from unnest(v_jobs) as g;
  end if;

  -- Where the first of each queue stands.
  if v.due > 0 and v.is_one_type and v.is_one_priority then
    select
      (extract(epoch from s.virtual_time_step) * 1000000)::bigint,
      q.low_time is not null,
      greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, q.head_time, (
        select j.virtual_time from private.ready_jobs as j
        where j.job_type = v.job_type and j.priority = v.priority and j.virtual_time >= q.low_time
        order by j.virtual_time, j.seq limit 1
      )),
      coalesce((select p.running_jobs from private.plans as p where p.name = 'default'), 1000000000)
    into v_step, v_is_open, v_head, v_default_most
    from private.settings as s
    left join private.ready_queues as q on q.job_type = v.job_type and q.priority = v.priority;
    if not v_is_open then
      v_head := private.next_time(v.job_type, v.priority);
    end if;
    v_types := array[v.job_type];
    v_priorities := array[v.priority];
    v_heads := array[v_head];
  elsif v.due > 0 then
    v_step := private.virtual_time_step();
    v_default_most := private.running_limit(null);
    select
      array_agg(used.job_type), array_agg(used.priority),
      array_agg(private.next_time(used.job_type, used.priority))
    into v_types, v_priorities, v_heads
    from (
      select distinct g.job_type, g.priority from unnest(v_jobs) as g where g.scheduled_at <= now()
      order by g.job_type, g.priority
    ) as used;
  end if;
  v_plain := v.due = v.count and cardinality(v_heads) = 1 and not v.is_late and v.limited in (0, v.count);

  if v.limited > 0 then
    select
      array_agg(s.rid) filter (where s.added > 0 or s.is_new_limit),
      array_agg(s.first + s.added) filter (where s.added > 0 or s.is_new_limit),
      array_agg(s.most) filter (where s.added > 0 or s.is_new_limit),
      sum(s.added),
      array_agg(s.fair_key), array_agg(s.job_type), array_agg(s.first), array_agg(s.added)
    into v_rows, v_taken, v_most, v_added, v_fair_keys, v_slot_types, v_firsts, v_adds
    from (
      select w.fair_key, w.job_type, w.jobs, w.most, l.rid, l.taken as first,
        least(w.jobs, greatest(w.most - l.taken, 0)) as added, l.most <> w.most as is_new_limit
      from (
        select d.fair_key, d.job_type, d.jobs,
          case
            when u.plan is null then v_default_most
            else coalesce((select p.running_jobs from private.plans as p where p.name = u.plan), 1000000000)
          end as most
        from (
          select g.fair_key, g.job_type, count(*)::int as jobs from unnest(v_jobs) as g
          where g.scheduled_at <= now() and private.is_limited(g.fair_key, g.job_type)
          group by g.fair_key, g.job_type
        ) as d
        left join private.user_plans as u on u.user_id = d.fair_key
        order by d.fair_key, d.job_type
      ) as w
      left join lateral (
        select s.ctid as rid, s.taken, s.most from private.user_slots as s
        where s.fair_key = w.fair_key and s.job_type = w.job_type order by s.version desc limit 1 for update
      ) as known on true
      -- One after the other, in this order: whoever has none yet gets a row.
      cross join lateral (
        select known.rid, known.taken, known.most where known.rid is not null
        union all
        select made.rid, made.taken, made.most from private.lock_slots(w.fair_key, w.job_type) as made
        where known.rid is null
      ) as l
      offset 0
    ) as s;
    if v_rows is not null then
      -- A statement of its own: it sees the rows for which that one waited.
      update private.user_slots as s set
        taken = u.taken, most = u.most, version = private.next_version(s.version)
      from unnest(v_rows, v_taken, v_most) as u (rid, taken, most)
      where s.ctid = u.rid;
    end if;
  end if;
  if v_plain and (v.limited = 0 or v_added = v.count) then
    -- All are ready in one queue, each user's first one after those that have taken slots before.
    v_ready := v.count;
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, virtual_time, slot, standing
    )
    select g.id, g.seq, g.created_at, g.scheduled_at, g.lease, g.expires_at, g.retry_until, g.fair_key, g.generation_id,
      g.priority, g.attempts, g.max_attempts, g.job_type, g.payload,
      v_head + coalesce((s.first + g.nth - 1) * v_step, 0), v.limited > 0,
      private.is_standing(g.job_type, g.priority)
    from (
      select j.*, row_number() over (partition by j.fair_key order by j.ordinality) as nth
      from unnest(v_jobs) with ordinality as j
    ) as g
    left join unnest(v_fair_keys, v_firsts) as s (fair_key, first) on s.fair_key = g.fair_key;
  elsif v_plain and v_added = 0 then
    v_ready := 0;
  else
    v_times := array(
      select case
        when g.scheduled_at <= now() then
          -- Due for some time already: it has waited since then.
          case when g.scheduled_at < now() - interval '1 second' then private.time_at(g.scheduled_at) else q.head end
          + case
            when not private.is_limited(g.fair_key, g.job_type) then 0
            when g.nth <= s.added then (s.first + g.nth - 1) * v_step
          end
      end
      from (
        select j.fair_key, j.job_type, j.priority, j.scheduled_at, j.ordinality,
          row_number() over (
            partition by j.scheduled_at <= now(), j.fair_key, j.job_type order by j.priority desc, j.ordinality
          ) as nth
        from unnest(v_jobs) with ordinality as j
      ) as g
      left join unnest(v_types, v_priorities, v_heads) as q (job_type, priority, head)
        on q.job_type = g.job_type and q.priority = g.priority
      left join unnest(v_fair_keys, v_slot_types, v_firsts, v_adds) as s (fair_key, job_type, first, added)
        on s.fair_key = g.fair_key and s.job_type = g.job_type
      order by g.ordinality
    );
    v_ready := cardinality(array_remove(v_times, null));
    if v_ready > 0 then
      insert into private.ready_jobs (
        id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, virtual_time, slot, standing
      )
      select g.id, g.seq, g.created_at, g.scheduled_at, g.lease, g.expires_at, g.retry_until, g.fair_key,
        g.generation_id, g.priority, g.attempts, g.max_attempts, g.job_type, g.payload, g.virtual_time,
        private.is_limited(g.fair_key, g.job_type), private.is_standing(g.job_type, g.priority)
      from rows from (unnest(v_jobs), unnest(v_times)) as g (
        id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time
      )
      where g.virtual_time is not null;
    end if;
  end if;
  v_blocked := v.due - v_ready;

  if v_blocked = v.count then
    insert into private.blocked_jobs select g.* from unnest(v_jobs) as g;
  elsif v_blocked > 0 then
    insert into private.blocked_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    select g.id, g.seq, g.created_at, g.scheduled_at, g.lease, g.expires_at, g.retry_until, g.fair_key, g.generation_id,
      g.priority, g.attempts, g.max_attempts, g.job_type, g.payload
    from rows from (unnest(v_jobs), unnest(v_times)) as g (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, error_message, error_details, virtual_time
    )
    where g.virtual_time is null and g.scheduled_at <= now();
  end if;
  if v.due < v.count then
    insert into private.scheduled_jobs
    -- What is no time at all is refused there.
    select g.* from unnest(v_jobs) as g where (g.scheduled_at <= now()) is not true;
  end if;
  if v.is_one_type then
    insert into private.job_deltas (job_type, status, jobs, oldest, newest, blocked, scheduled)
    values (v.job_type, 'pending', v.count, now(), now(), nullif(v_blocked, 0), nullif(v.count - v.due, 0));
  else
    insert into private.job_deltas (job_type, status, jobs, oldest, newest, blocked, scheduled)
    select g.job_type, 'pending', count(*), now(), now(),
      nullif(count(*) filter (where g.virtual_time is null and g.scheduled_at <= now()), 0),
      nullif(count(*) filter (where g.scheduled_at > now()), 0)
    from rows from (unnest(v_jobs), unnest(v_times)) as g (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, error_message, error_details, virtual_time
    )
    group by g.job_type;
  end if;

  if v_blocked > 0 then
    for v_one in
      select b.fair_key, b.job_type, b.priority, min(b.seq) as seq, count(*)::int as jobs
      from rows from (unnest(v_jobs), unnest(v_times)) as b (
        id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time
      )
      where b.virtual_time is null and b.scheduled_at <= now()
      group by b.fair_key, b.job_type, b.priority
      -- Of few users anything follows.
      having exists (
        select from private.ready_jobs as r
        where r.slot and r.fair_key = b.fair_key and r.job_type = b.job_type and r.priority < b.priority
      ) or (
        select s.passed is not null from private.user_slots as s
        where s.fair_key = b.fair_key and s.job_type = b.job_type order by s.version desc limit 1
      )
      order by b.fair_key, b.job_type, b.priority desc
    loop
      -- They had their seq before the user's row was locked.
      perform private.lower_blocked_mark(v_one.fair_key, v_one.job_type, v_one.priority, v_one.seq);
      perform private.reorder_user(v_one.fair_key, v_one.job_type, v_one.priority, v_one.jobs);
    end loop;
  end if;
  if v.is_past then
    for v_one in
      select distinct g.job_type, g.priority from unnest(v_jobs) as g
      where least(g.scheduled_at, g.expires_at) < now() - interval '1 second'
      order by g.job_type, g.priority
    loop
      perform private.lower_marks(v_one.job_type, v_one.priority);
    end loop;
  end if;
  return v.ids;
end
$$;

-- One job: what private.insert_jobs does for many, without the machinery.
create function private.insert_job(
  p_id uuid, p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int,
  p_expires_at timestamptz, p_retry_until timestamptz
) returns uuid
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_key uuid;
  v_generation_id uuid;
  v_id uuid := coalesce(p_id, gen_random_uuid());
  v record;
  v_slots record;
  v_taken int;
  v_time bigint;
  v_limited boolean;
  v_blocked boolean := false;
  v_outranks boolean;
begin
  if p_max_attempts < 1 or length(p_job_type) not between 1 and 100 then
    perform private.check_job(p_job_type, p_max_attempts);
  end if;
  begin
    v_fair_key := p_payload ->> 'user_id';
    v_generation_id := p_payload ->> 'generation_id';
  exception when invalid_text_representation then
    v_fair_key := private.as_uuid(p_payload ->> 'user_id');
    v_generation_id := private.as_uuid(p_payload ->> 'generation_id');
  end;
  if p_scheduled_at <= now() then
    v_limited := v_fair_key is not null
      and p_job_type <> all('{download-image,process-webhook,cleanup-storage,cancel-prediction}'::text[]);
    -- All that decides its position, in one look.
    select
      (extract(epoch from s.virtual_time_step) * 1000000)::bigint as step,
      q.low_time is not null as is_open,
      q.head_time,
      (
        select j.virtual_time from private.ready_jobs as j
        where j.job_type = p_job_type and j.priority = p_priority and j.virtual_time >= q.low_time
        order by j.virtual_time, j.seq limit 1
      ) as head,
      case when v_limited then coalesce((
        select p.running_jobs from private.plans as p
        where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = v_fair_key), 'default')
      ), 1000000000) end as most,
      case when v_limited then (
        select u.taken < u.most from private.user_slots as u
        where u.fair_key = v_fair_key and u.job_type = p_job_type order by u.version desc limit 1
      ) end as has_slot
    into v
    from private.settings as s
    left join private.ready_queues as q on q.job_type = p_job_type and q.priority = p_priority;
    if v.is_open then
      v_time := greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, v.head, v.head_time);
    else
      v_time := private.next_time(p_job_type, p_priority);
    end if;
    if p_scheduled_at < now() - interval '1 second' then
      v_time := private.time_at(p_scheduled_at);
    end if;
    if v_limited then
      if v.has_slot then
        -- The usual case: the row is there, and has a slot.
        update private.user_slots as s set taken = s.taken + 1, version = private.next_version(s.version)
        where s.ctid = (
          select ctid from private.user_slots
          where fair_key = v_fair_key and job_type = p_job_type order by version desc limit 1
        ) and s.taken < v.most and s.most = v.most
        returning s.taken - 1 into v_taken;
      elsif not v.has_slot then
        select s.taken, s.taken >= v.most and s.most = v.most into v_taken, v_blocked from private.user_slots as s
        where s.fair_key = v_fair_key and s.job_type = p_job_type order by s.version desc limit 1 for update;
        if not v_blocked then
          v_taken := null;
        end if;
      end if;
      if v_taken is null then
        v_slots := private.take_slots(v_fair_key, p_job_type, 1, v.most);
        v_taken := v_slots.first;
        v_blocked := v_slots.added = 0;
      end if;
      v_time := v_time + v_taken * v.step;
    end if;
  end if;
  if v_blocked then
    insert into private.blocked_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload
    )
    returning exists (
      select from private.ready_jobs
      where slot and fair_key = v_fair_key and job_type = p_job_type and priority < p_priority
    ) into v_outranks;
    if v_outranks then
      perform private.reorder_user(v_fair_key, p_job_type, p_priority, 1);
    end if;
  elsif v_time is not null then
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, virtual_time, slot, standing
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload, v_time, v_limited,
      private.is_standing(p_job_type, p_priority)
    );
  else
    insert into private.scheduled_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload
    );
  end if;
  insert into private.job_deltas (job_type, status, jobs, oldest, newest, blocked, scheduled)
  values (
    p_job_type, 'pending', 1, now(), now(), case when v_blocked then 1 end,
    case when not v_blocked and v_time is null then 1 end
  );
  if least(p_scheduled_at, p_expires_at) < now() - interval '1 second' then
    perform private.lower_marks(p_job_type, p_priority);
  end if;
  return v_id;
end
$$;

-- A job that follows from a step and is leased to its caller already.
create function private.insert_running(
  p_id uuid, p_job_type text, p_fair_key uuid, p_generation_id uuid, p_payload jsonb, p_lease_seconds int,
  p_retry_until timestamptz
) returns private.running_jobs
language plpgsql set search_path = '' as $$
declare
  v_job private.running_jobs;
begin
  insert into private.running_jobs (
    id, seq, created_at, scheduled_at, lease, retry_until, fair_key, generation_id, priority, attempts, max_attempts,
    job_type, payload, started_at, lease_expires_at, slot, rescued, outcome_unknown
  )
  values (
    p_id, nextval('private.job_seq'), now(), now(), 1, p_retry_until, p_fair_key, p_generation_id, 100, 0, 3,
    p_job_type, p_payload, now(), now() + make_interval(secs => p_lease_seconds), false, false, false
  )
  returning * into v_job;
  insert into private.job_deltas (job_type, status, jobs, oldest, newest, run_minute)
  values (p_job_type, 'processing', 1, now(), now(), date_trunc('minute', now()));
  return v_job;
end
$$;

-- For the service: many jobs at once, at most 1,000.
create function private.enqueue_jobs(p_jobs jsonb) returns uuid[]
language plpgsql security definer set search_path = '' as $$
begin
  if p_jobs is null or jsonb_typeof(p_jobs) <> 'array' then
    perform private.refuse(422, 'invalid_request', 'p_jobs must be a list of jobs.');
  end if;
  if jsonb_array_length(p_jobs) > 1000 then
    perform private.refuse(422, 'invalid_request', 'A call takes at most 1000 jobs.');
  end if;
  if p_jobs @? '$[*].id' then
    perform private.refuse_taken_ids(array(
      select (job ->> 'id')::uuid from jsonb_array_elements(p_jobs) as j (job) where job ->> 'id' is not null
    ));
  end if;
  return coalesce(private.insert_jobs(p_jobs), '{}');
end
$$;

create function private.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql security definer set search_path = '' as $$
begin
  return private.insert_job(
    null, p_job_type, coalesce(p_payload, '{}'), coalesce(p_priority, 0),
    coalesce(p_scheduled_at, now()), coalesce(p_max_attempts, 3), null, null
  );
end
$$;

-- For users: the original's way to start an image, judged like any other start. A payload may hold more than is read,
-- as the original's do.
create function private.enqueue_own_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_request jsonb := coalesce(p_payload, '{}');
begin
  if p_job_type is distinct from 'generate-image' then
    raise exception using errcode = 'PT403', detail = 'forbidden',
      message = 'Only jobs of the type generate-image can be started here.';
  end if;
  if jsonb_typeof(v_request) = 'object' then
    perform private.check_size(v_request);
    v_request := v_request - array(
      -- The country is the Worker's to say.
      select k.name from jsonb_object_keys(v_request) as k (name)
      where k.name <> all(private.request_members()) or k.name = 'country'
    );
    v_request := v_request || jsonb_build_object('priority', case
      when p_priority > 0 then 'high' when p_priority < 0 then 'low' else 'normal' end);
    if p_scheduled_at > now() then
      v_request := v_request || jsonb_build_object('scheduled_at', p_scheduled_at);
    end if;
  end if;
  return private.start_generation(v_request, null, null, 0) ->> 'job_id';
end
$$;
