-- Outcomes ------------------------------------------------------------------------------------------------------------
--
-- How a job's run ends. Every write names the lease it was claimed under; a lease that is no longer the job's changes
-- nothing and is answered "stale".

-- A running job under its lease, its row locked; null where the lease is not the job's.
create function private.leased_job(p_job_id uuid, p_lease bigint) returns public.job_queue
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job private.running_jobs;
begin
  select * into v_job from private.running_jobs where id = p_job_id and lease = p_lease for update;
  if not found then
    return null;
  end if;
  return private.as_job(v_job);
end
$$;

create function private.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job private.running_jobs;
begin
  delete from private.running_jobs where id = p_job_id and lease = p_lease returning * into v_job;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  perform private.finish_running(v_job, p_result);
  if v_job.job_type = 'cancel-prediction' and jsonb_typeof(p_result -> 'predictions') = 'array' then
    perform private.note_stopped(v_job.payload, v_job.created_at, p_result -> 'predictions');
  end if;
  return '{"outcome": "completed"}';
end
$$;

-- A running job that is completed and whose row the caller has taken away.
create function private.finish_running(p_job private.running_jobs, p_result jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_unblocked int;
begin
  insert into private.finished_jobs
  values (
    p_job.id, p_job.seq, p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until,
    p_job.fair_key, p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type,
    p_job.payload, null, p_job.error_details, p_job.started_at, now(), 'completed', p_job.prediction_id, p_result
  );
  if p_job.slot then
    v_unblocked := private.pass_slot(p_job.fair_key, p_job.job_type);
  end if;
  insert into private.job_deltas (
    job_type, from_status, from_attempts, status, hour, jobs, attempts, measured, seconds, oldest, newest, blocked,
    run_minute
  )
  values (
    p_job.job_type, 'processing', p_job.attempts, 'completed', date_trunc('hour', now(), 'UTC'), 1, p_job.attempts, 1,
    extract(epoch from now() - p_job.started_at), p_job.created_at, p_job.created_at, -nullif(v_unblocked, 0),
    date_trunc('minute', p_job.started_at)
  );
end
$$;

-- Many jobs, each under its lease: returns the ids of those that are completed now. The rows are locked in the order
-- of their ids before the slots that they free, so that two such calls never meet crosswise.
create function private.complete_jobs(p_job_ids uuid[], p_leases bigint[]) returns uuid[]
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_rows tid[];
  v record;
begin
  if cardinality(p_job_ids) is distinct from cardinality(p_leases) then
    perform private.refuse(422, 'invalid_request', 'Each job needs its lease.');
  end if;
  v_rows := array(
    select mine.rid
    from (select id, lease from unnest(p_job_ids, p_leases) as u (id, lease) order by id) as given
    -- Looked up one by one, in this order: no join, whatever statistics say.
    cross join lateral (
      select r.ctid as rid from private.running_jobs as r where r.id = given.id and r.lease = given.lease for update
    ) as mine
  );
  with done as (
    delete from private.running_jobs where ctid = any(v_rows) returning *
  ), finished as (
    insert into private.finished_jobs
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, null, error_details, started_at, now(), 'completed', prediction_id,
      null
    from done
  ), counted as (
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, hour, jobs, attempts, measured, seconds, oldest, newest, run_minute
    )
    select job_type, 'processing', sum(attempts), 'completed', date_trunc('hour', now(), 'UTC'), count(*),
      sum(attempts), count(*), sum(extract(epoch from now() - started_at)), min(created_at), max(created_at), minute
    from (select *, date_trunc('minute', started_at) as minute from done) as d group by job_type, minute
  ), users as (
    select fair_key, job_type, count(*)::int as jobs from done where slot group by fair_key, job_type
    order by fair_key, job_type
  )
  select
    (select array_agg(id) from done) as ids,
    (select array_agg(fair_key) from users) as fair_keys,
    (select array_agg(job_type) from users) as job_types,
    (select array_agg(jobs) from users) as counts
  into v;
  if v.fair_keys is not null then
    perform private.release_slots(v.fair_keys, v.job_types, v.counts);
  end if;
  return coalesce(v.ids, '{}');
end
$$;

