-- Alerts: what is measured, and when operators are told of it.
--
--   record_sweep ─► evaluate_alerts ─► alert_values     each minute, within the cron's own call
--   start ────────► report_dead_cron                    a cron that is dead cannot report itself
--                          │
--                          ▼
--                     tell_alert ─► send_notice: a row of alert_notices and a job for each receiver
--
-- What a notice says and what becomes of it: *_alert_notices.sql. Rules and receivers as operators set them:
-- *_alert_receivers.sql.

-- What is measured ----------------------------------------------------------------------------------------------------

-- How many of 100 images that ended within the last 15 minutes were made, from the counts by hour that are kept anyway
-- and from what they were at each run of the cron; null of fewer than ten.
create function private.recent_success(out percent numeric, out ended bigint)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_base private.alert_samples;
  v_made bigint;
  v_failed bigint;
begin
  delete from private.alert_samples where at < now() - interval '20 minutes' or at > now();
  select s.* into v_base from private.alert_samples as s
  -- The cron does not come to the second.
  order by s.at < now() - interval '15 minutes 10 seconds', s.at limit 1;
  select
    coalesce(sum(c.jobs) filter (where c.status = 'completed'), 0),
    coalesce(sum(c.jobs) filter (where c.status = 'failed'), 0)
  into v_made, v_failed
  from private.job_counts as c
  where c.job_type in ('generate-image', 'download-image')
    and (c.status = 'failed' or c.status = 'completed' and c.job_type = 'download-image')
    and c.hour >= date_trunc('hour', coalesce(v_base.at, now()), 'UTC');
  if v_base.at is not null then
    v_made := greatest(v_made - v_base.made, 0);
    ended := v_made + greatest(v_failed - v_base.failed, 0);
    percent := case when ended >= 10 then round(100.0 * v_made / ended, 1) end;
  end if;
  insert into private.alert_samples (at, made, failed)
  select
    now(),
    coalesce(sum(c.jobs) filter (where c.status = 'completed'), 0),
    coalesce(sum(c.jobs) filter (where c.status = 'failed'), 0)
  from private.job_counts as c
  where c.job_type in ('generate-image', 'download-image')
    and (c.status = 'failed' or c.status = 'completed' and c.job_type = 'download-image')
    and c.hour = date_trunc('hour', now(), 'UTC')
  on conflict (at) do nothing;
end
$$;

-- The value of each rule that has one now, and a sentence about it. Whatever may be many is counted up to a bound.
-- p_realtime: why the subscriptions of Realtime could not be read.
create function private.alert_values(p_realtime text) returns table (rule text, value numeric, detail text)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_most int := (
    select least(greatest(1000, ceil(r.threshold) + 1), 10000)::int from private.alert_rules as r
    where r.name = 'queue_depth'
  );
  v_depth int;
  v_stuck int;
  v_success record;
  v_outputs record;
  v_budget record;
  v_pause record;
  v_models jsonb := private.refused_model_names();
  v_failures bigint;
