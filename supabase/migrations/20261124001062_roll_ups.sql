-- What has ended, rolled up by the cron: jobs by the minute, for the dashboard's timeline, and generations by the day,
-- for operators' analytics and for each user's own. Each end is added once, in the transaction that moves
-- roll_up.counted_until past it.

-- Until when everything that has ended is committed: a job's completed_at is the time at which its step's transaction
-- began. One that has written and is not committed holds it back, by a quarter of an hour at most; ten seconds are for
-- one that has begun and not written yet.
create function private.settled_until() returns timestamptz
language sql stable set search_path = '' as $$
  select least(
    now() - interval '10 seconds',
    greatest(coalesce(min(a.xact_start), now()), now() - interval '15 minutes')
  )
  from pg_catalog.pg_stat_activity as a
  where a.datname = current_database() and a.backend_xid is not null and a.pid <> pg_backend_pid()
$$;

-- Classes of times, of 19 % each: 0 is below a millisecond, 108 is from a day and a half on.
create function private.time_class(p_seconds double precision) returns smallint
language sql immutable
return case
  when p_seconds > 0.001 then least(108, ceil(ln(p_seconds * 1000) / ln(2) * 4))
  else 0
end::smallint;

-- The middle of a class: no time in it differs from that by more than a tenth.
create function private.class_seconds(p_class int) returns numeric
language sql immutable
return case when p_class > 0 then round((0.001 * 2 ^ ((p_class - 0.5) / 4))::numeric, 4) else 0 end;

-- Adds what has ended since the last call, at most p_limit jobs and those that ended at the same moment as the last of
-- them; the next call goes on behind it. Answers how many. One call at a time, others leave it to the one.
create function private.roll_up_ended(p_limit int) returns int
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_from timestamptz;
  v_until timestamptz := private.settled_until();
  v_jobs int;
begin
  select counted_until into v_from from private.roll_up for update skip locked;
  if not found or v_from >= v_until then
    return 0;
  end if;
  v_until := least(v_until, (
    select first.completed_at from (values ('completed'), ('failed'), ('cancelled')) as its (status)
    cross join lateral (
      select j.completed_at from private.finished_jobs as j
      where j.status = its.status and j.completed_at > v_from and j.completed_at <= v_until
      order by j.completed_at limit p_limit
    ) as first
    order by first.completed_at offset p_limit - 1 limit 1
  ));
  with ended as materialized (
    select
      j.job_type, j.status, j.completed_at, j.fair_key, j.generation_id, j.payload ->> 'model_id' as model,
      -- By hand a job may have been due since for ever.
      case when isfinite(j.scheduled_at) and isfinite(j.started_at)
        then greatest(extract(epoch from j.started_at - j.scheduled_at), 0) end::double precision as wait,
      case when isfinite(j.started_at)
        then extract(epoch from j.completed_at - j.started_at) end::double precision as run
    from (values ('completed'), ('failed'), ('cancelled')) as its (status)
    cross join lateral (
      select * from private.finished_jobs as f
      where f.status = its.status and f.completed_at > v_from and f.completed_at <= v_until
      order by f.completed_at
    ) as j
  ), steps as (
    select s.seconds, date_bin(make_interval(secs => s.seconds), e.completed_at, 'epoch'::timestamptz) as at, e.*
    from ended as e cross join (values (60), (900)) as s (seconds)
  ), counted as (
    insert into private.ended_counts as c (seconds, at, job_type, completed, failed, cancelled)
    select
      seconds, at, job_type, count(*) filter (where status = 'completed'), count(*) filter (where status = 'failed'),
      count(*) filter (where status = 'cancelled')
    from steps group by seconds, at, job_type
    on conflict (seconds, at, job_type) do update set
      completed = c.completed + excluded.completed, failed = c.failed + excluded.failed,
      cancelled = c.cancelled + excluded.cancelled
  ), timed as (
    insert into private.ended_times as t (seconds, at, job_type, measure, class, jobs)
    select s.seconds, s.at, s.job_type, m.measure, private.time_class(m.took), count(*)
    from steps as s
    cross join lateral (values ('wait', s.wait), ('run', s.run)) as m (measure, took)
    where s.status in ('completed', 'failed') and m.took >= 0
    group by 1, 2, 3, 4, 5
    on conflict (seconds, at, job_type, measure, class) do update set jobs = t.jobs + excluded.jobs
  ), generations as materialized (
    -- The end of a job that makes an image is its generation's, save where the image goes on to be stored.
    select
      (e.completed_at at time zone 'UTC')::date as day,
      coalesce(g.user_id, e.fair_key) as user_id, coalesce(g.model, e.model, 'unknown') as model, e.status,
      coalesce(g.country, '') as country,
      case e.status
        when 'completed' then ''
        else coalesce(case when g.status = e.status then g.error_code end, e.status)
      end as error_code,
      case when e.status = 'completed' then coalesce(g.generation_time_seconds, 0) else 0 end as seconds,
      coalesce(
        case e.status when 'completed' then g.cost_usd end,
        (select sum(p.cost_usd) from private.predictions as p where p.generation_id = e.generation_id), 0
      ) as cost_usd
    from ended as e
    left join lateral (
      select * from public.image_generations as i where i.id = e.generation_id
    ) as g on true
    where e.generation_id is not null and private.carries_generation(e.job_type)
      and (e.job_type = 'download-image' or e.status <> 'completed')
  ), in_all as (
    insert into private.daily_totals as d (
      day, model, status, country, error_code, generations, seconds, cost_usd
    )
    select day, model, status, country, error_code, count(*), sum(seconds), sum(cost_usd)
    from generations group by 1, 2, 3, 4, 5
    on conflict (day, model, status, country, error_code) do update set
      generations = d.generations + excluded.generations, seconds = d.seconds + excluded.seconds,
      cost_usd = d.cost_usd + excluded.cost_usd
  ), of_users as (
    insert into private.daily_users as d (
      user_id, day, model, status, country, error_code, generations, seconds, cost_usd
    )
    select user_id, day, model, status, country, error_code, count(*), sum(seconds), sum(cost_usd)
    from generations where user_id is not null group by 1, 2, 3, 4, 5, 6
    on conflict (user_id, day, model, status, country, error_code) do update set
      generations = d.generations + excluded.generations, seconds = d.seconds + excluded.seconds,
      cost_usd = d.cost_usd + excluded.cost_usd
  ), added_up as (
    insert into private.user_totals as u (
      user_id, period, since, completed, failed, cancelled, generations, cost_usd
    )
    select
      g.user_id, p.period, date_trunc(p.period, g.day::timestamp)::date, count(*) filter (where g.status = 'completed'),
      count(*) filter (where g.status = 'failed'), count(*) filter (where g.status = 'cancelled'), count(*),
      sum(g.cost_usd)
    from generations as g cross join (values ('day'), ('month')) as p (period)
    where g.user_id is not null group by 1, 2, 3
    on conflict (user_id, period, since) do update set
      completed = u.completed + excluded.completed, failed = u.failed + excluded.failed,
      cancelled = u.cancelled + excluded.cancelled, generations = u.generations + excluded.generations,
      cost_usd = u.cost_usd + excluded.cost_usd
  )
  select count(*) into v_jobs from ended;
  update private.roll_up set counted_until = v_until where only_row;
  return v_jobs;
