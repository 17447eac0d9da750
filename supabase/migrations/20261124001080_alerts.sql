-- Alerts: what operators are told of, by whom they can be reached, and when they are told again.
--
--   record_sweep ─► evaluate_alerts ─► alert_values     each minute, within the cron's own call
--   start ────────► report_dead_cron                    a cron that is dead cannot report itself
--                          │
--                          ▼
--                  send_notices ─► alert_notices, a job 'process-webhook' for each receiver
--
-- The Worker that runs such a job asks for the message and tells what came of it as for any webhook (*_webhooks.sql).

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

-- Called by a start that finds the last run of the cron two minutes old or older: raises the alert, or repeats it,
-- where nobody has within its interval. It waits for nobody. True: there is something to deliver.
create function private.report_dead_cron() returns boolean
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
  v_alert private.alerts;
begin
  select a as alert, r as rule, extract(epoch from now() - run.ran_at) as age into v_one
  from private.alerts as a
  inner join private.alert_rules as r on r.name = a.rule
  cross join private.last_cron_run as run
  where a.rule = 'cron_stopped' and r.is_on and extract(epoch from now() - run.ran_at) > r.threshold
    and (not a.is_open or a.last_sent_at <= now() - r.repeats)
  for update of a skip locked;
  if not found then
    return false;
  end if;
  v_alert := v_one.alert;
  v_alert.value := floor(v_one.age);
  v_alert.detail := format(
    'The cron last ran %s minutes ago. What is lost meanwhile is not taken up again.', floor(v_one.age / 60)
  );
  v_alert := private.tell_alert(v_alert, v_one.rule, case when v_alert.is_open then 'repeated' else 'raised' end);
  v_alert.clear_since := null;
  perform private.keep_alert(v_alert);
  return exists (select from private.alert_notices where at = now() and rule = 'cron_stopped');
end
$$;

-- What a notice says --------------------------------------------------------------------------------------------------

-- Writes a notice and enqueues its sending. Five attempts, of which the last comes some two and a half hours after the
-- first: what is older is no news.
create function private.send_notice(
  p_receiver private.alert_receivers, p_rule private.alert_rules, p_alert private.alerts, p_kind text
) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_id uuid := gen_random_uuid();
begin
  insert into private.alert_notices (id, receiver, rule, kind, body, job_id)
  values (
    v_id, p_receiver.name, p_rule.name, p_kind,
    private.notice_body(p_receiver, p_rule, p_alert, p_kind)::text,
    private.enqueue_job('process-webhook', jsonb_build_object('notice_id', v_id), 0, now(), 5)
  );
  return v_id;
end
$$;