begin
  select count(*) into v_depth from (select from private.ready_jobs limit v_most) as ready;
  -- No run of ours is as long: a prediction's deadline is 15 minutes, and its attempt ends 11 minutes after that.
  select count(*) into v_stuck from (
    select j.lease_expires_at, j.started_at from private.running_jobs as j order by j.lease_expires_at limit 1000
  ) as first
  where first.lease_expires_at <= now() or first.started_at < now() - interval '30 minutes';
  select * into v_success from private.recent_success();
  select * into v_outputs from private.unstored_outputs();
  select * into v_pause from private.current_pause();
  select
    p ->> 'period' as period, (p ->> 'budget_usd')::numeric as budget,
    case
      when private.budget_state(jsonb_build_array(p)) = 'exhausted' then greatest(share.percent, 100)
      else share.percent
    end as percent
  into v_budget
  from jsonb_array_elements(private.budget_periods()) as p
  cross join lateral (
    select case
      when (p ->> 'budget_usd')::numeric > 0
        then trim_scale(floor(1000 * (p ->> 'used_usd')::numeric / (p ->> 'budget_usd')::numeric) / 10)
      else 100
    end as percent
  ) as share
  order by 3 desc limit 1;
  -- Attempts of those that still wait: kept as a count, so that nothing is read through.
  select coalesce(sum(c.attempts), 0) into v_failures from private.job_counts as c
  where c.job_type = 'process-webhook' and c.status = 'pending' and c.hour = '-infinity';
  return query values
    ('cron_stopped', 0::numeric, 'The cron runs again.'),
    ('queue_depth', v_depth, format(
      'Jobs that are ready and wait for a worker: %s%s.', case when v_depth = v_most then 'at least ' else '' end,
      v_depth
    )),
    ('success_rate', v_success.percent, format(
      'Of the %s images that ended in the last 15 minutes, %s %% were made.', v_success.ended, v_success.percent
    )),
    ('stuck_jobs', v_stuck, format(
      'Running jobs that have lost their lease, or have run for over 30 minutes: %s.', v_stuck
    )),
    ('outputs_at_risk', v_outputs.at_risk, format(
      'Images that were made over 30 minutes ago and are not stored: %s. The provider deletes the first in %s minutes.',
      v_outputs.at_risk, greatest(0, floor(v_outputs.seconds_left / 60))
    )),
    ('budget_near', v_budget.percent, private.budget_sentence(v_budget.period, v_budget.budget, v_budget.percent)),
    ('budget_used_up', v_budget.percent, private.budget_sentence(v_budget.period, v_budget.budget, v_budget.percent)),
    ('provider_refuses', (v_pause.reason is not distinct from 'account')::int, format(
      'The provider has answered %s to a create: no image is made before that is mended.', v_pause.code
    )),
    ('provider_down', (v_pause.reason is not distinct from 'outage')::int, format(
      'Since %s the provider fails or does not answer: one create a minute tries.', private.alert_time(v_pause.since)
    )),
    ('model_refused', jsonb_array_length(v_models), format('The provider refuses %s.', (
      select string_agg(left(m.name, 100), ', ' order by m.ord)
        || case when jsonb_array_length(v_models) > 5 then format(' and %s more', jsonb_array_length(v_models) - 5) else '' end
      from jsonb_array_elements_text(v_models) with ordinality as m (name, ord) where m.ord <= 5
    ))),
    ('webhooks_failing', v_failures, format(
      'Failed attempts at webhooks that wait to be sent again: %s.', v_failures
    )),
    ('realtime_unread', (p_realtime is not null)::int, left(p_realtime, 1000));
end
$$;

create function private.budget_sentence(p_period text, p_budget numeric, p_percent numeric) returns text
language sql immutable
return format(
  'Of the budget of this %s, %s US dollars, %s %% are spent or reserved.', p_period, trim_scale(p_budget), p_percent
);

create function private.alert_time(p_at timestamptz) returns text
language sql immutable
return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC';

-- Whether a value is where its rule does not want it. One that is not known is no reason to wake anybody.
create function private.is_beyond(p_value numeric, p_comparison text, p_threshold numeric) returns boolean
language sql immutable
return coalesce(case p_comparison
  when 'over' then p_value > p_threshold
  when 'at_least' then p_value >= p_threshold
  when 'under' then p_value < p_threshold
end, false);

-- When somebody is told ----------------------------------------------------------------------------------------------

