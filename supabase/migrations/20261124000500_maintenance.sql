-- What a claim looks after besides handing out jobs, and what the cron does each minute. Begin at
-- private.run_maintenance, which a claim calls where there is something to do, and private.record_sweep, which the cron
-- calls.
--
--   expire      pending jobs whose time to start has passed           → cancelled
--   end         running jobs that lost their last attempt             → failed, cancelled
--   reschedule  lost jobs of types that the claim does not want       → scheduled
--   stage       due jobs                                              → ready or blocked
--   rescue      lost jobs whose run may go on, by the claim itself    → running, under a new lease
--   prune       finished jobs after some days                         → deleted
--
-- Each is bounded, so that a claim does a bounded amount of work whatever waits.

-- By claims -----------------------------------------------------------------------------------------------------------

-- All but rescue and prune, at most p_limit of each kind. This work touches rows of several users: the transactions
-- that do it queue up behind each other, and each locks all its users' slots at once, in order, after its jobs.
create function private.run_maintenance(p_limit int, p_job_types text[], p_marks private.low_water) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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
        when private.has_deadline(job_type, retry_until) then retry_until <= now()
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
  -- Before their users' slots: whoever enqueues the first job of a priority opens its ready queue first, too.
  perform private.open_queue(job_type, priority) from (
    select distinct job_type, priority from private.scheduled_jobs where id = any(v_due) order by job_type, priority
  ) as used;
  perform private.lock_slots(fair_key, job_type) from (
    select distinct fair_key, job_type from (
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
  ) as users;
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
    perform private.stage_due(private.reserve_due(v_due));
  end if;
end
$$;

-- Those of these jobs whose account is being deleted: it waits for the jobs, and what becomes of them refers to it, so
-- they are left to it. The accounts of the others stay until the transaction ends. Waits for nobody.
create function private.jobs_of_deleted(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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

-- Cancels pending jobs whose time to start has passed.
create function private.cancel_expired(p_ids uuid[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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
      attempts, max_attempts, job_type, payload, error_details, slot, 0 as of_blocked, 0 as of_scheduled from ready
    union all
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, false, 1, 0 from blocked
    union all
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_details, false, 0, 1 from scheduled
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
      job_type, from_status, from_attempts, status, hour, jobs, attempts, oldest, newest, blocked, scheduled
    )
    select job_type, 'pending', sum(attempts), 'cancelled', private.this_hour(), count(*), sum(attempts),
      min(created_at), max(created_at), -nullif(sum(of_blocked), 0), -nullif(sum(of_scheduled), 0)
    from gone group by job_type
  )
  select
    array_agg(fair_key) filter (where slot) as fair_keys, array_agg(job_type) filter (where slot) as job_types,
    array_agg(generation_id) filter (where generation_id is not null) as generations
  into v from gone;
  perform private.release_slots_of(v.fair_keys, v.job_types);
  foreach v_id in array coalesce(v.generations, '{}') loop
    perform private.end_generation(
      v_id, 'cancelled', 'The request expired before it could be started.', 'expired');
  end loop;
end
$$;

create function private.with_lost_run(p_job private.running_jobs) returns jsonb
language sql stable
return private.with_error(
  p_job.error_details, p_job.attempts + 1, p_job.prediction_id, 'The run ended without an answer.',
  '{"code": "lease_expired"}'
);

-- Ends jobs whose last run was lost, or whose time to start has passed meanwhile.
create function private.end_lost(p_ids uuid[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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
        when job_type = 'download-image' and private.has_deadline(job_type, retry_until)
          then 'The image could not be stored before the provider deleted it.'
        else 'The image could not be made after several attempts.'
      end,
      started_at, now(), case when expires_at <= now() then 'cancelled' else 'failed' end
    from gone
    returning generation_id, job_type, status, error_message, retry_until, attempts, created_at, started_at
  ), counted as (
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, hour, jobs, attempts, measured, seconds, oldest, newest, run_minute
    )
    select job_type, 'processing', sum(attempts - 1), status, private.this_hour(), count(*), sum(attempts), count(*),
      sum(extract(epoch from now() - started_at)), min(created_at), max(created_at), minute
    from (select *, date_trunc('minute', started_at) as minute from finished) as f group by job_type, status, minute
  )
  select
    (select array_agg(fair_key) filter (where slot) from gone) as fair_keys,
    (select array_agg(job_type) filter (where slot) from gone) as job_types,
    (select jsonb_agg(to_jsonb(f)) from finished as f where generation_id is not null) as ended
  into v;
  perform private.release_slots_of(v.fair_keys, v.job_types);
  for v_jobs in select jsonb_array_elements(v.ended) loop
    if private.carries_generation(v_jobs ->> 'job_type') then
      perform private.end_generation(
        (v_jobs ->> 'generation_id')::uuid, v_jobs ->> 'status', v_jobs ->> 'error_message',
        case
          when v_jobs ->> 'status' = 'cancelled' then 'expired'
          when private.has_deadline(v_jobs ->> 'job_type', (v_jobs ->> 'retry_until')::timestamptz) then 'output_expired'
          else 'attempts_exhausted'
        end
      );
    end if;
  end loop;
end
$$;

-- Schedules lost jobs of types that the claim does not want for at once, for whoever claims them.
create function private.reschedule_lost(p_ids uuid[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v record;
begin
  with gone as (
    delete from private.running_jobs as r where id = any(p_ids)
    returning r.*, private.with_lost_run(r) as history, private.has_deadline(job_type, retry_until) as has_deadline
  ), scheduled as (
    insert into private.scheduled_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_message, error_details
    )
    select id, seq, created_at, now(), lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts + case when has_deadline then 0 else 1 end, max_attempts, job_type, payload, error_message,
      case when has_deadline then error_details else history end
    from gone
  ), counted as (
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest, scheduled, run_minute
    )
    select job_type, 'processing', sum(attempts), 'pending', count(*),
      sum(attempts + case when has_deadline then 0 else 1 end), min(created_at), max(created_at), count(*), minute
    from (select *, date_trunc('minute', started_at) as minute from gone) as g group by job_type, minute
  )
  select array_agg(fair_key) as fair_keys, array_agg(job_type) as job_types into v from gone where slot;
  perform private.release_slots_of(v.fair_keys, v.job_types);
end
$$;

-- Stages due jobs: makes them ready, or blocks them where their user has no slot free. A job that has been claimed
-- before comes back at the head of its ready queue.
create function private.stage_due(p_ids uuid[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_step bigint;
  v_due record;
  v_limited boolean;
  v_first int;
  v_added int;
  v_blocked record;
  v_time bigint;
  -- By type, how many are not scheduled any more, and how many of them are blocked now.
  v_staged jsonb := '{}';
  v_kept jsonb := '{}';
begin
  for v_due in
    select fair_key, job_type, priority, lease > 0 as again, array_agg(id order by scheduled_at, seq) as ids
    from private.scheduled_jobs
    where id = any(p_ids)
    group by fair_key, job_type, priority, lease > 0
    order by fair_key, job_type, priority desc, lease > 0 desc
  loop
    v_limited := private.is_limited(v_due.fair_key, v_due.job_type);
    v_first := 0;
    v_added := cardinality(v_due.ids);
    v_staged := private.with_more(v_staged, v_due.job_type, v_added);
    if v_limited then
      select first, added into v_first, v_added
      from private.take_slots(
        v_due.fair_key, v_due.job_type, v_added, private.running_limit(v_due.fair_key)
      );
    end if;
    if v_due.again then
      v_time := private.head_time(v_due.job_type, v_due.priority);
      v_step := 0;
    else
      -- Without a user to step for, they stay in the order of their time.
      v_step := case when v_limited then private.virtual_time_step() else 1 end;
      v_time := private.next_time(v_due.job_type, v_due.priority) + v_first * v_step;
    end if;
    with gone as (
      delete from private.scheduled_jobs where id = any(v_due.ids[:v_added]) returning *
    )
    insert into private.ready_jobs
    select g.*, v_time + (array_position(v_due.ids, g.id) - 1) * v_step, v_limited,
      private.is_standing(g.job_type, g.priority)
    from gone as g;
    if v_added < cardinality(v_due.ids) then
      with gone as (
        delete from private.scheduled_jobs where id = any(v_due.ids[v_added + 1:]) returning *
      ), blocked as (
        insert into private.blocked_jobs select g.* from gone as g returning seq
      )
      select min(seq) as seq, count(*)::int as jobs into v_blocked from blocked;
      v_kept := private.with_more(v_kept, v_due.job_type, v_blocked.jobs);
      perform private.lower_blocked_mark(v_due.fair_key, v_due.job_type, v_due.priority, v_blocked.seq);
      perform private.reorder_user(v_due.fair_key, v_due.job_type, v_due.priority, v_blocked.jobs);
    end if;
  end loop;
  insert into private.job_deltas (job_type, jobs, blocked, scheduled)
  select s.key, 0, (v_kept ->> s.key)::int, -s.value::int from jsonb_each_text(v_staged) as s;
end
$$;

-- Sums by name, with so many more of one.
create function private.with_more(p_sums jsonb, p_name text, p_more int) returns jsonb
language sql immutable
return p_sums || jsonb_build_object(p_name, coalesce((p_sums ->> p_name)::int, 0) + p_more);

-- Rescues jobs whose lease ran out and whose run may go on. Without a prediction, known or possible,
-- the run is lost and counts as an attempt. While the provider is paused, such a run may look for what it
-- left and not create: it counts as one whose outcome is unknown. So it does while one job at a time tries whether
-- the provider creates again; but there it was that job, and the run counts. A job that was handed over by its start
-- may have reached no worker: its outcome is unknown, too.
create function private.rescue_jobs(
  p_limit int, p_lease_seconds int, p_job_types text[], p_after timestamptz
) returns setof private.running_jobs
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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
      -- Bounded before it is filtered. run_maintenance ends or reschedules what the filter leaves, but for runs of other
      -- types with a prediction: their own workers' claims take these.
      order by lease_expires_at limit greatest(p_limit, 100) for update skip locked
    ) as lost
    where (p_job_types is null or job_type = any(p_job_types))
      and (
        prediction_id is not null or outcome_unknown or handed_over
        or case
          when private.has_deadline(job_type, retry_until) then retry_until > now()
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
      and not (v_paused and job_type = 'generate-image') and not private.has_deadline(job_type, retry_until)
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
        and not (v_paused and job_type = 'generate-image') and not private.has_deadline(job_type, retry_until) then 1
      else 0
    end,
    error_details = case
      when prediction_id is null and not outcome_unknown and not handed_over
        and not (v_paused and job_type = 'generate-image') and not private.has_deadline(job_type, retry_until)
        then private.with_lost_run(r)
      else error_details
    end
  where id = any(v_ids)
  returning *;
end
$$;

-- Low-water marks -----------------------------------------------------------------------------------------------------
--
-- Where an index begins. While some transaction runs for long, vacuum cannot remove the entries of jobs
-- that have passed meanwhile, and every claim would step over all of them. Once some dead rows stand in
-- the tables, claims begin at low-water marks instead, which one claim a second raises.
--
-- A mark is what the head of the index was when the marks were raised the last time, at least a second ago: a job
-- gets a virtual time at or behind that (private.next_time), and is committed within a second. One that is committed
-- later, in that state, may lie below a mark: the cron looks at all of the index each minute and lowers the marks to
-- what it finds.

-- The marks to begin at; all -infinity (raised_at too) while there is nothing to step over.
create function private.low_water_marks() returns private.low_water
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water := (true, '-infinity', '-infinity', '-infinity', '-infinity', '-infinity', null);
begin
  if private.has_many_dead('private.ready_jobs')
    or private.has_many_dead('private.running_jobs')
    or private.has_many_dead('private.scheduled_jobs')
  then
    select * into v_marks from private.low_water;
    v_marks.raised_at := greatest(v_marks.raised_at, 'epoch');
  end if;
  return v_marks;
end
$$;

create function private.raise_low_water(p_thorough boolean) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_marks private.low_water;
  v_safe timestamptz := clock_timestamp() - interval '1 second';
  v_now_time bigint := extract(epoch from clock_timestamp()) * 1000000;
begin
  select * into v_marks from private.low_water where p_thorough or raised_at < v_safe for update skip locked;
  if not found then
    return;
  end if;
  if p_thorough then
    v_marks.lease_expires_at := '-infinity';
    v_marks.scheduled_at := '-infinity';
    v_marks.expires_at := '-infinity';
    perform private.open_queues();
  end if;
  update private.ready_queues as q set
    low_time = least(h.head, q.head_time),
    head_time = h.head
  from (
    select r.job_type, r.priority, coalesce((
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = r.job_type and j.priority = r.priority
        and j.virtual_time >= case when p_thorough then -9223372036854775808 else r.low_time end
      order by j.virtual_time, j.seq limit 1
    ), v_now_time) as head
    from private.ready_queues as r
  ) as h
  where q.job_type = h.job_type and q.priority = h.priority;
  update private.low_water set
    raised_at = clock_timestamp(),
    blocked_at = case
      when p_thorough then least(v_safe, (
        select min(head.created_at)
        from (select distinct q.job_type from private.ready_queues as q) as known
        cross join lateral (
          select j.created_at from private.blocked_jobs as j where j.job_type = known.job_type
          order by j.created_at limit 1
        ) as head
      ))
      else blocked_at
    end,
    oldest_time = least(v_now_time - 10000000, (select min(head_time) from private.ready_queues)),
    lease_expires_at = least(v_safe, (
      select lease_expires_at from private.running_jobs
      where lease_expires_at >= v_marks.lease_expires_at
      order by lease_expires_at limit 1
    )),
    scheduled_at = least(v_safe, (
      select scheduled_at from private.scheduled_jobs
      where scheduled_at >= v_marks.scheduled_at
      order by scheduled_at limit 1
    )),
    expires_at = least(
      v_safe,
      (
        select expires_at from private.ready_jobs where expires_at >= v_marks.expires_at
        order by expires_at limit 1
      ),
      (
        select expires_at from private.blocked_jobs where expires_at >= v_marks.expires_at
        order by expires_at limit 1
      ),
      (
        select expires_at from private.scheduled_jobs where expires_at >= v_marks.expires_at
        order by expires_at limit 1
      )
    )
  where only_row;
end
$$;

-- The ready queues that have jobs, read from the index itself: whatever brought a job in past the functions (a
-- restore of the tables), the cron finds it.
create function private.open_queues() returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.ready_queues (job_type, priority)
  with recursive used as (
    (
      select job_type, priority from private.ready_jobs
      order by job_type, priority desc limit 1
    )
    union all
    select next.job_type, next.priority from used
    cross join lateral (
      (
        select j.job_type, j.priority from private.ready_jobs as j
        where j.job_type = used.job_type and j.priority < used.priority
        order by j.priority desc limit 1
      )
      union all
      (
        select j.job_type, j.priority from private.ready_jobs as j
        where j.job_type > used.job_type
        order by j.job_type, j.priority desc limit 1
      )
      limit 1
    ) as next
  )
  select job_type, priority from used
  on conflict do nothing;
end
$$;

-- What is set back in time by hand, or enqueued for a time in the past, may lie below the marks.
create function private.lower_marks(p_job_type text, p_priority int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  -- The one row first, so that calls for several queues never meet crosswise.
  perform 1 from private.low_water for update;
  update private.low_water set
    lease_expires_at = '-infinity', scheduled_at = '-infinity', expires_at = '-infinity',
    oldest_time = -9223372036854775808
  where greatest(lease_expires_at, scheduled_at, expires_at) > '-infinity' or oldest_time > -9223372036854775808;
  update private.ready_queues set low_time = -9223372036854775808, head_time = -9223372036854775808
  where job_type = p_job_type and priority = p_priority and head_time > -9223372036854775808;
end
$$;

-- Counts --------------------------------------------------------------------------------------------------------------

-- Folds the changes so far into the totals; one call at a time, others leave it to the one.
create function private.roll_up_counts() returns void
language plpgsql set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(7263590115) then
    return;
  end if;
  with gone as (
    delete from private.job_deltas where true returning *
  ), each_side as (
    select job_type, status, hour, jobs, attempts, measured, seconds, oldest, newest, 0 as blocked, 0 as scheduled
    from gone where status is not null
    union all
    select job_type, from_status, '-infinity', -jobs, -from_attempts, 0, 0, null, null, 0, 0 from gone
    where from_status is not null
    union all
    select job_type, 'pending', '-infinity', 0, 0, 0, 0, null, null, coalesce(blocked, 0), coalesce(scheduled, 0)
    from gone where coalesce(blocked, scheduled) is not null
  ), runs as (
    insert into private.running_counts as r (job_type, minute, jobs)
    select job_type, run_minute, sum(private.running_more(from_status, status, jobs)) from gone
    where run_minute is not null
    group by job_type, run_minute having sum(private.running_more(from_status, status, jobs)) <> 0
    on conflict (job_type, minute) do update set jobs = r.jobs + excluded.jobs
  )
  insert into private.job_counts as c (
    job_type, status, hour, jobs, attempts, measured, seconds, oldest, newest, blocked, scheduled
  )
  select job_type, status, hour, sum(jobs), sum(attempts), sum(measured), sum(seconds), min(oldest), max(newest),
    sum(blocked), sum(scheduled)
  from each_side
  where hour = '-infinity' or hour > now() - interval '48 hours'
  group by job_type, status, hour
  on conflict (job_type, status, hour) do update set
    jobs = c.jobs + excluded.jobs,
    attempts = c.attempts + excluded.attempts,
    measured = c.measured + excluded.measured,
    seconds = c.seconds + excluded.seconds,
    oldest = least(c.oldest, excluded.oldest),
    newest = greatest(c.newest, excluded.newest),
    blocked = c.blocked + excluded.blocked,
    scheduled = c.scheduled + excluded.scheduled;
  delete from private.running_counts where jobs = 0;
  delete from private.job_counts where hour > '-infinity' and hour < now() - interval '48 hours';
end
$$;

-- The deltas as what each adds to a type, status and hour.
create function private.delta_sums() returns setof private.job_counts
language sql stable set search_path = '' as $$
  select job_type, status, hour, sum(jobs), sum(attempts), sum(measured), sum(seconds), min(oldest), max(newest),
    sum(blocked), sum(scheduled)
  from (
    select job_type, status, hour, jobs, attempts, measured, seconds, oldest, newest, 0 as blocked, 0 as scheduled
    from private.job_deltas where status is not null
    union all
    select job_type, from_status, '-infinity', -jobs, -from_attempts, 0, 0, null, null, 0, 0 from private.job_deltas
    where from_status is not null
    union all
    select job_type, 'pending', '-infinity', 0, 0, 0, 0, null, null, coalesce(blocked, 0), coalesce(scheduled, 0)
    from private.job_deltas where coalesce(blocked, scheduled) is not null
  ) as each_side
  group by job_type, status, hour
$$;

-- By how many more jobs run after a move.
create function private.running_more(p_from_status text, p_status text, p_jobs int) returns int
language sql immutable
return p_jobs * (coalesce(p_status = 'processing', false)::int - coalesce(p_from_status = 'processing', false)::int);

-- Jobs that run, by type and the minute in which their runs began.
create function private.running_since() returns table (job_type text, minute timestamptz, jobs bigint)
language sql stable set search_path = '' as $$
  select c.job_type, c.minute, sum(c.jobs)::bigint
  from (
    select r.job_type, r.minute, r.jobs from private.running_counts as r
    union all
    select d.job_type, d.run_minute, private.running_more(d.from_status, d.status, d.jobs) from private.job_deltas as d
    where d.run_minute is not null
  ) as c
  group by c.job_type, c.minute having sum(c.jobs) > 0
$$;

-- By the cron ---------------------------------------------------------------------------------------------------------

-- What the cron does for the queue itself, each minute: notes that it ran, folds the counts, looks at the
-- whole of the indexes, makes blocked jobs ready whose user's plan has come to allow more, and looks at the budget and
-- at what operators are to be alerted of. Answers {alerts}: sentences that somebody has to read, each once.
create function private.record_sweep(p_stats jsonb) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_keys uuid[];
  v_job_types text[];
  v_alerts text[];
begin
  perform private.roll_up_counts();
  perform private.note_run(p_stats);
  perform private.measure_model_times();
  perform private.end_unstarted(1000);
  -- Users whose plan has come to allow more.
  with recursive users as (
    (
      select fair_key, job_type from private.blocked_jobs order by fair_key, job_type limit 1
    )
    union all
    select next.fair_key, next.job_type from users
    cross join lateral (
      select j.fair_key, j.job_type from private.blocked_jobs as j
      where (j.fair_key, j.job_type) > (users.fair_key, users.job_type)
      order by j.fair_key, j.job_type limit 1
    ) as next
  )
  select
    array_agg(blocked.fair_key order by blocked.fair_key, blocked.job_type),
    array_agg(blocked.job_type order by blocked.fair_key, blocked.job_type)
  into v_fair_keys, v_job_types
  from (select * from users limit 1000) as blocked
  cross join lateral (
    select s.taken from private.user_slots as s
    where s.fair_key = blocked.fair_key and s.job_type = blocked.job_type order by s.version desc limit 1
  ) as slots
  where slots.taken < private.running_limit(blocked.fair_key);
  if v_fair_keys is not null then
    perform private.release_slots(v_fair_keys, v_job_types, array_fill(0, array[cardinality(v_fair_keys)]));
  end if;
  perform private.note_findings(p_stats);
  v_alerts := private.evaluate_alerts(private.try_late_subscribers());
  -- After what may wait: starts wait for the budget.
  v_alerts := private.budget_alerts() || v_alerts;
  -- Last: whoever brings jobs of a time past lowers the marks, and has locked the slots of their users before.
  perform private.raise_low_water(true);
  return jsonb_build_object('alerts', to_jsonb(v_alerts));
end
$$;

-- Deletes finished jobs past their days, at most p_limit, and what else has served its time.
create function private.prune_jobs(p_completed_days int, p_failed_days int, p_limit int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := least(greatest(coalesce(p_limit, 10000), 1), 100000);
  v_completed interval := make_interval(days => greatest(coalesce(p_completed_days, 7), 0));
  v_failed interval := make_interval(days => greatest(coalesce(p_failed_days, 30), 0));
  v_status text;
  v_count int;
  v_pruned int := 0;
begin
  foreach v_status in array '{completed,cancelled,failed}'::text[] loop
    with gone as (
      delete from private.finished_jobs where id = any(array(
        select id from private.finished_jobs
        where status = v_status and completed_at < now() - case v_status when 'failed' then v_failed else v_completed end
        order by completed_at limit v_limit - v_pruned for update skip locked
      ))
      returning *
    ), counted as (
      -- What ended long ago is no longer counted.
      insert into private.job_deltas (job_type, status, hour, jobs, attempts, measured, seconds)
      select job_type, status, date_trunc('hour', completed_at, 'UTC'), -count(*), -sum(attempts),
        -count(*) filter (where completed_at >= started_at),
        -coalesce(sum(extract(epoch from completed_at - started_at)) filter (where completed_at >= started_at), 0)
      from gone where completed_at > now() - interval '48 hours' group by 1, 2, 3
    )
    select count(*) into v_count from gone;
    v_pruned := v_pruned + v_count;
  end loop;

  delete from private.idempotency_keys where (user_id, key) in (
    select user_id, key from private.idempotency_keys
    where created_at < now() - interval '24 hours' order by created_at limit v_limit for update skip locked
  );
  perform private.prune_webhooks(v_limit);
  perform private.close_open_costs(v_limit);
  perform private.prune_predictions(v_limit);
  -- Waits for nobody: rows of what is used are locked by now.
  delete from private.refused_models where model = any(array(
    select model from private.refused_models where until < now() - interval '1 day' for update skip locked
  ));
  perform private.prune_listeners(v_limit);
  perform private.prune_subscriptions();
  return jsonb_build_object('pruned', v_pruned);
end
$$;