-- The body, in the receiver's own form. What each takes at most: Slack 150 characters in a header and 3,000 in a
-- section, https://docs.slack.dev/reference/block-kit/blocks; Discord 256 in a title and 4,096 in a description,
-- https://docs.discord.com/developers/resources/message#embed-object. A subject is at most 200 and a text 1,500.
create function private.notice_body(
  p_receiver private.alert_receivers, p_rule private.alert_rules, p_alert private.alerts, p_kind text
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_subject text := left(concat(
    '[' || p_receiver.label || '] ',
    case p_kind when 'raised' then 'Alert: ' when 'repeated' then 'Still: ' when 'resolved' then 'Resolved: ' end,
    coalesce(p_rule.title, 'A test of Picture Queue')
  ), 200);
  v_text text := left(case p_kind
    when 'test' then 'This receiver gets alerts of Picture Queue.'
    when 'resolved' then format(
      'It began %s and ended %s. It said: %s', private.alert_time(p_alert.opened_at),
      private.alert_time(p_alert.resolved_at), p_alert.detail
    )
    else p_alert.detail || ' Since ' || private.alert_time(p_alert.opened_at) || '.'
  end, 1500);
  v_severity text := case when p_kind in ('resolved', 'test') then 'ok' else p_rule.severity end;
  v_safe text;
begin
  case p_receiver.kind
    when 'slack' then
      -- https://docs.slack.dev/messaging/formatting-message-text#escaping
      v_safe := left(replace(replace(replace(v_text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), 2900);
      return jsonb_build_object(
        'text', left(replace(replace(replace(v_subject, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), 300),
        'blocks', jsonb_build_array(
          jsonb_build_object('type', 'header', 'text', jsonb_build_object('type', 'plain_text', 'text', left(v_subject, 150))),
          jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'mrkdwn', 'text', v_safe)),
          jsonb_build_object('type', 'context', 'elements', jsonb_build_array(jsonb_build_object(
            'type', 'mrkdwn', 'text', concat_ws(' · ', '`' || p_rule.name || '`', v_severity)
          )))
        )
      );
    when 'discord' then
      return jsonb_build_object(
        'allowed_mentions', '{"parse": []}'::jsonb,
        'embeds', jsonb_build_array(jsonb_build_object(
          'title', v_subject, 'description', v_text, 'timestamp', now(),
          'color', case v_severity when 'critical' then 13632027 when 'warning' then 16098851 else 4289797 end,
          'footer', jsonb_build_object('text', concat_ws(' · ', p_rule.name, v_severity))
        ))
      );
    when 'email' then
      -- As they stand within a text of JSON.
      return replace(replace(
        p_receiver.template::text,
        '{text}', substr(to_jsonb(v_text)::text, 2, length(to_jsonb(v_text)::text) - 2)),
        '{subject}', substr(to_jsonb(v_subject)::text, 2, length(to_jsonb(v_subject)::text) - 2)
      )::jsonb;
    else
      return jsonb_build_object(
        'type', 'alert.' || p_kind, 'timestamp', now(),
        'data', jsonb_build_object(
          'rule', p_rule.name, 'severity', p_rule.severity, 'subject', v_subject, 'text', v_text,
          'value', p_alert.value, 'comparison', p_rule.comparison, 'threshold', p_rule.threshold,
          'opened_at', p_alert.opened_at, 'resolved_at', p_alert.resolved_at
        )
      );
  end case;
end
$$;

-- For the jobs that send them (*_webhooks.sql) ------------------------------------------------------------------------

-- The message of a notice, as private.webhook_message answers it. The address and the secret are the receiver's of now.
create function private.notice_message(p_notice_id uuid, p_job_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_answer jsonb;
begin
  select jsonb_build_object(
    'outcome', 'message', 'webhook_id', 'msg_' || n.id, 'url', r.url, 'body', n.body,
    'secrets', case when r.kind = 'json' then jsonb_build_array(r.secret) else '[]' end
  ) || case
    when r.kind <> 'email' then '{}'
    else jsonb_build_object('header', jsonb_build_array(
      r.header, case r.header when 'authorization' then 'Bearer ' || r.secret else r.secret end
    ))
  end into v_answer
  from private.alert_notices as n inner join private.alert_receivers as r on r.name = n.receiver
  where n.id = p_notice_id and n.job_id = p_job_id;
  return coalesce(v_answer, '{"outcome": "unknown"}');
end
$$;

-- Logs an attempt. What a receiver answers may repeat what it was sent.
create function private.record_notice(p_notice_id uuid, p_job_id uuid, p_status text, p_attempt jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  update private.alert_notices as n set
    status = p_status,
    last_attempt = p_attempt || jsonb_build_object('response', replace(replace(
      p_attempt ->> 'response', r.url, '(url)'), coalesce(r.secret, ''), '(secret)'))
  from private.alert_receivers as r
  where n.id = p_notice_id and n.job_id = p_job_id and r.name = n.receiver;
end
$$;

-- Called by private.prune_webhooks.
create function private.prune_alert_notices(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  delete from private.alert_notices where id = any(array(
    select id from private.alert_notices where at < now() - interval '30 days'
    order by at limit p_limit for update skip locked
  ));
end
$$;

-- For operators -------------------------------------------------------------------------------------------------------

-- The rules and where they stand, the receivers, and the newest notices. Of a receiver's address the host alone.
create function private.alert_state() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return jsonb_build_object(
    'rules', (
      select jsonb_agg(jsonb_build_object(
        'name', r.name, 'title', r.title, 'severity', r.severity, 'comparison', r.comparison,
        'threshold', r.threshold, 'holds_seconds', extract(epoch from r.holds)::int,
        'repeats_seconds', extract(epoch from r.repeats)::int, 'is_on', r.is_on,
        'state', case when a.is_open then 'open' when a.pending_since is not null then 'pending' else 'clear' end,
        'value', case when a.is_open or a.pending_since is not null then a.value end,
        'detail', case when a.is_open or a.pending_since is not null then a.detail end,
        'pending_since', a.pending_since, 'opened_at', a.opened_at, 'resolved_at', a.resolved_at,
        'last_sent_at', a.last_sent_at
      ) order by r.name)
      from private.alert_rules as r inner join private.alerts as a on a.rule = r.name
    ),
    'receivers', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', r.name, 'kind', r.kind, 'host', substring(r.url from '^https?://([^/?#]+)'),
        'has_secret', r.secret is not null, 'label', r.label, 'least_severity', r.least_severity, 'is_on', r.is_on,
        'last_notice', (
          select jsonb_build_object('at', n.at, 'kind', n.kind, 'rule', n.rule, 'status', n.status, 'attempt', n.last_attempt)
          from private.alert_notices as n where n.receiver = r.name order by n.at desc limit 1
        )
      ) order by r.name), '[]')
      from private.alert_receivers as r
    ),
    'notices', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'at', n.at, 'kind', n.kind, 'rule', n.rule, 'receiver', n.receiver, 'status', n.status
      ) order by n.at desc), '[]')
      from (select * from private.alert_notices order by at desc limit 50) as n
    )
  );
