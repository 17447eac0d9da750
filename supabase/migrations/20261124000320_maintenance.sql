-- What a claim looks after besides handing out jobs: it cancels what has expired, stages what is due, and takes over
-- what was lost. Each is bounded, so that a claim does a bounded amount of work whatever waits.

-- Jobs that are tried until a time, however often.
create function private.is_timed(p_job_type text, p_retry_until timestamptz) returns boolean
language sql stable
return p_retry_until is not null and p_job_type <> 'generate-image';

-- A job's history with one more attempt's error.
create function private.with_error(
  p_history jsonb, p_attempt int, p_prediction_id text, p_message text, p_details jsonb
) returns jsonb
language sql stable
return case jsonb_typeof(p_history) when 'array' then p_history else '[]' end
  || jsonb_build_array(
    jsonb_strip_nulls(jsonb_build_object(
      'attempt', p_attempt, 'at', now(), 'message', p_message, 'prediction_id', p_prediction_id
    )) || case jsonb_typeof(p_details) when 'object' then p_details else '{}' end
  );

create function private.with_lost_run(p_job private.running_jobs) returns jsonb
language sql stable
return private.with_error(
  p_job.error_details, p_job.attempts + 1, p_job.prediction_id, 'The run ended without an answer.',
  '{"code": "lease_expired"}'
);

-- Rescues jobs whose lease ran out and whose run may go on. Without a prediction, known or possible,
-- the run is lost and counts as an attempt. While the provider is paused, such a run may look for what it
-- left and not create: it counts as one whose outcome is unknown. So it does while one job at a time tries whether
-- the provider creates again; but there it was that job, and the run counts. A job that was handed over by its start
-- may have reached no worker: its outcome is unknown, too.
create function private.rescue_jobs(
  p_limit int, p_lease_seconds int, p_job_types text[], p_after timestamptz
) returns setof private.running_jobs
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[];
  v_probing boolean;
  v_paused boolean;
begin
  select probing, until > now() into v_probing, v_paused from private.provider_pause;
  v_ids := array(
    select id from (
      select
        id, job_type, prediction_id, outcome_unknown, handed_over, attempts, max_attempts, expires_at,
        lease_expires_at, retry_until
      from private.running_jobs
      where lease_expires_at <= now() and lease_expires_at >= p_after
      -- Bounded before it is filtered; do_chores sees to it that what the filter leaves does not stay here.
      order by lease_expires_at limit greatest(p_limit, 100) for update skip locked
    ) as lost
    where (p_job_types is null or job_type = any(p_job_types))
      and (
        prediction_id is not null or outcome_unknown or handed_over
        or case
          when private.is_timed(job_type, retry_until) then retry_until > now()
          else attempts + 1 < max_attempts and (expires_at is null or expires_at > now())
        end
      )
    order by lease_expires_at limit p_limit
  );
  return query
  with counted as (
    insert into private.job_deltas (job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest)
    select job_type, 'processing', 0, 'processing', count(*), count(*), min(created_at), max(created_at)
    from private.running_jobs
    where id = any(v_ids) and prediction_id is null and not outcome_unknown and not handed_over
      and not (v_paused and job_type = 'generate-image') and not private.is_timed(job_type, retry_until)
    group by job_type
  )
  update private.running_jobs as r set
    lease = lease + 1,
    lease_expires_at = now() + make_interval(secs => p_lease_seconds),
    rescued = true,
    outcome_unknown = outcome_unknown
      or ((v_paused or v_probing or handed_over) and prediction_id is null and job_type = 'generate-image'),
    handed_over = false,
    attempts = attempts + case
      when prediction_id is null and not outcome_unknown and not handed_over
        and not (v_paused and job_type = 'generate-image') and not private.is_timed(job_type, retry_until) then 1
      else 0
    end,
    error_details = case
      when prediction_id is null and not outcome_unknown and not handed_over
        and not (v_paused and job_type = 'generate-image') and not private.is_timed(job_type, retry_until)
        then private.with_lost_run(r)
      else error_details
    end
  where id = any(v_ids)
  returning *;
end
$$;

