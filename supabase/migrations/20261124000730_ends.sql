-- How a generation ends and comes back --------------------------------------------------------------------------------

-- Ends a generation for good, gives back what was reserved for it and counts it in its batch. The caller
-- holds the job's row. With p_cost_open the reservation counts until private.settle_cancelled. Without p_in_batch the
-- caller counts it in its batch.
create function private.end_generation(
  p_generation_id uuid, p_status text, p_error_message text, p_error_code text, p_cost_open boolean = false,
  p_cancel_job_id uuid = null, p_in_batch boolean = true
) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ended record;
begin
  update public.image_generations as g
  set status = p_status, error_message = p_error_message, error_code = p_error_code, completed_at = now(),
    cost_open = p_cost_open, cancel_job_id = coalesce(p_cancel_job_id, g.cancel_job_id),
    budget_usd = case when p_cost_open then g.budget_usd else 0 end, seq = private.next_seq(g.seq),
    -- A failed one may be brought back, and reserves it again.
    reserved_usd = case when p_status = 'cancelled' and not p_cost_open then 0 else g.reserved_usd end
  from (select id, reserved_usd, status from public.image_generations where id = p_generation_id for update) as before
  where g.id = before.id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.user_id, g.batch_id, g.reserved_on, before.reserved_usd, before.status as was, g.webhook_url, g.job_id
  into v_ended;
  if not found then
    return;
  end if;
  perform private.tell_change(v_ended.user_id, p_generation_id);
  if not p_cost_open then
    perform private.settle_cost(v_ended.user_id, v_ended.reserved_on, v_ended.reserved_usd, 0);
  end if;
  -- What a try to store its image may have left is not for free either. An upload that is under way ends
  -- within its lease.
  if v_ended.was = 'downloading' then
    insert into private.removed_objects (name, due_at)
    select name, now() + interval '10 minutes'
    from unnest(private.object_names(v_ended.user_id, p_generation_id)) as name;
  end if;
  if v_ended.batch_id is not null and p_in_batch then
    perform private.count_in_batch(v_ended.batch_id, p_status, 1);
  end if;
  if v_ended.webhook_url is not null then
    perform private.announce_generation(p_generation_id);
  end if;
  if v_ended.job_id is null then
    perform private.keep_end(g) from public.image_generations as g where g.id = p_generation_id;
  end if;
end
$$;

-- What the counters of a batch give as its status.
create function private.batch_status(p_total int, p_completed int, p_failed int, p_cancelled int) returns text
language sql stable
return case
  when p_completed + p_failed + p_cancelled < p_total then 'processing'
  when p_completed = p_total then 'completed'
  when p_completed > 0 then 'partial'
  when p_failed > 0 then 'failed'
  else 'cancelled'
end;