end
$$;

-- Changes a rule; null leaves what is. p_repeats_seconds 0: an open alert is not told again.
create function private.set_alert_rule(
  p_name text, p_threshold numeric, p_holds_seconds int, p_repeats_seconds int, p_severity text, p_is_on boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if p_threshold is not null and (p_threshold = 'NaN' or abs(p_threshold) > 1000000000) then
    perform private.refuse_field('p_threshold', 'p_threshold must be a number of at most 1000000000.');
  end if;
  if p_name = 'cron_stopped' and p_threshold < 120 then
    perform private.refuse_field('p_threshold', 'p_threshold of cron_stopped must be 120 or more: the cron runs once a minute.');
  end if;
  if p_name = 'queue_depth' and p_threshold >= 10000 then
    perform private.refuse_field('p_threshold', 'p_threshold of queue_depth must be below 10000: so far it is counted.');
  end if;
  if p_name = 'stuck_jobs' and p_threshold >= 1000 then
    perform private.refuse_field('p_threshold', 'p_threshold of stuck_jobs must be below 1000: so far they are counted.');
  end if;
  if p_holds_seconds not between 0 and 86400 then
    perform private.refuse_field('p_holds_seconds', 'p_holds_seconds must be between 0 and 86400, a day.');
  end if;
  if p_repeats_seconds <> 0 and p_repeats_seconds not between 300 and 2592000 then
    perform private.refuse_field(
      'p_repeats_seconds', 'p_repeats_seconds must be between 300 and 2592000, 30 days, or 0 for never.'
    );
  end if;
  if p_severity not in ('warning', 'critical') then
    perform private.refuse_field('p_severity', 'p_severity must be warning or critical.');
  end if;
  update private.alert_rules set
    threshold = coalesce(p_threshold, threshold),
    holds = coalesce(make_interval(secs => p_holds_seconds), holds),
    repeats = case when p_repeats_seconds = 0 then null else coalesce(make_interval(secs => p_repeats_seconds), repeats) end,
    severity = coalesce(p_severity, severity),
    is_on = coalesce(p_is_on, is_on)
  where name = p_name;
  if not found then
    perform private.refuse(404, 'not_found', format(
      'There is no such rule. The rules are: %s.', (select string_agg(name, ', ' order by name) from private.alert_rules)
    ));
  end if;
  return (
    select rule from jsonb_array_elements(private.alert_state() -> 'rules') as s (rule) where rule ->> 'name' = p_name
  );
end
$$;

-- Adds a receiver, or changes one; null leaves what is.
create function private.set_alert_receiver(
  p_name text, p_kind text, p_url text, p_secret text, p_header text, p_template jsonb, p_label text,
  p_least_severity text, p_is_on boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_old private.alert_receivers;
  v_new private.alert_receivers;
begin
  if p_name is null or p_name !~ '^[a-z0-9][a-z0-9_-]{0,62}$' then
    perform private.refuse_field('p_name', 'p_name must be 1 to 63 of a to z, 0 to 9, _ and -, such as ops-slack.');
  end if;
  select * into v_old from private.alert_receivers where name = p_name for update;
  if not found then
    perform pg_advisory_xact_lock(726361);
    if (select count(*) from private.alert_receivers) >= 20 then
      perform private.refuse(409, 'conflict', 'There are 20 receivers, the most that are possible: delete one first.');
    end if;
  end if;
  v_new.name := p_name;
  v_new.kind := coalesce(p_kind, v_old.kind);
  v_new.url := coalesce(p_url, v_old.url);
  v_new.secret := coalesce(nullif(p_secret, ''), v_old.secret);
  v_new.header := coalesce(lower(p_header), v_old.header);
  v_new.template := coalesce(p_template, v_old.template);
  v_new.label := case p_label when '' then null else coalesce(p_label, v_old.label) end;
  v_new.least_severity := coalesce(p_least_severity, v_old.least_severity, 'warning');
  v_new.is_on := coalesce(p_is_on, v_old.is_on, true);
  v_new.tested_at := v_old.tested_at;
  v_new := private.checked_receiver(v_new);
  insert into private.alert_receivers values (v_new.*)
  on conflict (name) do update set
    kind = excluded.kind, url = excluded.url, secret = excluded.secret, header = excluded.header,
    template = excluded.template, label = excluded.label, least_severity = excluded.least_severity, is_on = excluded.is_on;
  return (
    select receiver from jsonb_array_elements(private.alert_state() -> 'receivers') as s (receiver)
    where receiver ->> 'name' = p_name
  );
end
$$;

-- Refuses a receiver that could not be reached. No sentence repeats its address or its secret.
create function private.checked_receiver(p_new private.alert_receivers) returns private.alert_receivers
language plpgsql set search_path = '' as $$
begin
  if p_new.kind is null or p_new.kind not in ('slack', 'discord', 'json', 'email') then
    perform private.refuse_field('p_kind', 'p_kind must be slack, discord, json or email.');
  end if;
  if p_new.url is null then
    perform private.refuse_field('p_url', 'p_url is missing: the address to which the notices are sent.');
  end if;
  if not private.is_webhook_url(p_new.url) then
    perform private.refuse_field('p_url', 'p_url must be a public https address of at most 2048 bytes.');
  end if;
  if char_length(p_new.label) > 60 or p_new.label ~ '[[:cntrl:]]' then
    perform private.refuse_field('p_label', 'p_label must be one line of at most 60 characters.');
  end if;
  if p_new.least_severity not in ('warning', 'critical') then
    perform private.refuse_field('p_least_severity', 'p_least_severity must be warning or critical.');
  end if;
  if p_new.kind = 'json' then
    if p_new.secret is null or p_new.secret !~ '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$' or length(p_new.secret) % 4 <> 2 then
      perform private.refuse_field('p_secret',
        'p_secret of a json receiver must be whsec_ and 24 to 64 bytes in base64: echo "whsec_$(openssl rand -base64 33)".');
    end if;
  elsif p_new.kind = 'email' then
    if p_new.secret is null or p_new.secret !~ '^[\x21-\x7e]+$' or length(p_new.secret) > 512 then
      perform private.refuse_field('p_secret',
        'p_secret of an email receiver must be the mailer''s token: 1 to 512 visible ASCII characters.');
    end if;
    p_new.header := coalesce(p_new.header, 'authorization');
    if p_new.header !~ '^(authorization|(x-)?[a-z0-9]+(-[a-z0-9]+)*-(key|token))$' or length(p_new.header) > 64 then
      perform private.refuse_field('p_header',
        'p_header must be authorization, or a name that ends in -key or -token, such as x-postmark-server-token.');
    end if;
    if jsonb_typeof(p_new.template) is distinct from 'object' or p_new.template::text !~ '\{text\}'
      or octet_length(p_new.template::text) > 4096
    then
      perform private.refuse_field('p_template',
        'p_template of an email receiver must be the mailer''s JSON body with {subject} and {text}, of at most 4096 bytes.');
    end if;
  end if;
  if p_new.kind not in ('json', 'email') then
    p_new.secret := null;
  end if;
  if p_new.kind <> 'email' then
    p_new.header := null;
    p_new.template := null;
  end if;
  return p_new;
end
$$;

-- With it go its notices; a job that still was to send one finds none.
create function private.delete_alert_receiver(p_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  delete from private.alert_receivers where name = p_name;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no receiver of this name: alerts() lists them.');
  end if;
  return jsonb_build_object('name', p_name, 'deleted', true);
end
$$;

-- Sends a receiver a notice, also one that is off. What came of it stands in alerts().
create function private.test_alert_receiver(p_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_receiver private.alert_receivers;
begin
  select * into v_receiver from private.alert_receivers where name = p_name for update;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no receiver of this name: alerts() lists them.');
  end if;
  if v_receiver.tested_at > now() - interval '30 seconds' then
    perform private.refuse(429, 'quota_exceeded', 'A receiver can be tested once in 30 seconds.', 30);
  end if;
  update private.alert_receivers set tested_at = now() where name = p_name;
  return jsonb_build_object(
    'notice_id', private.send_notice(v_receiver, null, null, 'test'), 'status', 'pending'
  );
end
$$;
