-- The parts of start_generation that write and estimate.

-- The user's plan. Also makes up for a missing profile: a start never fails for want of one.
create function private.plan_of(p_user_id uuid) returns private.plans
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_plan private.plans;
  v_has_profile boolean;
begin
  select p.* into v_plan from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_user_id), 'default');
  select exists (select from public.profiles where id = p_user_id) into v_has_profile;
  if not v_has_profile then
    insert into public.profiles (id)
    select id from auth.users where id = p_user_id
    on conflict (id) do nothing;
    if not exists (select from public.profiles where id = p_user_id) then
      perform private.refuse(403, 'forbidden', 'This account no longer exists.');
    end if;
  end if;
  return v_plan;
end
$$;

-- What the Worker has changed to fit the model, at most 20 of {field, requested, used, reason}. Each value may
-- be as long as what a request may hold, in the same unit: characters.
create function private.read_adjustments(p_request jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_adjustments jsonb := coalesce(nullif(p_request -> 'adjustments', 'null'), '[]');
begin
  if jsonb_typeof(v_adjustments) <> 'array' or v_adjustments -> 20 is not null
    or pg_column_size(v_adjustments) > 66560
    or exists (
      select from jsonb_array_elements(v_adjustments) as a (one)
      where jsonb_typeof(a.one) <> 'object'
        or (a.one - '{field,requested,used,reason}'::text[]) <> '{}'
        or exists (
          select from jsonb_each(case jsonb_typeof(a.one) when 'object' then a.one else '{}' end) as m (key, value)
          where case jsonb_typeof(m.value)
            when 'string' then char_length(m.value #>> '{}') > 4000
            when 'number' then length(m.value::text) > 400
            else jsonb_typeof(m.value) in ('object', 'array')
          end
        )
    )
  then
    perform private.refuse_field('adjustments', 'adjustments must be a list of at most 20 changes.');
  end if;
  return v_adjustments;
end
$$;

-- Place of a pending job in its queue, 1 being next: the ready jobs that go first and, while it is blocked,
-- its user's blocked jobs before it; counted up to 1,000. Null for a scheduled one.
create function private.queue_position(p_job_id uuid) returns int
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_job record;
  v_is_blocked boolean := false;
  v_ahead int := 0;
  v_more int;
begin
  select job_type, priority, seq, fair_key, virtual_time into v_job from private.ready_jobs where id = p_job_id;
  if not found then
    select job_type, priority, seq, fair_key, null::bigint as virtual_time into v_job
    from private.blocked_jobs where id = p_job_id;
    if not found then
      return null;
    end if;
    v_is_blocked := true;
  end if;
  select count(*) into v_ahead from (
    select from private.ready_jobs
    where job_type = v_job.job_type and priority > v_job.priority
    limit 999
  ) as higher;
  select count(*) into v_more from (
    select from private.ready_jobs
    where job_type = v_job.job_type and priority = v_job.priority
      and (v_is_blocked or (virtual_time, seq) < (v_job.virtual_time, v_job.seq))
    limit 999 - v_ahead
  ) as earlier;
  v_ahead := v_ahead + v_more;
  if v_is_blocked then
    select count(*) into v_more from (
      select from private.blocked_jobs
      where fair_key = v_job.fair_key and job_type = v_job.job_type
        and (priority > v_job.priority or (priority = v_job.priority and seq < v_job.seq))
      limit 999 - v_ahead
    ) as own;
    v_ahead := v_ahead + v_more;
  end if;
  return v_ahead + 1;
end
$$;

-- Seconds until an image at that place should be there.
create function private.estimate_seconds(p_model_seconds numeric, p_position int) returns int
language plpgsql stable set search_path = '' as $$
begin
  return (
    select ceil(coalesce(p_model_seconds, 20) * ceil(p_position::numeric / s.parallel_images))
    from private.settings as s
  );
end
$$;

-- One generation and its job for each item; answers with the list that the user gets.
create function private.insert_generations(
  p_user_id uuid, p_items jsonb, p_payload jsonb, p_model public.models, p_price numeric, p_width int, p_height int,
  p_adjustments jsonb, p_priority int, p_batch_id uuid, p_scheduled_at timestamptz, p_expires_at timestamptz
) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_wait int := case when p_scheduled_at is null then 0 else ceil(extract(epoch from p_scheduled_at - now())) end;
  v_seconds numeric := private.model_seconds(p_model.id, p_model.estimated_time_seconds);
  v_jobs jsonb;
  v_ids uuid[];
  v_first int;
begin
  with items as materialized (
    select gen_random_uuid() as generation_id, gen_random_uuid() as job_id, place - 1 as place, item
    from jsonb_array_elements(p_items) with ordinality as listed (item, place)
  ), generations as (
    insert into public.image_generations (
      id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale,
      seed, source_image_url, generation_strength, status, priority, batch_id, batch_index, job_id,
      adjustments, operation, source_generation_id, source_id, reserved_usd, reserved_on, webhook_url
    )
    select generation_id, p_user_id, item ->> 'prompt', p_payload ->> 'negative_prompt',
      p_model.replicate_id, p_model.id, p_payload ->> 'style', p_width, p_height,
      (p_payload ->> 'num_inference_steps')::int, (p_payload ->> 'guidance_scale')::numeric,
      (item ->> 'seed')::numeric::bigint, p_payload ->> 'source_image_url', (p_payload ->> 'strength')::numeric,
      'queued', p_priority, p_batch_id, case when p_batch_id is not null then place end, job_id,
      p_adjustments, coalesce(p_payload ->> 'operation', 'generate'), (p_payload ->> 'source_generation_id')::uuid,
      (p_payload ->> 'source_id')::uuid,
      coalesce(p_price, 0), case when p_scheduled_at is null then (clock_timestamp() at time zone 'UTC')::date end,
      p_payload ->> 'webhook_url'
    from items
  )
  select jsonb_agg(jsonb_build_object(
    'id', job_id,
    'job_type', 'generate-image',
    'priority', p_priority,
    'scheduled_at', p_scheduled_at,
    'expires_at', p_expires_at,
    'payload', p_payload || jsonb_strip_nulls(jsonb_build_object(
      'prompt', item -> 'prompt', 'seed', item -> 'seed', 'generation_id', generation_id
    ))
  ) order by place) into v_jobs
  from items;

  v_ids := private.insert_jobs(v_jobs);
  -- The others follow the first: counting the queue once is enough.
  v_first := private.queue_position(v_ids[1]);
  return (
    select jsonb_agg(
      jsonb_build_object(
        'generation_id', job -> 'payload' -> 'generation_id',
        'job_id', job -> 'id',
        'queue_position', case when v_first is not null then least(v_first + place - 1, 1000) end,
        'estimated_seconds', v_wait + private.estimate_seconds(
          v_seconds, least(coalesce(v_first, 1) + place - 1, 1000)::int
        )
      ) order by place
    )
    from jsonb_array_elements(v_jobs) with ordinality as listed (job, place)
  );
end
$$;