-- Compares all values with their rules, opens and resolves alerts, and sends what is due. Returns the sentences for the
-- log. Called by record_sweep: rows that a start holds just now are looked at in a minute.
create function private.evaluate_alerts(p_realtime text) returns text[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
  v_kind text;
  v_alert private.alerts;
  v_said text[] := '{}';
  -- The cron does not come to the second.
  v_late constant interval := '5 seconds';
begin
  perform private.end_notices();
  for v_one in
    select
      a as alert, r as rule, v.value, v.detail,
      private.is_beyond(v.value, r.comparison, r.threshold) and r.is_on as is_beyond
    from private.alerts as a
    inner join private.alert_rules as r on r.name = a.rule
    inner join private.alert_values(p_realtime) as v on v.rule = a.rule
    order by a.rule
    for update of a skip locked
  loop
    -- Too few images have ended to tell: that is neither worse nor better.
    continue when v_one.value is null and (v_one.rule).name = 'success_rate' and (v_one.rule).is_on;
    v_alert := v_one.alert;
    v_kind := null;
    if v_one.is_beyond then
      v_alert.clear_since := null;
      v_alert.value := v_one.value;
      v_alert.detail := v_one.detail;
      if v_alert.is_open then
        if v_alert.last_sent_at <= now() - (v_one.rule).repeats + v_late then
          v_kind := 'repeated';
        end if;
      else
        v_alert.pending_since := coalesce(v_alert.pending_since, now());
        if v_alert.pending_since <= now() - (v_one.rule).holds + v_late then
          v_kind := 'raised';
        end if;
      end if;
    else
      v_alert.pending_since := null;
      if v_alert.is_open then
        v_alert.clear_since := coalesce(v_alert.clear_since, now());
        if v_alert.clear_since <= now() - private.clear_time((v_one.rule).holds, v_alert.comebacks) + v_late
          or not (v_one.rule).is_on
        then
          v_kind := 'resolved';
        end if;
      end if;
    end if;
    if v_kind is not null then
      v_alert := private.tell_alert(v_alert, v_one.rule, v_kind);
      -- The budget has a line of its own (private.budget_alerts).
      if v_alert.rule not in ('budget_near', 'budget_used_up') then
        v_said := v_said || case v_kind
          when 'raised' then v_alert.detail
          when 'repeated' then 'Still: ' || v_alert.detail
          else format('Resolved: %s.', (v_one.rule).title)
        end;
      end if;
    end if;
    if v_alert is distinct from v_one.alert then
      perform private.keep_alert(v_alert);
    end if;
  end loop;
  return v_said;
end
$$;

-- How long an alert must be clear before it is resolved: as long as it had to hold, five minutes at least, and twice as
-- long each time that it came back within an hour of its end.
create function private.clear_time(p_holds interval, p_comebacks int) returns interval
language sql immutable
return greatest(p_holds, least(greatest(p_holds, interval '5 minutes') * 2 ^ least(p_comebacks, 6), interval '1 hour'));

-- The alert as it is once this was told, and the notices of it.
create function private.tell_alert(
  p_alert private.alerts, p_rule private.alert_rules, p_kind text
) returns private.alerts
language plpgsql set search_path = '' as $$
begin
  if p_kind = 'raised' then
    p_alert.comebacks := case
      when p_alert.resolved_at > now() - interval '1 hour' then least(p_alert.comebacks + 1, 6) else 0
    end;
    p_alert.is_open := true;
    p_alert.opened_at := now();
    p_alert.pending_since := null;
    p_alert.resolved_at := null;
  elsif p_kind = 'resolved' then
    p_alert.is_open := false;
    p_alert.resolved_at := now();
    p_alert.clear_since := null;
  end if;
  p_alert.last_sent_at := now();
  perform private.send_notice(r, p_rule, p_alert, p_kind) from private.alert_receivers as r
  where r.is_on and (r.least_severity = 'warning' or p_rule.severity = 'critical')
  order by r.name;
  return p_alert;
end
$$;

create function private.keep_alert(p_alert private.alerts) returns void
language sql set search_path = '' as $$
  update private.alerts set
    is_open = (p_alert).is_open, pending_since = (p_alert).pending_since, opened_at = (p_alert).opened_at,
    clear_since = (p_alert).clear_since, resolved_at = (p_alert).resolved_at, last_sent_at = (p_alert).last_sent_at,
    comebacks = (p_alert).comebacks, value = (p_alert).value, detail = (p_alert).detail
  where rule = (p_alert).rule
$$;

-- Called by a start that finds the last run of the cron two minutes old or older, or that the first one should have
-- come by then: raises the alert, or repeats it, where nobody has within its interval. It waits for nobody. True: there
-- is something to deliver.
create function private.report_dead_cron() returns boolean
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
  v_alert private.alerts;
begin
  select a as alert, r as rule, last.age, run.ran_at into v_one
  from private.alerts as a
  inner join private.alert_rules as r on r.name = a.rule
  cross join private.last_cron_run as run
  cross join lateral (select extract(epoch from now() - coalesce(run.ran_at, run.first_run_by)) as age) as last
  where a.rule = 'cron_stopped' and r.is_on and last.age > r.threshold
    and (not a.is_open or a.last_sent_at <= now() - r.repeats)
  for update of a skip locked;
  if not found then
    return false;
  end if;
  v_alert := v_one.alert;
  v_alert.value := floor(v_one.age);
  v_alert.detail := format('%s What is lost meanwhile is not taken up again.', case
    when v_one.ran_at is null then 'The cron has never run.'
    else format('The cron last ran %s minutes ago.', floor(v_one.age / 60))
  end);
  v_alert := private.tell_alert(v_alert, v_one.rule, case when v_alert.is_open then 'repeated' else 'raised' end);
  v_alert.clear_since := null;
  perform private.keep_alert(v_alert);
  return exists (select from private.alert_notices where at = now() and rule = 'cron_stopped');
end
$$;
