-- What the API exposes: thin functions with the caller's rights in front of the private ones.
-- plpgsql rather than sql, because plpgsql keeps its plans between calls. Those that may change generations
-- add the changes to their answers (private.with_changes), where somebody listens.

-- For the service any job; for a signed-in user an image of their own. Returns the job's id.
create function public.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int = 0,
  p_scheduled_at timestamptz = now(), p_max_attempts int = 3
) returns uuid language plpgsql set search_path = '' as $$
begin
  if current_user = 'authenticated' then
    return private.enqueue_own_job(p_job_type, p_payload, p_priority, p_scheduled_at);
  end if;
  return private.enqueue_job(p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts);
end
$$;

-- Many jobs in one transaction: [{job_type, payload, priority, scheduled_at, max_attempts}], at most 1,000.
create function public.enqueue_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' as $$
begin
  return private.enqueue_jobs(p_jobs);
end
$$;

create function public.claim_next_job(p_job_types text[] = null)
returns setof public.job_queue language plpgsql set search_path = '' as $$
begin
  -- The original's workers know no lease: ten minutes, after which a job counts as stuck.
  return query select * from private.claim_jobs(1, 600, p_job_types);
end
$$;

create function public.complete_job(
  p_job_id uuid, p_error_message text = null, p_error_details jsonb = null,
  p_result jsonb = null, p_error text = null
) returns void language plpgsql set search_path = '' as $$
begin
  perform private.complete_job_unfenced(p_job_id, coalesce(p_error_message, p_error), p_error_details, p_result);
end
$$;

create function public.claim_jobs(p_limit int = 1, p_lease_seconds int = 60, p_job_types text[] = null)
returns setof public.job_queue language plpgsql set search_path = '' as $$
begin
  return query select * from private.claim_jobs(p_limit, p_lease_seconds, p_job_types);
end
$$;

create function public.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb = null)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.complete_job(p_job_id, p_lease, p_result);
end
$$;

create function public.complete_jobs(p_job_ids uuid[], p_leases bigint[])
returns uuid[] language plpgsql set search_path = '' as $$
begin
  return private.complete_jobs(p_job_ids, p_leases);
end
$$;

create function public.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text,
  p_error_details jsonb = '{}', p_retry_in_seconds numeric = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.fail_job(p_job_id, p_lease, p_error_message, p_error_details, p_retry_in_seconds));
end
$$;

create function public.snooze_job(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean = false
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.snooze_job(p_job_id, p_lease, p_seconds, p_outcome_unknown);
end
$$;

create function public.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.extend_lease(p_job_id, p_lease, p_lease_seconds);
end
$$;

create function public.record_prediction(
  p_job_id uuid, p_lease bigint, p_prediction_id text, p_wait_seconds int, p_details jsonb = '{}'
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_prediction(p_job_id, p_lease, p_prediction_id, p_wait_seconds, p_details));
end
$$;

create function public.record_predictions(p_predictions jsonb, p_wait_seconds int)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_predictions(p_predictions, p_wait_seconds));
end
$$;

create function public.finish_prediction(
  p_job_id uuid, p_prediction_id text, p_outcome jsonb, p_lease_seconds int = 120, p_next int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.finish_prediction(p_job_id, p_prediction_id, p_outcome, p_lease_seconds, p_next));
end
$$;

create function public.finish_download(p_job_id uuid, p_lease bigint, p_image jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.finish_download(p_job_id, p_lease, p_image));
end
$$;

create function public.start_generation(
  p_request jsonb, p_idempotency_key text = null, p_request_hash text = null, p_next int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_own_changes(private.start_generation(p_request, p_idempotency_key, p_request_hash, p_next));
end
$$;

create function public.get_generation(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.get_generation(p_generation_id);
end
$$;

create function public.list_generations(
  p_limit int = 20, p_cursor text = null, p_status text = null, p_batch_id uuid = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.list_generations(p_limit, p_cursor, p_status, p_batch_id);
end
$$;

create function public.cancel_generation(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_own_changes(private.cancel_generation(p_generation_id));
end
$$;

create function public.requeue_job(p_job_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.requeue_job(p_job_id));
end
$$;

create function public.prune_jobs(p_completed_days int = 7, p_failed_days int = 30, p_limit int = 10000)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.prune_jobs(p_completed_days, p_failed_days, p_limit);
end
$$;

create function public.record_sweep(p_stats jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.record_sweep(p_stats);
end
$$;

create function public.queue_status()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.queue_status();
end
$$;