-- The original's way to end a job, without a lease: an error is retried with exponential backoff and
-- full jitter (10 s doubling, at most 10 minutes) until the attempts are used up.
create function private.complete_job_unfenced(
  p_job_id uuid, p_error_message text, p_error_details jsonb, p_result jsonb
) returns void
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue := private.lock_job(p_job_id);
  v_new public.job_queue := v_job;
begin
  if v_job.id is null then
    perform private.refuse(404, 'not_found', format('Job not found: %s', p_job_id));
  end if;
  if v_job.status not in ('pending', 'processing') then
    return;
  end if;
  if p_error_message is not null then
    perform private.end_attempt(
      v_job, v_job, p_error_message, p_error_details,
      (random() * least(600, 10 * 2 ^ least(v_job.attempts, 10)))::numeric
    );
    return;
  end if;
  v_new.status := 'completed';
  v_new.completed_at := now();
  v_new.lease_expires_at := null;
  v_new.slot := false;
  v_new.blocked := false;
  v_new.virtual_time := null;
  v_new.error_message := null;
  v_new.result := p_result;
  perform private.save_job(v_job, v_new);
end
$$;

create function private.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text, p_error_details jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue := private.leased_job(p_job_id, p_lease);
begin
  if v_job.id is null then
    return '{"outcome": "stale"}';
  end if;
  return jsonb_build_object(
    'outcome', private.end_attempt(v_job, v_job, p_error_message, p_error_details, p_retry_in_seconds)
  );
end
$$;

-- Counts an attempt that ended in an error: back to pending after p_retry_in_seconds, or failed when
-- that is null or the attempts are used up. An error that says {"retry": "once"} is one that may have been paid
-- for, or of which nobody can tell whether another attempt makes sense: the second such error of a job ends it.
-- p_old is the job as it stands, p_job the same, perhaps with the prediction that it is now known to have had. The
-- caller holds its row. Returns the outcome.
create function private.end_attempt(
  p_old public.job_queue, p_job public.job_queue, p_error_message text, p_error_details jsonb,
  p_retry_in_seconds numeric
) returns text
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_new public.job_queue := p_job;
  v_code text := p_error_details ->> 'code';
  v_user_id uuid;
begin
  if p_job.job_type = 'generate-image' then
    if p_job.prediction_id is not null then
      perform private.note_end(p_job.prediction_id, 'unknown', null);
    else
      perform private.return_probe();
    end if;
  end if;
  v_new.error_message := p_error_message;
  v_new.error_details := private.with_error(
    p_job.error_details, p_job.attempts + 1, p_job.prediction_id, p_error_message, p_error_details);
  v_new.slot := false;
  v_new.blocked := false;
  v_new.virtual_time := null;
  v_new.lease_expires_at := null;
  v_new.outcome_unknown := false;
  if p_retry_in_seconds is not null and p_job.attempts + 1 < p_job.max_attempts
    and not (p_error_details @> '{"retry": "once"}' and p_job.error_details @> '[{"retry": "once"}]') is true
  then
    v_new.status := 'pending';
    v_new.attempts := p_job.attempts + 1;
    v_new.scheduled_at := now() + make_interval(secs => greatest(p_retry_in_seconds, 0)::double precision);
    v_new.completed_at := null;
    v_new.started_at := null;
    v_new.prediction_id := null;
    perform private.save_job(p_old, v_new);
    if p_job.generation_id is not null and p_job.job_type = 'generate-image' then
      update public.image_generations set
        status = 'pending', progress = 0, retry_count = retry_count + 1,
        started_at = null, replicate_prediction_id = null, seq = private.next_seq(seq),
        budget_usd = private.budget_again(image_generations)
      where id = p_job.generation_id and status in ('pending', 'queued', 'processing', 'downloading')
      returning user_id into v_user_id;
      perform private.tell_change(v_user_id, p_job.generation_id);
    end if;
    return 'retrying';
  end if;

  v_new.status := 'failed';
  v_new.completed_at := now();
  -- Nothing was tried where the provider refuses the model.
  v_new.attempts := p_job.attempts + case v_code when 'model_unavailable' then 0 else 1 end;
  perform private.save_job(p_old, v_new);
  if p_job.generation_id is not null and private.carries_generation(p_job.job_type) then
    perform private.end_generation(
      p_job.generation_id, case v_code when 'cancelled' then 'cancelled' else 'failed' end,
      p_error_message, coalesce(v_code, 'failed')
    );
  end if;
  return 'failed';
