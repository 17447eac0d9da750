-- What operators look at: the views, and the queue in numbers.

-- The operators' views ------------------------------------------------------------------------------------------------
--
-- They run with the reader's rights: the service sees the whole queue, a user their own jobs.

-- The role that asks, also inside functions that run with their owner's rights.
create function private.is_user() returns boolean
language sql stable set search_path = '' as $$
  select current_setting('role') in ('authenticated', 'anon')
$$;

-- Jobs by type and status, from the counts that are kept as jobs move: the cost does not depend on how
-- many there are. Finished jobs are those of the last 24 hours, by whole hours. Nothing for users.
create function private.queue_totals() returns table (
  job_type text, status text, count bigint, oldest_job timestamptz, newest_job timestamptz,
  avg_duration_seconds double precision, avg_attempts numeric
)
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if private.is_user() then
    return;
  end if;
  return query
  select
    total.job_type, total.status, total.jobs::bigint,
    case when total.live then live.oldest else total.oldest end,
    case when total.live then live.newest else total.newest end,
    total.seconds / nullif(total.measured, 0),
    round(total.attempts::numeric / total.jobs, 4)
  from (
    select
      c.job_type, c.status, c.status in ('pending', 'processing') as live,
      sum(c.jobs) as jobs, sum(c.attempts) as attempts, sum(c.measured) as measured, sum(c.seconds) as seconds,
      min(c.oldest) as oldest, max(c.newest) as newest
    from (
      select * from private.job_counts
      union all
      select * from private.delta_sums()
    ) as c
    where c.hour = '-infinity' or c.hour >= date_trunc('hour', now() - interval '24 hours', 'UTC')
    group by c.job_type, c.status
    having sum(c.jobs) > 0
  ) as total
  left join lateral private.live_ages(total.job_type, total.status) as live on total.live;
end
$$;

-- When the oldest and the newest of a type's pending or processing jobs were created, of the first 1,000 of each
-- table.
create function private.live_ages(p_job_type text, p_status text, out oldest timestamptz, out newest timestamptz)
language sql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
  select min(created_at), max(created_at)
  from (
    (
      select job_type, created_at from private.ready_jobs where job_type = p_job_type and p_status = 'pending'
      order by job_type, priority desc, virtual_time limit 1000
    )
    union all
    (
      select job_type, created_at from private.blocked_jobs where p_status = 'pending'
      order by fair_key limit 1000
    )
    union all
    (
      select job_type, created_at from private.scheduled_jobs where p_status = 'pending'
      order by scheduled_at limit 1000
    )
    union all
    (
      select job_type, created_at from private.running_jobs where p_status = 'processing'
      order by lease_expires_at limit 1000
    )
  ) as live
  where job_type = p_job_type
$$;

create view public.queue_health with (security_invoker = true) as
select job_type, status, count, oldest_job, newest_job, avg_duration_seconds, avg_attempts
from private.queue_totals()
union all
select
  job_type,
  status,
  count(*) as count,
  min(created_at) as oldest_job,
  max(created_at) as newest_job,
  avg(extract(epoch from completed_at - started_at))::double precision as avg_duration_seconds,
  avg(attempts) as avg_attempts
from public.job_queue
where (select private.is_user()) and created_by = (select auth.uid())
  and (completed_at is null or completed_at > now() - interval '24 hours')
group by job_type, status;

create view public.failed_jobs_recent with (security_invoker = true) as
select id, job_type, payload, attempts, error_message, created_at, completed_at
from public.job_queue
where status = 'failed' and completed_at > now() - interval '24 hours'
order by completed_at desc;

create view public.stuck_jobs with (security_invoker = true) as
select
  id, job_type, payload, started_at,
  extract(epoch from now() - started_at) / 60 as minutes_stuck
from public.job_queue
where status = 'processing' and started_at < now() - interval '10 minutes'
order by started_at;

-- How long the jobs of the last hour waited, from when they were due until their last run began, and how
-- long that run took, in seconds; of the newest 10,000 that completed and as many that failed. A bitmap of
-- the whole hour, to be sorted for the newest, is what the planner would prefer.
create function private.latencies() returns table (
  job_type text, jobs bigint,
  wait_p50_seconds double precision, wait_p95_seconds double precision, wait_p99_seconds double precision,
  run_p50_seconds double precision, run_p95_seconds double precision, run_p99_seconds double precision
)
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
begin
  return query
  select
    measured.job_type,
    count(*),
    percentile_cont(0.5) within group (order by measured.wait),
    percentile_cont(0.95) within group (order by measured.wait),
    percentile_cont(0.99) within group (order by measured.wait),
    percentile_cont(0.5) within group (order by measured.run),
    percentile_cont(0.95) within group (order by measured.run),
    percentile_cont(0.99) within group (order by measured.run)
  from (
    select
      ended.job_type,
      extract(epoch from greatest(ended.started_at - ended.scheduled_at, interval '0'))::double precision as wait,
      extract(epoch from ended.completed_at - ended.started_at)::double precision as run
    from (values ('completed'), ('failed')) as wanted (status)
    cross join lateral (
      select j.job_type, j.scheduled_at, j.started_at, j.completed_at from private.finished_jobs as j
      where j.status = wanted.status and j.completed_at > now() - interval '1 hour'
      order by j.completed_at desc limit 10000
    ) as ended
    where ended.started_at is not null
  ) as measured
  group by measured.job_type;
