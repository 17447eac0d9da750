-- What operators may do over the API, and the record of it. Begin at private.change: every action that can be taken
-- back is a change of one thing's state, read before and after.
--
--   subject     target         state
--   queue       null           {is_held}
--   job_type    its name       {is_held}
--   paused_model  owner/name     {is_held}
--   model       owner/name     {is_active}
--   user_plan   the user's id  {plan}; null: the plan default
--   plan        its name       the plan's row; null: there is none
--   budget      null           {per_day_usd, per_month_usd}
--   alert_rule  its name       {threshold, holds_seconds, repeats_seconds, severity, is_on}

-- Who may -------------------------------------------------------------------------------------------------------------

-- The admin who calls; null for a server with the secret key and for SQL of the owner's. Refuses everybody else. The
-- token may be an hour old: that its account is still an admin's is looked up.
create function private.check_admin() returns uuid
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
begin
  if not private.is_user() then
    return null;
  end if;
  if v_user is null then
    raise exception using errcode = '42501', message = 'Sign in as an admin.';
  elsif auth.jwt() #>> '{app_metadata,role}' is distinct from 'admin' then
    raise exception using errcode = '42501', message =
      'Only an admin may do this. If your account has just become one, sign out and in again.';
  elsif not exists (
    select from auth.users as u
    where u.id = v_user and u.raw_app_meta_data ->> 'role' = 'admin'
      and (u.banned_until is null or u.banned_until <= now())
  ) then
    raise exception using errcode = '42501', message = 'This account is not an admin''s any more.';
  end if;
  return v_user;
end
$$;

-- The same for an action: one at a time, so that what each of them was before is what the one before has left.
create function private.begin_action(p_reason text) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.check_admin();
  if coalesce(char_length(p_reason), 0) not between 1 and 500 or private.is_blank(p_reason) then
    perform private.refuse_field('p_reason', 'p_reason must be a text of 1 to 500 characters, not only white space.');
  end if;
  perform pg_catalog.pg_advisory_xact_lock(7263590116);
end
$$;

-- Writes down what was done, with it: {audit_id, is_undoable, before, after}.
create function private.note_action(
  p_action text, p_subject text, p_target text, p_reason text, p_before jsonb, p_after jsonb, p_undoes bigint = null
) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id bigint;
begin
  insert into private.audit_log (actor, role, action, subject, target, reason, before, after, undoes)
  values (
    private.check_admin(), coalesce(nullif(current_setting('role'), 'none'), session_user), p_action, p_subject,
    p_target, p_reason, p_before, p_after, p_undoes
  )
  returning id into v_id;
  return jsonb_build_object(
    'audit_id', v_id, 'is_undoable', p_subject is not null, 'before', p_before, 'after', p_after
  );
end
$$;

-- What can be taken back ----------------------------------------------------------------------------------------------

-- The state of a thing. Refuses one that there is not.
create function private.get_state(p_subject text, p_target text) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_state jsonb;
begin
  case p_subject
    when 'queue' then
      select jsonb_build_object('is_held', all_paused) into v_state from private.provider_pause;
    when 'job_type' then
      select jsonb_build_object('is_held', p_target = any(paused_types)) into v_state from private.provider_pause;
    when 'paused_model' then
      select jsonb_build_object('is_held', p_target = any(paused_models)) into v_state from private.provider_pause;
    when 'resumed_model' then
      -- With what the provider's refusal was, which resuming takes away.
      select jsonb_build_object('is_held', p_target = any(p.paused_models)) || coalesce((
        select jsonb_build_object('refused', to_jsonb(r)) from private.refused_models as r where r.model = p_target
      ), '{}') into v_state
      from private.provider_pause as p;
    when 'model' then
      select jsonb_build_object('is_active', m.is_active) into v_state from public.models as m
      where m.replicate_id = p_target;
      if not found then
        perform private.refuse(404, 'not_found', 'There is no such model.');
      end if;
    when 'user_plan' then
      select jsonb_build_object('plan', up.plan) into v_state
      from auth.users as u left join private.user_plans as up on up.user_id = u.id
      where u.id = private.as_uuid(p_target);
      if not found then
        perform private.refuse(404, 'not_found', 'There is no such user.');
      end if;
    when 'plan' then
      select to_jsonb(p) into v_state from private.plans as p where p.name = p_target;
    when 'budget' then
      select jsonb_build_object('per_day_usd', s.budget_per_day_usd, 'per_month_usd', s.budget_per_month_usd)
      into v_state from private.settings as s;
    when 'alert_rule' then
      select jsonb_build_object(
        'threshold', r.threshold, 'holds_seconds', extract(epoch from r.holds)::int,
        'repeats_seconds', extract(epoch from r.repeats)::int, 'severity', r.severity, 'is_on', r.is_on
      ) into v_state
      from private.alert_rules as r where r.name = p_target;
      if not found then
        perform private.refuse(404, 'not_found', format(
          'There is no such rule. The rules are: %s.',
          (select string_agg(r.name, ', ' order by r.name) from private.alert_rules as r)
        ));
      end if;
  end case;
  return v_state;
