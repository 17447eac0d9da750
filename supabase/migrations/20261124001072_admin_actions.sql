-- What operators do from the dashboard. Each takes a reason and is written down in its own transaction
-- (private.note_action); what only changes a state can be taken back (private.change).

-- Jobs ----------------------------------------------------------------------------------------------------------------

-- Ends a job that has not ended; one that makes an image with its generation, as its user would. An image that is made
-- is paid for: its storing goes on.
create function private.admin_cancel_job(p_job_id uuid, p_reason text) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_new public.job_queue;
begin
  perform private.begin_action(p_reason);
  select * into v_job from public.job_queue where id = p_job_id;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such job.');
  end if;
  if private.carries_generation(v_job.job_type) and exists (
    select from public.image_generations as g where g.id = v_job.generation_id
  ) then
    -- Its generation may have another run by now.
    if v_job.status not in ('pending', 'processing') then
      perform private.refuse(409, 'conflict', 'The job has ended already.');
    end if;
    return private.cancel_noted('cancel_job', p_job_id::text, v_job.generation_id, p_reason);
  end if;
  v_job := private.lock_job(p_job_id);
  if v_job.status is null or v_job.status not in ('pending', 'processing') then
    perform private.refuse(409, 'conflict', 'The job has ended already.');
  end if;
  v_new := v_job;
  v_new.status := 'cancelled';
  v_new.completed_at := now();
  v_new.lease_expires_at := null;
  v_new.slot := false;
  v_new.blocked := false;
  v_new.virtual_time := null;
  v_new.error_message := 'Cancelled by an operator.';
  perform private.save_job(v_job, v_new);
  return private.note_action(
    'cancel_job', null, p_job_id::text, p_reason, jsonb_build_object('status', v_job.status), '{"status": "cancelled"}'
  );
end
$$;

-- What a cancellation locks and settles is its user's: it runs as if that one had asked for it (private.act_as), and
-- the admin is the caller again after it.
create function private.cancel_noted(
  p_action text, p_target text, p_generation_id uuid, p_reason text
) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation record;
  v_sub text := coalesce(current_setting('request.jwt.claim.sub', true), '');
  v_claims text := coalesce(current_setting('request.jwt.claims', true), '');
begin
  select g.user_id, g.status into v_generation from public.image_generations as g where g.id = p_generation_id;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  perform set_config('request.jwt.claim.sub', v_generation.user_id::text, true);
  perform set_config(
    'request.jwt.claims', jsonb_build_object('role', 'authenticated', 'sub', v_generation.user_id)::text, true
  );
  perform private.cancel_generation(p_generation_id);
  perform set_config('request.jwt.claim.sub', v_sub, true);
  perform set_config('request.jwt.claims', v_claims, true);
  return private.note_action(
    p_action, null, p_target, p_reason,
    jsonb_build_object('generation_id', p_generation_id, 'status', v_generation.status),
    jsonb_build_object('generation_id', p_generation_id, 'status', 'cancelled')
  );
end
$$;

