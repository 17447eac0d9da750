-- What makes images of a request. The life of a generation:
--
--   start_generation ─► pending ─► record_prediction ─► processing ─► finish_prediction ─► downloading
--                          │  ▲                             │   record_progress                 │
--                          │  └──────── a retry ────────────┤                             finish_download
--                          ▼                                ▼                                   ▼
--                 cancelled, failed ◄──── end_generation ───┘                               completed
--
-- Each step is one transaction with the job's own step of the queue: a job 'generate-image' makes the prediction, a
-- job 'download-image' stores its image, and a job 'cancel-prediction' stops what nobody wants. The order of locks
-- stands in *_queue.sql.
--
-- Not drawn: a download that fails ends in failed; requeue_job takes a failed one back to where its job stands; and a
-- request for later stays pending until it is due (private.reserve_due). What is pending in the table is called queued
-- in every answer; the original's status queued is written by hand only, and means the same.
--
-- Read the start, then *_steps.sql, in their order, and *_ends.sql. What they cost is in *_money.sql, what the provider
-- refuses in *_provider.sql.

-- The start -----------------------------------------------------------------------------------------------------------
--
-- Everything that an accepted request needs, in one transaction; a refused one leaves nothing behind.

-- The members of a request, as the Worker passes it on.
create function private.request_members() returns text[]
language sql immutable
return array[
  'adjustments', 'aspect_ratio', 'country', 'expires_in', 'guidance_scale', 'height', 'items', 'mask', 'model_id',
  'model_version', 'negative_prompt', 'num_inference_steps', 'operation', 'output', 'output_format', 'parent_id',
  'priority', 'prompt', 'scale', 'scheduled_at', 'seed', 'source_generation_id', 'source_id', 'source_image_url',
  'sources', 'strength', 'style', 'webhook_url', 'width'
];