-- Adds p_delta to a batch's counter of one end status and derives the batch's own status. In one update: a row that
-- is written twice in a transaction has its foreign keys checked, and that would wait for a deletion of the account.
create function private.count_in_batch(p_batch_id uuid, p_status text, p_delta int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_completed int := case p_status when 'completed' then p_delta else 0 end;
  v_failed int := case p_status when 'failed' then p_delta else 0 end;
  v_cancelled int := p_delta - v_completed - v_failed;
begin
  update public.batch_generations set
    completed_count = completed_count + v_completed,
    failed_count = failed_count + v_failed,
    cancelled_count = cancelled_count + v_cancelled,
    status = private.batch_status(
      total_count, completed_count + v_completed, failed_count + v_failed, cancelled_count + v_cancelled
    ),
    completed_at = case
      when completed_count + failed_count + cancelled_count + p_delta >= total_count then now()
    end
  where id = p_batch_id;
end
$$;

-- A batch with the status that its counters give.
create function private.with_status(p_batch public.batch_generations) returns public.batch_generations
language plpgsql stable set search_path = '' as $$
declare
  v_batch public.batch_generations := p_batch;
begin
  v_batch.status := private.batch_status(
    p_batch.total_count, p_batch.completed_count, p_batch.failed_count, p_batch.cancelled_count
  );
  v_batch.completed_at := case
    when p_batch.completed_count + p_batch.failed_count + p_batch.cancelled_count >= p_batch.total_count then now()
  end;
  return v_batch;
end
$$;

-- Takes back that a generation has failed. The caller holds the job's row.
create function private.reopen_generation(p_generation_id uuid, p_status text) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_opened public.image_generations;
begin
  perform private.take_back_end(g) from public.image_generations as g
  where g.id = p_generation_id and g.status = 'failed';
  update public.image_generations set
    reserved_on = private.today(),
    status = p_status, progress = case p_status when 'pending' then 0 else progress end,
    error_message = null, error_code = null, completed_at = null, seq = private.next_seq(seq),
    budget_usd = case when private.is_waiting(p_status) then private.budget_again(image_generations) else 0 end
  where id = p_generation_id and status = 'failed'
  returning * into v_opened;
  if found then
    perform private.tell_change(v_opened.user_id, p_generation_id);
  end if;
  perform private.count_reopened(v_opened);
end
$$;

-- Counts one that is no longer failed again: its price in its user's money, itself in its batch.
create function private.count_reopened(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if p_generation.id is null then
    return;
  end if;
  perform private.reserve_cost(p_generation.user_id, p_generation.reserved_on, p_generation.reserved_usd);
  if p_generation.batch_id is not null then
    perform private.count_in_batch(p_generation.batch_id, 'failed', -1);
  end if;
end
$$;

-- Ends a generation at its user's wish, as long as its image is not made: from `downloading` on it is paid for,
-- and its user's. A prediction that runs at the provider is
-- cancelled there by a job of its own; one that is being created just now is cancelled by its worker,
-- whose record_prediction is answered "stale". Where a create may have left one that nobody knows, the job
-- looks for it: at once when the outcome is unknown already, else when the run's lease is over. What was
-- reserved for a run counts until it is known what the run has cost. Cancelling what is cancelled already is
-- no error.
create function private.cancel_generation(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
  v_job public.job_queue;
  v_cancel_job_id uuid;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;

  -- Waits for a step that is just being taken: whether the image is made, and by which job, is known after that.
  perform private.lock_for_change(p_generation_id, null);
  select * into v_generation from public.image_generations where id = p_generation_id for update;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  v_job := private.lock_job(v_generation.job_id);
  perform private.check_cancellable(v_generation.status);
  if v_generation.status <> 'cancelled' then
    v_cancel_job_id := private.cancel_job(v_job);
    perform private.end_generation(
      p_generation_id, 'cancelled', null, null, v_cancel_job_id is not null, v_cancel_job_id);
    if v_cancel_job_id is not null then
      perform private.stop_run(v_job, v_cancel_job_id);
    end if;
    if v_generation.job_id is null then
      delete from private.unstarted_generations where generation_id = p_generation_id;
    end if;
  end if;
  return jsonb_build_object('generation_id', p_generation_id, 'status', 'cancelled');
end
$$;

-- Refuses to cancel what is made or has failed.
create function private.check_cancellable(p_status text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if p_status in ('completed', 'failed') then
    perform private.refuse(409, 'conflict', format('The generation is already %s.', p_status));
  end if;
  if p_status = 'downloading' then
    perform private.refuse(
      409, 'conflict', 'The image has been made already; it is being stored and will be yours in a moment.'
    );
  end if;
end
$$;

-- Ends a generation's locked job, if it is open, at its user's wish. Where it runs, returns the id for the job that is
-- to stop the run (private.stop_run), which the caller makes once the generation has ended.
create function private.cancel_job(p_job public.job_queue) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_new public.job_queue := p_job;
begin
  if p_job.status in ('pending', 'processing') then
    v_new.status := 'cancelled';
    v_new.completed_at := now();
    v_new.lease_expires_at := null;
    v_new.slot := false;
    v_new.blocked := false;
    v_new.virtual_time := null;
    v_new.error_message := 'Cancelled by the user.';
    perform private.save_job(p_job, v_new);
  end if;
  return case when p_job.status = 'processing' then gen_random_uuid() end;
end
$$;

-- Predictions that nobody wants ---------------------------------------------------------------------------------------

-- Until when a prediction is to be stopped: by then it has stopped by itself, at its deadline.
create function private.stop_until() returns timestamptz
language sql stable
return now() + interval '30 minutes';

-- A job that stops a prediction nobody wants, leased to the caller already. It is tried until the prediction,
-- which runs and costs, has reached its deadline.
create function private.stop_prediction(p_job public.job_queue, p_prediction_id text) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.predictions set is_unwanted = true where id = p_prediction_id;
  return to_jsonb(private.as_job(private.insert_running(
    gen_random_uuid(), 'cancel-prediction', p_job.fair_key, p_job.generation_id,
    jsonb_strip_nulls(jsonb_build_object(
      'prediction_id', p_prediction_id, 'generation_id', p_job.generation_id, 'user_id', p_job.fair_key
    )),
    60, private.stop_until()
  )));
end
$$;

-- Leaves a job that stops what a run at the provider has created, or may be creating: the prediction that is
-- known; or whatever a search finds, at once where a create is in doubt, and else when the run's lease is over,
-- for its worker is told first. It is no part of the generation, which may be about to be deleted.
create function private.stop_run(p_job public.job_queue, p_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.insert_jobs(jsonb_build_array(jsonb_build_object(
    'id', p_id, 'job_type', 'cancel-prediction', 'priority', 100, 'retry_until', private.stop_until(),
    'scheduled_at', case
      when p_job.prediction_id is null and not p_job.outcome_unknown then p_job.lease_expires_at
    end,
    'payload', jsonb_strip_nulls(jsonb_build_object(
      'generation_id', p_job.generation_id, 'user_id', p_job.fair_key, 'model_id', p_job.payload -> 'model_id'
    )) || case
      when p_job.prediction_id is not null then jsonb_build_object('prediction_id', p_job.prediction_id)
      else jsonb_build_object(
        'job_id', p_job.id, 'since', p_job.started_at, 'search_until', p_job.lease_expires_at
      )
    end
  )));
end
$$;

-- The job that stop_run has left finds nothing any more: the worker itself has told what its run created.
create function private.complete_search(p_generation_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id uuid := (select cancel_job_id from public.image_generations where id = p_generation_id);
  v_job public.job_queue;
  v_new public.job_queue;
begin
  perform 1 from private.scheduled_jobs where id = v_id for update skip locked;
  if not found then
    perform 1 from private.ready_jobs where id = v_id for update skip locked;
    if not found then
      return;
    end if;
  end if;
  select * into v_job from public.job_queue where id = v_id;
  -- One that stops a prediction that was known is not done.
  if not v_job.payload ? 'job_id' then
    return;
  end if;
  v_new := v_job;
  v_new.status := 'completed';
  v_new.completed_at := now();
  v_new.slot := false;
  v_new.virtual_time := null;
  perform private.save_job(v_job, v_new);
end
$$;

-- What a job of type cancel-prediction found: [{id, status, predict_time}] of the job that its payload
-- names, or the one prediction that it stopped.
create function private.note_stopped(p_payload jsonb, p_created_at timestamptz, p_predictions jsonb) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_one jsonb;
  v_generation_id uuid := private.as_uuid(p_payload ->> 'generation_id');
begin
  -- One that was inserted since, with the id of one that was deleted, has nothing to do with it.
  if exists (
    select from public.image_generations where id = v_generation_id and created_at > p_created_at
  ) then
    v_generation_id := null;
  end if;
  if p_payload ? 'job_id' then
    select * into v_job from public.job_queue where id = private.as_uuid(p_payload ->> 'job_id');
    if not found then
      -- Its user was deleted, and what this costs stays known.
      v_job.id := private.as_uuid(p_payload ->> 'job_id');
      v_job.payload := p_payload;
      v_job.generation_id := v_generation_id;
    end if;
  end if;
  for v_one in select jsonb_array_elements(p_predictions) loop
    if v_job.id is not null then
      perform private.note_prediction(v_job, v_one ->> 'id', 'adopted', v_one - 'id');
    elsif v_one ->> 'status' <> 'running' then
      perform private.note_end(v_one ->> 'id', v_one ->> 'status', (v_one ->> 'predict_time')::numeric);
    end if;
  end loop;
  -- Nothing runs that could still cost something.
  if not p_predictions @> '[{"status": "running"}]' then
    perform private.settle_cancelled(v_generation_id, 0);
  end if;
end
$$;
