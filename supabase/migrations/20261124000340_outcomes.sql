-- How a job's run ends. Every write names the lease it was claimed under; a lease that is no longer
-- the job's changes nothing and is answered "stale".

-- Job types whose end is their generation's end.
create function private.carries_generation(p_job_type text) returns boolean
language sql immutable set search_path = '' as $$
  select p_job_type in ('generate-image', 'download-image')
$$;

-- The job's history with one more attempt's error.
create function private.add_error(p_job public.job_queue, p_message text, p_details jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select case jsonb_typeof(p_job.error_details) when 'array' then p_job.error_details else '[]' end
    || jsonb_build_array(
      jsonb_strip_nulls(jsonb_build_object(
        'attempt', p_job.attempts + 1, 'at', now(), 'message', p_message, 'prediction_id', p_job.prediction_id
      )) || case jsonb_typeof(p_details) when 'object' then p_details else '{}' end
    )
$$;

-- Counts an attempt that ended in an error: back to pending after p_retry_in_seconds, or failed when
-- that is null or the attempts are used up. An error that says {"retry": "once"} is one that may have been paid
-- for, or of which nobody can tell whether another attempt makes sense: the second such error of a job ends it.
-- The caller holds the job's row. Returns the outcome.
create function private.end_attempt(
  p_job public.job_queue, p_error_message text, p_error_details jsonb, p_retry_in_seconds numeric
) returns text
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_history jsonb := private.add_error(p_job, p_error_message, p_error_details);
  v_code text := p_error_details ->> 'code';
begin
  if p_job.job_type = 'generate-image' then
    if p_job.prediction_id is not null then
      perform private.note_end(p_job.prediction_id, 'unknown', null);
    else
      perform private.return_probe();
    end if;
  end if;
  if p_retry_in_seconds is not null and p_job.attempts + 1 < p_job.max_attempts
    and not (p_error_details @> '{"retry": "once"}' and p_job.error_details @> '[{"retry": "once"}]') is true
  then
    update public.job_queue set
      status = 'pending', attempts = attempts + 1, ready_at = null, turn = null, slot = false, held = false,
      scheduled_at = now() + make_interval(secs => greatest(p_retry_in_seconds, 0)::double precision),
      lease_expires_at = null, prediction_id = null, outcome_unknown = false, rescued = false,
      error_message = p_error_message, error_details = v_history
    where id = p_job.id;
    if p_job.generation_id is not null and p_job.job_type = 'generate-image' then
      update public.image_generations set
        status = 'queued', progress = 0, retry_count = retry_count + 1,
        started_at = null, replicate_prediction_id = null
      where id = p_job.generation_id and status in ('queued', 'processing', 'downloading');
    end if;
    return 'retrying';
  end if;

  update public.job_queue set
    status = 'failed', completed_at = now(), lease_expires_at = null, slot = false,
    -- Nothing was tried where the provider refuses the model.
    attempts = attempts + case v_code when 'model_unavailable' then 0 else 1 end,
    prediction_id = p_job.prediction_id, error_message = p_error_message, error_details = v_history
  where id = p_job.id;
  if p_job.generation_id is not null and private.carries_generation(p_job.job_type) then
    perform private.end_generation(
      p_job.generation_id, case v_code when 'cancelled' then 'cancelled' else 'failed' end,
      p_error_message, coalesce(v_code, 'failed')
    );
  end if;
  return 'failed';
end
$$;

create function private.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text, p_error_details jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  select * into v_job from public.job_queue
  where id = p_job_id and lease = p_lease and status = 'processing' for update;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  return jsonb_build_object(
    'outcome', private.end_attempt(v_job, p_error_message, p_error_details, p_retry_in_seconds)
  );
end
$$;

-- Puts a run off without using an attempt. With a prediction, or one that may exist, the job stays
-- processing and is looked at by the sweep when the time is over; else it is pending again.
create function private.snooze_job(p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean)
returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_until timestamptz := now() + make_interval(secs => greatest(coalesce(p_seconds, 0), 0)::double precision);
  v_creates boolean;
begin
  update public.job_queue set
    outcome_unknown = coalesce(p_outcome_unknown, false),
    status = case when prediction_id is not null or p_outcome_unknown then status else 'pending' end,
    lease_expires_at = case when prediction_id is not null or p_outcome_unknown then v_until end,
    scheduled_at = case when prediction_id is not null or p_outcome_unknown then scheduled_at else v_until end,
    slot = slot and (prediction_id is not null or p_outcome_unknown),
    retry_until = case
      when job_type <> 'generate-image' or prediction_id is not null then retry_until
      -- A day after it was due: an end for what nobody can serve.
      else coalesce(retry_until, greatest(created_at, scheduled_at) + interval '24 hours')
    end,
    ready_at = null,
    turn = null
  where id = p_job_id and lease = p_lease and status = 'processing'
  returning job_type = 'generate-image' and prediction_id is null into v_creates;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if v_creates then
    perform private.return_probe();
  end if;
  return '{"outcome": "snoozed"}';
end
$$;

create function private.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  update public.job_queue
  set lease_expires_at = now() + make_interval(secs => least(greatest(p_lease_seconds, 1), 86400))
  where id = p_job_id and lease = p_lease and status = 'processing';
  return jsonb_build_object('outcome', case when found then 'extended' else 'stale' end);
end
$$;

create function private.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_payload jsonb;
begin
  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false,
    error_message = null, result = p_result, updated_at = now()
  where id = p_job_id and lease = p_lease and status = 'processing'
  returning case job_type when 'cancel-prediction' then payload end into v_payload;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if v_payload is not null and jsonb_typeof(p_result -> 'predictions') = 'array' then
    perform private.note_stopped(v_payload, p_result -> 'predictions');
  end if;
  return '{"outcome": "completed"}';
end
$$;

-- Many jobs, each under its lease: returns the ids of those that are completed now. The rows are locked
-- before the lanes that they free, so that two such calls never meet crosswise.
create function private.complete_jobs(p_job_ids uuid[], p_leases bigint[]) returns uuid[]
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_ids uuid[];
begin
  if cardinality(p_job_ids) is distinct from cardinality(p_leases) then
    perform private.refuse(422, 'invalid_request', 'Each job needs its lease.');
  end if;
  v_ids := array(
    select id from public.job_queue
    where id = any(p_job_ids) and lease = p_leases[array_position(p_job_ids, id)] and status = 'processing'
    order by id for update
  );
  perform private.lock_lanes(v_ids);
  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false,
    error_message = null, updated_at = now()
  where id = any(v_ids);
  return v_ids;
end
$$;

-- The original's way to end a job, without a lease: an error is retried with exponential backoff and
-- full jitter (10 s doubling, at most 10 minutes) until the attempts are used up.
create function private.complete_job_unfenced(
  p_job_id uuid, p_error_message text, p_error_details jsonb, p_result jsonb
) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  select * into v_job from public.job_queue
  where id = p_job_id and status in ('pending', 'processing') for update;
  if not found then
    return;
  end if;
  if p_error_message is not null then
    perform private.end_attempt(
      v_job, p_error_message, p_error_details, (random() * least(600, 10 * 2 ^ least(v_job.attempts, 10)))::numeric
    );
    return;
  end if;
  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false, error_message = null,
    result = p_result
  where id = p_job_id;
end
$$;
