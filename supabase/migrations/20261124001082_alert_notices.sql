-- What a notice says to each kind of receiver, and what becomes of it. The Worker that runs its job asks for the
-- message and tells what came of it as for any webhook (*_webhooks.sql).

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

-- Logs an attempt.
create function private.record_notice(p_notice_id uuid, p_job_id uuid, p_status text, p_attempt jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  update private.alert_notices as n set
    status = p_status,
    last_attempt = jsonb_build_object(
      'attempt', p_attempt -> 'attempt', 'at', p_attempt -> 'at', 'status', p_attempt -> 'status',
      'duration_ms', p_attempt -> 'duration_ms', 'error', private.shown_words(p_attempt ->> 'error', r),
      'response', private.shown_words(p_attempt ->> 'response', r)
    )
  from private.alert_receivers as r
  where n.id = p_notice_id and n.job_id = p_job_id and r.name = n.receiver;
end
$$;

-- What a receiver has answered, as it may be shown: one line of at most 200 characters that are visible. It is
-- anybody's text, and may repeat what was sent: what is of the receiver's address or secret goes, and so does the
-- beginning of one at the end, where the Worker has cut the answer.
create function private.shown_words(p_words text, p_receiver private.alert_receivers) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_words text := regexp_replace(
    left(p_words, 2000),
    '[[:cntrl:]\u0080-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+', ' ', 'g'
  );
  v_path text := substring(p_receiver.url from '^https?://[^/?#]+(.+)$');
  v_part record;
begin
  for v_part in
    select part.hidden, part.shown from (
      values
      (p_receiver.url, '(url)'), (v_path, '(url)'),
      (p_receiver.secret, '(secret)'), (substr(p_receiver.secret, 7), '(secret)')
      union
      select segment, '(url)' from regexp_split_to_table(v_path, '[/?&=#]') as segments (segment)
    ) as part (hidden, shown)
    where char_length(part.hidden) >= 8
    order by char_length(part.hidden) desc
  loop
    v_words := replace(v_words, v_part.hidden, v_part.shown);
    for v_length in reverse char_length(v_part.hidden) - 1..4 loop
      if right(v_words, v_length) = left(v_part.hidden, v_length) then
        v_words := left(v_words, -v_length) || v_part.shown;
        exit;
      end if;
    end loop;
  end loop;
  return nullif(btrim(left(btrim(v_words), 200)), '');
end
$$;

-- Where a notice stands. Its job may have been cancelled or have lost all its runs without a word to the notice, and an
-- operator may have brought it back.
create function private.notice_status(p_notice private.alert_notices) returns text
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job text := (select j.status from public.job_queue as j where j.id = p_notice.job_id);
begin
  return case
    when v_job in ('pending', 'processing') then 'pending'
    when p_notice.status <> 'pending' then p_notice.status
    when v_job = 'cancelled' then 'cancelled'
    else 'failed'
  end;
end
$$;

-- Called by private.evaluate_alerts: writes down the end of those whose job has ended without a word.
create function private.end_notices() returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.alert_notices as n set status = waiting.now
  from (
    select p.id, private.notice_status(p) as now from private.alert_notices as p
    where p.status = 'pending' order by p.at limit 1000
  ) as waiting
  where n.id = waiting.id and n.status = 'pending' and waiting.now <> 'pending';
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