-- With p_next, up to so many of the jobs come back under a lease where they are next (private.hand_over): who has
-- started them can go on at once. A repetition under the same key gets none.
-- p_generation_id: the row that the user has inserted for it (private.start_inserted), which has counted as a request.
-- p_batch_name: it is a batch, however few its items, and '' is no name.
create function private.start_generation(
  p_request jsonb, p_idempotency_key text, p_request_hash text, p_next int, p_generation_id uuid = null,
  p_batch_name text = null
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_plan private.plans;
  v_model public.models;
  v_items jsonb;
  v_count int;
  v_price numeric;
  v_source_megapixels int := 0;
  v_hash text;
  v_answer jsonb;
  v_generations jsonb;
  v_payload jsonb;
  v_output jsonb := case jsonb_typeof(p_request -> 'output') when 'object' then p_request -> 'output' else '{}' end;
  v_width int;
  v_height int;
  v_ratio text;
  v_made_width int;
  v_made_height int;
  v_strength numeric;
  v_scale numeric;
  v_source jsonb;
  v_operation text;
  v_priority_name text;
  v_priority int;
  v_scheduled timestamptz;
  v_expires timestamptz;
  v_batch uuid;
  v_leased jsonb;
  v_has_budget boolean;
  v_is_unswept boolean;
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
  if not found then
    perform private.restore_profile(v_user);
  end if;
  if p_request is null or jsonb_typeof(p_request) <> 'object' then
    perform private.refuse_field('body', 'The request must be an object.');
  end if;
  perform private.check_size(p_request);
  if p_request - private.request_members() <> '{}' then
    perform private.refuse_unknown(p_request, private.request_members());
  end if;
  v_plan := private.plan_of(v_user);
  if p_idempotency_key is not null then
    v_hash := coalesce(p_request_hash, md5(p_request::text));
    v_answer := private.known_answer(v_user, p_idempotency_key, v_hash);
    if v_answer is not null then
      return v_answer;
    end if;
  end if;

  v_model := private.read_model(p_request);
  v_items := private.read_items(p_request, v_model.supports_prompt);
  v_count := jsonb_array_length(v_items);
  if exists (select from private.refused_models where model = v_model.replicate_id) then
    perform private.check_model(v_model.replicate_id);
  end if;
  v_source := private.read_sources(p_request, v_user);
  -- The Worker says so as well, but sees neither what a row says nor what is called over PostgREST.
  if v_source <> '{}' then
    perform private.check_sources(v_model, v_source);
  end if;
  v_strength := private.read_number(p_request, 'strength', 0, 1, false);
  if v_strength is not null and v_source = '{}' then
    perform private.refuse_field('strength', 'strength needs a source image.');
  end if;
  -- Absent, it is the model's own: an upscaler asked for nothing else upscales.
  v_operation := private.read_enum(
    p_request, 'operation', '{generate,variation,edit,upscale,remove_background}'
  );
  v_scheduled := private.read_schedule(p_request);
  v_expires := coalesce(v_scheduled, now())
    + make_interval(secs => private.read_number(p_request, 'expires_in', 1, 2592000, true)::double precision);

  v_priority_name := coalesce(private.read_enum(p_request, 'priority', '{low,normal,high}'), 'normal');
  v_priority := case v_priority_name when 'low' then -10 when 'normal' then 0 when 'high' then 10 end;
  if v_priority_name <> all(v_plan.priorities) then
    perform private.refuse(403, 'forbidden', format('Your plan does not include the priority %s.', v_priority_name));
  end if;
  v_width := private.read_number(p_request, 'width', 16, 8192, true);
  v_height := private.read_number(p_request, 'height', 16, 8192, true);
  v_ratio := private.read_ratio(p_request, 'aspect_ratio');
  if v_ratio is not null and coalesce(v_width, v_height) is not null then
    perform private.refuse_field('aspect_ratio', 'Give either aspect_ratio or width and height, not both.');
  end if;
  v_made_width := private.read_number(v_output, 'width', 1, 16384, true);
  v_made_height := private.read_number(v_output, 'height', 1, 16384, true);
  v_scale := private.read_number(p_request, 'scale', 1, 10, false);
  v_price := private.requested_cost(v_model, v_width, v_height, v_made_width, v_made_height);
  if v_model.max_scale is not null then
    v_price := private.enlarged_cost(v_model, v_price, v_scale, v_source);
  end if;
  if v_model.cost_per_source_megapixel is not null then
    v_source_megapixels := private.source_megapixels(v_model, v_source);
    if v_model.cost_per_second is null then
      v_price := v_price + private.source_price(v_model, v_source_megapixels);
    end if;
  end if;
  if v_price is null then
    perform private.refuse_unpriced(v_model.replicate_id, v_plan);
  end if;
  -- A request for later counts its images now and once more when it is due, its money only then (private.reserve_due).
  perform private.use_quota(
    v_user, v_plan, (p_generation_id is null)::int, v_count,
    case when v_scheduled is null then v_count * coalesce(v_price, 0) else 0 end
  );

  -- What the job's run needs; each item adds its prompt, seed and generation.
  v_payload := jsonb_strip_nulls(jsonb_build_object(
    'user_id', v_user,
    'model_id', v_model.replicate_id,
    'model_version', nullif(private.read_text(p_request, 'model_version', 200), ''),
    'negative_prompt', nullif(private.read_text(p_request, 'negative_prompt', 4000), ''),
    'width', v_width,
    'height', v_height,
    'aspect_ratio', v_ratio,
    'output_format', private.read_enum(p_request, 'output_format', '{webp,png,jpg,svg}'),
    'num_inference_steps', private.read_number(p_request, 'num_inference_steps', 1, 500, true),
    'guidance_scale', private.read_number(p_request, 'guidance_scale', 0, 100, false),
    'strength', v_strength,
    'scale', v_scale,
    'style', nullif(private.read_text(p_request, 'style', 200), ''),
    'operation', v_operation,
    'webhook_url', private.read_webhook_url(p_request),
    'traceparent', private.traceparent()
  )) || v_source;
  -- Of a shape the pixels are not known before they are made, unless the Worker says them.
  v_width := coalesce(v_made_width, v_width, case when v_ratio is null then v_model.default_width end);
  v_height := coalesce(v_made_height, v_height, case when v_ratio is null then v_model.default_height end);

  if v_count > 1 or p_batch_name is not null then
    insert into public.batch_generations (
      user_id, name, total_count, model_id, model_version, width, height, steps, guidance_scale
    )
    values (
      v_user, nullif(p_batch_name, ''), v_count, v_model.id, v_payload ->> 'model_version', v_width, v_height,
      (v_payload ->> 'num_inference_steps')::int, (v_payload ->> 'guidance_scale')::numeric
    )
    returning id into v_batch;
  end if;

  select made.generations, made.leased, made.has_budget, made.is_unswept
  into v_generations, v_leased, v_has_budget, v_is_unswept from private.insert_generations(
    v_user, v_items, v_payload, v_model, v_price, v_width, v_height, private.read_adjustments(p_request),
    v_priority, v_batch, v_scheduled, v_expires, p_generation_id, p_next > 0, v_plan.running_jobs,
    private.read_parent(p_request, v_user, p_generation_id), private.read_country(p_request, 'country'),
    v_source_megapixels
  ) as made;
  v_answer := private.start_answer(v_batch, v_generations, false);
  if p_idempotency_key is not null then
    insert into private.idempotency_keys (user_id, key, request_hash, batch_id, generations)
    values (v_user, p_idempotency_key, v_hash, v_batch, v_generations);
  end if;
  if v_scheduled is null then
    if p_next > 0 then
      -- What listeners hear of is the start, as the answer tells it.
      v_answer := private.with_own_changes(v_answer);
      if v_leased is not null then
        v_next := jsonb_build_array(v_leased);
        v_answer := case
          when v_answer ? 'changes' then jsonb_set(v_answer, '{changes,-1,queue_position}', '1') else v_answer
        end;
      else
        v_next := private.hand_over(
          array(select (one ->> 'job_id')::uuid from jsonb_array_elements(v_generations) as g (one)), p_next
        );
      end if;
    end if;
    -- Whoever is woken for this start delivers the notices.
    if v_is_unswept then
      v_answer := v_answer || case when private.report_dead_cron() then '{"webhooks": true}' else '{}' end::jsonb;
    end if;
    -- The budget's row is locked last.
    if v_has_budget then
      perform private.check_budget();
    end if;
  end if;
  return case when v_next = '[]' then v_answer else v_answer || jsonb_build_object('next', v_next) end;
end
$$;

-- Refuses source images and a mask, as the payload has them, that are too many for the model.
create function private.check_sources(p_model public.models, p_source jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_count int := coalesce(jsonb_array_length(p_source -> 'sources'), 1);
begin
  if not p_model.supports_img2img and not p_model.supports_mask then
    perform private.refuse(422, 'unsupported', 'This model takes no source image.');
  end if;
  if v_count > coalesce(p_model.max_source_images, 1) then
    perform private.refuse(422, 'unsupported', format(
      'This model takes fewer source images: %s at most, and these are %s.', coalesce(p_model.max_source_images, 1), v_count
    ));
  end if;
  if p_source ? 'mask' and not p_model.supports_mask then
    perform private.refuse(422, 'unsupported', 'This model takes no mask.');
  end if;
  if not p_source ? 'mask' and not p_model.supports_img2img then
    perform private.refuse(
      422, 'unsupported', 'This model changes a source image only where a mask says so: give a mask, too.'
    );
  end if;
end
$$;

-- The answer to a start. A single generation's members stand beside the list, too.
create function private.start_answer(p_batch_id uuid, p_generations jsonb, p_replayed boolean) returns jsonb
language sql stable
return jsonb_build_object(
  'status', 'queued', 'batch_id', p_batch_id, 'replayed', p_replayed, 'generations', p_generations
) || (p_generations -> 0);

-- The answer already given under an idempotency key, or null for a new one. A second call with the same key waits here
-- until the first has committed or been refused.
create function private.known_answer(p_user_id uuid, p_key text, p_hash text) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_known private.idempotency_keys;
begin
  -- No {1,255}: such a pattern is slow to match.
  if p_key !~ '^[\x21-\x7e]+$' or length(p_key) > 255 then
    perform private.refuse_field('Idempotency-Key', 'Idempotency-Key must be 1 to 255 visible ASCII characters.');
  end if;
  if p_hash !~ '^[\x21-\x7e]+$' or length(p_hash) > 128 then
    perform private.refuse_field('p_request_hash', 'p_request_hash must be 1 to 128 visible ASCII characters.');
  end if;
  -- Two keys that share a lock wait for each other, and no more.
  perform pg_advisory_xact_lock(726360, hashtext(p_user_id || p_key));
  select * into v_known from private.idempotency_keys where user_id = p_user_id and key = p_key;
  if not found then
    return null;
  end if;
  if v_known.created_at < now() - interval '24 hours' then
    delete from private.idempotency_keys where user_id = p_user_id and key = p_key;
    return null;
  end if;
  if v_known.request_hash <> p_hash then
    perform private.refuse(422, 'idempotency_mismatch', 'This idempotency key was used for another request.');
  end if;
  return private.start_answer(v_known.batch_id, v_known.generations, true);
end
$$;

-- One generation and its job for each item; answers with the list that the user gets. p_generation_id: the row that
-- the one item is for. p_parent_id: the generation that they make again. leased: with p_lease, the job of the one item,
-- if it could be leased to the caller at once (private.insert_leased). has_budget: whether the installation has one.
-- is_unswept: whether the cron last ran two minutes ago or earlier.
create function private.insert_generations(
  p_user_id uuid, p_items jsonb, p_payload jsonb, p_model public.models, p_price numeric, p_width int, p_height int,
  p_adjustments jsonb, p_priority int, p_batch_id uuid, p_scheduled_at timestamptz, p_expires_at timestamptz,
  p_generation_id uuid, p_lease boolean, p_most int, p_parent_id uuid, p_country text, p_source_megapixels int,
  out generations jsonb, out leased jsonb, out has_budget boolean, out is_unswept boolean
)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_count int := jsonb_array_length(p_items);
  v_wait int := case when p_scheduled_at is null then 0 else ceil(extract(epoch from p_scheduled_at - now())) end;
  v_item jsonb;
  v_seed bigint;
  v_parent_id uuid := coalesce(
    p_parent_id, (p_payload ->> 'source_generation_id')::uuid,
    case when p_payload ? 'sources' then
      (jsonb_path_query_first(p_payload, '$.sources[*].source_generation_id') #>> '{}')::uuid
    end
  );
  v_generation_id uuid;
  v_job_id uuid;
  v_generation_ids uuid[] := '{}';
  v_job_ids uuid[] := '{}';
  v_payload jsonb;
  v_jobs jsonb := '[]';
  v_first int;
  v_state record;
  v_reserves boolean;
begin
  generations := '[]';
  select
    s.parallel_images,
    coalesce(
      (select t.seconds from private.model_times as t where t.model_id = p_model.id), p_model.estimated_time_seconds, 20
    ) as seconds,
    coalesce(s.budget_per_day_usd, s.budget_per_month_usd) is not null as has_budget,
    (
      select coalesce(r.ran_at, r.first_run_by) < now() - interval '2 minutes' from private.last_cron_run as r
    ) as is_unswept,
    exists (select from private.live_listeners where user_id = p_user_id and until > now()) as has_listener,
    s.refused_prompts
  into v_state from private.settings as s;
  if v_state.refused_prompts is not null then
    perform private.check_prompts(p_items, v_state.refused_prompts);
  end if;
  has_budget := v_state.has_budget;
  is_unswept := v_state.is_unswept;
  v_reserves := p_price > 0 and p_scheduled_at is null and has_budget;
  for v_index in 0..v_count - 1 loop
    v_item := p_items -> v_index;
    v_generation_id := coalesce(p_generation_id, gen_random_uuid());
    v_job_id := gen_random_uuid();
    v_seed := (v_item ->> 'seed')::numeric::bigint;
    if v_seed is null and p_model.supports_seed then
      -- Kept and sent, so that the image can be made again. Every model of the catalogue takes 31 bits.
      v_seed := floor(random() * 2147483648);
    end if;
    v_payload := p_payload || jsonb_strip_nulls(jsonb_build_object(
      'prompt', v_item -> 'prompt', 'seed', v_seed, 'generation_id', v_generation_id
    ));
    if v_count > 1 and v_item ->> 'negative_prompt' <> '' then
      v_payload := v_payload || jsonb_build_object('negative_prompt', v_item -> 'negative_prompt');
    end if;
    if p_generation_id is null then
      insert into public.image_generations (
        id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale,
        seed, source_image_url, generation_strength, status, priority, batch_id, batch_index, job_id,
        adjustments, operation, source_generation_id, source_id, requested_width, requested_height, aspect_ratio,
        output_format, scale, sources, mask, upload_ids, model_version, has_source, parent_id, reserved_usd,
        reserved_on, webhook_url, budget_usd, seq, country, source_megapixels
      )
      values (
        v_generation_id, p_user_id, v_item ->> 'prompt', v_payload ->> 'negative_prompt',
        p_model.replicate_id, p_model.id, p_payload ->> 'style', p_width, p_height,
        (p_payload ->> 'num_inference_steps')::int, (p_payload ->> 'guidance_scale')::numeric,
        v_seed, p_payload ->> 'source_image_url', (p_payload ->> 'strength')::numeric,
        'pending', p_priority, p_batch_id, case when p_batch_id is not null then v_index end, v_job_id,
        p_adjustments, coalesce(p_payload ->> 'operation', 'generate'), (p_payload ->> 'source_generation_id')::uuid,
        (p_payload ->> 'source_id')::uuid, (p_payload ->> 'width')::int, (p_payload ->> 'height')::int,
        p_payload ->> 'aspect_ratio', p_payload ->> 'output_format', (p_payload ->> 'scale')::numeric,
        p_payload -> 'sources', p_payload -> 'mask', case when p_payload ? 'files' then private.uploads_among(p_payload) end, p_model.version,
        p_payload ?| '{source_image_url,source_path,files}', v_parent_id,
        coalesce(p_price, 0), case when p_scheduled_at is null then (clock_timestamp() at time zone 'UTC')::date end,
        p_payload ->> 'webhook_url', case when v_reserves then p_price else 0 end, private.next_seq(0), p_country,
        p_source_megapixels
      );
    else
      update public.image_generations set
        prompt = v_item ->> 'prompt', negative_prompt = v_payload ->> 'negative_prompt',
        model = p_model.replicate_id, model_id = p_model.id, style = p_payload ->> 'style', width = p_width,
        height = p_height, steps = (p_payload ->> 'num_inference_steps')::int,
        guidance_scale = (p_payload ->> 'guidance_scale')::numeric, seed = v_seed,
        source_image_url = p_payload ->> 'source_image_url', generation_strength = (p_payload ->> 'strength')::numeric,
        status = 'pending', priority = p_priority, job_id = v_job_id, adjustments = p_adjustments,
        batch_id = p_batch_id, batch_index = case when p_batch_id is not null then v_index end,
        operation = coalesce(p_payload ->> 'operation', 'generate'),
        source_generation_id = (p_payload ->> 'source_generation_id')::uuid,
        source_id = (p_payload ->> 'source_id')::uuid, requested_width = (p_payload ->> 'width')::int,
        requested_height = (p_payload ->> 'height')::int, aspect_ratio = p_payload ->> 'aspect_ratio',
        output_format = p_payload ->> 'output_format', scale = (p_payload ->> 'scale')::numeric,
        sources = p_payload -> 'sources', mask = p_payload -> 'mask',
        upload_ids = case when p_payload ? 'files' then private.uploads_among(p_payload) end,
        model_version = p_model.version,
        has_source = p_payload ?| '{source_image_url,source_path,files}', parent_id = v_parent_id,
        reserved_usd = coalesce(p_price, 0),
        reserved_on = case when p_scheduled_at is null then (clock_timestamp() at time zone 'UTC')::date end,
        webhook_url = p_payload ->> 'webhook_url', seq = private.next_seq(seq), country = p_country,
        source_megapixels = p_source_megapixels
      where id = p_generation_id and user_id = p_user_id and status = 'pending' and job_id is null;
      if not found then
        perform private.refuse(409, 'conflict', 'This generation was started already.');
      end if;
      if v_reserves then
        -- A trigger tells the budget of it.
        update public.image_generations set budget_usd = p_price, seq = private.next_seq(seq)
        where id = p_generation_id;
      end if;
    end if;
    if v_state.has_listener then
      perform private.tell_change(p_user_id, v_generation_id);
    end if;
    if v_count = 1 then
      if p_lease and p_scheduled_at is null then
        leased := private.insert_leased(
          v_job_id, p_user_id, v_generation_id, v_payload, p_priority, p_expires_at, p_most
        );
      end if;
      if leased is null then
        perform private.insert_job(
          v_job_id, 'generate-image', v_payload, p_priority, coalesce(p_scheduled_at, now()), 3, p_expires_at, null
        );
      end if;
    else
      v_jobs := v_jobs || jsonb_build_object(
        'id', v_job_id, 'job_type', 'generate-image', 'priority', p_priority, 'scheduled_at', p_scheduled_at,
        'expires_at', p_expires_at, 'payload', v_payload
      );
    end if;
    v_generation_ids := v_generation_ids || v_generation_id;
    v_job_ids := v_job_ids || v_job_id;
  end loop;
  if v_reserves and p_generation_id is null then
    insert into private.budget_deltas (day, reserved) values (private.today(), v_count * p_price);
  end if;
  if v_count > 1 then
    perform private.insert_jobs(v_jobs);
  end if;

  -- The others follow the first: counting the queue once is enough.
  v_first := case when leased is not null then 1 else private.queue_position(v_job_ids[1]) end;
  for v_index in 1..v_count loop
    generations := generations || jsonb_build_object(
      'generation_id', v_generation_ids[v_index],
      'job_id', v_job_ids[v_index],
      'queue_position', case when v_first is not null then least(v_first + v_index - 1, 1000) end,
      'estimated_seconds', v_wait + private.seconds_until_made(
        v_state.seconds, least(coalesce(v_first, 1) + v_index - 1, 1000), v_state.parallel_images
      )
    );
  end loop;
end
$$;

-- For later -----------------------------------------------------------------------------------------------------------
--
-- A request for later is judged when it is due, like a start at that moment: its images, its money and the budget.
-- Until then it reserves no money, and has counted in its user's images of the day on which it was asked for.

-- Counts and reserves what these due jobs cost. Returns those that may go on; the generations of the others have
-- failed. The caller has locked their rows and their users' slots. A job that has counted already, or that nobody
-- asked for through start_generation, goes on.
create function private.reserve_due(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_due record;
  v_plan private.plans;
  v_message text;
  v_code text;
  v_ids uuid[] := p_ids;
begin
  for v_due in
    select
      j as job, g.id, g.user_id,
      -- What it costs by now, if that is more. Null: nobody knows.
      greatest(nullif(g.reserved_usd, 0), private.expected_cost(m, g.width, g.height, g.source_megapixels)) as price,
      coalesce(m.replicate_id, g.model) as model
    from public.job_queue as j
    inner join public.image_generations as g on g.id = j.generation_id and g.job_id = j.id
    left join public.models as m on m.id = g.model_id
    where j.id = any(p_ids) and j.status = 'pending' and g.reserved_on is null and g.status in ('pending', 'queued')
    order by j.scheduled_at, j.seq
  loop
    -- A refusal takes back what its generation has counted.
    begin
      select p.* into v_plan from private.plan_of(v_due.user_id) as p;
      if v_due.price is null then
        perform private.refuse_unpriced(v_due.model, v_plan);
      end if;
      update public.image_generations
      set
        reserved_usd = coalesce(v_due.price, 0), reserved_on = private.today(),
        budget_usd = case when v_due.price > 0 and private.has_budget() then v_due.price else budget_usd end
      where id = v_due.id;
      perform private.use_quota(v_due.user_id, v_plan, 0, 1, coalesce(v_due.price, 0));
      perform private.check_budget();
    exception when sqlstate 'PT422' or sqlstate 'PT429' or sqlstate 'PT503' then
      get stacked diagnostics v_message = message_text, v_code = pg_exception_detail;
      if v_code = 'budget_exhausted' then
        v_message := 'No more images could be made when this one was due: the budget was used up.';
      end if;
      update public.job_queue set
        status = 'failed', completed_at = now(), error_message = v_message,
        error_details = private.with_error(
          (v_due.job).error_details, (v_due.job).attempts + 1, null, v_message, jsonb_build_object('code', v_code)
        )
      where id = (v_due.job).id;
      perform private.end_generation(v_due.id, 'failed', v_message, v_code);
      v_ids := array_remove(v_ids, (v_due.job).id);
    end;
  end loop;
  return v_ids;
end
$$;
