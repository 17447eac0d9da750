-- What users do to the tables themselves, as the original's apps do: they insert a generation and start it afterwards,
-- set its status to cancel it or to try it again, and delete what is theirs. Row-level security says whose rows; the
-- triggers here make of a row what the functions make of a call, with the same checks, quotas and money, and refuse the
-- rest with a sentence (docs/decisions/0046).
--
--   insert, status pending      ─► unstarted ─► start_inserted ─► it has a job
--   update to cancelled, failed ─► as cancel_generation; one that was not started ends as it is asked to
--   update to pending           ─► a failed one is tried again: the quotas and the money of a start
--   delete                      ─► runs are stopped, files are deleted (the triggers of the files before)
--   a job updated to cancelled  ─► as cancel_generation
--
-- They are for those whom row-level security holds for: the functions write as their owner, and pass by.

-- Locks ---------------------------------------------------------------------------------------------------------------
--
-- A statement of a user's locks the row before its triggers come, and every step locks the job before its generation.
-- So the policies lock what the triggers will need: a policy is asked before the row is locked. Always true.

-- The caller's generations that a change of these reaches: themselves, and those that start from their images, whose
-- rows refer to them. In the order in which they are locked.
create function private.reached_by_change(p_user_id uuid, p_generation_id uuid, p_batch_id uuid) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[] := array(
    select id from public.image_generations where id = p_generation_id and user_id = p_user_id
    union
    select id from public.image_generations where batch_id = p_batch_id and user_id = p_user_id
  );
begin
  return array(
    select unnest(v_ids)
    union
    select id from public.image_generations where source_generation_id = any(v_ids)
    order by 1
  );
end
$$;

-- The jobs of these generations, in the order in which they are locked.
create function private.jobs_of_generations(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return array(
    select distinct job.id from public.image_generations as g
    cross join lateral unnest(array[g.job_id, g.download_job_id]) as job (id)
    where g.id = any(p_ids) and job.id is not null
    order by 1
  );
end
$$;

-- The account, the jobs of these generations of the caller's, their predictions, the generations, the slots and what
-- is used, in the order of the steps. Without the key: a start from one of them, which has the slots, refers to it.
create function private.lock_for_change(p_generation_id uuid, p_batch_id uuid) returns boolean
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_ids uuid[];
  v_jobs uuid[];
  v_rows int := coalesce(nullif(current_setting('picture_queue.rows', true), ''), '0')::int + 1;
  v_slots record;
begin
  -- It is asked for each row that a statement looks at, before a filter such as LIKE: what it locks, all steps wait for.
  if v_rows > 100 then
    perform private.refuse(
      422, 'unsupported', 'A statement may look at 100 rows at most. Name the ones that you mean by their ids.'
    );
  end if;
  perform set_config('picture_queue.rows', v_rows::text, true);
  perform 1 from auth.users where id = v_user for key share;
  perform 1 from public.profiles where id = v_user for key share;
  loop
    begin
      v_ids := private.reached_by_change(v_user, p_generation_id, p_batch_id);
      v_jobs := private.jobs_of_generations(v_ids);
      perform private.lock_job(mine.id) from unnest(v_jobs) as mine (id);
      perform 1 from private.predictions where generation_id = any(v_ids) and ended_at is null order by id for update;
      perform 1 from public.image_generations where id = any(v_ids) order by id for no key update;
      v_slots := private.lock_slots(v_user, 'generate-image');
      if v_slots.taken < v_slots.most and exists (
        select from private.blocked_jobs where fair_key = v_user and job_type = 'generate-image'
      ) then
        -- A completion that came meanwhile has found these jobs locked, and left its slot free.
        perform private.release_slots(array[v_user], '{generate-image}', '{0}');
      end if;
      perform 1 from private.usage where user_id = v_user for update;
      -- With what is locked now, nothing of it changes any more.
      exit when v_ids = private.reached_by_change(v_user, p_generation_id, p_batch_id)
        and v_jobs = private.jobs_of_generations(v_ids);
      raise exception using errcode = 'PQ001';
    exception when sqlstate 'PQ001' then
      -- One has got another job, or a variation, while this waited. All is given back, and locked again in order.
      null;
    end;
  end loop;
  return true;
end
$$;

-- The account that asks -----------------------------------------------------------------------------------------------

-- A token outlives a ban or a deletion by up to its hour.
create function private.check_account(p_user_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform 1 from auth.users as u
  where u.id = p_user_id and (u.banned_until is null or u.banned_until <= now()) for key share;
  if not found then
    perform private.refuse(403, 'forbidden', 'This account is suspended or no longer exists.');
  end if;
  perform 1 from public.profiles where id = p_user_id for key share;
  if not found then
    perform private.restore_profile(p_user_id);
  end if;
end
$$;

-- A generation inserted, and started afterwards -----------------------------------------------------------------------

-- The request that a row stands for. A source that is an image of the user's own is named by its generation: its file
-- needs no address then.
create function private.request_of(p_generation public.image_generations) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_source uuid := p_generation.source_generation_id;
begin
  if v_source is null and p_generation.source_image_url is not null then
    select i.generation_id into v_source from public.images as i
    where i.storage_path = substring(p_generation.source_image_url from '/object/public/generated-images/([^?#]+)')
      and i.user_id = p_generation.user_id;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'prompt', p_generation.prompt,
    'negative_prompt', p_generation.negative_prompt,
    'model_id', coalesce(p_generation.model_id::text, p_generation.model),
    'style', p_generation.style,
    -- Once it is started, these two are what is made.
    'width', case when p_generation.job_id is null then p_generation.width else p_generation.requested_width end,
    'height', case when p_generation.job_id is null then p_generation.height else p_generation.requested_height end,
    'aspect_ratio', p_generation.aspect_ratio,
    'output_format', p_generation.output_format,
    'num_inference_steps', p_generation.steps,
    'guidance_scale', p_generation.guidance_scale,
    'seed', p_generation.seed,
    'source_image_url', case when v_source is null then p_generation.source_image_url end,
    'source_generation_id', v_source,
    'sources', p_generation.sources,
    'mask', p_generation.mask,
    'strength', p_generation.generation_strength,
    'scale', p_generation.scale
  ));
