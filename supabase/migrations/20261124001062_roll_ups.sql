-- What has ended, rolled up by the cron: jobs by the minute, for the dashboard's timeline, and generations and costs
-- by the day, for operators' analytics and for each user's own. Each end is added once, in the transaction that moves
-- roll_up.counted_until past it, and each prediction's cost as the ledger has it: a cost that is put right as well.

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

-- Adds what has ended since the last call and until p_until, at most p_limit jobs and those that ended at the same
-- moment as the last of them; the next call goes on behind it. Answers how many. One call at a time, others leave it to
-- the one.
--
-- What has happened to what ended meanwhile stands in gone_jobs, gone_generations and bookings: all is read in one
-- statement, so that nothing is seen twice or not at all, and nobody waits. The cost of a prediction that has completed
-- its job is the ledger's, without what is still to come of its corrections; all other costs are bookings.
create function private.roll_up_ended(p_limit int, p_until timestamptz = private.settled_until()) returns int
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_from timestamptz;
  v_until timestamptz := p_until;
  v_jobs int;
begin
  select counted_until into v_from from private.roll_up for update skip locked;
  if not found or v_from >= v_until then
    return 0;
  end if;
  perform private.forget_gone_users();
  v_until := least(v_until, (
    select first.completed_at from (
      select j.completed_at from (values ('completed'), ('failed'), ('cancelled')) as its (status)
      cross join lateral (
        select f.completed_at from private.finished_jobs as f
        where f.status = its.status and f.completed_at > v_from and f.completed_at <= v_until
        order by f.completed_at limit p_limit
      ) as j
      union all
      (
        select g.completed_at from private.gone_jobs as g
        where g.completed_at > v_from and g.completed_at <= v_until order by g.completed_at limit p_limit
      )
    ) as first
    order by first.completed_at offset p_limit - 1 limit 1
  ));
  with ended as materialized (
    select
      j.job_type, j.status, j.completed_at, j.generation_id, j.prediction_id,
      -- By hand a job may have been due since for ever.
      case when isfinite(j.scheduled_at) and isfinite(j.started_at)
        then greatest(extract(epoch from j.started_at - j.scheduled_at), 0) end::double precision as wait,
      case when isfinite(j.started_at)
        then extract(epoch from j.completed_at - j.started_at) end::double precision as run
    from (
      select f.job_type, f.status, f.completed_at, f.generation_id, f.prediction_id, f.scheduled_at, f.started_at
      from (values ('completed'), ('failed'), ('cancelled')) as its (status)
      cross join lateral (
        select * from private.finished_jobs as f
        where f.status = its.status and f.completed_at > v_from and f.completed_at <= v_until
        order by f.completed_at
      ) as f
      union all
      select g.job_type, g.status, g.completed_at, null, g.prediction_id, g.scheduled_at, g.started_at
      from private.gone_jobs as g where g.completed_at > v_from and g.completed_at <= v_until
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
  ), booked as (
    delete from private.bookings where id = any(array(
      select b.id from private.bookings as b where b.at <= v_until order by b.at limit p_limit
    ))
    returning user_id, day, model, status, country, error_code, generations, cost_usd
  ), added as materialized (
    (
      -- As it ended with this job: one that has begun again since stands in gone_generations, as it ended then.
      select distinct on (g.id)
        (g.completed_at at time zone 'UTC')::date as day, g.user_id, coalesce(g.model, 'unknown') as model, g.status,
        coalesce(g.country, '') as country, private.end_reason(g.status, g.error_code) as error_code,
        1 as generations,
        case g.status when 'completed' then coalesce(g.generation_time_seconds, 0) else 0 end as seconds,
        0::numeric as cost_usd
      from ended as e
      cross join lateral (
        select * from public.image_generations as i
        where i.id = e.generation_id and i.completed_at = e.completed_at
          and i.status in ('completed', 'failed', 'cancelled') limit 1
      ) as g
      where private.ends_generation(e.job_type, e.status)
      order by g.id
    )
    union all
    select
      (k.completed_at at time zone 'UTC')::date, k.user_id, k.model, k.status, k.country, k.error_code, 1, k.seconds, 0
    from private.gone_generations as k where k.completed_at > v_from and k.completed_at <= v_until
    union all
    select b.day, b.user_id, b.model, b.status, b.country, b.error_code, b.generations, 0, b.cost_usd from booked as b
    union all
    select
      (e.completed_at at time zone 'UTC')::date, coalesce(g.user_id, o.user_id), coalesce(p.model, 'unknown'),
      'completed', coalesce(g.country, o.country, ''), '', 0, 0,
      coalesce(p.cost_usd, 0)
        - coalesce((select sum(c.cost_usd) from private.bookings as c where c.corrects = p.id), 0)
    from ended as e
    cross join lateral (
      select * from private.predictions as l where l.id = e.prediction_id and l.closed_at = e.completed_at limit 1
    ) as p
    left join lateral (
      select i.user_id, i.country from public.image_generations as i where i.id = p.generation_id limit 1
    ) as g on true
    left join lateral (
      select w.user_id, w.country from private.prediction_owners as w where w.prediction_id = p.id limit 1
    ) as o on true
    where e.job_type = 'generate-image' and e.status = 'completed'
  ), in_all as (
    insert into private.daily_totals as d (
      day, model, status, country, error_code, generations, seconds, cost_usd
    )
    select day, model, status, country, error_code, sum(generations), sum(seconds), sum(cost_usd)
    from added group by 1, 2, 3, 4, 5
    on conflict (day, model, status, country, error_code) do update set
      generations = d.generations + excluded.generations, seconds = d.seconds + excluded.seconds,
      cost_usd = d.cost_usd + excluded.cost_usd
  ), known as materialized (
    -- Of an account that is no more nothing is written any longer.
    select its.user_id from (select distinct user_id from added where user_id is not null) as its
    cross join lateral (select from auth.users as u where u.id = its.user_id limit 1) as there
  ), of_users as (
    insert into private.daily_users as d (
      user_id, day, model, status, country, error_code, generations, seconds, cost_usd
    )
    select user_id, day, model, status, country, error_code, sum(generations), sum(seconds), sum(cost_usd)
    from added inner join known using (user_id) group by 1, 2, 3, 4, 5, 6
    on conflict (user_id, day, model, status, country, error_code) do update set
      generations = d.generations + excluded.generations, seconds = d.seconds + excluded.seconds,
      cost_usd = d.cost_usd + excluded.cost_usd
  ), added_up as (
    insert into private.user_totals as u (
      user_id, period, since, completed, failed, cancelled, generations, cost_usd
    )
    select
      g.user_id, p.period, date_trunc(p.period, g.day::timestamp)::date,
      coalesce(sum(g.generations) filter (where g.status = 'completed'), 0),
      coalesce(sum(g.generations) filter (where g.status = 'failed'), 0),
      coalesce(sum(g.generations) filter (where g.status = 'cancelled'), 0), sum(g.generations), sum(g.cost_usd)
    from added as g inner join known using (user_id) cross join (values ('day'), ('month')) as p (period)
    group by 1, 2, 3
    on conflict (user_id, period, since) do update set
      completed = u.completed + excluded.completed, failed = u.failed + excluded.failed,
      cancelled = u.cancelled + excluded.cancelled, generations = u.generations + excluded.generations,
      cost_usd = u.cost_usd + excluded.cost_usd
  )
  select count(*) into v_jobs from ended;
  update private.roll_up set counted_until = v_until where only_row;
  delete from private.gone_jobs where completed_at <= v_until;
  delete from private.gone_generations where completed_at <= v_until;
  return v_jobs;
end
$$;

-- Deletes the rows of accounts that are no more, of some at a time. A roll-up that had not seen the account go may have
-- written them since; the next one sees both.
create function private.forget_gone_users() returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_users uuid[] := array(select g.user_id from private.gone_users as g order by g.deleted_at limit 100);
begin
  if v_users <> '{}' then
    delete from private.daily_users where user_id = any(v_users);
    delete from private.user_totals where user_id = any(v_users);
    delete from private.gone_users where user_id = any(v_users);
  end if;
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

-- The caller's generations that have ended, by day and model, and what the predictions that ended on that day have
-- cost; from the first to the last day, both included.
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
  group by d.day, d.model
  having sum(d.generations) <> 0 or sum(d.seconds) <> 0 or sum(d.cost_usd) <> 0
  order by d.day, d.model;
end
$$;