end
$$;

create view public.queue_latency with (security_invoker = true) as
select
  job_type, jobs, wait_p50_seconds, wait_p95_seconds, wait_p99_seconds,
  run_p50_seconds, run_p95_seconds, run_p99_seconds
from private.latencies();

-- What each user has used of their plan, those of today first. For the service alone.
create function private.tenants() returns table (
  user_id uuid, plan text, requests_this_minute int, requests_per_minute int,
  images_today int, images_per_day int, cost_today numeric, money_per_day numeric,
  running_or_ready int, running_jobs int, blocked int
)
language sql stable security definer set search_path = '' as $$
  select
    u.user_id, p.name,
    case when u.minute_started_at > now() - interval '1 minute' then u.minute_requests else 0 end,
    p.requests_per_minute,
    case when u.day = (now() at time zone 'UTC')::date then u.day_images else 0 end,
    p.images_per_day,
    case when u.day = (now() at time zone 'UTC')::date then u.day_cost else 0 end,
    p.money_per_day,
    coalesce(s.taken, 0),
    p.running_jobs,
    (
      select count(*)::int from (
        select from private.blocked_jobs as j where j.fair_key = u.user_id limit 10000
      ) as waiting
    )
  from private.usage as u
  left join private.user_plans as up on up.user_id = u.user_id
  left join private.plans as p on p.name = coalesce(up.plan, 'default')
  left join (
    select fair_key, sum(taken)::int as taken from private.user_slots group by fair_key
  ) as s on s.fair_key = u.user_id
  order by u.day desc, u.day_images desc
$$;

create view public.tenant_usage with (security_invoker = true) as
select
  user_id, plan, requests_this_minute, requests_per_minute, images_today, images_per_day,
  cost_today, money_per_day, running_or_ready, running_jobs, blocked
from private.tenants();

-- The queue in numbers ------------------------------------------------------------------------------------------------

-- The queue at a glance. What is not in the counts is counted up to 10,000.
create function private.queue_status() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_run private.last_cron_run;
  v_pause record;
  v_outputs record;
  v_totals jsonb;
  v_blocked int;
  v_scheduled int;
  v_periods jsonb := private.budget_periods();
begin
  select * into v_run from private.last_cron_run;
  select * into v_pause from private.current_pause();
  select * into v_outputs from private.unstored_outputs();
  select jsonb_object_agg(status, jobs) into v_totals
  from (select status, sum(count) as jobs from private.queue_totals() group by status) as by_status;
  select count(*) into v_blocked from (
    select from private.blocked_jobs limit 10000) as blocked;
  select count(*) into v_scheduled from (
    select from private.scheduled_jobs limit 10000) as later;
  return jsonb_build_object(
    'last_sweep_at', v_run.ran_at,
    -- By this clock, for whoever's own differs.
    'last_sweep_seconds', extract(epoch from now() - v_run.ran_at),
    'last_sweep', v_run.stats,
    'pending', coalesce((v_totals -> 'pending')::bigint, 0),
    'blocked', v_blocked,
    'scheduled', v_scheduled,
    'processing', coalesce((v_totals -> 'processing')::bigint, 0),
    'lost', (select count(*) from (
      select from private.running_jobs where lease_expires_at <= now() limit 10000) as lost),
    'failed_24h', coalesce((v_totals -> 'failed')::bigint, 0),
    'output_seconds_left', v_outputs.seconds_left,
    'refused_models', private.refused_model_names(),
    'provider_paused_until', v_pause.until,
    'provider_paused_since', v_pause.since,
    'provider_paused_seconds', extract(epoch from now() - v_pause.since),
    'provider_pause_reason', v_pause.reason,
    'provider_pause_code', v_pause.code,
    'budget', private.budget_state(v_periods),
    'budget_periods', v_periods
  );
end
$$;

-- The outputs that are not stored yet: how many were made over half an hour ago, and how long the provider keeps
-- the oldest of them, in seconds. Counted up to 10,000; a job for each is as old as its output.
create function private.unstored_outputs(out at_risk int, out seconds_left numeric)
language sql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
  select
    count(*) filter (where waiting.deleted_at < now() + interval '30 minutes')::int,
    round(extract(epoch from min(waiting.deleted_at) - now()), 3)
  from (
    select coalesce(retry_until - interval '5 minutes', created_at + interval '1 hour') as deleted_at
    from (
      (
        select retry_until, created_at from private.scheduled_jobs where job_type = 'download-image'
        order by created_at limit 10000
      )
      union all
      (select retry_until, created_at from private.ready_jobs where job_type = 'download-image' limit 10000)
      union all
      (select retry_until, created_at from private.running_jobs where job_type = 'download-image' limit 10000)
    ) as unstored
    limit 10000
  ) as waiting
