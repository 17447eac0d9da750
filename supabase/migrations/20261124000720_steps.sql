-- The steps -----------------------------------------------------------------------------------------------------------

-- Whether an earlier attempt of the job ended with this prediction.
create function private.knew_prediction(p_job public.job_queue, p_prediction_id text) returns boolean
language sql stable
return coalesce(
  p_job.error_details @> jsonb_build_array(jsonb_build_object('prediction_id', p_prediction_id)), false
);

-- resumed: this create has ended a pause of the provider.
create function private.recorded(p_model text) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  -- Hardly ever is there anything to take back.
  if exists (select from private.refused_models where model = p_model)
    or exists (select from private.provider_pause where probing)
  then
    perform private.accept_model(p_model);
    if private.resume_provider() then
      return '{"outcome": "recorded", "resumed": true}';
    end if;
  end if;
  return '{"outcome": "recorded"}';
end
$$;

-- Notes the prediction that a run has created, and lets the lease run until a claim should look at it. A run that has
-- lost its lease is answered "stale", and handed a job that cancels its prediction, leased already.
create function private.record_prediction(
  p_job_id uuid, p_lease bigint, p_prediction_id text, p_wait_seconds int, p_details jsonb
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_running record;
  v_user_id uuid;
begin
  update private.running_jobs set
    prediction_id = p_prediction_id,
    lease_expires_at = now() + make_interval(secs => p_wait_seconds),
    -- How long it is awaited is measured from here, by this clock alone.
    started_at = now(),
    claimed_at = started_at,
    outcome_unknown = false,
    -- Started in time: a retry may come later than that.
    expires_at = null,
    retry_until = null
  where id = p_job_id and lease = p_lease and prediction_id is null
  returning
    generation_id, attempts, payload ->> 'model_id' as model, job_type,
    date_trunc('minute', claimed_at) as claim_minute, date_trunc('minute', started_at) as minute
  into v_running;
  if found then
    if v_running.claim_minute <> v_running.minute then
      insert into private.job_deltas (job_type, from_status, status, jobs, run_minute)
      values (v_running.job_type, 'processing', null, 1, v_running.claim_minute),
        (v_running.job_type, null, 'processing', 1, v_running.minute);
    end if;
    insert into private.predictions (id, job_id, generation_id, attempt, lease, model, source)
    values (
      p_prediction_id, p_job_id, v_running.generation_id, v_running.attempts + 1, p_lease,
      v_running.model, coalesce(p_details ->> 'source', 'created')
    )
    on conflict (id) do nothing;
    update public.image_generations set
      status = 'processing', progress = greatest(progress, 10), replicate_prediction_id = p_prediction_id,
      started_at = coalesce(started_at, now()),
      width = coalesce((p_details ->> 'width')::int, width),
      height = coalesce((p_details ->> 'height')::int, height),
      adjustments = coalesce(nullif(p_details -> 'adjustments', 'null'), adjustments),
      seq = private.next_seq(seq)
    where id = v_running.generation_id and status in ('pending', 'queued', 'processing')
    returning user_id into v_user_id;
    if exists (select from private.live_listeners where user_id = v_user_id and until > now()) then
      perform private.tell_change(v_user_id, v_running.generation_id);
    end if;
    return private.recorded(v_running.model);
  end if;

  -- An answer that came too late may still name what the webhook has told us meanwhile.
  v_job := private.lock_job(p_job_id);
  if v_job.id is not null and v_job.status <> 'cancelled'
    and (v_job.prediction_id = p_prediction_id or private.knew_prediction(v_job, p_prediction_id))
  then
    return private.recorded(v_job.payload ->> 'model_id');
  end if;
  if v_job.status = 'cancelled' and v_job.lease = p_lease then
    -- This is what the search would look for that cancel_generation has left. Waits for nobody: one that somebody
    -- else has finds it, too.
    perform private.complete_search(v_job.generation_id);
  end if;
  if v_job.id is null then
    -- Deleted, with its user. What this costs stays known.
    v_job.id := p_job_id;
    v_job.payload := jsonb_build_object('model_id', p_details -> 'model_id');
  end if;
  -- The provider creates again, whoever wants it.
  perform private.resume_provider();
  if not private.note_prediction(v_job, p_prediction_id, coalesce(p_details ->> 'source', 'created'), null) then
    return '{"outcome": "stale"}';
  end if;
  if v_job.seq is null then
    -- It runs on until it is stopped: until then the budget counts what such a run is expected to cost.
    update private.predictions as p set
      cost_usd = (select private.expected_cost(m, null, null) from public.models as m where m.replicate_id = p.model)
    where p.id = p_prediction_id and p.ended_at is null;
  end if;
  return jsonb_build_object('outcome', 'stale', 'job', private.stop_prediction(v_job, p_prediction_id));
end
$$;

-- The same for several: [{job_id, lease, prediction_id, details}]. The answers come in the same order. All jobs are
-- locked first, in the order of their ids, so that two such calls never meet crosswise: in one statement where all of
-- them run, as they mostly do; else each of them, wherever it stands, and none before the one with the first id.
create function private.record_predictions(p_predictions jsonb, p_wait_seconds int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
  v_answers jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(p_predictions)]);
  v_ids uuid[] := array(
    select distinct (p.one ->> 'job_id')::uuid as id from jsonb_array_elements(p_predictions) as p (one) order by id
  );
