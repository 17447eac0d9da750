-- The rules of alerts and whom they tell, as operators see and set them. What they call, and the record of it:
-- *_admin_alerts.sql.

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
          select jsonb_build_object(
            'at', n.at, 'kind', n.kind, 'rule', n.rule, 'status', private.notice_status(n), 'attempt', n.last_attempt
          )
          from private.alert_notices as n where n.receiver = r.name order by n.at desc limit 1
        )
      ) order by r.name), '[]')
      from private.alert_receivers as r
    ),
    'notices', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'at', (newest.n).at, 'kind', (newest.n).kind, 'rule', (newest.n).rule, 'receiver', (newest.n).receiver,
        'status', private.notice_status(newest.n)
      ) order by (newest.n).at desc), '[]')
      from (select n from private.alert_notices as n order by n.at desc limit 50) as newest
    )
  );
end
$$;

-- Changes a rule; null leaves what is. p_repeats_seconds 0: an open alert is not told again.
create function private.write_alert_rule(
  p_name text, p_threshold numeric, p_holds_seconds int, p_repeats_seconds int, p_severity text, p_is_on boolean
) returns void
language plpgsql set search_path = '' as $$
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
end
$$;

-- Adds a receiver, or changes one; null leaves what is.
create function private.write_alert_receiver(
  p_name text, p_kind text, p_url text, p_secret text, p_header text, p_template jsonb, p_label text,
  p_least_severity text, p_is_on boolean
) returns void
language plpgsql set search_path = '' as $$
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
create function private.remove_alert_receiver(p_name text) returns void
language plpgsql set search_path = '' as $$
begin
  delete from private.alert_receivers where name = p_name;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no receiver of this name: alerts() lists them.');
  end if;
end
$$;

-- Sends a receiver a notice, also one that is off. What came of it stands in alerts().
create function private.send_test(p_name text) returns jsonb
language plpgsql set search_path = '' as $$
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
