-- What the dashboard's live page and its timeline show. Both are asked again every few seconds, and cost the same
-- however long the queue is: they read counts that are kept as jobs move, the heads of indexes, and what the cron has
-- noted. Of jobs themselves they read those whose lease is over, 1,000 at most.

-- How many jobs of each type there are in each state, and of those that run since when the first does. A run is stuck
-- from its eleventh minute on, by whole minutes.
create function private.queue_counts() returns table (
  job_type text, waiting bigint, blocked bigint, scheduled bigint, running bigint, failed_24h bigint,
  oldest_run timestamptz, stuck bigint
)
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return query
  with runs as (
    select
      r.job_type, min(r.minute) as oldest,
      coalesce(sum(r.jobs) filter (where r.minute <= now() - interval '11 minutes'), 0)::bigint as stuck
    from private.running_since() as r group by r.job_type
  )
  select
    c.job_type,
    coalesce(sum(c.jobs) filter (where c.status = 'pending'), 0)::bigint,
    sum(c.blocked)::bigint,
    sum(c.scheduled)::bigint,
    coalesce(sum(c.jobs) filter (where c.status = 'processing'), 0)::bigint,
    coalesce(sum(c.jobs) filter (where c.status = 'failed'), 0)::bigint,
    min(r.oldest),
    coalesce(min(r.stuck), 0)
  from (
    select k.job_type, k.status, k.hour, k.jobs, k.blocked, k.scheduled from private.job_counts as k
    union all
    select d.job_type, d.status, d.hour, d.jobs, d.blocked, d.scheduled from private.delta_sums() as d
    union all
    select t.name, 'pending', '-infinity', 0, 0, 0 from unnest(private.standing_types()) as t (name)
  ) as c
  left join runs as r on r.job_type = c.job_type
  where c.hour = '-infinity' or c.hour >= date_trunc('hour', now() - interval '24 hours', 'UTC')
  group by c.job_type;
end
$$;

-- Of the jobs that are next in a type's ready queues, when the oldest was created. Of its first fifty queues.
create function private.oldest_next(p_job_type text) returns timestamptz
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
begin
  return (
    select min(head.created_at)
    from (
      select q.priority, q.low_time from private.ready_queues as q where q.job_type = p_job_type
      order by q.priority limit 50
    ) as queue
    cross join lateral (
      select j.created_at from private.ready_jobs as j
      where j.job_type = p_job_type and j.priority = queue.priority and j.virtual_time >= queue.low_time
      order by j.virtual_time, j.seq limit 1
    ) as head
  );
end
$$;

-- Where to begin in the indexes of what waits and runs: before that are only entries of jobs that have passed.
create function private.live_marks() returns private.low_water
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water := private.low_water_marks();
begin
  v_marks.blocked_at := case when private.has_many_dead('private.blocked_jobs') then (
    select l.blocked_at from private.low_water as l
  ) else '-infinity' end;
  return v_marks;
end
$$;

-- The queues, the fullest first, and the sums of all: {queues, totals}.
create function private.queues_now() returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_marks private.low_water := private.live_marks();
  v_pause private.provider_pause;
begin
  select * into v_pause from private.provider_pause;
  return (
    with counts as materialized (
      select c.*, greatest(c.waiting - c.blocked - c.scheduled, 0) as ready from private.queue_counts() as c
    ), shown as (
      select
        c.*, case when c.ready > 0 then private.oldest_next(c.job_type) end as oldest_ready,
        case when c.blocked > 0 then (
          select j.created_at from private.blocked_jobs as j
          where j.job_type = c.job_type and j.created_at >= v_marks.blocked_at order by j.created_at limit 1
        ) end as oldest_blocked,
        case when c.scheduled > 0 then (
          select j.scheduled_at from private.scheduled_jobs as j
          where j.job_type = c.job_type and j.scheduled_at >= v_marks.scheduled_at order by j.scheduled_at limit 1
        ) end as next_scheduled
      from (select * from counts as k order by k.waiting desc, k.running desc, k.job_type limit 100) as c
    )
    select jsonb_build_object(
      'queues', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'job_type', s.job_type, 'waiting', s.waiting, 'ready', s.ready, 'blocked', s.blocked,
          'scheduled', s.scheduled, 'running', s.running, 'oldest_ready_at', s.oldest_ready,
          'oldest_blocked_at', s.oldest_blocked, 'next_scheduled_at', s.next_scheduled,
          'oldest_running_at', s.oldest_run,
          'is_held', v_pause.all_paused or s.job_type = any(v_pause.paused_types)
        ) order by s.waiting desc, s.running desc, s.job_type), '[]')
        from shown as s
      ),
      'totals', jsonb_build_object(
        'waiting', sum(c.waiting), 'ready', sum(c.ready), 'blocked', sum(c.blocked), 'scheduled', sum(c.scheduled),
        'running', sum(c.running),
        'lost', (
          select count(*) from (
            select from private.running_jobs as j
            where j.lease_expires_at <= now() and j.lease_expires_at >= v_marks.lease_expires_at
            order by j.lease_expires_at limit 1000
          ) as over
        ),
        'stuck', sum(c.stuck), 'dead_letters_24h', sum(c.failed_24h)
      )
    )
    from counts as c
  );
