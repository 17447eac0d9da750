-- Into the queue. private.insert_jobs is the way in for any number of jobs, private.insert_job the same for
-- one, without the machinery; the others say who may use them for what.
--
-- Every function of this queue that looks rows up pins `enable_seqscan = off`: plpgsql keeps its
-- plans for the life of a connection, and one made while a table was empty would read it whole for
-- as long as statistics lag behind.

-- Null where it is none. Asking Postgres first needs version 16. Reading it in a subtransaction, which writes nothing
-- and so takes no transaction id, costs 1 us more than that; recognising the form by a regular expression, 20.
create function private.as_uuid(p_text text) returns uuid
language plpgsql immutable set search_path = '' as $$
begin
  if p_text is null then
    return null;
  end if;
  return p_text::uuid;
exception when invalid_text_representation then
  return null;
end
$$;

-- Any number of jobs in one statement: [{id?, job_type, payload?, priority?, scheduled_at?, expires_at?,
-- max_attempts?, retry_until?}]. The payload's user_id, where it is a uuid, is whose turn and slots the job uses;
-- neither that user nor its generation_id need exist. Returns the ids in order.
create function private.insert_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[];
  v_blocked jsonb;
  v_past jsonb;
  v_one record;
  v_step bigint := private.turn_step();
begin
  with given as materialized (
    select
      j.ord,
      coalesce((j.job ->> 'id')::uuid, gen_random_uuid()) as id,
      nextval('private.job_seq') as seq,
      coalesce((j.job ->> 'scheduled_at')::timestamptz, now()) as scheduled_at,
      (j.job ->> 'expires_at')::timestamptz as expires_at,
      (j.job ->> 'retry_until')::timestamptz as retry_until,
      private.as_uuid(j.job -> 'payload' ->> 'user_id') as fair_key,
      private.as_uuid(j.job -> 'payload' ->> 'generation_id') as generation_id,
      coalesce((j.job ->> 'priority')::int, 0) as priority,
      coalesce((j.job ->> 'max_attempts')::int, 3) as max_attempts,
      j.job ->> 'job_type' as job_type,
      coalesce(nullif(j.job -> 'payload', 'null'), '{}') as payload
    from jsonb_array_elements(p_jobs) with ordinality as j (job, ord)
  ), due as materialized (
    select
      id, fair_key, job_type, priority,
      -- Due for some time already: it has waited since then.
      case when scheduled_at < now() - interval '1 second' then private.time_at(scheduled_at) end as since,
      private.is_limited(fair_key, job_type) as limited,
      row_number() over (partition by fair_key, job_type order by priority desc, ord) as nth
    from given
    where scheduled_at <= now()
  ), wanted as materialized (
    select d.fair_key, d.job_type, d.jobs, coalesce(p.running_jobs, 1000000000) as most
    from (
      select fair_key, job_type, count(*)::int as jobs from due where limited group by fair_key, job_type
    ) as d
    left join private.user_plans as u on u.user_id = d.fair_key
    left join private.plans as p on p.name = coalesce(u.plan, 'default')
  ), slots as (
    -- A user without a free slot: the row is locked all the same, and not written.
    insert into private.user_slots as s (fair_key, job_type, taken, granted)
    select fair_key, job_type, least(jobs, most), least(jobs, most)
    from wanted order by fair_key, job_type
    on conflict (fair_key, job_type) do update set (taken, granted) = (
      select s.taken + least(w.jobs, w.most - s.taken), least(w.jobs, w.most - s.taken)
      from wanted as w where w.fair_key = s.fair_key and w.job_type = s.job_type
    )
    where s.taken < (select w.most from wanted as w where w.fair_key = s.fair_key and w.job_type = s.job_type)
    returning s.fair_key, s.job_type, s.taken - s.granted as first, s.granted
  ), queues as materialized (
    select job_type, priority, private.next_time(job_type, priority) as head
    from (select distinct job_type, priority from due order by job_type, priority) as used
  ), placed as materialized (
    select
      d.id,
      d.limited and d.nth > coalesce(s.granted, 0) as blocked,
      d.limited as slot,
      coalesce(d.since, q.head) + case when d.limited then (s.first + d.nth - 1) * v_step else 0 end as virtual_time
    from due as d
    join queues as q on q.job_type = d.job_type and q.priority = d.priority
    left join slots as s on s.fair_key = d.fair_key and s.job_type = d.job_type
  ), ready as (
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, virtual_time, slot
    )
    select g.id, g.seq, now(), g.scheduled_at, 0, g.expires_at, g.retry_until, g.fair_key, g.generation_id, g.priority,
      0, g.max_attempts, g.job_type, g.payload, p.virtual_time, p.slot
    from given as g join placed as p on p.id = g.id
    where p.blocked is not true
  ), blocked as (
    insert into private.blocked_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    select g.id, g.seq, now(), g.scheduled_at, 0, g.expires_at, g.retry_until, g.fair_key, g.generation_id, g.priority,
      0, g.max_attempts, g.job_type, g.payload
    from given as g join placed as p on p.id = g.id
    where p.blocked
    returning fair_key, job_type
  ), scheduled as (
    insert into private.scheduled_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    select id, seq, now(), scheduled_at, 0, expires_at, retry_until, fair_key, generation_id, priority,
      0, max_attempts, job_type, payload
    from given
    -- What is no time at all is refused there.
    where (scheduled_at <= now()) is not true
  ), counted as (
    insert into private.job_deltas (job_type, status, jobs, oldest, newest)
    select job_type, 'pending', count(*), now(), now() from given group by job_type
  )
  select
    (select array_agg(id order by ord) from given),
    (select jsonb_agg(distinct jsonb_build_array(fair_key, job_type)) from blocked),
    (
      select jsonb_agg(distinct jsonb_build_array(job_type, priority)) from given
      where least(scheduled_at, expires_at) < now() - interval '1 second'
    )
  into v_ids, v_blocked, v_past;

  if v_blocked is not null then
    for v_one in
      select (pair ->> 0)::uuid as fair_key, pair ->> 1 as job_type
      from jsonb_array_elements(v_blocked) as b (pair) order by 1, 2
    loop
      perform private.reorder_user(v_one.fair_key, v_one.job_type);
    end loop;
  end if;
  if v_past is not null then
    for v_one in
      select pair ->> 0 as job_type, (pair ->> 1)::int as priority from jsonb_array_elements(v_past) as b (pair)
    loop
      perform private.lower_marks(v_one.job_type, v_one.priority);
    end loop;
  end if;
  return v_ids;