end
$$;

-- A row of a user's own: it waits for its start, an hour at most, and reserves nothing. It counts as the request, and
-- its start does not any more. What it holds is bounded as in a request; whether the model can do it is for the start.
create function private.before_own_insert() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_request jsonb;
  v_model public.models;
begin
  perform private.check_account(v_user);
  if new.user_id is distinct from v_user then
    perform private.refuse(403, 'forbidden', 'You can insert generations of your own only.');
  end if;
  if new.status not in ('pending', 'queued') then
    perform private.refuse_field(
      'status', 'A generation is inserted with the status pending, and started with generate-image.'
    );
  end if;
  -- What the provider has made for a deleted one is still to be paid: it would be settled as this one's.
  if exists (select from private.predictions where generation_id = new.id) then
    perform private.refuse(409, 'conflict', 'A generation had this id before. Insert it with another one.');
  end if;
  v_request := private.request_of(new);
  perform private.check_size(v_request);
  v_model := private.read_model(v_request);
  perform private.read_items(v_request, v_model.supports_prompt);
  perform private.read_text(v_request, 'negative_prompt', 4000);
  perform private.read_text(v_request, 'style', 200);
  -- Of the row: in the request an image of the user's own is named by its generation.
  perform private.read_text(jsonb_build_object('source_image_url', new.source_image_url), 'source_image_url', 2048);
  perform private.read_number(v_request, 'width', 16, 8192, true);
  perform private.read_number(v_request, 'height', 16, 8192, true);
  perform private.read_number(v_request, 'num_inference_steps', 1, 500, true);
  -- As a request is read: of few digits.
  new.guidance_scale := private.read_number(v_request, 'guidance_scale', 0, 100, false);
  new.generation_strength := private.read_number(v_request, 'strength', 0, 1, false);
  perform private.use_quota(v_user, private.plan_of(v_user), 1, 0, 0);
  perform private.add_unstarted(new.id, v_user);
  new.model := v_model.replicate_id;
  new.model_id := v_model.id;
  new.status := 'pending';
  new.seq := private.next_seq(0);
  perform private.tell_change(v_user, new.id);
  return new;
end
$$;

