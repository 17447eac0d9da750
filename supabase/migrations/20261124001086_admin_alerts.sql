-- What operators call of alerts: what *_alert_receivers.sql answers and does, with the check and the record of
-- *_audit.sql. Admins call admin_…, which ask for a reason; servers with the secret key and SQL the others as well.

-- Of the last attempt at a notice its numbers alone: what a receiver says may repeat a part of its address.
create function private.admin_alerts() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_state jsonb;
begin
  perform private.check_admin();
  v_state := private.alert_state();
  return v_state || jsonb_build_object('receivers', (
    select coalesce(jsonb_agg(
      s.receiver #- '{last_notice,attempt,response}' #- '{last_notice,attempt,error}' order by s.place
    ), '[]')
    from jsonb_array_elements(v_state -> 'receivers') with ordinality as s (receiver, place)
  ));
end
$$;

-- The alerts that are open, the longest first: part of the live page.
create function private.open_alerts() returns jsonb
language sql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'name', r.name, 'title', r.title, 'severity', r.severity, 'opened_at', a.opened_at
  ) order by a.opened_at), '[]')
  from private.alerts as a inner join private.alert_rules as r on r.name = a.rule
  where a.is_open
$$;

-- Changes a rule; null leaves what is. Its state before and after is kept, and can be taken back.
create function private.admin_set_alert_rule(
  p_name text, p_reason text, p_threshold numeric, p_holds_seconds int, p_repeats_seconds int, p_severity text,
  p_is_on boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  return private.change(
    'set_alert_rule', 'alert_rule', p_name,
    private.get_state('alert_rule', p_name) || jsonb_strip_nulls(jsonb_build_object(
      'threshold', p_threshold, 'holds_seconds', p_holds_seconds, 'repeats_seconds', p_repeats_seconds,
      'severity', p_severity, 'is_on', p_is_on
    )),
    p_reason
  );
end
$$;

-- A receiver as the record has it: of its address the host alone, of its secret that there is one. Null: there is none.
create function private.noted_receiver(p_name text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select receiver - '{name,last_notice}'::text[]
    from jsonb_array_elements(private.alert_state() -> 'receivers') as s (receiver) where receiver ->> 'name' = p_name
  );
end
$$;

-- Adds a receiver, or changes one. Its address, secret and template are not kept in the record, which says that they
-- were given anew; so it cannot be taken back.
create function private.admin_set_alert_receiver(
  p_name text, p_reason text, p_kind text, p_url text, p_secret text, p_header text, p_template jsonb, p_label text,
  p_least_severity text, p_is_on boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_before jsonb;
begin
  perform private.begin_action(p_reason);
  v_before := private.noted_receiver(p_name);
  perform private.write_alert_receiver(
    p_name, p_kind, p_url, p_secret, p_header, p_template, p_label, p_least_severity, p_is_on
  );
  return private.note_action(
    'set_alert_receiver', null, p_name, p_reason, v_before,
    private.noted_receiver(p_name) || jsonb_build_object('given', to_jsonb(array_remove(array[
      case when p_url is not null then 'address' end, case when p_secret <> '' then 'secret' end,
      case when p_template is not null then 'template' end
    ], null)))
  );
end
$$;

create function private.admin_delete_alert_receiver(p_name text, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_before jsonb;
begin
  perform private.begin_action(p_reason);
  v_before := private.noted_receiver(p_name);
  perform private.remove_alert_receiver(p_name);
  return private.note_action('delete_alert_receiver', null, p_name, p_reason, v_before, null);
end
$$;

-- What came of it stands in admin_alerts().
create function private.admin_test_alert_receiver(p_name text, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  return private.note_action(
    'test_alert_receiver', null, p_name, p_reason, null, private.send_test(p_name)
  );
end
$$;

-- Without a reason ----------------------------------------------------------------------------------------------------

-- What stands in the record in place of one.
create function private.no_reason(p_function text) returns text
language sql immutable
return format('%s() takes no reason.', p_function);

create function private.set_alert_rule(
  p_name text, p_threshold numeric, p_holds_seconds int, p_repeats_seconds int, p_severity text, p_is_on boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.admin_set_alert_rule(
    p_name, private.no_reason('set_alert_rule'), p_threshold, p_holds_seconds, p_repeats_seconds, p_severity, p_is_on
  );
  return (
    select rule from jsonb_array_elements(private.alert_state() -> 'rules') as s (rule) where rule ->> 'name' = p_name
  );
end
$$;

create function private.set_alert_receiver(
  p_name text, p_kind text, p_url text, p_secret text, p_header text, p_template jsonb, p_label text,
  p_least_severity text, p_is_on boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.admin_set_alert_receiver(
    p_name, private.no_reason('set_alert_receiver'), p_kind, p_url, p_secret, p_header, p_template, p_label,
    p_least_severity, p_is_on
  );
  return (
    select receiver from jsonb_array_elements(private.alert_state() -> 'receivers') as s (receiver)
    where receiver ->> 'name' = p_name
  );
end
$$;

create function private.delete_alert_receiver(p_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.admin_delete_alert_receiver(p_name, private.no_reason('delete_alert_receiver'));
  return jsonb_build_object('name', p_name, 'deleted', true);
end
$$;

create function private.test_alert_receiver(p_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  return private.admin_test_alert_receiver(p_name, private.no_reason('test_alert_receiver')) -> 'after';
end
$$;