end
$$;

-- Deletes what has stood its time, at most p_limit rows of each kind.
create function private.prune_roll_ups(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_seconds int;
  v_before timestamptz;
  v_today date := private.today();
begin
  foreach v_seconds in array '{60,900}'::int[] loop
    v_before := now() - case v_seconds when 60 then interval '6 hours 15 minutes' else interval '15 days' end;
    delete from private.ended_counts where ctid = any(array(
      select ctid from private.ended_counts where seconds = v_seconds and at < v_before order by at limit p_limit
    ));
    delete from private.ended_times where ctid = any(array(
      select ctid from private.ended_times where seconds = v_seconds and at < v_before order by at limit p_limit
    ));
  end loop;
  delete from private.daily_totals where ctid = any(array(
    select ctid from private.daily_totals where day < v_today - 400 order by day limit p_limit
  ));
  delete from private.daily_users where ctid = any(array(
    select ctid from private.daily_users where day < v_today - 400 order by day limit p_limit
  ));
  delete from private.user_totals where ctid = any(array(
    select ctid from private.user_totals where period = 'day' and since < v_today - 35 order by since limit p_limit
  ) || array(
    select ctid from private.user_totals
    where period = 'month' and since < v_today - interval '14 months' order by since limit p_limit
  ));
end
$$;

-- What the cron does for the dashboard, before it notes that it ran: rolls up what has ended, and keeps its run.
create function private.note_run(p_stats jsonb) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_minute int := floor(extract(epoch from now()) / 60)::bigint % 1440;
  v_until timestamptz := clock_timestamp() + interval '2 seconds';
  v_rolled_up int := 0;
  v_jobs int;
begin
  -- What is left is the next run's: Supabase ends a statement after eight seconds.
  loop
    v_jobs := private.roll_up_ended(20000);
    v_rolled_up := v_rolled_up + v_jobs;
    exit when v_jobs < 20000 or clock_timestamp() > v_until;
  end loop;
  perform private.prune_roll_ups(10000);
  insert into private.cron_runs (minute, ran_at, gap_seconds, stats, rolled_up)
  select
    v_minute, now(), (select round(extract(epoch from now() - r.ran_at), 3) from private.last_cron_run as r),
    coalesce(p_stats, '{}'), v_rolled_up
  on conflict (minute) do update set
    ran_at = excluded.ran_at, gap_seconds = excluded.gap_seconds, stats = excluded.stats,
    rolled_up = excluded.rolled_up + case
      when private.cron_runs.ran_at > excluded.ran_at - interval '1 minute' then private.cron_runs.rolled_up else 0
    end;
end
$$;

-- A user's own --------------------------------------------------------------------------------------------------------

-- The caller's generations that have ended, by day and model; from the first to the last day, both included.
create function private.usage_history(p_from date, p_to date) returns table (
  day date, model text, completed bigint, failed bigint, cancelled bigint, seconds numeric, cost_usd numeric
)
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := private.signed_in();
  v_to date := coalesce(p_to, private.today());
  v_from date := coalesce(p_from, v_to - 29);
begin
  if v_from > v_to or v_to - v_from >= 400 then
    perform private.refuse_field('p_from', 'p_from must be a day up to p_to, and at most 399 days before it.');
  end if;
  return query
  select
    d.day, d.model, coalesce(sum(d.generations) filter (where d.status = 'completed'), 0)::bigint,
    coalesce(sum(d.generations) filter (where d.status = 'failed'), 0)::bigint,
    coalesce(sum(d.generations) filter (where d.status = 'cancelled'), 0)::bigint, sum(d.seconds), sum(d.cost_usd)
  from private.daily_users as d
  where d.user_id = v_user and d.day between v_from and v_to
  group by d.day, d.model order by d.day, d.model;
end
$$;