begin
  begin
    if cardinality(array(
      select r.id from private.running_jobs as r where r.id = any(v_ids) order by r.id for update
    )) < cardinality(v_ids) then
      raise exception using errcode = 'PQ001';
    end if;
  exception when sqlstate 'PQ001' then
    perform private.lock_job(mine.id) from unnest(v_ids) as mine (id);
  end;
  for v_one in
    select
      (p.one ->> 'job_id')::uuid as job_id, (p.one ->> 'lease')::bigint as lease, p.one ->> 'prediction_id' as prediction_id,
      p.one -> 'details' as details, p.ord
    from jsonb_array_elements(p_predictions) with ordinality as p (one, ord)
    order by job_id
  loop
    v_answers[v_one.ord] := private.record_prediction(
      v_one.job_id, v_one.lease, v_one.prediction_id, p_wait_seconds, v_one.details
    );
  end loop;
  return jsonb_build_object('answers', to_jsonb(v_answers));
end
$$;

-- Notes how far the awaited prediction is, in percent of the generation (10 to 90), and where it had to
-- wait for a machine, since when it runs. Comes often, late, twice and out of order: only news about the
-- prediction that is awaited now changes anything, and nothing goes backwards. One row, no lock but its own.
create function private.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_progress int := least(greatest(coalesce(p_progress, 10), 10), 90);
  -- By the provider's clock, which may be ahead of ours.
  v_started timestamptz := case when p_started_at is not null then least(p_started_at, now()) end;
  v_user_id uuid;
  v_generation_id uuid;
begin
  update public.image_generations as g set
    progress = greatest(g.progress, v_progress),
    progress_at = case when g.progress < v_progress then now() else g.progress_at end,
    started_at = greatest(g.started_at, v_started),
    seq = case when g.progress < v_progress then private.next_seq(g.seq) else g.seq end
  where g.id = (select j.generation_id from private.running_jobs as j where j.id = p_job_id)
    and g.status = 'processing' and g.replicate_prediction_id = p_prediction_id
    and (g.progress < v_progress or g.started_at < v_started)
  returning g.user_id, g.id into v_user_id, v_generation_id;
  if found then
    perform private.tell_change(v_user_id, v_generation_id);
    return '{"outcome": "recorded"}';
  end if;
  -- A prediction that nobody has noted may have to be adopted or stopped.
  return jsonb_build_object('outcome', case
    when exists (select from private.predictions where id = p_prediction_id) then 'stale' else 'unknown' end);
end
$$;

