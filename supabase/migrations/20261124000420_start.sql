-- start_generation: everything that an accepted request needs, in one transaction; a refused one
-- leaves nothing behind.

-- Counts against the user's plan: requests, images, and what these are expected to cost (US dollars). The row's
-- lock makes parallel calls take their turn; what is refused counts for nothing.
create function private.use_quota(
  p_user_id uuid, p_plan private.plans, p_requests int, p_images int, p_cost numeric
) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_usage private.usage;
  v_now timestamptz;
  v_tomorrow int;
begin
  -- The slots before the usage, as in every step that frees a slot and then settles its cost.
  insert into private.user_slots as s (fair_key, job_type, taken, granted) values (p_user_id, 'generate-image', 0, 0)
  on conflict (fair_key, job_type) do update set granted = s.granted;

  -- clock_timestamp(): a request may have waited for the row since its transaction began.
  insert into private.usage as u (user_id, minute_started_at, minute_requests, day, day_images, day_cost)
  values (p_user_id, clock_timestamp(), p_requests, (clock_timestamp() at time zone 'UTC')::date, p_images, p_cost)
  on conflict (user_id) do update set
    minute_started_at = case
      when u.minute_started_at <= clock_timestamp() - interval '1 minute' then clock_timestamp()
      else u.minute_started_at
    end,
    minute_requests = case
      when u.minute_started_at <= clock_timestamp() - interval '1 minute' then p_requests
      else u.minute_requests + p_requests
    end,
    day = excluded.day,
    day_images = case when u.day = excluded.day then u.day_images + p_images else p_images end,
    day_cost = case when u.day = excluded.day then u.day_cost + p_cost else p_cost end
  returning * into v_usage;

  v_now := clock_timestamp();
  v_tomorrow := greatest(1, ceil(extract(epoch from (v_usage.day + 1)::timestamp at time zone 'UTC' - v_now))::int);
  if p_requests > 0 and v_usage.minute_requests > p_plan.requests_per_minute then
    perform private.refuse(
      429, 'quota_exceeded', format('You can send %s requests a minute.', p_plan.requests_per_minute),
      greatest(1, ceil(extract(epoch from v_usage.minute_started_at + interval '1 minute' - v_now))::int),
      'requests_per_minute'
    );
  end if;
  if v_usage.day_images > p_plan.images_per_day then
    perform private.refuse(
      429, 'quota_exceeded', format('You can make %s images a day.', p_plan.images_per_day),
      v_tomorrow, 'images_per_day'
    );
  end if;
  if v_usage.day_cost > p_plan.money_per_day then
    perform private.refuse(
      429, 'quota_exceeded', format('You can spend %s US dollars a day.', trim_scale(p_plan.money_per_day)),
      v_tomorrow, 'money_per_day'
    );
  end if;
end
$$;

-- Refuses a model without a price where money is limited: it would be free.
create function private.refuse_unpriced(p_model text, p_plan private.plans) returns void
language plpgsql set search_path = '' as $$
begin
  if p_plan.money_per_day is not null or private.has_budget() then
    perform private.refuse(422, 'unsupported', format(
      'The model %s has no price here, so it cannot be used where money is limited.', p_model));
  end if;
end
$$;

-- Reserves an idempotency key; returns the answer already given under it, or null for a new one.
-- A second call with the same key waits here until the first has committed or been refused.
create function private.reserve_key(p_user_id uuid, p_key text, p_hash text) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_known private.idempotency_keys;
begin
  if p_key !~ '^[\x21-\x7e]{1,255}$' then
    perform private.refuse_field('Idempotency-Key', 'Idempotency-Key must be 1 to 255 visible ASCII characters.');
  end if;
  if p_hash !~ '^[\x21-\x7e]{1,128}$' then
    perform private.refuse_field('p_request_hash', 'p_request_hash must be 1 to 128 visible ASCII characters.');
  end if;
  insert into private.idempotency_keys as k (user_id, key, request_hash)
  values (p_user_id, p_key, p_hash)
  on conflict (user_id, key) do update set request_hash = excluded.request_hash, created_at = now(), response = null
    where k.created_at < now() - interval '24 hours';
  if found then
    return null;
  end if;
  select * into v_known from private.idempotency_keys where user_id = p_user_id and key = p_key;
  if v_known.request_hash <> p_hash then
    perform private.refuse(422, 'idempotency_mismatch', 'This idempotency key was used for another request.');
  end if;
  return v_known.response || '{"replayed": true}';
end
$$;

-- The model that a request names: by its name at the provider, or by its row's id.
create function private.read_model(p_request jsonb) returns public.models
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_name text := private.read_text(p_request, 'model_id', 200);
  v_model public.models;
begin
  if coalesce(v_name, '') = '' then
    perform private.refuse_field('model_id', 'model_id is missing.');
  end if;
  select * into v_model from public.models where replicate_id = v_name and is_active;
  if not found then
    select * into v_model from public.models where id = private.as_uuid(v_name) and is_active;
  end if;
  if not found then
    perform private.refuse(404, 'unknown_model', format('There is no model %s.', left(v_name, 100)));
  end if;
  return v_model;
end
$$;