end
$$;

-- What is spent today and this month: exact where a budget is set, which is kept as it changes; else as the cron has
-- noted it, of what had ended.
create function private.spending() returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_day date := private.today();
  v_month date := date_trunc('month', v_day);
  v_settings private.settings;
  v_spent record;
begin
  select * into v_settings from private.settings;
  if coalesce(v_settings.budget_per_day_usd, v_settings.budget_per_month_usd) is not null then
    select
      case when b.day = v_day then b.day_spent else 0 end
        + coalesce(sum(d.spent) filter (where d.day = v_day), 0) as today,
      case when b.month = v_month then b.month_spent else 0 end
        + coalesce(sum(d.spent) filter (where d.day >= v_month), 0) as this_month,
      b.reserved + coalesce(sum(d.reserved), 0) as reserved
    into v_spent
    from private.budget as b left join private.budget_deltas as d on true
    group by b.only_row, b.day, b.day_spent, b.month, b.month_spent, b.reserved;
  else
    select
      case when r.spent_day = v_day then r.spent_today_usd else 0 end as today,
      case when r.spent_day >= v_month then r.spent_this_month_usd else 0 end as this_month,
      null::numeric as reserved
    into v_spent
    from (values (1)) as always (n) left join private.last_cron_run as r on true;
  end if;
  return jsonb_build_object(
    'spent_today_usd', coalesce(v_spent.today, 0), 'spent_this_month_usd', coalesce(v_spent.this_month, 0), 'reserved_usd', v_spent.reserved,
    'per_day_usd', v_settings.budget_per_day_usd, 'per_month_usd', v_settings.budget_per_month_usd,
    'state', private.budget_state(private.budget_periods()),
    'source', case when v_spent.reserved is null then 'roll_ups' else 'budget' end
  );
end
$$;

-- What ended in the last minutes, up to where the roll-up has come.
create function private.recent_ends(p_minutes int) returns jsonb
language sql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
  select jsonb_build_object(
    'minutes', p_minutes, 'completed', coalesce(sum(c.completed), 0), 'failed', coalesce(sum(c.failed), 0),
    'cancelled', coalesce(sum(c.cancelled), 0),
    'success_rate', round(sum(c.completed)::numeric / nullif(sum(c.completed + c.failed), 0), 4)
  )
  from private.ended_counts as c
  where c.seconds = 60 and c.at > date_trunc('minute', now()) - make_interval(mins => p_minutes)
$$;

create function private.admin_overview() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_pause private.provider_pause;
  v_shown private.provider_pause := private.current_pause();
  v_run private.last_cron_run;
  v_now jsonb;
begin
  perform private.check_admin();
  select * into v_pause from private.provider_pause;
  select * into v_run from private.last_cron_run;
  v_now := private.queues_now();
  return jsonb_build_object(
    'at', now(),
    'queues', v_now -> 'queues',
    'totals', v_now -> 'totals',
    'throughput', jsonb_build_array(private.recent_ends(5), private.recent_ends(15), private.recent_ends(60)),
    'counted_until', (select r.counted_until from private.roll_up as r),
    'provider', jsonb_build_object(
      'paused_until', v_shown.until, 'paused_since', v_shown.since, 'reason', v_shown.reason, 'code', v_shown.code,
      'is_probing', v_pause.probing and v_pause.until <= now()
    ),
    'refused_models', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'model', r.model, 'since', r.since, 'until', r.until, 'status', r.status, 'refusals', r.refusals
      ) order by r.since desc), '[]')
      from (
        select * from private.refused_models as m where m.until > now() - interval '1 hour'
        order by m.since desc limit 100
      ) as r
    ),
    'holds', jsonb_build_object(
      'queue', v_pause.all_paused, 'job_types', to_jsonb(v_pause.paused_types), 'models', to_jsonb(v_pause.paused_models)
    ),
    'budget', private.spending(),
    'cron', jsonb_build_object(
      'last_run_at', v_run.ran_at, 'lag_seconds', round(extract(epoch from now() - v_run.ran_at), 3),
      'last_run', v_run.stats
    ),
    'outputs', jsonb_build_object(
      'at_risk', coalesce(v_run.outputs_at_risk, 0),
      'seconds_left', round(extract(epoch from v_run.outputs_until - now()), 3)
    ),
    'alerts', private.open_alerts()
  );
