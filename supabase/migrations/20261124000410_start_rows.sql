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
    insert into public.profiles (id, email)
    select id, email from auth.users where id = p_user_id
    on conflict (id) do nothing;
    if not exists (select from public.profiles where id = p_user_id) then
      perform private.refuse(403, 'forbidden', 'This account no longer exists.');
    end if;
  end if;
  return v_plan;
end
$$;

create function private.read_adjustments(p_request jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_adjustments jsonb := coalesce(nullif(p_request -> 'adjustments', 'null'), '[]');
begin
  if jsonb_typeof(v_adjustments) <> 'array' or length(v_adjustments::text) > 8000 then
    perform private.refuse(422, 'invalid_request', 'adjustments must be a short list.');
  end if;
  return v_adjustments;
end
$$;

-- Place in the queue, 1 being next: the ready images that go first, counted up to 1,000.
create function private.queue_position(p_priority int, p_turn bigint, p_seq bigint) returns int
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_ahead int;
  v_same int := 0;
begin
  select count(*) into v_ahead from (
    select from public.job_queue
    where status = 'pending' and turn is not null and job_type = 'generate-image' and priority > p_priority
    limit 999
  ) as higher;
  if v_ahead < 999 then
    select count(*) into v_same from (
      select from public.job_queue
      where status = 'pending' and turn is not null and job_type = 'generate-image' and priority = p_priority
        and (turn, seq) < (p_turn, p_seq)
      limit 999 - v_ahead
    ) as earlier;
  end if;
  return v_ahead + v_same + 1;
end
$$;

-- Seconds until an image at that place should be there.
create function private.estimate_seconds(p_model_seconds numeric, p_position int) returns int
language sql stable set search_path = '' as $$
  select ceil(coalesce(p_model_seconds, 20) * ceil(p_position::numeric / s.parallel_images))::int
  from private.settings as s
$$;

-- One generation and its job for each item; answers with the list that the user gets.
create function private.insert_generations(
  p_user_id uuid, p_items jsonb, p_payload jsonb, p_model public.models, p_width int, p_height int,
  p_adjustments jsonb, p_priority int, p_batch_id uuid,
  p_scheduled_at timestamptz, p_expires_at timestamptz, p_turn bigint, p_position int
) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_wait int := case when p_scheduled_at is null then 0 else ceil(extract(epoch from p_scheduled_at - now())) end;
  v_answer jsonb;
begin
  with items as materialized (
    select gen_random_uuid() as generation_id, gen_random_uuid() as job_id, place - 1 as place, item
    from jsonb_array_elements(p_items) with ordinality as listed (item, place)
  ), generations as (
    insert into public.image_generations (
      id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale,
      seed, source_image_url, generation_strength, status, priority, batch_id, batch_index, job_id,
      adjustments, operation, source_generation_id
    )
    select generation_id, p_user_id, item ->> 'prompt', p_payload ->> 'negative_prompt',
      p_model.replicate_id, p_model.id, p_payload ->> 'style', p_width, p_height,
      (p_payload ->> 'num_inference_steps')::int, (p_payload ->> 'guidance_scale')::numeric,
      (item ->> 'seed')::numeric::bigint, p_payload ->> 'source_image_url', (p_payload ->> 'strength')::numeric,
      'queued', p_priority, p_batch_id, case when p_batch_id is not null then place end, job_id,
      p_adjustments, coalesce(p_payload ->> 'operation', 'generate'), (p_payload ->> 'source_generation_id')::uuid
    from items
  ), jobs as (
    insert into public.job_queue (
      id, job_type, payload, priority, scheduled_at, expires_at, created_by, fair_key, generation_id, turn
    )
    select job_id, 'generate-image',
      p_payload || jsonb_strip_nulls(jsonb_build_object(
        'prompt', item -> 'prompt', 'seed', item -> 'seed', 'generation_id', generation_id
      )),
      p_priority, coalesce(p_scheduled_at, now()), p_expires_at, p_user_id, p_user_id, generation_id, p_turn + place
    from items order by place
  )
  select jsonb_agg(
    jsonb_build_object(
      'generation_id', generation_id,
      'job_id', job_id,
      'queue_position', case when p_position is not null then least(p_position + place, 1000) end,
      'estimated_seconds',
      v_wait + private.estimate_seconds(
        p_model.estimated_time_seconds, least(coalesce(p_position, 1) + place, 1000)::int
      )
    ) order by place
  ) into v_answer
  from items;
  return v_answer;
end
$$;
