-- What the dashboard's live page and its timeline show. Both are asked again every few seconds: they read what is
-- counted anyway, and of the queue no more than 1,000 jobs of each kind, however many there are.

-- Jobs by type, the fullest first. How many are pending and how many run is counted as jobs move. How the pending ones
-- split is not: where at most 1,000 are blocked and as many scheduled, the others are ready; else the ready ones of the
-- five fullest types are counted up to 1,000, and the rest follows where it can.
create function private.queue_splits() returns table (
  job_type text, waiting bigint, running bigint, failed_24h bigint, ready bigint, blocked bigint, scheduled bigint,
  is_split_exact boolean, oldest_blocked_at timestamptz, next_scheduled_at timestamptz, blocked_users bigint
)
language sql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
  with counts as materialized (
    select
      c.job_type,
      coalesce(sum(c.jobs) filter (where c.status = 'pending'), 0)::bigint as waiting,
      coalesce(sum(c.jobs) filter (where c.status = 'processing'), 0)::bigint as running,
      coalesce(sum(c.jobs) filter (where c.status = 'failed'), 0)::bigint as failed
    from (
      select k.job_type, k.status, k.hour, k.jobs from private.job_counts as k
      union all
      select d.job_type, d.status, d.hour, d.jobs from private.delta_sums() as d
      union all
      select t.name, 'pending', '-infinity', 0 from unnest(private.standing_types()) as t (name)
    ) as c
    where c.hour = '-infinity' or c.hour >= date_trunc('hour', now() - interval '24 hours', 'UTC')
    group by c.job_type
  ), some_blocked as materialized (
    select j.job_type, j.fair_key, j.created_at from private.blocked_jobs as j order by j.fair_key, j.job_type limit 1001
  ), some_scheduled as materialized (
    select j.job_type, j.scheduled_at from private.scheduled_jobs as j order by j.scheduled_at limit 1001
  ), known as materialized (
    select
      (select count(*) <= 1000 from some_blocked) as blocked,
      (select count(*) <= 1000 from some_scheduled) as scheduled,
      (select count(distinct b.fair_key) from some_blocked as b) as blocked_users
  ), each_type as materialized (
    select
      c.*, row_number() over (order by c.waiting desc, c.running desc, c.job_type) as place,
      coalesce(b.jobs, 0) as blocked, b.oldest, coalesce(s.jobs, 0) as scheduled, s.next
    from counts as c
    left join (
      select g.job_type, count(*) as jobs, min(g.created_at) as oldest from some_blocked as g group by g.job_type
    ) as b on b.job_type = c.job_type
    left join (
      select g.job_type, count(*) as jobs, min(g.scheduled_at) as next from some_scheduled as g group by g.job_type
    ) as s on s.job_type = c.job_type
  ), with_ready as (
    select
      e.*, k.blocked as knows_blocked, k.scheduled as knows_scheduled, k.blocked_users, r.jobs as ready,
      coalesce(r.jobs <= 1000, false) as knows_ready
    from each_type as e cross join known as k
    left join lateral (
      select count(*) as jobs from (
        select from private.ready_jobs as j where j.job_type = e.job_type order by j.priority desc limit 1001
      ) as first
    ) as r on e.place <= 5 and not (k.blocked and k.scheduled)
  )
  select
    w.job_type, w.waiting, w.running, w.failed,
    case
      when w.knows_blocked and w.knows_scheduled then greatest(w.waiting - w.blocked - w.scheduled, 0)
      else coalesce(w.ready, 0)
    end,
    case
      when not w.knows_blocked and w.knows_scheduled and w.knows_ready
        then greatest(w.waiting - w.ready - w.scheduled, 0)
      else w.blocked
    end,
    case
      when not w.knows_scheduled and w.knows_blocked and w.knows_ready
        then greatest(w.waiting - w.ready - w.blocked, 0)
      else w.scheduled
    end,
    w.waiting = 0 or (w.knows_blocked::int + w.knows_scheduled::int + w.knows_ready::int) >= 2,
    w.oldest, w.next, w.blocked_users
  from with_ready as w
  order by w.place limit 100
$$;

-- Of the jobs that are next in a type's ready queues, when the oldest was created. Of its first fifty queues.
create function private.oldest_next(p_job_type text) returns timestamptz
language sql stable set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
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
$$;

-- What is spent today and this month: exact where a budget is set, which is kept as it changes; else from what has
-- ended.
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
      coalesce(sum(t.cost_usd) filter (where t.day = v_day), 0) as today, coalesce(sum(t.cost_usd), 0) as this_month,
      null::numeric as reserved
    into v_spent
    from private.daily_totals as t where t.day between v_month and v_day;
  end if;
  return jsonb_build_object(
    'spent_today_usd', v_spent.today, 'spent_this_month_usd', v_spent.this_month, 'reserved_usd', v_spent.reserved,
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
  v_outputs record;
  v_running record;
  v_queues jsonb;
  v_totals jsonb;
begin
  perform private.check_admin();
  select * into v_pause from private.provider_pause;
  select * into v_run from private.last_cron_run;
  select * into v_outputs from private.unstored_outputs();
  with running as (
    select j.job_type, j.started_at, j.lease_expires_at from private.running_jobs as j
    order by j.lease_expires_at limit 1000
  )
  select
    count(*) filter (where r.lease_expires_at <= now()) as lost,
    count(*) filter (where r.started_at < now() - interval '10 minutes') as stuck,
    (
      select jsonb_object_agg(o.job_type, o.at) from (
        select i.job_type, min(i.started_at) as at from running as i group by i.job_type
      ) as o
    ) as oldest
  into v_running from running as r;
  select
    coalesce(jsonb_agg(jsonb_build_object(
      'job_type', s.job_type, 'waiting', s.waiting, 'ready', s.ready, 'blocked', s.blocked, 'scheduled', s.scheduled,
      'is_split_exact', s.is_split_exact, 'running', s.running,
      'oldest_ready_at', private.oldest_next(s.job_type), 'oldest_blocked_at', s.oldest_blocked_at,
      'next_scheduled_at', s.next_scheduled_at, 'oldest_running_at', v_running.oldest ->> s.job_type,
      'is_held', v_pause.all_paused or s.job_type = any(v_pause.paused_types)
    ) order by s.waiting desc, s.running desc, s.job_type), '[]'),
    jsonb_build_object(
      'waiting', sum(s.waiting), 'ready', sum(s.ready), 'blocked', sum(s.blocked), 'scheduled', sum(s.scheduled),
      'is_split_exact', bool_and(s.is_split_exact), 'running', sum(s.running),
      'lost', v_running.lost, 'stuck', v_running.stuck,
      'dead_letters_24h', sum(s.failed_24h), 'blocked_users', max(s.blocked_users)
    )
  into v_queues, v_totals
  from private.queue_splits() as s;
  return jsonb_build_object(
    'at', now(),
    'queues', v_queues,
    'totals', v_totals,
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
    'outputs', jsonb_build_object('at_risk', v_outputs.at_risk, 'seconds_left', v_outputs.seconds_left),
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
