-- Into the queue. private.insert_jobs is the way in for any number of jobs; the others say who may use it for what.
--
-- Every function of this queue that looks rows up pins `enable_seqscan = off`: plpgsql keeps its
-- plans for the life of a connection, and one made while a table was empty would read it whole for
-- as long as statistics lag behind.

-- Null where it is none. Asking Postgres first needs version 16; reading it takes a subtransaction.
create function private.read_uuid(p_text text) returns uuid
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

-- The same. What is written as Postgres writes it is recognised without a call: this is inlined.
create function private.as_uuid(p_text text) returns uuid
language sql stable
return case
  when p_text like '________-____-____-____-____________'
    and translate(p_text, '0123456789abcdefABCDEF', '') = '----' then p_text::uuid
  else private.read_uuid(p_text)
end;

-- What the tables rely on.
create function private.check_job(p_job_type text, p_max_attempts int) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if p_job_type is null or length(p_job_type) not between 1 and 100 then
    raise exception using errcode = '23514', message = 'The type of a job has 1 to 100 characters.';
  elsif p_max_attempts < 1 then
    raise exception using errcode = '23514', message = 'A job has at least one attempt: max_attempts is 1 or more.';
  end if;
end
$$;

-- One job: what private.insert_jobs does for many, without the machinery.
create function private.insert_job(
  p_id uuid, p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int,
  p_expires_at timestamptz, p_retry_until timestamptz
) returns uuid
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_key uuid;
  v_generation_id uuid;
  v_id uuid := coalesce(p_id, gen_random_uuid());
  v record;
  v_taken int;
  v_time bigint;
  v_limited boolean;
  v_blocked boolean := false;
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
      insert into private.user_slots as s (fair_key, job_type, taken, granted, most)
      values (v_fair_key, p_job_type, 1, 1, v.most)
      -- Where none is free the row is locked all the same, and not written.
      on conflict (fair_key, job_type) do update set
        taken = s.taken + (s.taken < excluded.most)::int, granted = (s.taken < excluded.most)::int,
        most = excluded.most
      where s.taken < excluded.most or s.most <> excluded.most
      returning case when s.granted = 1 then s.taken - 1 end into v_taken;
      v_blocked := v_taken is null;
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
    );
    perform private.reorder_user(v_fair_key, p_job_type);
  elsif v_time is not null then
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, virtual_time, slot
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload, v_time, v_limited
    );
    if p_scheduled_at < now() - interval '1 second' then
      perform private.open_queue(p_job_type, p_priority);
    end if;
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
  insert into private.job_deltas (job_type, status, jobs, oldest, newest)
  values (p_job_type, 'pending', 1, now(), now());
  if least(p_scheduled_at, p_expires_at) < now() - interval '1 second' then
    perform private.lower_marks(p_job_type, p_priority);
  end if;
  return v_id;
end
$$;

-- Any number of jobs in one statement: [{id?, job_type, payload?, priority?, scheduled_at?, expires_at?,
-- max_attempts?, retry_until?}]. The payload's user_id, where it is a uuid, is whose turn and slots the job uses;
-- neither that user nor its generation_id need exist. Returns the ids in order.
create function private.insert_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_job record;
  v_ids uuid[];
  v_blocked jsonb;
  v_past jsonb;
  v_refused boolean;
  v_one record;
  v_step bigint;
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
  v_step := private.turn_step();
  with given as materialized (
    select
      ord,
      coalesce(id, gen_random_uuid()) as id,
      nextval('private.job_seq') as seq,
      coalesce(scheduled_at, now()) as scheduled_at,
      expires_at,
      retry_until,
      private.as_uuid(payload ->> 'user_id') as fair_key,
      private.as_uuid(payload ->> 'generation_id') as generation_id,
      coalesce(priority, 0) as priority,
      coalesce(max_attempts, 3) as max_attempts,
      job_type,
      coalesce(payload, '{}') as payload
    from rows from (
      jsonb_to_recordset(p_jobs) as (
        id uuid, job_type text, payload jsonb, priority int, scheduled_at timestamptz, expires_at timestamptz,
        max_attempts int, retry_until timestamptz
      )
    ) with ordinality as j (
      id, job_type, payload, priority, scheduled_at, expires_at, max_attempts, retry_until, ord
    )
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
    -- A user without a free slot: the row is locked all the same, and not written. A new row's granted is what was
    -- asked for: excluded is all that the other branch sees.
    insert into private.user_slots as s (fair_key, job_type, taken, granted, most)
    select fair_key, job_type, least(jobs, most), jobs, most
    from wanted order by fair_key, job_type
    on conflict (fair_key, job_type) do update set
      taken = s.taken + least(excluded.granted, greatest(excluded.most - s.taken, 0)),
      granted = least(excluded.granted, greatest(excluded.most - s.taken, 0)),
      most = excluded.most
    where s.taken < excluded.most or s.most <> excluded.most
    returning s.fair_key, s.job_type, s.taken - least(s.granted, s.taken) as first, least(s.granted, s.taken) as granted
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
    ),
    exists (select from given where length(job_type) not between 1 and 100 or max_attempts < 1)
  into v_ids, v_blocked, v_past, v_refused;

  if v_refused then
    perform private.check_job(job ->> 'job_type', (job ->> 'max_attempts')::int)
    from jsonb_array_elements(p_jobs) as j (job);
  end if;

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
