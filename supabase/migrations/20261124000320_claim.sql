-- Out of the queue: claim_jobs and its parts. Whatever waits, a claim does a bounded amount of work.

-- Ends a generation for good and counts it in its batch. The caller holds the job's row: rows are
-- always locked in the order job, generation, batch.
create function private.end_generation(
  p_generation_id uuid, p_status text, p_error_message text, p_error_code text
) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_batch uuid;
begin
  update public.image_generations
  set status = p_status, error_message = p_error_message, error_code = p_error_code, completed_at = now()
  where id = p_generation_id and status not in ('completed', 'failed', 'cancelled')
  returning batch_id into v_batch;
  if v_batch is not null then
    perform private.count_in_batch(v_batch, p_status, 1);
  end if;
end
$$;

-- Adds p_delta to a batch's counter of one end status and derives the batch's own status.
create function private.count_in_batch(p_batch_id uuid, p_status text, p_delta int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update public.batch_generations set
    completed_count = completed_count + case when p_status = 'completed' then p_delta else 0 end,
    failed_count = failed_count + case when p_status = 'failed' then p_delta else 0 end,
    cancelled_count = cancelled_count + case when p_status = 'cancelled' then p_delta else 0 end
  where id = p_batch_id;
  update public.batch_generations set
    status = case
      when completed_count + failed_count + cancelled_count < total_count then 'processing'
      when completed_count = total_count then 'completed'
      when completed_count > 0 then 'partial'
      when failed_count > 0 then 'failed'
      else 'cancelled'
    end,
    completed_at = case
      when completed_count + failed_count + cancelled_count >= total_count then now()
    end
  where id = p_batch_id;
end
$$;

-- Takes back that a generation has failed. The caller holds the job's row.
create function private.reopen_generation(p_generation_id uuid, p_status text) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_batch uuid;
begin
  update public.image_generations set
    status = p_status, progress = case p_status when 'queued' then 0 else progress end,
    error_message = null, error_code = null, completed_at = null
  where id = p_generation_id and status = 'failed'
  returning batch_id into v_batch;
  if v_batch is not null then
    perform private.count_in_batch(v_batch, 'failed', -1);
  end if;
end
$$;

-- Taken before work that touches rows of several users: those transactions queue up behind each
-- other instead of meeting crosswise. Only claims that found such work take it.
create function private.lock_maintenance() returns void
language sql set search_path = '' as $$
  select pg_catalog.pg_advisory_xact_lock(7263590114)
$$;

-- Cancels pending jobs whose time to start has passed, at most p_limit.
create function private.cancel_expired(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  perform private.lock_maintenance();
  for v_job in
    update public.job_queue set status = 'cancelled', completed_at = now(), turn = null,
      error_message = 'The request expired before it could be started.'
    where id = any(array(
      select id from public.job_queue
      where status = 'pending' and expires_at <= now()
      order by expires_at limit p_limit for update skip locked
    ))
    returning *
  loop
    perform private.end_generation(v_job.generation_id, 'cancelled', v_job.error_message, 'expired');
  end loop;
end
$$;

-- Gives due jobs their turn, at most p_limit. A job that has been claimed before has had its turn:
-- it comes back at the head instead of behind its user's backlog.
create function private.promote_due(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_group record;
  v_turn bigint;
begin
  perform private.lock_maintenance();
  for v_group in
    select due.fair_key, due.priority, array_agg(due.id order by due.scheduled_at, due.seq) as ids
    from (
      select id, priority, scheduled_at, seq, case when lease = 0 then fair_key end as fair_key
      from public.job_queue
      where status = 'pending' and turn is null and scheduled_at <= now()
      order by scheduled_at limit p_limit for update skip locked
    ) as due
    group by due.fair_key, due.priority
  loop
    v_turn := private.next_turn(v_group.fair_key, v_group.priority);
    update public.job_queue as j
    set turn = v_turn + case when v_group.fair_key is null then 0 else ready.place - 1 end
    from unnest(v_group.ids) with ordinality as ready (id, place)
    where j.id = ready.id;
  end loop;
end
$$;

-- Takes over jobs whose lease ran out. Without a prediction, known or possible, the run is lost and
-- counts as an attempt; a job that loses all its attempts this way is not handed out again.
create function private.rescue_jobs(p_limit int, p_lease_seconds int, p_job_types text[])
returns setof public.job_queue
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_ids uuid[];
  v_job public.job_queue;
begin
  v_ids := array(
    select id from public.job_queue
    where status = 'processing' and seq > 0 and lease_expires_at <= now()
      and (p_job_types is null or job_type = any(p_job_types))
    order by lease_expires_at limit p_limit for update skip locked
  );
  if cardinality(v_ids) = 0 then
    return;
  end if;

  perform 1 from public.job_queue
  where id = any(v_ids) and prediction_id is null and not outcome_unknown
    and (attempts + 1 >= max_attempts or expires_at <= now())
  limit 1;
  if found then
    perform private.lock_maintenance();
    for v_job in
      update public.job_queue set
        attempts = attempts + 1,
        status = case when expires_at <= now() then 'cancelled' else 'failed' end,
        error_message = case
          when expires_at <= now() then 'The request expired before it could be started.'
          else 'The image could not be made after several attempts.'
        end,
        error_details = private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}'),
        completed_at = now(), lease_expires_at = null
      where id = any(v_ids) and prediction_id is null and not outcome_unknown
        and (attempts + 1 >= max_attempts or expires_at <= now())
      returning *
    loop
      if private.carries_generation(v_job.job_type) then
        perform private.end_generation(
          v_job.generation_id, v_job.status, v_job.error_message,
          case v_job.status when 'cancelled' then 'expired' else 'attempts_exhausted' end
        );
      end if;
    end loop;
  end if;

  return query
  update public.job_queue set
    lease = lease + 1,
    lease_expires_at = now() + make_interval(secs => p_lease_seconds),
    rescued = true,
    attempts = attempts + case when prediction_id is null and not outcome_unknown then 1 else 0 end,
    error_details = case
      when prediction_id is null and not outcome_unknown
        then private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}')
      else error_details
    end
  where id = any(v_ids) and status = 'processing'
  returning *;
end
$$;

-- How many of p_limit claimed jobs go to an aged priority: the share, exact over many claims.
create function private.aged_quota(p_limit int, p_share numeric) returns int
language plpgsql set search_path = '' as $$
declare
  v_claim bigint := nextval('private.aged_claims');
begin
  return floor(v_claim * p_limit * p_share) - floor((v_claim - 1) * p_limit * p_share);
end
$$;