create function private.admin_cancel_generation(p_generation_id uuid, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  return private.cancel_noted('cancel_generation', p_generation_id::text, p_generation_id, p_reason);
end
$$;

create function private.admin_requeue_job(p_job_id uuid, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_outcome text;
begin
  perform private.begin_action(p_reason);
  v_outcome := private.requeue_job(p_job_id) ->> 'outcome';
  if v_outcome = 'unknown' then
    perform private.refuse(404, 'not_found', 'There is no such job.');
  elsif v_outcome <> 'requeued' then
    perform private.refuse(409, 'conflict', 'The job has not failed, or its generation has been tried again since.');
  end if;
  return private.note_action(
    'requeue_job', null, p_job_id::text, p_reason, '{"status": "failed"}', '{"status": "pending"}'
  );
end
$$;

-- The failed jobs that are asked for, of the newest 10,000 that failed in that time: their ids, the newest first.
create function private.failed_ids(
  p_job_type text, p_error_code text, p_user_id uuid, p_model text, p_after timestamptz, p_before timestamptz
) returns uuid[]
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return array(
    select f.id from (
      select j.id, j.job_type, j.error_details, j.fair_key, j.payload, j.generation_id, j.completed_at
      from private.finished_jobs as j
      where j.status = 'failed' and j.completed_at > coalesce(p_after, '-infinity')
        and j.completed_at < coalesce(p_before, 'infinity')
      order by j.completed_at desc limit 10000
    ) as f
    where (p_job_type is null or f.job_type = p_job_type)
      and (p_error_code is null or private.last_error_code(f.error_details) is not distinct from p_error_code)
      and (p_user_id is null or f.fair_key is not distinct from p_user_id)
      and (p_model is null or f.payload ->> 'model_id' is not distinct from p_model)
      -- What private.requeue_job would leave as it is does not match.
      and (
        not private.carries_generation(f.job_type)
        or not exists (select from public.image_generations as g where g.id = f.generation_id and g.status <> 'failed')
      )
    order by f.completed_at desc, f.id
  );
end
$$;

-- Brings failed jobs back, the newest first, and tells how many are left. It touches the rows of several users: it
-- takes its place among the transactions that do (private.run_maintenance), and all its jobs before the rest.
create function private.admin_requeue_jobs(
  p_reason text, p_job_type text, p_error_code text, p_user_id uuid, p_model text, p_failed_after timestamptz,
  p_failed_before timestamptz, p_limit int
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := coalesce(p_limit, 100);
  v_ids uuid[];
  v_id uuid;
  v_requeued uuid[] := '{}';
  v_done jsonb;
begin
  perform private.begin_action(p_reason);
  if v_limit not between 1 and 200 then
    perform private.refuse_field('p_limit', 'p_limit must be a whole number from 1 to 200.');
  end if;
  v_ids := private.failed_ids(p_job_type, p_error_code, p_user_id, p_model, p_failed_after, p_failed_before);
  perform pg_catalog.pg_advisory_xact_lock(7263590114);
  perform private.lock_job(mine.id) from (select u.id from unnest(v_ids[:v_limit]) as u (id) order by u.id) as mine;
  foreach v_id in array v_ids[:v_limit] loop
    if private.requeue_job(v_id) ->> 'outcome' = 'requeued' then
      v_requeued := v_requeued || v_id;
    end if;
  end loop;
  v_done := jsonb_build_object(
    'requeued', cardinality(v_requeued), 'skipped', least(cardinality(v_ids), v_limit) - cardinality(v_requeued),
    'left', greatest(cardinality(v_ids) - v_limit, 0)
  );
  return v_done || private.note_action(
    'requeue_jobs', null, null, p_reason,
    jsonb_strip_nulls(jsonb_build_object(
      'job_type', p_job_type, 'error_code', p_error_code, 'user_id', p_user_id, 'model', p_model,
      'failed_after', p_failed_after, 'failed_before', p_failed_before
    )), v_done || jsonb_build_object('job_ids', v_requeued)
  );
end
$$;

-- Pauses --------------------------------------------------------------------------------------------------------------
--
-- A claim reads private.provider_pause anyway, and so learns what it may not hand out. What waits stays, starts are
-- accepted, and what runs goes on to its end: also while the whole queue is paused, images that are made are stored,
-- predictions are stopped and webhooks are sent (private.is_ending).

create function private.check_pause(p_what text, p_name text) returns void
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if p_what = 'queue' then
    if p_name is not null then
      perform private.refuse_field('p_name', 'p_name must be absent: the queue is all of it.');
    end if;
  elsif p_what in ('job_type', 'model') then
    if p_name is null or char_length(p_name) not between 1 and 200 then
      perform private.refuse_field('p_name', 'p_name must be the name of a job type or a model.');
    end if;
    if p_what = 'model' and not exists (select from public.models as m where m.replicate_id = p_name) then
      perform private.refuse(404, 'not_found', 'There is no such model.');
    end if;
  else
    perform private.refuse_field('p_what', 'p_what must be one of: queue, job_type, model; to resume also provider.');
  end if;
end
$$;

create function private.admin_pause(p_what text, p_reason text, p_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  perform private.check_pause(p_what, p_name);
  return private.change(
    'pause', case p_what when 'model' then 'paused_model' else p_what end, p_name, '{"is_held": true}', p_reason
  );
end
$$;

create function private.admin_resume(p_what text, p_reason text, p_name text) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_before jsonb;
begin
  perform private.begin_action(p_reason);
  if p_what = 'provider' then
    select jsonb_build_object('until', p.until, 'reason', p.reason, 'code', p.code) into v_before
    from private.provider_pause as p for update;
    -- One job tries, until something has been created.
    update private.provider_pause set until = '-infinity', probe_until = '-infinity' where only_row;
    return private.note_action('resume', null, 'provider', p_reason, v_before, '{"until": null}');
  end if;
  perform private.check_pause(p_what, p_name);
  return private.change(
    'resume', case p_what when 'model' then 'resumed_model' else p_what end, p_name, '{"is_held": false}', p_reason
  );
end
$$;

-- Models, plans, the budget -------------------------------------------------------------------------------------------

create function private.admin_switch_model(p_model text, p_is_active boolean, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  if p_is_active is null then
    perform private.refuse_field('p_is_active', 'p_is_active must be true or false.');
  end if;
  return private.change(
    'switch_model', 'model', p_model, jsonb_build_object('is_active', p_is_active), p_reason
  );
end
$$;

-- The jobs of the user that the plan comes to allow are ready with the next run of the cron.
create function private.admin_set_user_plan(p_user_id uuid, p_plan text, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  return private.change(
    'set_user_plan', 'user_plan', p_user_id::text, jsonb_build_object('plan', p_plan), p_reason
  );
end
$$;

-- Refuses what is no plan, and answers how it is to be: what is not given stays as it is, or is the default's.
create function private.read_plan(p_plan jsonb) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_known text[] := '{images_per_day,money_per_day,name,priorities,requests_per_minute,running_jobs,stored_sources}';
  v_name text;
  v_key text;
  v_least int;
begin
  if p_plan is null or jsonb_typeof(p_plan) <> 'object' then
    perform private.refuse_field('p_plan', 'p_plan must be an object.');
  elsif p_plan - v_known <> '{}' then
    perform private.refuse_unknown(p_plan, v_known);
  end if;
  v_name := p_plan ->> 'name';
  if jsonb_typeof(p_plan -> 'name') is distinct from 'string' or char_length(v_name) not between 1 and 60
    or private.is_blank(v_name)
  then
    perform private.refuse_field('name', 'name must be a text of 1 to 60 characters.');
  end if;
  foreach v_key in array '{requests_per_minute,images_per_day,running_jobs,stored_sources}'::text[] loop
    v_least := case v_key when 'running_jobs' then 1 else 0 end;
    perform private.read_number(p_plan, v_key, v_least, 1000000000, true);
  end loop;
  perform private.read_number(p_plan, 'money_per_day', 0, 1000000000, false);
  if p_plan ? 'priorities' and (
    jsonb_typeof(p_plan -> 'priorities') <> 'array' or p_plan -> 'priorities' = '[]'
    or not p_plan -> 'priorities' <@ '["low", "normal", "high"]'
  ) then
    perform private.refuse_field('priorities', 'priorities must be a list of at least one of: low, normal, high.');
  end if;
  return coalesce(
    private.get_state('plan', v_name),
    jsonb_build_object('priorities', '["low", "normal", "high"]'::jsonb, 'stored_sources', 100)
  ) || p_plan;
end
$$;

create function private.admin_save_plan(p_plan jsonb, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  return private.change('save_plan', 'plan', p_plan ->> 'name', private.read_plan(p_plan), p_reason);
end
$$;

create function private.admin_delete_plan(p_name text, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  perform private.check_plan(p_name);
  return private.change('delete_plan', 'plan', p_name, null, p_reason);
end
$$;

create function private.admin_set_budget(
  p_per_day_usd numeric, p_per_month_usd numeric, p_reason text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.begin_action(p_reason);
  if p_per_day_usd not between 0 and 1000000000 then
    perform private.refuse_field('p_per_day_usd', 'p_per_day_usd must be an amount from 0 to 1000000000, or null.');
  elsif p_per_month_usd not between 0 and 1000000000 then
    perform private.refuse_field('p_per_month_usd', 'p_per_month_usd must be an amount from 0 to 1000000000, or null.');
  end if;
  return private.change(
    'set_budget', 'budget', null,
    jsonb_build_object('per_day_usd', p_per_day_usd, 'per_month_usd', p_per_month_usd), p_reason
  );
end
$$;
