-- Into the queue: fair turns and the two ways to enqueue.
--
-- Every function of this queue that looks rows up pins `enable_seqscan = off`: plpgsql keeps its
-- plans for the life of a connection, and one made while a table was empty would read it whole for
-- as long as statistics lag behind.

create function private.as_uuid(p_text text) returns uuid
language sql immutable set search_path = '' as $$
  select case when pg_input_is_valid(p_text, 'uuid') then p_text::uuid end
$$;

-- Start-time fair queueing: the first of p_count consecutive turns for a user.
--
-- The virtual time of a priority is the turn now at the head of its ready jobs. A user with nothing
-- waiting starts there, next to everybody else's next job; a user with a backlog continues behind it.
-- While nothing waits the wall clock in microseconds stands in: it is past every turn given before,
-- because turns grow by one per job, so service received in quiet times is not held against anybody.
--
-- Nothing is locked or counted: both turns are read from an index. Parallel calls for one user may be
-- given the same turn, which brings those few jobs ahead and nothing more.
--
-- Jobs without a user take the head's turn and are ordered by arrival.
-- Sorting is off, so that a plan made on an empty queue takes the index that has the order already.
create function private.next_turn(p_fair_key uuid, p_priority int) returns bigint
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_head bigint;
  v_last bigint;
begin
  select turn into v_head from public.job_queue
  where status = 'pending' and turn is not null and seq > 0 and priority = p_priority
  order by turn, seq limit 1;
  if not found then
    return extract(epoch from clock_timestamp()) * 1000000;
  end if;
  if p_fair_key is null then
    return v_head;
  end if;
  select turn into v_last from public.job_queue
  where status = 'pending' and turn is not null and fair_key is not null
    and fair_key = p_fair_key and priority = p_priority
  order by turn desc limit 1;
  return greatest(v_last + 1, v_head);
end
$$;

-- For the service: any job, for the user that the payload names.
create function private.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_payload jsonb := coalesce(p_payload, '{}');
  v_owner uuid;
  v_generation uuid;
  v_priority int := coalesce(p_priority, 0);
  v_scheduled timestamptz := coalesce(p_scheduled_at, now());
  v_created_by uuid;
  v_turn bigint;
  v_id uuid;
begin
  -- What the payload names need not exist.
  if v_payload ? 'user_id' then
    v_owner := private.as_uuid(v_payload ->> 'user_id');
    select id into v_created_by from auth.users where id = v_owner;
  end if;
  if v_payload ? 'generation_id' then
    select id into v_generation from public.image_generations
    where id = private.as_uuid(v_payload ->> 'generation_id');
  end if;
  if v_scheduled <= now() then
    v_turn := private.next_turn(v_owner, v_priority);
  end if;
  insert into public.job_queue (
    job_type, payload, priority, scheduled_at, max_attempts, created_by, generation_id, fair_key, turn
  )
  values (
    p_job_type, v_payload, v_priority, v_scheduled, coalesce(p_max_attempts, 3),
    v_created_by, v_generation, v_owner, v_turn
  )
  returning id into v_id;
  return v_id;
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