end
$$;

-- Over time -----------------------------------------------------------------------------------------------------------

-- The seconds below which a share of the times in these classes is: {class: jobs}.
create function private.class_percentile(p_classes jsonb, p_share numeric) returns numeric
language sql immutable set search_path = '' as $$
  select private.class_seconds(min(c.class)) from (
    select
      k.key::int as class, sum(k.value::text::bigint) over (order by k.key::int) as up_to,
      sum(k.value::text::bigint) over () as jobs
    from jsonb_each(p_classes) as k
  ) as c
  where c.up_to >= c.jobs * p_share
$$;

create function private.admin_timeline(
  p_from timestamptz, p_to timestamptz, p_step int, p_job_type text
) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_to timestamptz := least(coalesce(p_to, now()), now() + interval '1 day');
  v_from timestamptz;
  v_step interval := make_interval(secs => p_step);
  v_seconds int;
begin
  perform private.check_admin();
  if p_step is null or p_step not between 60 and 86400 or p_step % 60 <> 0 then
    perform private.refuse_field('p_step', 'p_step must be a multiple of 60, from 60 to 86400.');
  end if;
  if p_from is null or not isfinite(p_from) or not isfinite(v_to) or p_from >= v_to then
    perform private.refuse_field('p_from', 'p_from must be a time before p_to.');
  end if;
  if p_from < now() - interval '15 days' then
    perform private.refuse_field('p_from', 'p_from must be within the last 14 days: ask for the analytics by day.');
  end if;
  v_seconds := case when p_from >= now() - interval '6 hours 10 minutes' then 60 else 900 end;
  if p_step % v_seconds <> 0 then
    perform private.refuse_field('p_step', 'p_step must be a multiple of 900 where p_from is over six hours ago.');
  end if;
  v_from := date_bin(v_step, p_from, 'epoch'::timestamptz);
  if (v_to - v_from) / 1500 > v_step then
    perform private.refuse_field('p_step', 'p_step must be longer: at most 1,500 points.');
  end if;
  return jsonb_build_object(
    'counted_until', (select r.counted_until from private.roll_up as r),
    'points', (
      with ends as (
        select
          date_bin(v_step, c.at, 'epoch'::timestamptz) as at,
          sum(c.completed) as completed, sum(c.failed) as failed, sum(c.cancelled) as cancelled
        from private.ended_counts as c
        where c.seconds = v_seconds and c.at >= v_from and c.at < v_to
          and (p_job_type is null or c.job_type = p_job_type)
        group by 1
      ), classes as (
        select k.at, k.measure, jsonb_object_agg(k.class, k.jobs) as jobs
        from (
          select date_bin(v_step, t.at, 'epoch'::timestamptz) as at, t.measure, t.class, sum(t.jobs) as jobs
          from private.ended_times as t
          where t.seconds = v_seconds and t.at >= v_from and t.at < v_to
            and (p_job_type is null or t.job_type = p_job_type)
          group by 1, 2, 3
        ) as k
        group by k.at, k.measure
      )
      select jsonb_agg(jsonb_build_object(
        'at', p.at, 'completed', coalesce(e.completed, 0), 'failed', coalesce(e.failed, 0),
        'cancelled', coalesce(e.cancelled, 0),
        'success_rate', round(e.completed::numeric / nullif(e.completed + e.failed, 0), 4),
        'wait_p50', private.class_percentile(w.jobs, 0.5), 'wait_p95', private.class_percentile(w.jobs, 0.95),
        'wait_p99', private.class_percentile(w.jobs, 0.99), 'run_p50', private.class_percentile(r.jobs, 0.5),
        'run_p95', private.class_percentile(r.jobs, 0.95), 'run_p99', private.class_percentile(r.jobs, 0.99)
      ) order by p.at)
      from generate_series(v_from, v_to - interval '1 microsecond', v_step) as p (at)
      left join ends as e on e.at = p.at
      left join classes as w on w.at = p.at and w.measure = 'wait'
      left join classes as r on r.at = p.at and r.measure = 'run'
    )
  );
end
$$;

-- The last runs of the cron, the newest first.
create function private.admin_cron_history(p_limit int) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.check_admin();
  if p_limit not between 1 and 1440 then
    perform private.refuse_field('p_limit', 'p_limit must be a whole number from 1 to 1440.');
  end if;
  return jsonb_build_object('runs', (
    select coalesce(jsonb_agg(to_jsonb(r) - 'minute' order by r.ran_at desc), '[]')
    from (select * from private.cron_runs order by ran_at desc limit coalesce(p_limit, 120)) as r
  ));
end
$$;
