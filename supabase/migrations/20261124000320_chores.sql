-- What a claim looks after besides handing out jobs: what has expired, what is due, what was lost.
-- Each is bounded, so that a claim does a bounded amount of work whatever waits.

-- Puts what a generation really cost in the place of what was reserved for it, if that was today.
create function private.settle_cost(p_user_id uuid, p_day date, p_reserved numeric, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if p_day is not null and p_reserved <> p_cost then
    update private.usage set day_cost = greatest(day_cost - p_reserved + p_cost, 0)
    where user_id = p_user_id and day = p_day;
  end if;
end
$$;

-- Counts an expected cost in the user's money of p_day, which is today.
create function private.reserve_cost(p_user_id uuid, p_day date, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  insert into private.usage as u (user_id, minute_started_at, minute_requests, day, day_images, day_cost)
  values (p_user_id, clock_timestamp(), 0, p_day, 0, p_cost)
  on conflict (user_id) do update set
    day = excluded.day,
    day_images = case when u.day = excluded.day then u.day_images else 0 end,
    day_cost = case when u.day = excluded.day then u.day_cost + p_cost else p_cost end;
end
$$;

-- Ends a generation for good, gives back what was reserved for it and counts it in its batch. The caller
-- holds the job's row: rows are always locked in the order job, generation, lane, usage, batch. With
-- p_cost_open the reservation counts until private.settle_cancelled.
create function private.end_generation(
  p_generation_id uuid, p_status text, p_error_message text, p_error_code text, p_cost_open boolean = false
) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_ended record;
begin
  update public.image_generations as g
  set status = p_status, error_message = p_error_message, error_code = p_error_code, completed_at = now(),
    cost_open = p_cost_open,
    -- A failed one may be brought back, and reserves it again.
    reserved_usd = case when p_status = 'cancelled' and not p_cost_open then 0 else g.reserved_usd end
  from (select id, reserved_usd from public.image_generations where id = p_generation_id for update) as before
  where g.id = before.id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.user_id, g.batch_id, g.reserved_on, before.reserved_usd, g.webhook_url into v_ended;
  if not found then
    return;
  end if;
  if not p_cost_open then
    perform private.settle_cost(v_ended.user_id, v_ended.reserved_on, v_ended.reserved_usd, 0);
  end if;
  -- What a try to store its picture may have left is not for free either. An upload that is under way ends
  -- within its lease.
  if exists (
    select from public.job_queue where generation_id = p_generation_id and job_type = 'download-image'
  ) then
    insert into private.removed_objects (name, due_at)
    select name, now() + interval '10 minutes'
    from unnest(private.object_names(v_ended.user_id, p_generation_id)) as name;
  end if;
  if v_ended.batch_id is not null then
    perform private.count_in_batch(v_ended.batch_id, p_status, 1);
  end if;
  if v_ended.webhook_url is not null then
    perform private.announce_generation(p_generation_id);
  end if;
end
$$;

-- Adds p_delta to a batch's counter of one end status and derives the batch's own status. In one update: a row that
-- is written twice in a transaction has its foreign keys checked, and that would wait for a deletion of the account.
create function private.count_in_batch(p_batch_id uuid, p_status text, p_delta int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_batch public.batch_generations;
  v_ended int;
begin
  select * into v_batch from public.batch_generations where id = p_batch_id for update;
  case p_status
    when 'completed' then v_batch.completed_count := v_batch.completed_count + p_delta;
    when 'failed' then v_batch.failed_count := v_batch.failed_count + p_delta;
    else v_batch.cancelled_count := v_batch.cancelled_count + p_delta;
  end case;
  v_ended := v_batch.completed_count + v_batch.failed_count + v_batch.cancelled_count;
  update public.batch_generations set
    completed_count = v_batch.completed_count,
    failed_count = v_batch.failed_count,
    cancelled_count = v_batch.cancelled_count,
    status = case
      when v_ended < v_batch.total_count then 'processing'
      when v_batch.completed_count = v_batch.total_count then 'completed'
      when v_batch.completed_count > 0 then 'partial'
      when v_batch.failed_count > 0 then 'failed'
      else 'cancelled'
    end,
    completed_at = case when v_ended >= v_batch.total_count then now() end
  where id = p_batch_id;
end
$$;

-- Takes back that a generation has failed. The caller holds the job's row.
create function private.reopen_generation(p_generation_id uuid, p_status text) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_opened public.image_generations;
begin
  update public.image_generations set
    reserved_on = private.today(),
    status = p_status, progress = case p_status when 'queued' then 0 else progress end,
    error_message = null, error_code = null, completed_at = null
  where id = p_generation_id and status = 'failed'
  returning * into v_opened;
  perform private.count_reopened(v_opened);
end
$$;

-- Counts one that is no longer failed again: its price in its user's money, itself in its batch.
create function private.count_reopened(p_generation public.image_generations) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
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

-- Jobs that are tried until a time, however often.
create function private.is_timed(p_job_type text, p_retry_until timestamptz) returns boolean
language sql immutable set search_path = '' as $$
  select p_retry_until is not null and p_job_type <> 'generate-image'
$$;

-- Takes over jobs whose lease ran out and whose run may go on. Without a prediction, known or possible,
-- the run is lost and counts as an attempt. While the provider is paused, such a run may look for what it
-- left and not create: it counts as one whose outcome is unknown. So it does while one job at a time tries whether
-- the provider creates again; but there it was that job, and the run counts.
create function private.rescue_jobs(
  p_limit int, p_lease_seconds int, p_job_types text[], p_after timestamptz
) returns setof public.job_queue
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_paused boolean;
  v_probing boolean;
  v_ids uuid[];
begin
  select until > now(), probing into v_paused, v_probing from private.provider_pause where only_row;
  v_ids := array(
    select id from (
      select
        id, job_type, prediction_id, outcome_unknown, attempts, max_attempts, expires_at, lease_expires_at, retry_until
      from public.job_queue
      where status = 'processing' and seq > 0 and lease_expires_at <= now() and lease_expires_at >= p_after
      -- Bounded before it is filtered; do_chores sees to it that what the filter leaves does not stay here.
      order by lease_expires_at limit greatest(p_limit, 100) for update skip locked
    ) as lost
    where (p_job_types is null or job_type = any(p_job_types))
      and (
        prediction_id is not null or outcome_unknown
        or case
          when private.is_timed(job_type, retry_until) then retry_until > now()
          else attempts + 1 < max_attempts and (expires_at is null or expires_at > now())
        end
      )
    order by lease_expires_at limit p_limit
  );
  return query
  update public.job_queue set
    lease = lease + 1,
    lease_expires_at = now() + make_interval(secs => p_lease_seconds),
    rescued = true,
    outcome_unknown = outcome_unknown
      or ((v_paused or v_probing) and prediction_id is null and job_type = 'generate-image'),
    attempts = attempts + case
      when prediction_id is null and not outcome_unknown and not (v_paused and job_type = 'generate-image')
        and not private.is_timed(job_type, retry_until) then 1
      else 0
    end,
    error_details = case
      when prediction_id is null and not outcome_unknown and not (v_paused and job_type = 'generate-image')
        and not private.is_timed(job_type, retry_until)
        then private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}')
      else error_details
    end
  where id = any(v_ids)
  returning *;
end
$$;

-- Cancels jobs whose time to start has passed.
create function private.cancel_expired(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  for v_job in
    update public.job_queue set status = 'cancelled', completed_at = now(),
      error_message = 'The request expired before it could be started.'
    where id = any(p_ids)
    returning *
  loop
    perform private.end_generation(v_job.generation_id, 'cancelled', v_job.error_message, 'expired');
  end loop;
end
$$;

-- Ends jobs whose last run was lost, or whose time to start has passed meanwhile.
create function private.end_lost(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  for v_job in
    update public.job_queue set
      attempts = attempts + 1,
      status = case when expires_at <= now() then 'cancelled' else 'failed' end,
      error_message = case
        when expires_at <= now() then 'The request expired before it could be started.'
        when job_type = 'download-image' and private.is_timed(job_type, retry_until)
          then 'The image could not be stored before the provider deleted it.'
        else 'The image could not be made after several attempts.'
      end,
      error_details = private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}'),
      completed_at = now(), lease_expires_at = null
    where id = any(p_ids)
    returning *
  loop
    if private.carries_generation(v_job.job_type) then
      perform private.end_generation(
        v_job.generation_id, v_job.status, v_job.error_message,
        case
          when v_job.status = 'cancelled' then 'expired'
          when private.is_timed(v_job.job_type, v_job.retry_until) then 'output_expired'
          else 'attempts_exhausted'
        end
      );
    end if;
  end loop;
end
$$;

-- Makes due jobs ready, or holds them where their user has no place free. A job that has been claimed
-- before has had its turn: it comes back at the head.
create function private.promote_due(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_step bigint;
  v_due record;
  v_slots record;
  v_turn bigint;
begin
  for v_due in
    select fair_key, job_type, priority, lease > 0 as again, array_agg(id order by scheduled_at, seq) as ids
    from public.job_queue
    where id = any(p_ids)
    group by fair_key, job_type, priority, lease > 0
    order by fair_key, job_type, priority desc, lease > 0 desc
  loop
    v_slots := private.take_slots(v_due.fair_key, v_due.job_type, cardinality(v_due.ids));
    if v_due.again then
      v_turn := coalesce(private.head_turn(v_due.job_type, v_due.priority), private.turn_now());
      v_step := 0;
    else
      -- Without a user to step for, they stay in the order of their time.
      v_step := case when private.is_limited(v_due.fair_key, v_due.job_type) then private.turn_step() else 1 end;
      v_turn := private.next_turn(v_due.job_type, v_due.priority) + v_slots.first * v_step;
    end if;
    update public.job_queue set
      ready_at = clock_timestamp(),
      slot = private.is_limited(fair_key, job_type),
      turn = v_turn + (array_position(v_due.ids, id) - 1) * v_step
    where id = any(v_due.ids[:v_slots.granted]);
    if v_slots.granted < cardinality(v_due.ids) then
      update public.job_queue set held = true where id = any(v_due.ids[v_slots.granted + 1:]);
      perform private.reorder_lane(v_due.fair_key, v_due.job_type);
    end if;
  end loop;
end
$$;

-- Those of these jobs whose account is being deleted: it waits for the jobs, and what becomes of them refers to it, so
-- they are left to it. The accounts of the others stay until the transaction ends. Waits for nobody.
create function private.jobs_of_deleted(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_owners uuid[] := array(
    select distinct g.user_id
    from public.job_queue as j inner join public.image_generations as g on g.id = j.generation_id
    where j.id = any(p_ids)
  );
  v_staying uuid[] := array(select id from public.profiles where id = any(v_owners) for key share skip locked);
begin
  if cardinality(v_staying) = cardinality(v_owners) then
    return '{}';
  end if;
  return array(
    select j.id
    from public.job_queue as j inner join public.image_generations as g on g.id = j.generation_id
    where j.id = any(p_ids) and g.user_id <> all(v_staying)
  );
end
$$;

-- All of it, at most p_limit of each kind. This work touches rows of several users: the transactions that
-- do it queue up behind each other, and each locks all its lanes at once, in order, after its jobs.
create function private.do_chores(p_limit int, p_job_types text[], p_marks private.low_water) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_expired uuid[];
  v_lost uuid[];
  v_stray uuid[];
  v_due uuid[];
  v_left uuid[];
begin
  perform pg_catalog.pg_advisory_xact_lock(7263590114);
  v_expired := array(
    select id from public.job_queue
    where status = 'pending' and expires_at <= now() and expires_at >= p_marks.expires_at
    order by expires_at limit p_limit for update skip locked
  );
  select
    coalesce(array_agg(id) filter (where is_last), '{}'),
    coalesce(array_agg(id) filter (where not is_last and job_type <> all(p_job_types)), '{}')
  into v_lost, v_stray
  from (
    select id, job_type, prediction_id, outcome_unknown,
      case
        when private.is_timed(job_type, retry_until) then retry_until <= now()
        else attempts + 1 >= max_attempts or coalesce(expires_at <= now(), false)
      end as is_last
    from public.job_queue
    where status = 'processing' and seq > 0
      and lease_expires_at <= now() and lease_expires_at >= p_marks.lease_expires_at
    order by lease_expires_at limit p_limit for update skip locked
  ) as lost
  where prediction_id is null and not outcome_unknown;
  v_due := array(
    select id from public.job_queue
    where status = 'pending' and ready_at is null and not held
      and scheduled_at <= now() and scheduled_at >= p_marks.scheduled_at
      and (expires_at is null or expires_at > now())
    order by scheduled_at limit p_limit for update skip locked
  );
  v_left := private.jobs_of_deleted(v_expired || v_lost || v_due);
  if cardinality(v_left) > 0 then
    v_expired := array(select unnest(v_expired) except select unnest(v_left));
    v_lost := array(select unnest(v_lost) except select unnest(v_left));
    v_due := array(select unnest(v_due) except select unnest(v_left));
  end if;
  insert into private.lanes as l (fair_key, job_type, active, granted)
  select distinct fair_key, job_type, 0, 0 from public.job_queue
  where id = any(v_expired || v_lost || v_stray || v_due) and private.is_limited(fair_key, job_type)
  order by fair_key, job_type
  on conflict (fair_key, job_type) do update set granted = l.granted;
  if cardinality(v_expired) > 0 then
    perform private.cancel_expired(v_expired);
  end if;
  if cardinality(v_lost) > 0 then
    perform private.end_lost(v_lost);
  end if;
  -- Lost jobs of types that this claim does not want: scheduled for at once, for whoever claims them.
  if cardinality(v_stray) > 0 then
    update public.job_queue set
      status = 'pending', attempts = attempts + case when private.is_timed(job_type, retry_until) then 0 else 1 end,
      scheduled_at = now(), ready_at = null, turn = null, slot = false,
      lease_expires_at = null,
      error_details = case
        when private.is_timed(job_type, retry_until) then error_details
        else private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}')
      end
    where id = any(v_stray);
  end if;
  if cardinality(v_due) > 0 then
    perform private.promote_due(private.admit_due(v_due));
  end if;
end
$$;