-- The slots of jobs that stand nowhere any more are free again. Limited ones only are given.
create function private.free_slots_of(p_fair_keys uuid[], p_job_types text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v record;
begin
  select array_agg(fair_key) as fair_keys, array_agg(job_type) as job_types, array_agg(jobs) as counts into v
  from (
    select fair_key, job_type, count(*)::int as jobs
    from unnest(p_fair_keys, p_job_types) as u (fair_key, job_type)
    group by fair_key, job_type order by fair_key, job_type
  ) as each_user;
  if v.fair_keys is not null then
    perform private.free_slots(v.fair_keys, v.job_types, v.counts);
  end if;
end
$$;

-- Cancels pending jobs whose time to start has passed.
create function private.cancel_expired(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_id uuid;
  v record;
begin
  with ready as (
    delete from private.ready_jobs where id = any(p_ids) returning *
  ), blocked as (
    delete from private.blocked_jobs where id = any(p_ids) returning *
  ), scheduled as (
    delete from private.scheduled_jobs where id = any(p_ids) returning *
  ), gone as (
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, slot from ready
    union all
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, false from blocked
    union all
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, false from scheduled
  ), finished as (
    insert into private.finished_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, error_message, completed_at, status
    )
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details,
      'The request expired before it could be started.', now(), 'cancelled'
    from gone
  ), counted as (
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, hour, jobs, attempts, oldest, newest
    )
    select job_type, 'pending', sum(attempts), 'cancelled', private.this_hour(), count(*), sum(attempts),
      min(created_at), max(created_at)
    from gone group by job_type
  )
  select
    array_agg(fair_key) filter (where slot) as fair_keys, array_agg(job_type) filter (where slot) as job_types,
    array_agg(generation_id) filter (where generation_id is not null) as generations
  into v from gone;
  perform private.free_slots_of(v.fair_keys, v.job_types);
  foreach v_id in array coalesce(v.generations, '{}') loop
    perform private.end_generation(
      v_id, 'cancelled', 'The request expired before it could be started.', 'expired');
  end loop;
end
$$;

-- Ends jobs whose last run was lost, or whose time to start has passed meanwhile.
create function private.end_lost(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_jobs jsonb;
  v record;
begin
  with gone as (
    delete from private.running_jobs as r where id = any(p_ids) returning r.*, private.with_lost_run(r) as history
  ), finished as (
    insert into private.finished_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, error_message, started_at, completed_at, status
    )
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts + 1, max_attempts, job_type, payload, history,
      case
        when expires_at <= now() then 'The request expired before it could be started.'
        when job_type = 'download-image' and private.is_timed(job_type, retry_until)
          then 'The image could not be stored before the provider deleted it.'
        else 'The image could not be made after several attempts.'
      end,
      started_at, now(), case when expires_at <= now() then 'cancelled' else 'failed' end
    from gone
    returning generation_id, job_type, status, error_message, retry_until, attempts, created_at, started_at
  ), counted as (
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, hour, jobs, attempts, timed, seconds, oldest, newest
    )
    select job_type, 'processing', sum(attempts - 1), status, private.this_hour(), count(*), sum(attempts), count(*),
      sum(extract(epoch from now() - started_at)), min(created_at), max(created_at)
    from finished group by job_type, status
  )
  select
    (select array_agg(fair_key) filter (where slot) from gone) as fair_keys,
    (select array_agg(job_type) filter (where slot) from gone) as job_types,
    (select jsonb_agg(to_jsonb(f)) from finished as f where generation_id is not null) as ended
  into v;
  perform private.free_slots_of(v.fair_keys, v.job_types);
  for v_jobs in select jsonb_array_elements(v.ended) loop
    if private.carries_generation(v_jobs ->> 'job_type') then
      perform private.end_generation(
        (v_jobs ->> 'generation_id')::uuid, v_jobs ->> 'status', v_jobs ->> 'error_message',
        case
          when v_jobs ->> 'status' = 'cancelled' then 'expired'
          when private.is_timed(v_jobs ->> 'job_type', (v_jobs ->> 'retry_until')::timestamptz) then 'output_expired'
          else 'attempts_exhausted'
        end
      );
    end if;
  end loop;
end
$$;

-- Schedules lost jobs of types that the claim does not want for at once, for whoever claims them.
create function private.reschedule_lost(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v record;
begin
  with gone as (
    delete from private.running_jobs as r where id = any(p_ids)
    returning r.*, private.with_lost_run(r) as history, private.is_timed(job_type, retry_until) as timed
  ), scheduled as (
    insert into private.scheduled_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_message, error_details
    )
    select id, seq, created_at, now(), lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts + case when timed then 0 else 1 end, max_attempts, job_type, payload, error_message,
      case when timed then error_details else history end
    from gone
    returning job_type, attempts, created_at
  ), counted as (
    insert into private.job_deltas (job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest)
    select job_type, 'processing', (select sum(g.attempts) from gone as g where g.job_type = s.job_type),
      'pending', count(*), sum(attempts), min(created_at), max(created_at)
    from scheduled as s group by job_type
  )
  select array_agg(fair_key) as fair_keys, array_agg(job_type) as job_types into v from gone where slot;
  perform private.free_slots_of(v.fair_keys, v.job_types);
end
$$;

