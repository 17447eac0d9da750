-- One job, wherever it stands -----------------------------------------------------------------------------------------
--
-- For the steps that take a job in whatever state it is: they lock it, change its row as the view shows it, and save
-- it.

-- A job by its id, whichever table it stands in; its row is locked. Null where there is none. A job that moves while
-- its tables are looked through is looked for again.
create function private.lock_job(p_id uuid) returns public.job_queue
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_running private.running_jobs;
begin
  for v_try in 1..5 loop
    select * into v_running from private.running_jobs where id = p_id for update;
    if found then
      return private.as_job(v_running);
    end if;
    perform 1 from private.ready_jobs where id = p_id for update;
    if not found then
      perform 1 from private.blocked_jobs where id = p_id for update;
    end if;
    if not found then
      perform 1 from private.scheduled_jobs where id = p_id for update;
    end if;
    if not found then
      perform 1 from private.finished_jobs where id = p_id for update;
    end if;
    if found then
      select * into v_job from public.job_queue where id = p_id;
      return v_job;
    end if;
    exit when not exists (select from public.job_queue where id = p_id);
  end loop;
  return v_job;
end
$$;

-- Puts a job whose row the caller has locked into another state, or the same with other values: moves the row,
-- counts it, and releases its user's slot where it gives one up. p_old null: the job is new; p_new null: it goes.
create function private.save_job(p_old public.job_queue, p_new public.job_queue) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if private.state_of(p_old) = private.state_of(p_new) then
    perform private.update_row(p_new);
  else
    perform private.delete_row(p_old);
    perform private.insert_row(p_new);
  end if;
  perform private.count_change(p_old, p_new);
  if p_new.virtual_time is not null and p_new.status = 'pending' then
    perform private.open_queue(p_new.job_type, p_new.priority);
  end if;
  if p_old.slot and p_new.slot is not true and p_new.blocked is not true then
    perform private.release_slot(p_old.fair_key, p_old.job_type);
  end if;
  if (p_new.status = 'pending' and least(p_new.scheduled_at, p_new.expires_at) < now() - interval '1 second')
    or (p_new.status = 'processing' and p_new.lease_expires_at < now() - interval '1 second')
    or p_new.virtual_time < p_old.virtual_time
  then
    perform private.lower_marks(p_new.job_type, p_new.priority);
  end if;
end
$$;

-- A job that changes adds to the count of the state it is in now, and takes away from that of the state it was in.
create function private.count_change(p_old public.job_queue, p_new public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v_job public.job_queue;
begin
  if private.state_of(p_old) = private.state_of(p_new) and p_old.status is not distinct from p_new.status and p_old.attempts is not distinct from p_new.attempts
    and p_old.job_type is not distinct from p_new.job_type
    and p_old.completed_at is not distinct from p_new.completed_at
    and p_old.started_at is not distinct from p_new.started_at
  then
    return;
  end if;
  v_job := p_old;
  for v_sign in 0..1 loop
    -- What ended long ago is no longer counted.
    if v_job.id is not null and (v_job.completed_at is null or v_job.completed_at > now() - interval '48 hours') then
      insert into private.job_deltas (
        job_type, status, hour, jobs, attempts, measured, seconds, oldest, newest, blocked, scheduled, run_minute
      )
      select
        v_job.job_type, v_job.status,
        case
          when v_job.status in ('pending', 'processing') then '-infinity'
          else date_trunc('hour', coalesce(v_job.completed_at, now()), 'UTC')
        end,
        s.sign, s.sign * v_job.attempts, s.sign * t.measured,
        case t.measured when 1 then s.sign * extract(epoch from v_job.completed_at - v_job.started_at) else 0 end,
        case s.sign when 1 then v_job.created_at end, case s.sign when 1 then v_job.created_at end,
        case private.state_of(v_job) when 'blocked' then s.sign end,
        case private.state_of(v_job) when 'scheduled' then s.sign end,
        case v_job.status when 'processing' then date_trunc('minute', coalesce(v_job.started_at, now())) end
      from (select v_sign * 2 - 1 as sign) as s
      cross join (select coalesce((v_job.completed_at >= v_job.started_at)::int, 0) as measured) as t;
    end if;
    v_job := p_new;
  end loop;
end
$$;

create function private.insert_row(p_job public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v private.scheduled_jobs := row(
    p_job.id, p_job.seq, p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until,
    p_job.fair_key, p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type,
    p_job.payload, p_job.error_message, p_job.error_details
  );
begin
  case private.state_of(p_job)
    when 'scheduled' then
      insert into private.scheduled_jobs values (v.*);
    when 'blocked' then
      insert into private.blocked_jobs values (v.*);
    when 'ready' then
      insert into private.ready_jobs
      values (v.*, p_job.virtual_time, p_job.slot, private.is_standing(p_job.job_type, p_job.priority));
    when 'running' then
      insert into private.running_jobs
      values (
        v.*, coalesce(p_job.started_at, now()), p_job.lease_expires_at, p_job.slot, p_job.rescued,
        p_job.outcome_unknown, p_job.prediction_id
      );
    when 'finished' then
      insert into private.finished_jobs
      values (
        v.*, p_job.started_at, coalesce(p_job.completed_at, now()), p_job.status, p_job.prediction_id, p_job.result
      );
    else null;
  end case;
end
$$;

-- Rewrites a job's row where it is: whoever waits for the row finds it, and not that it was deleted.
create function private.update_row(p_job public.job_queue) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  case private.state_of(p_job)
    when 'scheduled' then
      update private.scheduled_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details
      )
      where id = p_job.id;
    when 'blocked' then
      update private.blocked_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details
      )
      where id = p_job.id;
    when 'ready' then
      update private.ready_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time, slot
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.virtual_time, p_job.slot
      )
      where id = p_job.id;
    when 'running' then
      update private.running_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, started_at, lease_expires_at, slot, rescued,
        outcome_unknown, prediction_id
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.started_at, p_job.lease_expires_at, p_job.slot,
        p_job.rescued, p_job.outcome_unknown, p_job.prediction_id
      )
      where id = p_job.id;
    when 'finished' then
      update private.finished_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, started_at, completed_at, status,
        prediction_id, result
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.started_at, p_job.completed_at, p_job.status,
        p_job.prediction_id, p_job.result
      )
      where id = p_job.id;
    else null;
  end case;
end
$$;

create function private.delete_row(p_job public.job_queue) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  case private.state_of(p_job)
    when 'scheduled' then
      delete from private.scheduled_jobs where id = p_job.id;
    when 'blocked' then
      delete from private.blocked_jobs where id = p_job.id;
    when 'ready' then
      delete from private.ready_jobs where id = p_job.id;
    when 'running' then
      delete from private.running_jobs where id = p_job.id;
    when 'finished' then
      delete from private.finished_jobs where id = p_job.id;
    else null;
  end case;
end
$$;
