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
  return p_text::uuid;
exception when invalid_text_representation then
  return null;
end
$$;

-- Any number of jobs in one statement: [{id?, job_type, payload?, priority?, scheduled_at?, expires_at?,
-- max_attempts?, retry_until?}]. The payload's user_id, where it is a uuid, is whose turn and places the job uses, and
-- its owner if there is such a user; its generation_id need not exist either. Returns the ids in order.
create function private.insert_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[];
  v_held jsonb;
  v_lane record;
begin
  with given as materialized (
    select
      j.place,
      coalesce((j.job ->> 'id')::uuid, gen_random_uuid()) as id,
      j.job ->> 'job_type' as job_type,
      coalesce(nullif(j.job -> 'payload', 'null'), '{}') as payload,
      coalesce((j.job ->> 'priority')::int, 0) as priority,
      coalesce((j.job ->> 'scheduled_at')::timestamptz, now()) as scheduled_at,
      (j.job ->> 'expires_at')::timestamptz as expires_at,
      coalesce((j.job ->> 'max_attempts')::int, 3) as max_attempts,
      (j.job ->> 'retry_until')::timestamptz as retry_until,
      private.as_uuid(j.job -> 'payload' ->> 'user_id') as fair_key,
      private.as_uuid(j.job -> 'payload' ->> 'generation_id') as generation_id
    from jsonb_array_elements(p_jobs) with ordinality as j (job, place)
  ), due as (
    select
      id, fair_key, job_type, priority,
      -- Due for some time already: it has waited since then.
      case when scheduled_at < now() - interval '1 second' then private.turn_at(scheduled_at) end as since,
      private.is_limited(fair_key, job_type) as limited,
      row_number() over (partition by fair_key, job_type order by priority desc, place) as nth
    from given
    where scheduled_at <= now()
  ), wanted as (
    select fair_key, job_type, count(*)::int as jobs, private.running_limit(fair_key) as most
    from due
    where limited
    group by fair_key, job_type
  ), lanes as (
    insert into private.lanes as l (fair_key, job_type, active, granted)
    select fair_key, job_type, least(jobs, most), least(jobs, most)
    from wanted order by fair_key, job_type
    on conflict (fair_key, job_type) do update set
      active = l.active + least(
        excluded.granted, greatest(private.running_limit(l.fair_key) - l.active, 0)
      ),
      granted = least(excluded.granted, greatest(private.running_limit(l.fair_key) - l.active, 0))
    returning l.fair_key, l.job_type, l.active - l.granted as first, l.granted
  ), lines as materialized (
    select job_type, priority, private.next_turn(job_type, priority) as turn
    from (select distinct job_type, priority from due order by job_type, priority) as used
  ), turns as (
    select
      d.id,
      d.limited and d.nth > l.granted as held,
      d.limited and d.nth <= l.granted as slot,
      case
        when not d.limited then coalesce(d.since, n.turn)
        when d.nth <= l.granted then coalesce(d.since, n.turn) + (l.first + d.nth - 1) * private.turn_step()
      end as turn
    from due as d
    join lines as n on n.job_type = d.job_type and n.priority = d.priority
    left join lanes as l on l.fair_key = d.fair_key and l.job_type = d.job_type
  ), inserted as (
    insert into public.job_queue (
      id, job_type, payload, priority, scheduled_at, expires_at, max_attempts, retry_until, created_by, generation_id,
      fair_key, ready_at, turn, held, slot
    )
    select
      g.id, g.job_type, g.payload, g.priority, g.scheduled_at, g.expires_at, g.max_attempts, g.retry_until,
      (select u.id from auth.users as u where u.id = g.fair_key),
      (select i.id from public.image_generations as i where i.id = g.generation_id),
      g.fair_key, case when t.turn is not null then clock_timestamp() end, t.turn,
      coalesce(t.held, false), coalesce(t.slot, false)
    from given as g left join turns as t on t.id = g.id
    order by g.place
    returning id, fair_key, job_type, held
  )
  select
    array_agg(g.id order by g.place),
    jsonb_agg(jsonb_build_array(i.fair_key, i.job_type)) filter (where i.held)
  into v_ids, v_held
  from given as g join inserted as i on i.id = g.id;

  for v_lane in
    select distinct (lane ->> 0)::uuid as fair_key, lane ->> 1 as job_type
    from jsonb_array_elements(v_held) as h (lane) order by 1, 2
  loop
    perform private.reorder_lane(v_lane.fair_key, v_lane.job_type);
  end loop;
  return v_ids;
end
$$;

create function private.insert_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_key uuid := private.as_uuid(p_payload ->> 'user_id');
  v_limited boolean;
  v_slots record;
  v_turn bigint;
  v_held boolean := false;
  v_id uuid;
begin
  if p_scheduled_at < now() - interval '1 second' then
    v_turn := private.turn_at(p_scheduled_at);
  elsif p_scheduled_at <= now() then
    v_turn := private.next_turn(p_job_type, p_priority);
  end if;
  v_limited := v_turn is not null and private.is_limited(v_fair_key, p_job_type);
  if v_limited then
    v_slots := private.take_slots(v_fair_key, p_job_type, 1);
    v_held := v_slots.granted = 0;
    v_turn := case when not v_held then v_turn + v_slots.first * private.turn_step() end;
  end if;
  insert into public.job_queue (
    job_type, payload, priority, scheduled_at, max_attempts, created_by, generation_id,
    fair_key, ready_at, turn, held, slot
  )
  values (
    p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts,
    (select u.id from auth.users as u where u.id = v_fair_key),
    (select i.id from public.image_generations as i where i.id = private.as_uuid(p_payload ->> 'generation_id')),
    v_fair_key, case when v_turn is not null then clock_timestamp() end, v_turn, v_held, v_limited and not v_held
  )
  returning id into v_id;
  if v_held then
    perform private.reorder_lane(v_fair_key, p_job_type);
  end if;
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
  -- Before the lanes, as in every step.
  if jsonb_path_exists(p_jobs, '$[*].payload.generation_id') then
    perform 1 from public.image_generations
    where id in (select private.as_uuid(j -> 'payload' ->> 'generation_id') from jsonb_array_elements(p_jobs) as j)
    order by id for key share;
  end if;
  return coalesce(private.insert_jobs(p_jobs), '{}');
end
$$;

create function private.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql security definer set search_path = '' as $$
begin
  if p_payload ? 'generation_id' then
    perform 1 from public.image_generations where id = private.as_uuid(p_payload ->> 'generation_id') for key share;
  end if;
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
  return private.start_generation(v_request, null, null) ->> 'job_id';
end
$$;