end
$$;

create function private.insert_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_key uuid;
  v_generation_id uuid;
  v_id uuid := gen_random_uuid();
  v record;
  v_taken int;
  v_time bigint;
  v_limited boolean;
  v_blocked boolean := false;
begin
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
      (extract(epoch from s.turn_step) * 1000000)::bigint as step,
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
      ), 1000000000) end as most
    into v
    from private.settings as s
    left join private.ready_queues as q on q.job_type = p_job_type and q.priority = p_priority;
    if p_scheduled_at < now() - interval '1 second' then
      v_time := private.time_at(p_scheduled_at);
    elsif v.is_open then
      v_time := greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, v.head, v.head_time);
    else
      v_time := private.next_time(p_job_type, p_priority);
    end if;
    if v_limited then
      insert into private.user_slots as s (fair_key, job_type, taken, granted)
      values (v_fair_key, p_job_type, 1, 1)
      -- Where none is free the row is locked all the same, and not written.
      on conflict (fair_key, job_type) do update set taken = s.taken + 1, granted = 1 where s.taken < v.most
      returning s.taken - 1 into v_taken;
      v_blocked := v_taken is null;
      v_time := v_time + v_taken * v.step;
    end if;
  end if;
  if v_blocked then
    insert into private.blocked_jobs (
      id, seq, created_at, scheduled_at, lease, fair_key, generation_id, priority, attempts, max_attempts, job_type,
      payload
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, v_fair_key, v_generation_id, p_priority, 0,
      p_max_attempts, p_job_type, p_payload
    );
    perform private.reorder_user(v_fair_key, p_job_type);
  elsif v_time is not null then
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, fair_key, generation_id, priority, attempts, max_attempts, job_type,
      payload, virtual_time, slot
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, v_fair_key, v_generation_id, p_priority, 0,
      p_max_attempts, p_job_type, p_payload, v_time, v_limited
    );
    if p_scheduled_at < now() - interval '1 second' then
      perform private.open_queue(p_job_type, p_priority);
      perform private.lower_marks(p_job_type, p_priority);
    end if;
  else
    insert into private.scheduled_jobs (
      id, seq, created_at, scheduled_at, lease, fair_key, generation_id, priority, attempts, max_attempts, job_type,
      payload
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, v_fair_key, v_generation_id, p_priority, 0,
      p_max_attempts, p_job_type, p_payload
    );
  end if;
  insert into private.job_deltas (job_type, status, jobs, oldest, newest)
  values (p_job_type, 'pending', 1, now(), now());
  return v_id;
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
    p_job_type, coalesce(p_payload, '{}'), coalesce(p_priority, 0),
    coalesce(p_scheduled_at, now()), coalesce(p_max_attempts, 3)
  );
end
$$;

-- For users: the original's way to start an image, judged like any other start.
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
    v_request := v_request || jsonb_build_object('priority', case
      when p_priority > 0 then 'high' when p_priority < 0 then 'low' else 'normal' end);
    if p_scheduled_at > now() then
      v_request := v_request || jsonb_build_object('scheduled_at', p_scheduled_at);
    end if;
  end if;
  return private.start_generation(v_request, null, null, 0) ->> 'job_id';
end
$$;