-- With p_next, up to so many of the jobs come back under a lease where they are next (private.hand_over): who has
-- started them can go on at once. A repetition under the same key gets none.
create function private.start_generation(
  p_request jsonb, p_idempotency_key text, p_request_hash text, p_next int
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_user uuid := auth.uid();
  v_plan private.plans;
  v_model public.models;
  v_items jsonb;
  v_count int;
  v_price numeric;
  v_answer jsonb;
  v_payload jsonb;
  v_width int;
  v_height int;
  v_strength numeric;
  v_source jsonb;
  v_operation text;
  v_priority_name text;
  v_priority int;
  v_scheduled timestamptz;
  v_expires timestamptz;
  v_batch uuid;
  v_next jsonb := '[]';
begin
  if v_user is null then
    perform private.refuse(403, 'forbidden', 'Sign in to make images.');
  end if;
  -- A token outlives a ban or a deletion by up to its hour. Locked before all else, as a deletion of the account
  -- does, and as the foreign keys of what follows would.
  perform 1 from auth.users as u
  where u.id = v_user and (u.banned_until is null or u.banned_until <= now()) for key share;
  if not found then
    perform private.refuse(403, 'forbidden', 'This account is suspended or no longer exists.');
  end if;
  perform 1 from public.profiles where id = v_user for key share;
  if p_request is null or jsonb_typeof(p_request) <> 'object' then
    perform private.refuse_field('body', 'The request must be an object.');
  end if;
  perform private.check_size(p_request);
  v_plan := private.plan_of(v_user);
  if p_idempotency_key is not null then
    v_answer := private.reserve_key(v_user, p_idempotency_key, coalesce(p_request_hash, md5(p_request::text)));
    if v_answer is not null then
      return v_answer;
    end if;
  end if;

  v_items := private.read_items(p_request);
  v_count := jsonb_array_length(v_items);
  v_model := private.read_model(p_request);
  perform private.admit_model(v_model.replicate_id);
  v_source := private.read_source(p_request, v_user);
  v_strength := private.read_number(p_request, 'strength', 0, 1, false);
  if v_strength is not null and v_source = '{}' then
    perform private.refuse_field('strength', 'strength needs a source image.');
  end if;
  -- Absent, it is the model's own: an upscaler asked for nothing else upscales.
  v_operation := private.read_word(
    p_request, 'operation', '{generate,variation,edit,upscale,remove_background}'
  );
  v_scheduled := private.read_schedule(p_request);
  v_expires := coalesce(v_scheduled, now())
    + make_interval(secs => private.read_number(p_request, 'expires_in', 1, 2592000, true)::double precision);

  v_priority_name := coalesce(private.read_word(p_request, 'priority', '{low,normal,high}'), 'normal');
  v_priority := case v_priority_name when 'low' then -10 when 'normal' then 0 when 'high' then 10 end;
  if v_priority_name <> all(v_plan.priorities) then
    perform private.refuse(403, 'forbidden', format('Your plan does not include the priority %s.', v_priority_name));
  end if;
  v_price := private.requested_cost(p_request, v_model);
  if v_price is null then
    perform private.refuse_unpriced(v_model.replicate_id, v_plan);
  end if;
  -- A request for later spends nothing before it is due (private.admit_due).
  perform private.use_quota(
    v_user, v_plan, 1, v_count, case when v_scheduled is null then v_count * coalesce(v_price, 0) else 0 end
  );

  -- What the job's run needs; each item adds its prompt, seed and generation.
  v_payload := jsonb_strip_nulls(jsonb_build_object(
    'user_id', v_user,
    'model_id', v_model.replicate_id,
    'model_version', nullif(private.read_text(p_request, 'model_version', 200), ''),
    'negative_prompt', nullif(private.read_text(p_request, 'negative_prompt', 4000), ''),
    'width', private.read_number(p_request, 'width', 16, 8192, true),
    'height', private.read_number(p_request, 'height', 16, 8192, true),
    'num_inference_steps', private.read_number(p_request, 'num_inference_steps', 1, 500, true),
    'guidance_scale', private.read_number(p_request, 'guidance_scale', 0, 100, false),
    'strength', v_strength,
    'style', nullif(private.read_text(p_request, 'style', 200), ''),
    'operation', v_operation,
    'webhook_url', private.read_webhook_url(p_request)
  )) || v_source;
  v_width := (v_payload ->> 'width')::int;
  v_height := (v_payload ->> 'height')::int;
  if jsonb_typeof(p_request -> 'output') = 'object' then
    v_width := coalesce(private.read_number(p_request -> 'output', 'width', 1, 16384, true), v_width);
    v_height := coalesce(private.read_number(p_request -> 'output', 'height', 1, 16384, true), v_height);
  end if;
  v_width := coalesce(v_width, v_model.default_width);
  v_height := coalesce(v_height, v_model.default_height);

  if v_count > 1 then
    insert into public.batch_generations (
      user_id, total_count, model_id, model_version, width, height, steps, guidance_scale
    )
    values (
      v_user, v_count, v_model.id, v_payload ->> 'model_version', v_width, v_height,
      (v_payload ->> 'num_inference_steps')::int, (v_payload ->> 'guidance_scale')::numeric
    )
    returning id into v_batch;
  end if;

  v_answer := private.insert_generations(
    v_user, v_items, v_payload, v_model, v_price, v_width, v_height, private.read_adjustments(p_request),
    v_priority, v_batch, v_scheduled, v_expires
  );
  v_answer := jsonb_build_object('status', 'queued', 'batch_id', v_batch, 'replayed', false, 'generations', v_answer)
    || (v_answer -> 0);
  if p_idempotency_key is not null then
    update private.idempotency_keys set response = v_answer where user_id = v_user and key = p_idempotency_key;
  end if;
  if v_scheduled is null then
    if p_next > 0 then
      -- What listeners hear of is the start, as the answer tells it.
      v_answer := private.with_own_changes(v_answer);
      v_next := private.hand_over(
        array(select (one ->> 'job_id')::uuid from jsonb_array_elements(v_answer -> 'generations') as g (one)), p_next
      );
    end if;
    -- The budget's row is locked last.
    perform private.check_budget();
  end if;
  return case when v_next = '[]' then v_answer else v_answer || jsonb_build_object('next', v_next) end;
end
$$;