end
$$;

create function private.set_state(p_subject text, p_target text, p_state jsonb) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  case p_subject
    when 'queue' then
      update private.provider_pause set all_paused = (p_state ->> 'is_held')::boolean where only_row;
    when 'job_type' then
      update private.provider_pause
      set paused_types = private.with_member(paused_types, p_target, (p_state ->> 'is_held')::boolean) where only_row;
    when 'paused_model' then
      update private.provider_pause
      set paused_models = private.with_member(paused_models, p_target, (p_state ->> 'is_held')::boolean) where only_row;
    when 'resumed_model' then
      update private.provider_pause
      set paused_models = private.with_member(paused_models, p_target, (p_state ->> 'is_held')::boolean) where only_row;
      delete from private.refused_models where model = p_target;
      insert into private.refused_models
      select r.* from jsonb_populate_record(null::private.refused_models, p_state -> 'refused') as r
      where r.model = p_target;
    when 'model' then
      update public.models set is_active = (p_state ->> 'is_active')::boolean where replicate_id = p_target;
    when 'user_plan' then
      if p_state ->> 'plan' is null then
        delete from private.user_plans where user_id = private.as_uuid(p_target);
      else
        perform private.check_plan(p_state ->> 'plan');
        insert into private.user_plans (user_id, plan) values (private.as_uuid(p_target), p_state ->> 'plan')
        on conflict (user_id) do update set plan = excluded.plan;
      end if;
    when 'plan' then
      perform private.set_plan(p_target, p_state);
    when 'budget' then
      update private.settings set
        budget_per_day_usd = (p_state ->> 'per_day_usd')::numeric,
        budget_per_month_usd = (p_state ->> 'per_month_usd')::numeric
      where only_row;
    when 'alert_rule' then
      perform private.write_alert_rule(
        p_target, (p_state ->> 'threshold')::numeric, (p_state ->> 'holds_seconds')::int,
        coalesce((p_state ->> 'repeats_seconds')::int, 0), p_state ->> 'severity', (p_state ->> 'is_on')::boolean
      );
  end case;
end
$$;

-- A list with or without one of at most a hundred members.
create function private.with_member(p_list text[], p_member text, p_is_in boolean) returns text[]
language plpgsql set search_path = '' as $$
begin
  if p_is_in and cardinality(p_list) >= 100 and p_member <> all(p_list) then
    perform private.refuse(409, 'conflict', 'A hundred are paused already: resume one of them, or pause the queue.');
  end if;
  return array_remove(p_list, p_member) || case when p_is_in then array[p_member] else '{}' end;
end
$$;

create function private.check_plan(p_name text) returns void
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if not exists (select from private.plans where name = p_name) then
    perform private.refuse(404, 'not_found', 'There is no such plan.');
  end if;
end
$$;

-- Writes a plan as it is to be; null: it goes.
create function private.set_plan(p_name text, p_plan jsonb) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_plan private.plans := jsonb_populate_record(null::private.plans, p_plan);
begin
  if p_plan is null or p_plan = 'null' then
    if p_name = 'default' then
      perform private.refuse(409, 'conflict', 'The plan default is that of all users without another: change it instead.');
    elsif exists (select from private.user_plans where plan = p_name) then
      perform private.refuse(409, 'conflict', 'Users have this plan: give them another one first.');
    end if;
    delete from private.plans where name = p_name;
    return;
  end if;
  insert into private.plans values (v_plan.*)
  on conflict (name) do update set
    requests_per_minute = excluded.requests_per_minute, images_per_day = excluded.images_per_day,
    priorities = excluded.priorities, running_jobs = excluded.running_jobs, money_per_day = excluded.money_per_day,
    stored_sources = excluded.stored_sources;
end
$$;