-- Stages due jobs: makes them ready, or blocks them where their user has no slot free. A job that has been claimed
-- before has had its turn: it comes back at the head.
create function private.stage_due(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_step bigint;
  v_due record;
  v_slots record;
  v_time bigint;
begin
  for v_due in
    select fair_key, job_type, priority, lease > 0 as again, array_agg(id order by scheduled_at, seq) as ids
    from private.scheduled_jobs
    where id = any(p_ids)
    group by fair_key, job_type, priority, lease > 0
    order by fair_key, job_type, priority desc, lease > 0 desc
  loop
    v_slots := private.take_slots(v_due.fair_key, v_due.job_type, cardinality(v_due.ids));
    if v_due.again then
      v_time := private.head_time(v_due.job_type, v_due.priority);
      v_step := 0;
    else
      -- Without a user to step for, they stay in the order of their time.
      v_step := case when private.is_limited(v_due.fair_key, v_due.job_type) then private.turn_step() else 1 end;
      v_time := private.next_time(v_due.job_type, v_due.priority) + v_slots.first * v_step;
    end if;
    with gone as (
      delete from private.scheduled_jobs where id = any(v_due.ids[:v_slots.granted]) returning *
    )
    insert into private.ready_jobs
    select g.*, v_time + (array_position(v_due.ids, g.id) - 1) * v_step, private.is_limited(g.fair_key, g.job_type)
    from gone as g;
    if v_slots.granted < cardinality(v_due.ids) then
      with gone as (
        delete from private.scheduled_jobs where id = any(v_due.ids[v_slots.granted + 1:]) returning *
      )
      insert into private.blocked_jobs select g.* from gone as g;
      perform private.reorder_user(v_due.fair_key, v_due.job_type);
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
-- do it queue up behind each other, and each locks all its users' slots at once, in order, after its jobs.
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
    select id from private.ready_jobs where expires_at <= now() and expires_at >= p_marks.expires_at
    order by expires_at limit p_limit for update skip locked
  ) || array(
    select id from private.blocked_jobs where expires_at <= now() and expires_at >= p_marks.expires_at
    order by expires_at limit p_limit for update skip locked
  ) || array(
    select id from private.scheduled_jobs where expires_at <= now() and expires_at >= p_marks.expires_at
    order by expires_at limit p_limit for update skip locked
  );
  select
    coalesce(array_agg(id) filter (where is_last), '{}'),
    coalesce(array_agg(id) filter (where not is_last and job_type <> all(p_job_types)), '{}')
  into v_lost, v_stray
  from (
    select id, job_type, prediction_id, outcome_unknown, handed_over,
      case
        when private.is_timed(job_type, retry_until) then retry_until <= now()
        else attempts + 1 >= max_attempts or coalesce(expires_at <= now(), false)
      end as is_last
    from private.running_jobs
    where lease_expires_at <= now() and lease_expires_at >= p_marks.lease_expires_at
    order by lease_expires_at limit p_limit for update skip locked
  ) as lost
  where prediction_id is null and not outcome_unknown and not handed_over;
  v_due := array(
    select id from private.scheduled_jobs
    where scheduled_at <= now() and scheduled_at >= p_marks.scheduled_at
      and (expires_at is null or expires_at > now())
    order by scheduled_at limit p_limit for update skip locked
  );
  v_left := private.jobs_of_deleted(v_expired || v_lost || v_due);
  if cardinality(v_left) > 0 then
    v_expired := array(select unnest(v_expired) except select unnest(v_left));
    v_lost := array(select unnest(v_lost) except select unnest(v_left));
    v_due := array(select unnest(v_due) except select unnest(v_left));
  end if;
  insert into private.user_slots as s (fair_key, job_type, taken, granted)
  select distinct fair_key, job_type, 0, 0 from (
    -- By id and nothing else: `slot` would invite the planner to read an index of those with a slot instead.
    (select fair_key, job_type, slot from private.ready_jobs where id = any(v_expired) offset 0)
    union all
    (select fair_key, job_type, slot from private.running_jobs where id = any(v_lost || v_stray) offset 0)
    union all
    (
      select fair_key, job_type, private.is_limited(fair_key, job_type) from private.scheduled_jobs
      where id = any(v_due) offset 0
    )
  ) as concerned
  where slot
  order by fair_key, job_type
  on conflict (fair_key, job_type) do update set granted = s.granted;
  if cardinality(v_expired) > 0 then
    perform private.cancel_expired(v_expired);
  end if;
  if cardinality(v_lost) > 0 then
    perform private.end_lost(v_lost);
  end if;
  if cardinality(v_stray) > 0 then
    perform private.reschedule_lost(v_stray);
  end if;
  if cardinality(v_due) > 0 then
    perform private.stage_due(private.admit_due(v_due));
  end if;
end
$$;