-- The end of a prediction, from the provider's webhook or from asking. A fact, whoever holds the
-- lease: matched by job and prediction, and adopted where the run died before it could record it.
-- With p_next, up to so many ready jobs come back under a lease: a slot has become free, and whoever is
-- told of it can go on with the next image at once.
-- The outcome's member "call" names one call: its repetition gets the same download again, still leased.
-- A prediction that is still running is recorded where one is awaited. One that nobody awaits is cancelled, by
-- a job that comes back leased.
create function private.finish_prediction(
  p_job_id uuid, p_prediction_id text, p_outcome jsonb, p_lease_seconds int, p_next int
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_old public.job_queue;
  v_ended private.running_jobs;
  v_download private.running_jobs;
  v_running boolean := coalesce(p_outcome ->> 'status' = 'running', false);
  v_new boolean;
  v_end text;
  v_error jsonb;
  v_stopped boolean;
  v_reopened boolean := false;
begin
  -- The usual end, without the machinery: the very prediction that a first attempt awaits has succeeded.
  if p_outcome ->> 'status' = 'succeeded' then
    delete from private.running_jobs
    where id = p_job_id and prediction_id = p_prediction_id and job_type = 'generate-image' and error_details is null
    returning * into v_ended;
    if found then
      v_ended.expires_at := null;
      v_ended.outcome_unknown := false;
      perform private.finish_running(v_ended, null);
      if not private.note_end(
        p_prediction_id, coalesce(p_outcome ->> 'provider_status', 'succeeded'),
        (p_outcome ->> 'predict_time')::numeric, true
      ) then
        perform private.note_prediction(
          private.as_job(v_ended), p_prediction_id, coalesce(p_outcome ->> 'source', 'webhook'), p_outcome, true);
      end if;
      return private.begin_download(
        v_ended.fair_key, v_ended.generation_id, v_ended.payload ->> 'user_id', v_ended.started_at, p_prediction_id,
        p_outcome, p_lease_seconds, p_next, false
      );
    end if;
  end if;
  v_job := private.lock_job(p_job_id);
  if v_job.job_type <> 'generate-image' then
    v_job := null;
  end if;
  v_old := v_job;
  -- One that an earlier attempt ended with is told of late: nothing more is to be awaited of it.
  if v_running and v_job.status = 'processing' and v_job.prediction_id is null
    and not private.knew_prediction(v_job, p_prediction_id)
  then
    return private.record_prediction(p_job_id, v_job.lease, p_prediction_id, p_lease_seconds, '{"source": "webhook"}');
  end if;
  v_job.id := p_job_id;
  v_new := private.note_prediction(v_job, p_prediction_id, coalesce(p_outcome ->> 'source', 'webhook'), p_outcome);
  v_end := case
    when private.knew_prediction(v_job, p_prediction_id) then 'duplicate'
    when v_job.status is null or v_job.prediction_id <> p_prediction_id then 'mismatch'
    when v_job.status = 'cancelled' then 'cancelled'
  end;
  if v_running then
    -- One that a job waiting for its retry has left may still be the one it gets.
    return jsonb_strip_nulls(jsonb_build_object(
      'outcome', coalesce(v_end, 'running'),
      'job', case when v_new and v_job.status is distinct from 'pending'
        then private.stop_prediction(v_job, p_prediction_id) end
    ));
  end if;
  if v_end is not null then
    return jsonb_build_object('outcome', v_end);
  end if;
  if v_job.status = 'completed' then
    -- The caller that ended it, once more, because the first answer was lost: the download is still its own.
    select * into v_download from private.running_jobs
    where id = (select download_job_id from public.image_generations where id = v_job.generation_id)
      and lease = 1 and payload ->> 'call' = p_outcome ->> 'call';
    if found then
      return jsonb_build_object('outcome', 'download', 'job', to_jsonb(private.as_job(v_download)));
    end if;
    return '{"outcome": "duplicate"}';
  end if;
  if v_job.status = 'failed' then
    -- Given up because its last run died unseen; that run had created this prediction all the same.
    -- The image is made and paid for: it is brought in.
    if p_outcome ->> 'status' is distinct from 'succeeded' or v_job.prediction_id is not null
      or v_job.error_details -> -1 ->> 'code' is distinct from 'lease_expired'
    then
      return '{"outcome": "duplicate"}';
    end if;
    v_reopened := true;
  end if;

  v_job.prediction_id := p_prediction_id;
  if p_outcome ->> 'status' is distinct from 'succeeded' then
    v_error := case jsonb_typeof(p_outcome -> 'error_details') when 'object' then p_outcome -> 'error_details' else '{}' end
      || jsonb_strip_nulls(jsonb_build_object('code', p_outcome -> 'error_code'));
    -- One that we have stopped ourselves, for a run that had lost the job, was stopped by nobody else: another
    -- is made.
    v_stopped := p_outcome ->> 'error_code' = 'cancelled_at_provider' and exists (
      select from private.predictions where id = p_prediction_id and is_unwanted
    );
    -- Kept with the job, so that a repeated delivery is known after the retry has cleared it.
    v_end := private.end_attempt(
      v_old, v_job, p_outcome ->> 'error_message', v_error,
      case when v_stopped then 0 else (p_outcome ->> 'retry_in_seconds')::numeric end
    );
    return jsonb_build_object('outcome', v_end, 'next', private.next_jobs(p_next, p_lease_seconds));
  end if;

  v_job.status := 'completed';
  v_job.completed_at := now();
  v_job.lease_expires_at := null;
  v_job.slot := false;
  v_job.blocked := false;
  v_job.virtual_time := null;
  v_job.outcome_unknown := false;
  v_job.expires_at := null;
  v_job.error_message := null;
  perform private.save_job(v_old, v_job);
  return private.begin_download(
    v_job.fair_key, v_job.generation_id, v_job.payload ->> 'user_id', v_job.started_at, p_prediction_id, p_outcome,
    p_lease_seconds, p_next, v_reopened
  );
end
$$;

-- The image is made: its generation goes on to a download, leased to the caller at once, with up to p_next further
-- images. With p_reopened the generation had been given up.
create function private.begin_download(
  p_fair_key uuid, p_generation_id uuid, p_user_id text, p_started_at timestamptz, p_prediction_id text,
  p_outcome jsonb, p_lease_seconds int, p_next int, p_reopened boolean
) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id uuid := gen_random_uuid();
  v_generation record;
  v_download private.running_jobs;
begin
  if p_reopened then
    perform private.take_back_end(g) from public.image_generations as g
    where g.id = p_generation_id and g.status = 'failed';
  end if;
  update public.image_generations set
    status = 'downloading', progress = greatest(progress, 90), replicate_prediction_id = p_prediction_id,
    started_at = coalesce(started_at, p_started_at, now()),
    predict_time_seconds = coalesce((p_outcome ->> 'predict_time')::numeric, predict_time_seconds),
    download_job_id = v_id,
    error_message = null, error_code = null, completed_at = null,
    reserved_on = case when p_reopened then private.today() else reserved_on end,
    budget_usd = 0, seq = private.next_seq(seq)
  where id = p_generation_id
    and (status in ('pending', 'queued', 'processing') or (p_reopened and status = 'failed'))
  returning id, user_id, width, height, webhook_url into v_generation;
  if exists (select from private.live_listeners where user_id = v_generation.user_id and until > now()) then
    perform private.tell_change(v_generation.user_id, p_generation_id);
  end if;
  if p_reopened then
    perform private.count_reopened(g) from public.image_generations as g where g.id = v_generation.id;
  end if;

  v_download := private.insert_running(
    v_id, 'download-image', p_fair_key, p_generation_id,
    jsonb_strip_nulls(jsonb_build_object('width', v_generation.width, 'height', v_generation.height))
      || (p_outcome - '{status,provider_status,source,completed_at}'::text[])
      -- Tells the worker that the end will be announced.
      || case when v_generation.webhook_url is null then '{}' else '{"webhook": true}' end::jsonb
      || jsonb_build_object(
        'generation_id', p_generation_id,
        'user_id', coalesce(v_generation.user_id::text, p_user_id),
        'prediction_id', p_prediction_id
      ),
    least(greatest(coalesce(p_lease_seconds, 120), 1), 86400),
    private.output_retry_until(p_outcome ->> 'completed_at')
  );
  return jsonb_build_object(
    'outcome', 'download', 'job', to_jsonb(private.as_job(v_download)), 'next', private.next_jobs(p_next, p_lease_seconds)
  );
end
$$;

-- Until when a prediction's output is worth fetching. The provider deletes it an hour after the end by its own
-- clock, <https://replicate.com/docs/topics/predictions/data-retention>; clocks differ by less than five minutes.
create function private.output_retry_until(p_completed_at text) returns timestamptz
language sql stable
return least(coalesce(p_completed_at::timestamptz, now()), now()) + interval '1 hour' + interval '5 minutes';

-- The image is stored: image, generation, job and batch are complete together.
create function private.finish_download(p_job_id uuid, p_lease bigint, p_image jsonb) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_its record;
  v_job private.running_jobs;
  v_generation record;
begin
  select
    g.user_id,
    (select m.cost_per_megapixel is not null from public.models as m where m.id = g.model_id) as by_size
  into v_its
  from private.running_jobs as j inner join public.image_generations as g on g.id = j.generation_id
  where j.id = p_job_id;
  -- The image will refer to it, and a deletion of the account locks it before the job.
  perform 1 from public.profiles where id = v_its.user_id for key share;
  delete from private.running_jobs where id = p_job_id and lease = p_lease and job_type = 'download-image'
  returning * into v_job;
  if not found then
    -- Told a second time, because the first answer was lost.
    return jsonb_build_object('outcome', case
      when exists (
        select from private.finished_jobs where id = p_job_id and lease = p_lease and status = 'completed'
      ) then 'completed' else 'stale' end);
  end if;
  perform private.finish_running(v_job, null);
  if v_its.by_size then
    perform private.correct_cost(v_job.generation_id, (p_image ->> 'width')::int, (p_image ->> 'height')::int);
  end if;

  update public.image_generations as g set
    status = 'completed', progress = 100, completed_at = now(), error_message = null, error_code = null,
    seq = private.next_seq(g.seq),
    width = coalesce((p_image ->> 'width')::int, g.width),
    height = coalesce((p_image ->> 'height')::int, g.height),
    generation_time_seconds = round(extract(epoch from now() - coalesce(g.started_at, g.created_at)), 3),
    -- What its image cost, and not what was paid for attempts before it.
    cost_usd = coalesce(
      (p_image ->> 'cost_usd')::numeric, g.cost_usd,
      (select p.cost_usd from private.predictions as p where p.id = g.replicate_prediction_id),
      (
        select private.expected_cost(m, g.width, g.height, g.source_megapixels)
        from public.models as m where m.id = g.model_id
      )
    )
  where g.id = v_job.generation_id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.id, g.user_id, g.width, g.height, g.prompt, g.negative_prompt, g.model, g.style, g.generation_strength,
    g.source_generation_id, g.reserved_on, g.reserved_usd, g.cost_usd, g.batch_id, g.webhook_url,
    g.budget_usd
  into v_generation;
  if not found then
    return '{"outcome": "completed"}';
  end if;
  -- One whose image is being stored holds nothing of the budget, unless somebody has set it back by hand.
  if v_generation.budget_usd <> 0 then
    update public.image_generations set budget_usd = 0, seq = private.next_seq(seq) where id = v_generation.id;
  end if;
  if exists (select from private.live_listeners where user_id = v_generation.user_id and until > now()) then
    perform private.tell_change(v_generation.user_id, v_generation.id);
  end if;

  insert into public.images as i (
    generation_id, user_id, filename, storage_path, public_url, file_size, width, height, format,
    prompt, negative_prompt, model, style, generation_strength, source_image_id
  )
  values (
    v_generation.id, v_generation.user_id, p_image ->> 'filename', p_image ->> 'storage_path',
    p_image ->> 'public_url', (p_image ->> 'file_size')::bigint,
    v_generation.width, v_generation.height, p_image ->> 'format',
    v_generation.prompt, v_generation.negative_prompt, v_generation.model, v_generation.style,
    v_generation.generation_strength,
    (select s.id from public.images as s where s.generation_id = v_generation.source_generation_id)
  )
  on conflict (generation_id) do update set
    filename = excluded.filename, storage_path = excluded.storage_path, public_url = excluded.public_url,
    file_size = excluded.file_size, width = excluded.width, height = excluded.height, format = excluded.format;

  if v_generation.reserved_usd <> coalesce(v_generation.cost_usd, 0) then
    perform private.settle_cost(
      v_generation.user_id, v_generation.reserved_on, v_generation.reserved_usd, coalesce(v_generation.cost_usd, 0)
    );
  end if;
  if v_generation.batch_id is not null then
    perform private.count_in_batch(v_generation.batch_id, 'completed', 1);
  end if;
  if v_generation.webhook_url is not null then
    perform private.announce_generation(v_generation.id);
  end if;
  return '{"outcome": "completed"}';
end
$$;