-- Notes one that waits for its start; a user may have 100.
create function private.add_unstarted(p_generation_id uuid, p_user_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if (
    select count(*) from (
      select from private.unstarted_generations
      where user_id = p_user_id and generation_id <> p_generation_id limit 100
    ) as waiting
  ) >= 100 then
    perform private.refuse(
      429, 'quota_exceeded',
      'You have inserted 100 generations within an hour that were never started. Start or delete some first.', 60
    );
  end if;
  -- Of another's, which an upsert can name, nothing changes.
  insert into private.unstarted_generations (generation_id, user_id) values (p_generation_id, p_user_id)
  on conflict (generation_id) do update set created_at = now() where unstarted_generations.user_id = excluded.user_id;
end
$$;

create trigger image_generations_before_own_insert before insert on public.image_generations
for each row when (new.seq = 0 and row_security_active('public.image_generations'::regclass))
execute function private.before_own_insert();

-- A request for a row that was inserted: what it leaves out is what the row says. Then it is more than the Worker has
-- mapped, and the run maps it.
create function private.with_row(p_request jsonb, p_row jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_request jsonb := p_request;
  v_row jsonb := p_row;
begin
  if v_request ?| '{source_image_url,source_generation_id,source_id,sources}' then
    v_row := v_row - '{source_image_url,source_generation_id}'::text[];
  end if;
  if jsonb_typeof(v_request #> '{items,0}') = 'object' then
    if v_request #>> '{items,0,seed}' is null and v_row ? 'seed' then
      v_request := jsonb_set(v_request, '{items,0,seed}', v_row -> 'seed');
    end if;
    v_row := v_row - '{prompt,seed}'::text[];
  end if;
  if v_request ->> 'aspect_ratio' is not null then
    v_row := v_row - '{width,height}'::text[];
  end if;
  v_row := v_row - array(select jsonb_object_keys(v_request));
  if v_row <> '{}' and v_request ? 'items' then
    v_request := v_request - '{output,adjustments}'::text[];
    if v_request ->> 'operation' = 'generate' then
      v_request := v_request - 'operation';
    end if;
  end if;
  return v_row || v_request;
end
$$;

-- Starts a generation that the caller has inserted, with this request and with what the row says. Of one that was
-- started already it tells the start again.
create function private.start_inserted(p_generation_id uuid, p_request jsonb, p_next int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_generation public.image_generations;
  v_request jsonb := coalesce(p_request, '{}');
  v_position int;
begin
  perform private.check_account(v_user);
  perform private.lock_for_change(p_generation_id, null);
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = v_user for update;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  if v_generation.status in ('failed', 'cancelled') or (v_generation.job_id is null and v_generation.status <> 'pending')
  then
    perform private.refuse(409, 'conflict', format(
      'The generation is already %s: a retry makes it anew.', v_generation.status
    ));
  end if;
  if v_generation.job_id is not null then
    v_position := private.queue_position(v_generation.job_id);
    return private.start_answer(v_generation.batch_id, jsonb_build_array(jsonb_build_object(
      'generation_id', v_generation.id, 'job_id', v_generation.job_id, 'queue_position', v_position,
      'estimated_seconds', private.estimate_seconds(
        private.model_seconds(v_generation.model_id, null), coalesce(v_position, 1)
      )
    )), true);
  end if;
  if jsonb_typeof(v_request) = 'object' then
    v_request := private.with_row(v_request, private.request_of(v_generation));
    if v_request -> 'items' -> 1 is not null then
      perform private.refuse_field('items', 'One generation was inserted: it is for one image.');
    end if;
  end if;
  delete from private.unstarted_generations where generation_id = p_generation_id;
  return private.start_generation(v_request, null, null, p_next, p_generation_id);
end
$$;

-- Starts a batch with a name, of one image or more. Its items may have negative prompts of their own.
create function private.start_batch(p_request jsonb, p_name text, p_next int) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if char_length(p_name) > 255 then
    perform private.refuse_field('batch_name', 'batch_name must be a text of at most 255 characters.');
  end if;
  if jsonb_typeof(p_request -> 'items') = 'array' and jsonb_array_length(p_request -> 'items') = 1
    and p_request -> 'items' -> 0 ->> 'negative_prompt' <> ''
  then
    p_request := p_request || jsonb_build_object('negative_prompt', p_request -> 'items' -> 0 -> 'negative_prompt');
  end if;
  return private.start_generation(p_request, null, null, p_next, null, coalesce(btrim(p_name), ''));
end
$$;

-- Called by record_sweep. Nobody has started them in an hour: they have failed, and can be inserted again. Whoever
-- starts, deletes or retries one has its row first, so it is stepped over. Notes of what is no more go as well.
create function private.end_unstarted(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[] := array(
    select g.id from private.unstarted_generations as u
    inner join public.image_generations as g on g.id = u.generation_id
    where u.created_at < now() - interval '1 hour' order by u.created_at limit p_limit
    for update skip locked
  );
begin
  perform private.end_generation(g.id, 'failed', 'It was never started.', 'not_started')
  from public.image_generations as g
  where g.id = any(v_ids) and g.status = 'pending' and g.job_id is null;
  delete from private.unstarted_generations where generation_id = any(v_ids || array(
    select u.generation_id from private.unstarted_generations as u
    where u.created_at < now() - interval '1 hour'
      and not exists (select from public.image_generations as g where g.id = u.generation_id)
    order by u.created_at limit p_limit for update skip locked
  ));
end
$$;

-- A status that is set ------------------------------------------------------------------------------------------------

-- What a user sets in a row of theirs is a wish: to cancel it, or to try it again.
create function private.before_own_change() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if new is not distinct from old then
    return old;
  end if;
  if new.status in ('cancelled', 'failed') then
    return private.cancelled_by_hand(old, new);
  end if;
  if new.status in ('pending', 'queued') then
    if old.status not in ('pending', 'queued') then
      return private.tried_again(old);
    end if;
    -- It waits already.
    if new.error_message is null and new.retry_count in (0, old.retry_count) and new.completed_at is null then
      return old;
    end if;
  end if;
  perform private.refuse(403, 'forbidden', 'The queue alone says how far a generation is. '
    || 'You may set its status to cancelled, and that of a failed one to pending.');
end
$$;

create trigger image_generations_before_own_change before update on public.image_generations
for each row when (new.seq = old.seq and row_security_active('public.image_generations'::regclass))
execute function private.before_own_change();

-- The row as it is once it is cancelled, by the rules of private.cancel_generation. An app that sets it to failed, as
-- the original's do, cancels it; one that was not started ends as it says, with its own words.
create function private.cancelled_by_hand(p_old public.image_generations, p_wish public.image_generations)
returns public.image_generations
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_new public.image_generations := p_old;
  v_job public.job_queue;
  v_cancel_job_id uuid;
begin
  if p_old.status = p_wish.status or p_old.status = 'cancelled' then
    return p_old;
  end if;
  perform private.check_cancellable(p_old.status);
  v_job := private.lock_job(p_old.job_id);
  v_cancel_job_id := private.cancel_job(v_job);
  v_new.status := case when p_old.job_id is null then p_wish.status else 'cancelled' end;
  if v_new.status = 'failed' then
    v_new.error_message := left(p_wish.error_message, 1000);
    v_new.error_code := 'not_started';
  end if;
  v_new.completed_at := now();
  v_new.cost_open := v_cancel_job_id is not null;
  v_new.cancel_job_id := coalesce(v_cancel_job_id, p_old.cancel_job_id);
  if not v_new.cost_open then
    v_new.reserved_usd := 0;
    v_new.budget_usd := 0;
    perform private.settle_cost(p_old.user_id, p_old.reserved_on, p_old.reserved_usd, 0);
  end if;
  if p_old.job_id is null then
    delete from private.unstarted_generations where generation_id = p_old.id;
  end if;
  v_new.seq := private.next_seq(p_old.seq);
  if p_old.job_id is null then
    perform private.keep_end(v_new);
  end if;
  perform private.after_change_by_hand(p_old, v_new);
  if v_cancel_job_id is not null then
    perform private.stop_run(v_job, v_cancel_job_id);
  end if;
  return v_new;
end
$$;

-- The row of a failed generation that is tried again: with the checks, the quotas and the money of a start. Its job
-- comes back where it failed itself, and knows what its runs have created; else a new one makes the image anew.
create function private.tried_again(p_old public.image_generations) returns public.image_generations
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_new public.image_generations := p_old;
  v_job public.job_queue;
  v_plan private.plans := private.plan_of(p_old.user_id);
  v_priority text;
  v_model public.models;
  v_price numeric;
begin
  if p_old.status <> 'failed' then
    perform private.refuse(409, 'conflict', format(
      'Only a failed generation can be tried again. This one is %s.', p_old.status));
  end if;
  perform private.check_account(p_old.user_id);
  perform private.check_prompts(jsonb_build_array(jsonb_build_object('prompt', p_old.prompt)), s.refused_prompts)
  from private.settings as s where s.refused_prompts is not null;
  perform private.take_back_end(p_old);
  v_new.error_message := null;
  v_new.error_code := null;
  v_new.completed_at := null;
  v_new.progress := 0;
  v_new.retry_count := 0;
  v_new.seq := private.next_seq(p_old.seq);
  if p_old.job_id is null then
    -- It was never started, and waits for that again.
    perform private.use_quota(p_old.user_id, v_plan, 1, 0, 0);
    perform private.add_unstarted(p_old.id, p_old.user_id);
    v_new.status := 'pending';
    perform private.after_change_by_hand(p_old, v_new);
    return v_new;
  end if;

  v_job := private.lock_job(p_old.job_id);
  if v_job.status in ('pending', 'processing') then
    perform private.refuse(409, 'conflict', 'The last try of this generation has not ended yet.');
  end if;
  v_priority := case sign(p_old.priority) when -1 then 'low' when 0 then 'normal' else 'high' end;
  if v_priority <> all(v_plan.priorities) then
    perform private.refuse(403, 'forbidden', format('Your plan does not include the priority %s.', v_priority));
  end if;
  v_model := private.read_model(jsonb_build_object('model_id', p_old.model));
  perform private.check_model(v_model.replicate_id);
  v_price := greatest(
    nullif(p_old.reserved_usd, 0),
    private.expected_cost(v_model, p_old.width, p_old.height, p_old.source_megapixels)
  );
  if v_price is null then
    perform private.refuse_unpriced(v_model.replicate_id, v_plan);
  end if;
  perform private.use_quota(p_old.user_id, v_plan, 1, 1, coalesce(v_price, 0));
  v_new.status := 'pending';
  v_new.started_at := null;
  v_new.predict_time_seconds := null;
  v_new.progress_at := null;
  v_new.reserved_usd := coalesce(v_price, 0);
  v_new.reserved_on := private.today();
  v_new.budget_usd := case when v_price > 0 and private.has_budget() then v_price else 0 end;
  if v_job.status = 'failed' then
    perform private.requeue(v_job);
  else
    v_new.job_id := gen_random_uuid();
    perform private.insert_job(
      v_new.job_id, 'generate-image', coalesce(v_job.payload, private.payload_of(p_old)), p_old.priority, now(), 3,
      null, null
    );
  end if;
  perform private.after_change_by_hand(p_old, v_new);
  return v_new;
end
$$;

-- What a retry has reserved must fit, as a start's. Its share is noted after the row is written, by the trigger
-- image_generations_budget, which comes first by its name.
create function private.after_own_retry() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.check_budget();
  return null;
end
$$;

create trigger image_generations_budget_check after update on public.image_generations
for each row when (new.budget_usd > old.budget_usd and row_security_active('public.image_generations'::regclass))
execute function private.after_own_retry();

-- What the job of a generation needs, where the job itself is no more.
create function private.payload_of(p_generation public.image_generations) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_request jsonb := private.request_of(p_generation);
begin
  return (v_request - '{source_image_url,source_generation_id,sources,mask}'::text[]) || jsonb_strip_nulls(jsonb_build_object(
    'user_id', p_generation.user_id,
    'generation_id', p_generation.id,
    'model_id', p_generation.model,
    'operation', nullif(p_generation.operation, 'generate'),
    'webhook_url', p_generation.webhook_url
  )) || private.read_sources(
    v_request || case
      when p_generation.source_id is not null then jsonb_build_object('source_id', p_generation.source_id) else '{}'
    end,
    p_generation.user_id
  );
end
$$;

-- What follows from a change of the row that no trigger of the table sees, because a trigger makes it.
create function private.after_change_by_hand(p_old public.image_generations, p_new public.image_generations)
returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.tell_change(p_new.user_id, p_new.id);
  if p_new.batch_id is not null then
    if p_old.status in ('failed', 'cancelled') then
      perform private.count_in_batch(p_new.batch_id, p_old.status, -1);
    else
      perform private.count_in_batch(p_new.batch_id, p_new.status, 1);
    end if;
  end if;
  if p_new.webhook_url is not null and p_new.status in ('failed', 'cancelled') then
    perform private.announce(p_new);
  end if;
end
$$;

-- Batches -------------------------------------------------------------------------------------------------------------

-- What a user sets in a batch of theirs: a name, or that it is to end, as the original's apps cancel one. What it
-- counts is the queue's. A batch whose failed generations are being tried again may be told so.
create function private.before_own_batch_change() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_wish public.batch_generations := new;
  v_open boolean := old.status in ('pending', 'processing');
begin
  new := old;
  new.name := v_wish.name;
  if char_length(new.name) > 255 then
    perform private.refuse_field('name', 'name must be a text of at most 255 characters.');
  end if;
  if v_wish.status in ('failed', 'cancelled') then
    if v_open then
      -- The row is locked: nobody else counts in it.
      new.cancelled_count := old.cancelled_count + private.cancel_batch(old.id);
      return private.with_status(new);
    end if;
    return new;
  end if;
  if v_wish.status is null or v_wish.status not in ('pending', 'processing', old.status)
    or (not v_open and v_wish.status <> old.status) or v_wish.completed_at is distinct from old.completed_at
  then
    perform private.refuse(
      403, 'forbidden', 'The queue alone says how far a batch is. You may set its status to cancelled.'
    );
  end if;
  if v_wish.failed_count <> old.failed_count then
    perform private.refuse(409, 'conflict', format(
      'The queue counts the generations of a batch. %s have failed: set their status to pending.', old.failed_count));
  end if;
  return new;
end
$$;

create trigger batch_generations_before_own_change before update on public.batch_generations
for each row when (row_security_active('public.batch_generations'::regclass))
execute function private.before_own_batch_change();

-- Cancels what is open in a batch and not made yet; tells how many those were. The caller counts them in the batch.
create function private.cancel_batch(p_batch_id uuid) returns int
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation record;
  v_job public.job_queue;
  v_cancel_job_id uuid;
  v_count int := 0;
begin
  for v_generation in
    select id, job_id from public.image_generations
    where batch_id = p_batch_id and status in ('pending', 'queued', 'processing') order by job_id
  loop
    v_job := private.lock_job(v_generation.job_id);
    v_cancel_job_id := private.cancel_job(v_job);
    perform private.end_generation(
      v_generation.id, 'cancelled', null, null, v_cancel_job_id is not null, v_cancel_job_id, false);
    if v_cancel_job_id is not null then
      perform private.stop_run(v_job, v_cancel_job_id);
    end if;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

-- A job's status that is set ------------------------------------------------------------------------------------------
--
-- The original's library cancels a job by its row. It stands for its generation, and that is cancelled.

create function private.before_own_job_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- Asked with the caller's rights: the functions write the view as its owner.
  if not row_security_active('private.ready_jobs'::regclass) then
    return new;
  end if;
  return private.job_cancelled_by_hand(old.id, old.status, new.status);
end
$$;

-- The job as it is once it is cancelled.
create function private.job_cancelled_by_hand(p_id uuid, p_was text, p_wish text) returns public.job_queue
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
begin
  select * into v_job from public.job_queue where id = p_id and fair_key = auth.uid();
  if p_wish is distinct from p_was then
    if p_wish is distinct from 'cancelled' or v_job.job_type is distinct from 'generate-image' then
      perform private.refuse(403, 'forbidden', 'The queue alone says how far a job is. '
        || 'You may set the status of one that generates an image to cancelled.');
    end if;
    perform private.cancel_generation(v_job.generation_id);
    select * into v_job from public.job_queue where id = p_id;
  end if;
  return v_job;
end
$$;

-- Before job_queue_write, by its name.
create trigger job_queue_own_change instead of update on public.job_queue
for each row execute function private.before_own_job_change();

-- Deletion over HTTP --------------------------------------------------------------------------------------------------

-- What deleting the row does, for who asks for it by name; with its locks.
create function private.delete_generation(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.lock_for_change(p_generation_id, null);
  delete from public.image_generations where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  return jsonb_build_object('generation_id', p_generation_id, 'deleted', true);
end
$$;

create function private.delete_image(p_image_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  delete from public.images where id = p_image_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such image.');
  end if;
  return jsonb_build_object('image_id', p_image_id, 'deleted', true);
end
$$;