$$;

-- Notes that the cron has run, with what is counted once a minute in place of each time that an operator looks.
create function private.note_findings(p_stats jsonb) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_today date := private.today();
begin
  insert into private.last_cron_run as r (
    ran_at, stats, outputs_at_risk, outputs_until, spent_day, spent_today_usd, spent_this_month_usd
  )
  select
    now(), coalesce(p_stats, '{}'), o.at_risk, now() + make_interval(secs => o.seconds_left::double precision), v_today,
    coalesce(sum(t.cost_usd) filter (where t.day = v_today), 0), coalesce(sum(t.cost_usd), 0)
  from private.unstored_outputs() as o
  left join private.daily_totals as t on t.day between date_trunc('month', v_today)::date and v_today
  group by o.at_risk, o.seconds_left
  on conflict (only_row) do update set
    ran_at = excluded.ran_at, stats = excluded.stats, outputs_at_risk = excluded.outputs_at_risk,
    outputs_until = excluded.outputs_until, spent_day = excluded.spent_day,
    spent_today_usd = excluded.spent_today_usd, spent_this_month_usd = excluded.spent_this_month_usd;
end
$$;

-- For monitoring, in one call whose cost does not grow with the number of jobs: the newest of what has ended are taken
-- from the end of the index, not sorted out of all.
create function private.queue_metrics() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_status jsonb := private.queue_status();
  v_jobs jsonb;
  v_wait jsonb;
  v_run jsonb;
  v_failed jsonb;
  v_outputs record;
begin
  select jsonb_agg(jsonb_build_object(
    'type', job_type, 'status', status, 'jobs', count,
    'oldest_seconds', case
      when status in ('pending', 'processing') then round(extract(epoch from now() - oldest_job), 3)
    end
  ) order by job_type, status) into v_jobs
  from private.queue_totals();

  select
    jsonb_agg(jsonb_build_object(
      'type', l.job_type, 'quantile', q.quantile, 'seconds', round(q.wait::numeric, 3)
    ) order by l.job_type, q.quantile),
    jsonb_agg(jsonb_build_object(
      'type', l.job_type, 'quantile', q.quantile, 'seconds', round(q.run::numeric, 3)
    ) order by l.job_type, q.quantile)
  into v_wait, v_run
  from public.queue_latency as l
  cross join lateral (values
    ('0.5', l.wait_p50_seconds, l.run_p50_seconds),
    ('0.95', l.wait_p95_seconds, l.run_p95_seconds),
    ('0.99', l.wait_p99_seconds, l.run_p99_seconds)
  ) as q (quantile, wait, run);

  -- The commonest twenty kinds, so that error codes of somebody's own do not become so many series.
  select jsonb_agg(jsonb_build_object('type', kind.job_type, 'code', kind.code, 'jobs', kind.jobs)) into v_failed
  from (
    select ended.job_type, ended.code, count(*) as jobs
    from (
      select j.job_type, left(coalesce(j.error_details -> -1 ->> 'code', 'unknown'), 100) as code
      from private.finished_jobs as j
      where j.status = 'failed' and j.completed_at > now() - interval '24 hours'
      order by j.completed_at desc limit 10000
    ) as ended
    group by ended.job_type, ended.code
    order by count(*) desc, ended.job_type, ended.code limit 20
  ) as kind;

  select * into v_outputs from private.unstored_outputs();

  return jsonb_build_object(
    'jobs', v_jobs,
    'blocked', v_status -> 'blocked',
    'scheduled', v_status -> 'scheduled',
    'lost', v_status -> 'lost',
    'budget', v_status -> 'budget_periods',
    'last_sweep_at', (select round(extract(epoch from ran_at), 3) from private.last_cron_run),
    'wait', v_wait,
    'run', v_run,
    'failed', v_failed,
    'outputs_at_risk', v_outputs.at_risk,
    'output_seconds_left', v_outputs.seconds_left,
    'refused_models', (
      select jsonb_agg(jsonb_build_object('model', name, 'refused', 1))
      from jsonb_array_elements_text(private.refused_model_names()) as listed (name)
    ),
    'alerts', (
      select jsonb_agg(jsonb_build_object('rule', r.name, 'severity', r.severity) order by r.name)
      from private.alerts as a inner join private.alert_rules as r on r.name = a.rule where a.is_open
    ),
    'enqueued', coalesce(pg_sequence_last_value('private.job_seq'::regclass), 0),
    'removed_files', (
      select count(*) from (select from private.removed_objects limit 10000) as removed
    )
  );
end
$$;