end
$$;

-- Puts a run off without using an attempt. With a prediction, or one that may exist, the job stays
-- running, and the next claim after that time looks at it; else it is pending again.
create function private.snooze_job(p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean)
returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_until timestamptz := now() + make_interval(secs => greatest(coalesce(p_seconds, 0), 0)::double precision);
  v_job public.job_queue := private.leased_job(p_job_id, p_lease);
  v_new public.job_queue := v_job;
begin
  if v_job.id is null then
    return '{"outcome": "stale"}';
  end if;
  v_new.outcome_unknown := coalesce(p_outcome_unknown, false);
  if v_job.job_type = 'generate-image' and v_job.prediction_id is null then
    -- A day after it was due: an end for what nobody can serve.
    v_new.retry_until := coalesce(
      v_job.retry_until, greatest(v_job.created_at, v_job.scheduled_at) + interval '24 hours');
  end if;
  if v_job.prediction_id is not null or p_outcome_unknown then
    v_new.lease_expires_at := v_until;
  else
    v_new.status := 'pending';
    v_new.scheduled_at := v_until;
    v_new.lease_expires_at := null;
    v_new.slot := false;
  end if;
  perform private.save_job(v_job, v_new);
  if v_job.job_type = 'generate-image' and v_job.prediction_id is null then
    perform private.return_probe();
  end if;
  return '{"outcome": "snoozed"}';
end
$$;

create function private.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.running_jobs
  set lease_expires_at = now() + make_interval(secs => least(greatest(p_lease_seconds, 1), 86400))
  where id = p_job_id and lease = p_lease;
  return jsonb_build_object('outcome', case when found then 'extended' else 'stale' end);
end
$$;

-- Brings a failed job back with all its attempts, and its generation with it.
create function private.requeue_job(p_job_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_old public.job_queue := private.lock_job(p_job_id);
begin
  if v_old.status is distinct from 'failed' then
    return jsonb_build_object('outcome', case when v_old.id is null then 'unknown' else 'not_failed' end);
  end if;
  -- A prediction that was cancelled at the provider, say: its job has failed, its generation has not. Run again, the
  -- job would make an image for nobody; or end what another job, of the user's retry, is making.
  if private.carries_generation(v_old.job_type) and exists (
    select from public.image_generations where id = v_old.generation_id and status <> 'failed'
  ) then
    return '{"outcome": "not_failed"}';
  end if;
  perform private.requeue(v_old);
  if private.carries_generation(v_old.job_type) then
    perform private.reopen_generation(
      v_old.generation_id, case v_old.job_type when 'download-image' then 'downloading' else 'pending' end
    );
  end if;
  return jsonb_build_object('outcome', 'requeued', 'job_id', p_job_id);
end
$$;

-- Brings a failed job, which the caller has locked, back with all its attempts. Where its last run ended unseen and may
-- have created a prediction whose image the provider still has, the next claim looks for that first.
create function private.requeue(p_job public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v_job public.job_queue := p_job;
begin
  if p_job.job_type = 'generate-image' and p_job.prediction_id is null and p_job.started_at is not null
    and p_job.error_details -> -1 ->> 'code' = 'lease_expired' and p_job.completed_at > now() - interval '1 hour'
  then
    v_job.status := 'processing';
    v_job.outcome_unknown := true;
    v_job.lease_expires_at := now();
  else
    v_job.status := 'pending';
    v_job.started_at := null;
  end if;
  v_job.attempts := 0;
  v_job.scheduled_at := now();
  v_job.completed_at := null;
  v_job.prediction_id := null;
  v_job.expires_at := null;
  v_job.error_message := null;
  v_job.payload := case jsonb_typeof(p_job.payload) when 'object' then p_job.payload - 'model_refused' else p_job.payload end;
  -- Whose time is over is tried by attempts.
  v_job.retry_until := case
    when private.has_deadline(p_job.job_type, p_job.retry_until) and p_job.retry_until > now() then p_job.retry_until
  end;
  perform private.save_job(p_job, v_job);
end
$$;