-- One change, written down. The caller has begun the action.
create function private.change(p_action text, p_subject text, p_target text, p_state jsonb, p_reason text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_before jsonb := private.get_state(p_subject, p_target);
begin
  perform private.set_state(p_subject, p_target, p_state);
  return private.note_action(
    p_action, p_subject, p_target, p_reason, v_before, private.get_state(p_subject, p_target)
  );
end
$$;

-- Takes an action back, where what it changed is as it has left it. That is an action of its own, to be taken back as
-- well.
create function private.admin_undo(p_audit_id bigint, p_reason text) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_entry private.audit_log;
  v_answer jsonb;
begin
  perform private.begin_action(p_reason);
  select * into v_entry from private.audit_log where id = p_audit_id;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such action.');
  elsif v_entry.subject is null then
    perform private.refuse(409, 'conflict', 'This action cannot be undone.');
  elsif v_entry.undone_by is not null then
    perform private.refuse(409, 'conflict', 'This action was undone already.');
  elsif private.get_state(v_entry.subject, v_entry.target) is distinct from v_entry.after then
    perform private.refuse(409, 'conflict', 'What this action changed has changed since: make it what it is to be.');
  end if;
  perform private.set_state(v_entry.subject, v_entry.target, v_entry.before);
  v_answer := private.note_action(
    v_entry.action, v_entry.subject, v_entry.target, p_reason, v_entry.after,
    private.get_state(v_entry.subject, v_entry.target), v_entry.id
  );
  update private.audit_log set undone_by = (v_answer ->> 'audit_id')::bigint where id = v_entry.id;
  return v_answer;
end
$$;

-- The record, the newest first.
create function private.admin_audit(
  p_action text, p_actor uuid, p_target text, p_limit int, p_cursor text
) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := private.page_limit(p_limit);
  v_before bigint := coalesce((private.read_cursor(p_cursor, '^\d{1,18}$'))[1]::bigint, 9223372036854775807);
  v_entry private.audit_log;
  v_cursor refcursor;
  v_entries jsonb[] := '{}';
  v_seen int := 0;
begin
  perform private.check_admin();
  if p_target is not null then
    open v_cursor for select * from private.audit_log as a where a.target = p_target and a.id < v_before
    order by a.id desc limit 2001;
  elsif p_actor is not null then
    open v_cursor for select * from private.audit_log as a where a.actor = p_actor and a.id < v_before
    order by a.id desc limit 2001;
  elsif p_action is not null then
    open v_cursor for select * from private.audit_log as a where a.action = p_action and a.id < v_before
    order by a.id desc limit 2001;
  else
    open v_cursor for select * from private.audit_log as a where a.id < v_before order by a.id desc limit 2001;
  end if;
  loop
    fetch v_cursor into v_entry;
    exit when not found;
    if v_seen = 2000 or cardinality(v_entries) = v_limit then
      close v_cursor;
      return jsonb_build_object('entries', to_jsonb(v_entries), 'next_cursor', v_before::text);
    end if;
    v_seen := v_seen + 1;
    v_before := v_entry.id;
    if (p_action is null or v_entry.action = p_action) and (p_actor is null or v_entry.actor = p_actor) then
      v_entries := v_entries || (
        to_jsonb(v_entry) - 'subject' || jsonb_build_object(
          'actor_email', (select u.email from auth.users as u where u.id = v_entry.actor),
          'is_undoable', v_entry.subject is not null and v_entry.undone_by is null
        )
      );
    end if;
  end loop;
  close v_cursor;
  return jsonb_build_object('entries', to_jsonb(v_entries), 'next_cursor', null);
end
$$;

-- Pages ---------------------------------------------------------------------------------------------------------------

create function private.page_limit(p_limit int) returns int
language plpgsql immutable set search_path = '' as $$
begin
  if p_limit not between 1 and 100 then
    perform private.refuse_field('p_limit', 'p_limit must be a whole number from 1 to 100.');
  end if;
  return coalesce(p_limit, 50);
end
$$;

-- The parts of a cursor, which stands for the last row of the page before; null: the first page.
create function private.read_cursor(p_cursor text, p_pattern text) returns text[]
language plpgsql immutable set search_path = '' as $$
begin
  if p_cursor is null then
    return null;
  end if;
  if length(p_cursor) > 400 or p_cursor !~ p_pattern then
    perform private.refuse_field('p_cursor', 'p_cursor must be the next_cursor of an earlier page of the same list.');
  end if;
  return string_to_array(p_cursor, '_');
end
$$;
