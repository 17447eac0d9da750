-- What the API exposes: thin functions with the caller's rights in front of the private ones, and who may do what, the
-- operators' views included. This is the one place for rights: each new table, view and function is named below.
-- Nobody is granted private.settings, plans, user_plans: their owner changes them, in the SQL editor.

-- What anybody calls --------------------------------------------------------------------------------------------------
--
-- plpgsql rather than sql, because plpgsql keeps its plans between calls. Those that may change generations add the
-- changes to their answers (private.with_changes), where somebody listens.

create function public.model_prices()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.model_prices();
end
$$;

-- Servers -------------------------------------------------------------------------------------------------------------

-- From here on the transaction is that user's own: the rights, the plan, the limits.
create function private.act_as(p_user_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  -- The first is what auth.uid() of older projects looks at before all else.
  perform set_config('request.jwt.claim.sub', coalesce(p_user_id::text, ''), true);
  perform set_config(
    'request.jwt.claims', jsonb_build_object('role', 'authenticated', 'sub', p_user_id)::text, true
  );
  perform set_config('role', 'authenticated', true);
end
$$;

-- The same of the user whose generation it is. Where there is none, of one that nobody is, who has none.
create function private.act_as_owner(p_generation_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.act_as(
    coalesce((select user_id from public.image_generations where id = p_generation_id), gen_random_uuid())
  );
end
$$;

-- And of the user whose image it is.
create function private.act_as_owner_of_image(p_image_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.act_as(coalesce((select user_id from public.images where id = p_image_id), gen_random_uuid()));
end
$$;

-- What users call -----------------------------------------------------------------------------------------------------
--
-- And servers of the apps', with the secret key, for a user of theirs: the transaction goes on as that user's own
-- (docs/decisions/0053). By the id of a generation or an image as its owner, else as the user whom p_user_id names: for
-- the service alone, as nobody else may call private.act_as.

create function public.start_generation(
  p_request jsonb, p_idempotency_key text = null, p_request_hash text = null, p_next int = 0, p_user_id uuid = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  if p_user_id is not null then
    perform private.act_as(p_user_id);
  end if;
  return private.with_own_changes(private.start_generation(p_request, p_idempotency_key, p_request_hash, p_next));
end
$$;

create function public.start_inserted_generation(p_generation_id uuid, p_request jsonb = '{}', p_next int = 0)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_own_changes(private.start_inserted(p_generation_id, p_request, p_next));
end
$$;

create function public.start_batch(p_request jsonb, p_name text = null, p_next int = 0)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_own_changes(private.start_batch(p_request, p_name, p_next));
end
$$;

create function public.get_generation(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner(p_generation_id);
  end if;
  return private.get_generation(p_generation_id);
end
$$;

create function public.list_generations(
  p_limit int = 20, p_cursor text = null, p_status text = null, p_batch_id uuid = null, p_model_id text = null,
  p_operation text = null, p_favorite boolean = null, p_archived boolean = null, p_parent_id uuid = null,
  p_q text = null, p_created_after timestamptz = null, p_created_before timestamptz = null, p_user_id uuid = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if p_user_id is not null then
    perform private.act_as(p_user_id);
  end if;
  return private.list_generations(
    p_limit, p_cursor, p_status, p_batch_id, p_model_id, p_operation, p_favorite, p_archived, p_parent_id, p_q,
    p_created_after, p_created_before
  );
end
$$;

create function public.kept_request(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner(p_generation_id);
    -- Whom the start that follows names.
    return private.kept_request(p_generation_id) || jsonb_build_object('user_id', auth.uid());
  end if;
  return private.kept_request(p_generation_id);
end
$$;

create function public.cancel_generation(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner(p_generation_id);
  end if;
  return private.with_own_changes(private.cancel_generation(p_generation_id));
end
$$;

-- What a user does to a row over REST, by name: the policies and triggers of the table make of it what it is.
create function public.retry_generation(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner(p_generation_id);
  end if;
  update public.image_generations set status = 'pending'
  where id = p_generation_id and user_id = (select auth.uid()) and status not in ('pending', 'queued');
  return private.with_own_changes(private.get_generation(p_generation_id));
end
$$;

create function public.delete_generation(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner(p_generation_id);
  end if;
  return private.delete_generation(p_generation_id);
end
$$;

create function public.delete_image(p_image_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner_of_image(p_image_id);
  end if;
  return private.delete_image(p_image_id);
end
$$;

create function public.delete_own_account(p_email text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.delete_own_account(p_email);
end
$$;

create function public.mark_image(p_image_id uuid, p_marks jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  if current_user = 'service_role' then
    perform private.act_as_owner_of_image(p_image_id);
  end if;
  return private.mark_image(p_image_id, p_marks);
end
$$;

create function public.mark_images(p_image_ids uuid[], p_marks jsonb, p_user_id uuid = null)
returns jsonb language plpgsql set search_path = '' as $$
begin
  if p_user_id is not null then
    perform private.act_as(p_user_id);
  end if;
  return private.mark_images(p_image_ids, p_marks);
end
$$;

create function public.user_usage(p_user_id uuid = null)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if p_user_id is not null then
    perform private.act_as(p_user_id);
  end if;
  return private.user_usage();
end
$$;

create function public.usage_history(p_from date = null, p_to date = null) returns table (
  day date, model text, completed bigint, failed bigint, cancelled bigint, seconds numeric, cost_usd numeric
) language plpgsql stable set search_path = '' as $$
begin
  return query select * from private.usage_history(p_from, p_to);
end
$$;

create function public.webhook_secret()
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.webhook_secret();
end
$$;

create function public.rotate_webhook_secret()
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.rotate_webhook_secret();
end
$$;

create function public.webhook_deliveries(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.webhook_deliveries(p_generation_id);
end
$$;

create function public.resend_webhook(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.resend_webhook(p_generation_id);
end
$$;

-- For the service any job; for a signed-in user an image of their own. Returns the job's id.
create function public.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int = 0,
  p_scheduled_at timestamptz = now(), p_max_attempts int = 3
) returns uuid language plpgsql set search_path = '' as $$
begin
  if current_user = 'authenticated' then
    return private.enqueue_own_job(p_job_type, p_payload, p_priority, p_scheduled_at);
  end if;
  return private.enqueue_job(p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts);
end
$$;

-- What the service's Workers call -------------------------------------------------------------------------------------

-- Many jobs in one transaction: [{job_type, payload, priority, scheduled_at, max_attempts}], at most 1,000.
create function public.enqueue_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' as $$
begin
  return private.enqueue_jobs(p_jobs);
end
$$;

create function public.claim_jobs(p_limit int = 1, p_lease_seconds int = 60, p_job_types text[] = null)
returns setof public.job_queue language plpgsql set search_path = '' as $$
begin
  return query select * from private.claim_jobs(p_limit, p_lease_seconds, p_job_types);
end
$$;

create function public.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb = null)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.complete_job(p_job_id, p_lease, p_result);
end
$$;

create function public.complete_jobs(p_job_ids uuid[], p_leases bigint[])
returns uuid[] language plpgsql set search_path = '' as $$
begin
  return private.complete_jobs(p_job_ids, p_leases);
end
$$;

create function public.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text,
  p_error_details jsonb = '{}', p_retry_in_seconds numeric = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.fail_job(p_job_id, p_lease, p_error_message, p_error_details, p_retry_in_seconds));
end
$$;

create function public.snooze_job(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean = false
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.snooze_job(p_job_id, p_lease, p_seconds, p_outcome_unknown);
end
$$;

create function public.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.extend_lease(p_job_id, p_lease, p_lease_seconds);
end
$$;

create function public.record_prediction(
  p_job_id uuid, p_lease bigint, p_prediction_id text, p_wait_seconds int, p_details jsonb = '{}'
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_prediction(p_job_id, p_lease, p_prediction_id, p_wait_seconds, p_details));
end
$$;

create function public.record_predictions(p_predictions jsonb, p_wait_seconds int)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_predictions(p_predictions, p_wait_seconds));
end
$$;

create function public.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_progress(p_job_id, p_prediction_id, p_progress, p_started_at));
end
$$;

create function public.finish_prediction(
  p_job_id uuid, p_prediction_id text, p_outcome jsonb, p_lease_seconds int = 120, p_next int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.finish_prediction(p_job_id, p_prediction_id, p_outcome, p_lease_seconds, p_next));
end
$$;

create function public.finish_download(p_job_id uuid, p_lease bigint, p_image jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.finish_download(p_job_id, p_lease, p_image));
end
$$;

create function public.pause_provider(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_reason text, p_code int = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.pause_provider(p_job_id, p_lease, p_seconds, p_reason, p_code);
end
$$;

create function public.refuse_model(
  p_job_id uuid, p_lease bigint, p_status int, p_error_message text, p_error_code text = 'model_unavailable'
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.refuse_model(p_job_id, p_lease, p_status, p_error_message, p_error_code));
end
$$;

create function public.webhook_message(p_job_id uuid, p_lease bigint)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.webhook_message(p_job_id, p_lease);
end
$$;

create function public.record_delivery(
  p_job_id uuid, p_lease bigint, p_status text, p_attempt jsonb = '{}', p_retry_in_seconds numeric = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.record_delivery(p_job_id, p_lease, p_status, p_attempt, p_retry_in_seconds);
end
$$;

create function public.live_snapshot(
  p_user_id uuid, p_generation_id uuid = null, p_since bigint = null, p_listen_seconds int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.live_snapshot(p_user_id, p_generation_id, p_since, p_listen_seconds);
end
$$;

create function public.removable_objects(p_job_id uuid, p_lease bigint)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.removable_objects(p_job_id, p_lease);
end
$$;

-- The original's ------------------------------------------------------------------------------------------------------

create function public.claim_next_job(p_job_types text[] = null)
returns setof public.job_queue language plpgsql set search_path = '' as $$
begin
  -- The original's workers know no lease: ten minutes, after which a job counts as stuck.
  return query select * from private.claim_jobs(1, 600, p_job_types);
end
$$;

create function public.complete_job(
  p_job_id uuid, p_error_message text = null, p_error_details jsonb = null,
  p_result jsonb = null, p_error text = null
) returns void language plpgsql set search_path = '' as $$
begin
  perform private.complete_job_unfenced(p_job_id, coalesce(p_error_message, p_error), p_error_details, p_result);
end
$$;

-- What the cron and operators call ------------------------------------------------------------------------------------

create function public.record_sweep(p_stats jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.record_sweep(p_stats);
end
$$;

create function public.sweep_storage(p_limit int = 1000)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.sweep_storage(p_limit);
end
$$;

create function public.prune_jobs(p_completed_days int = 7, p_failed_days int = 30, p_limit int = 10000)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.prune_jobs(p_completed_days, p_failed_days, p_limit);
end
$$;

create function public.tell_late_subscribers()
returns int language plpgsql set search_path = '' as $$
begin
  return private.tell_late_subscribers();
end
$$;

create function public.requeue_job(p_job_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.requeue_job(p_job_id));
end
$$;

create function public.queue_status()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.queue_status();
end
$$;

create function public.queue_metrics()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.queue_metrics();
end
$$;

-- What admins call ----------------------------------------------------------------------------------------------------
--
-- Signed in users whose account is an admin's, and servers with the secret key: each private function begins with
-- private.check_admin. web/dashboard/src/api/contract.ts has the shapes.

create function public.admin_overview()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_overview();
end
$$;

create function public.admin_timeline(p_from timestamptz, p_step int, p_to timestamptz = null, p_job_type text = null)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_timeline(p_from, p_to, p_step, p_job_type);
end
$$;

create function public.admin_cron_history(p_limit int = 120)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_cron_history(p_limit);
end
$$;

create function public.admin_jobs(
  p_state text, p_job_type text = null, p_user_id uuid = null, p_error_code text = null,
  p_limit int = 50, p_cursor text = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_jobs(p_state, p_job_type, p_user_id, p_error_code, p_limit, p_cursor);
end
$$;

create function public.admin_job(p_job_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_job(p_job_id);
end
$$;

create function public.admin_find(p_id text)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_find(p_id);
end
$$;

create function public.admin_generation(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_generation(p_generation_id);
end
$$;

create function public.admin_predictions(p_search text = null, p_limit int = 50, p_cursor text = null)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_predictions(p_search, p_limit, p_cursor);
end
$$;

create function public.admin_users(
  p_search text = null, p_sort text = 'cost_month', p_limit int = 50, p_cursor text = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_users(p_search, p_sort, p_limit, p_cursor);
end
$$;

create function public.admin_models()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_models();
end
$$;

create function public.admin_plans()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_plans();
end
$$;

create function public.admin_audit(
  p_action text = null, p_actor uuid = null, p_target text = null, p_limit int = 50,
  p_cursor text = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_audit(p_action, p_actor, p_target, p_limit, p_cursor);
end
$$;

create function public.admin_cancel_job(p_job_id uuid, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_cancel_job(p_job_id, p_reason);
end
$$;

create function public.admin_cancel_generation(p_generation_id uuid, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_cancel_generation(p_generation_id, p_reason);
end
$$;

create function public.admin_requeue_job(p_job_id uuid, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_requeue_job(p_job_id, p_reason);
end
$$;

create function public.admin_requeue_jobs(
  p_reason text, p_job_type text = null, p_error_code text = null, p_user_id uuid = null,
  p_model text = null, p_failed_after timestamptz = null, p_failed_before timestamptz = null, p_limit int = 100
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_requeue_jobs(p_reason, p_job_type, p_error_code, p_user_id, p_model, p_failed_after, p_failed_before, p_limit);
end
$$;

create function public.admin_pause(p_what text, p_reason text, p_name text = null)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_pause(p_what, p_reason, p_name);
end
$$;

create function public.admin_resume(p_what text, p_reason text, p_name text = null)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_resume(p_what, p_reason, p_name);
end
$$;

create function public.admin_switch_model(p_model text, p_is_active boolean, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_switch_model(p_model, p_is_active, p_reason);
end
$$;

create function public.admin_set_user_plan(p_user_id uuid, p_plan text, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_set_user_plan(p_user_id, p_plan, p_reason);
end
$$;

create function public.admin_save_plan(p_plan jsonb, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_save_plan(p_plan, p_reason);
end
$$;

create function public.admin_delete_plan(p_name text, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_delete_plan(p_name, p_reason);
end
$$;

create function public.admin_set_budget(p_per_day_usd numeric, p_per_month_usd numeric, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_set_budget(p_per_day_usd, p_per_month_usd, p_reason);
end
$$;

create function public.admin_undo(p_audit_id bigint, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_undo(p_audit_id, p_reason);
end
$$;

create function public.admin_analytics(
  p_from date = null, p_to date = null, p_by text[] = '{day,model,status}', p_user_id uuid = null, p_model text = null,
  p_country text = null
) returns table (
  day date, user_id uuid, model text, status text, country text, error_code text, generations bigint, seconds numeric,
  cost_usd numeric
) language plpgsql stable set search_path = '' as $$
begin
  return query select * from private.admin_analytics(p_from, p_to, p_by, p_user_id, p_model, p_country);
end
$$;

create function public.admin_export(
  p_from date = null, p_to date = null, p_by text[] = '{day,model,status}', p_user_id uuid = null, p_model text = null,
  p_country text = null, p_cursor text = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_export(p_from, p_to, p_by, p_user_id, p_model, p_country, p_cursor);
end
$$;

create function public.admin_alerts()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.admin_alerts();
end
$$;

create function public.admin_set_alert_rule(
  p_name text, p_reason text, p_threshold numeric = null, p_holds_seconds int = null, p_repeats_seconds int = null,
  p_severity text = null, p_is_on boolean = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_set_alert_rule(
    p_name, p_reason, p_threshold, p_holds_seconds, p_repeats_seconds, p_severity, p_is_on
  );
end
$$;

create function public.admin_set_alert_receiver(
  p_name text, p_reason text, p_kind text = null, p_url text = null, p_secret text = null, p_header text = null,
  p_template jsonb = null, p_label text = null, p_least_severity text = null, p_is_on boolean = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_set_alert_receiver(
    p_name, p_reason, p_kind, p_url, p_secret, p_header, p_template, p_label, p_least_severity, p_is_on
  );
end
$$;

create function public.admin_delete_alert_receiver(p_name text, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_delete_alert_receiver(p_name, p_reason);
end
$$;

create function public.admin_test_alert_receiver(p_name text, p_reason text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.admin_test_alert_receiver(p_name, p_reason);
end
$$;

-- Alerts ----------------------------------------------------------------------------------------------------------

create function public.alerts()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.alert_state();
end
$$;

create function public.set_alert_rule(
  p_name text, p_threshold numeric = null, p_holds_seconds int = null, p_repeats_seconds int = null,
  p_severity text = null, p_is_on boolean = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.set_alert_rule(p_name, p_threshold, p_holds_seconds, p_repeats_seconds, p_severity, p_is_on);
end
$$;

create function public.set_alert_receiver(
  p_name text, p_kind text = null, p_url text = null, p_secret text = null, p_header text = null,
  p_template jsonb = null, p_label text = null, p_least_severity text = null, p_is_on boolean = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.set_alert_receiver(
    p_name, p_kind, p_url, p_secret, p_header, p_template, p_label, p_least_severity, p_is_on
  );
end
$$;

create function public.delete_alert_receiver(p_name text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.delete_alert_receiver(p_name);
end
$$;

create function public.test_alert_receiver(p_name text)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.test_alert_receiver(p_name);
end
$$;

-- Rights --------------------------------------------------------------------------------------------------------------
--
-- Hosted projects grant every new table and function of `public` to anon and authenticated, and Postgres grants every
-- function to everybody: all of it is taken back first.

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc as p
    where p.pronamespace = 'private'::regnamespace
      or (p.pronamespace = 'public'::regnamespace and p.proname = any(regexp_split_to_array(btrim('
        admin_overview admin_timeline admin_cron_history admin_jobs admin_job admin_find admin_generation
        admin_predictions admin_users admin_models admin_plans admin_audit admin_cancel_job admin_cancel_generation
        admin_requeue_job admin_requeue_jobs admin_pause admin_resume admin_switch_model admin_set_user_plan
        admin_save_plan admin_delete_plan admin_set_budget admin_undo admin_analytics admin_export
        admin_alerts admin_set_alert_rule admin_set_alert_receiver admin_delete_alert_receiver admin_test_alert_receiver
        alerts cancel_generation claim_jobs claim_next_job complete_job complete_jobs delete_generation delete_image enqueue_job
        delete_alert_receiver delete_own_account enqueue_jobs
        extend_lease fail_job finish_download finish_prediction get_generation kept_request list_generations
        live_snapshot mark_image mark_images model_prices pause_provider prune_jobs queue_metrics queue_status record_delivery
        record_predictions
        record_prediction record_progress record_sweep refuse_model removable_objects requeue_job resend_webhook
        retry_generation
        rotate_webhook_secret set_alert_receiver set_alert_rule snooze_job start_batch start_generation
        start_inserted_generation sweep_storage tell_late_subscribers test_alert_receiver usage_history user_usage
        webhook_deliveries webhook_message webhook_secret
      ', E' \n'), '\s+')))
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role', v_function);
  end loop;
end
$$;

revoke all on schema private from public, anon, authenticated, service_role;
revoke all on all tables in schema private from public, anon, authenticated, service_role;
revoke all on all sequences in schema private from public, anon, authenticated, service_role;
revoke all on
  public.models, public.batch_generations, public.image_generations, public.images,
  public.job_queue, public.queue_health, public.failed_jobs_recent, public.stuck_jobs,
  public.queue_latency, public.tenant_usage
from public, anon, authenticated, service_role;

-- Row-level security is on for every table: what no policy allows is for the service and the functions alone.
alter table public.models enable row level security;
alter table public.batch_generations enable row level security;
alter table public.image_generations enable row level security;
alter table public.images enable row level security;
alter table private.unstarted_generations enable row level security;
alter table private.scheduled_jobs enable row level security;
alter table private.blocked_jobs enable row level security;
alter table private.ready_jobs enable row level security;
alter table private.running_jobs enable row level security;
alter table private.finished_jobs enable row level security;
alter table private.user_slots enable row level security;
alter table private.ready_queues enable row level security;
alter table private.low_water enable row level security;
alter table private.job_deltas enable row level security;
alter table private.job_counts enable row level security;
alter table private.running_counts enable row level security;
alter table private.last_cron_run enable row level security;
alter table private.cron_runs enable row level security;
alter table private.roll_up enable row level security;
alter table private.ended_counts enable row level security;
alter table private.ended_times enable row level security;
alter table private.daily_totals enable row level security;
alter table private.daily_users enable row level security;
alter table private.user_totals enable row level security;
alter table private.bookings enable row level security;
alter table private.gone_jobs enable row level security;
alter table private.gone_generations enable row level security;
alter table private.gone_users enable row level security;
alter table private.prediction_owners enable row level security;
alter table private.audit_log enable row level security;
alter table private.settings enable row level security;
alter table private.refused_words enable row level security;
alter table private.plans enable row level security;
alter table private.user_plans enable row level security;
alter table private.usage enable row level security;
alter table private.idempotency_keys enable row level security;
alter table private.predictions enable row level security;
alter table private.budget enable row level security;
alter table private.budget_deltas enable row level security;
alter table private.provider_pause enable row level security;
alter table private.refused_models enable row level security;
alter table private.model_times enable row level security;
alter table private.webhook_secrets enable row level security;
alter table private.webhook_deliveries enable row level security;
alter table private.alert_rules enable row level security;
alter table private.alerts enable row level security;
alter table private.alert_receivers enable row level security;
alter table private.alert_notices enable row level security;
alter table private.alert_samples enable row level security;
alter table private.live_listeners enable row level security;
alter table private.told_subscriptions enable row level security;
alter table private.removed_objects enable row level security;
alter table private.storage_scan enable row level security;

-- Tables and views: everybody reads their own; the queue and what the pipeline writes is written by nobody but the
-- service and the functions.

-- Where the app had a table of this name, it has rights of its own.
do $$
begin
  if to_regprocedure('private.fill_profile()') is null then
    return;
  end if;
  alter table public.profiles enable row level security;
  revoke all on public.profiles from public, anon, authenticated;
  grant all on public.profiles to service_role;
  grant select, delete on public.profiles to authenticated;
  grant insert (id, username, email, avatar_url) on public.profiles to authenticated;
  grant update (username, avatar_url) on public.profiles to authenticated;
  create policy "own profile" on public.profiles for select to authenticated
  using (id = (select auth.uid()));
  create policy "own profile's names" on public.profiles for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));
  -- With it goes all that refers to it; whoever starts again gets another one.
  create policy "own profile goes" on public.profiles for delete to authenticated
  using (id = (select auth.uid()));
  create policy "own profile comes back" on public.profiles for insert to authenticated
  with check (id = (select auth.uid()));
end
$$;

grant all on
  public.models, public.batch_generations, public.image_generations, public.images
to service_role;

grant select on public.models to anon, authenticated;
create policy "active models are public" on public.models for select to anon, authenticated
using (is_active);

grant select on public.batch_generations, public.image_generations to authenticated;
create policy "own batches" on public.batch_generations for select to authenticated
using (user_id = (select auth.uid()));
create policy "own generations" on public.image_generations for select to authenticated
using (user_id = (select auth.uid()));

-- A row that users insert, change or delete here asks for something; the triggers of *_apps.sql grant or refuse
-- it. Postgres asks a policy before it locks the row.
grant insert (
  id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale, seed,
  source_image_url, generation_strength, status
) on public.image_generations to authenticated;
grant update (status, error_message, retry_count, completed_at) on public.image_generations to authenticated;
grant delete on public.image_generations to authenticated;
create policy "own generations are inserted" on public.image_generations for insert to authenticated
with check (user_id = (select auth.uid()));
create policy "own generations are cancelled and tried again" on public.image_generations for update to authenticated
using (user_id = (select auth.uid()) and private.lock_for_change(id, batch_id))
with check (user_id = (select auth.uid()));
create policy "own generations go" on public.image_generations for delete to authenticated
using (user_id = (select auth.uid()) and private.lock_for_change(id, null));
grant update (name, status, failed_count, completed_at) on public.batch_generations to authenticated;
grant delete on public.batch_generations to authenticated;
create policy "own batches are cancelled" on public.batch_generations for update to authenticated
using (user_id = (select auth.uid()) and private.lock_for_change(null, id))
with check (user_id = (select auth.uid()));
create policy "own batches go" on public.batch_generations for delete to authenticated
using (user_id = (select auth.uid()) and private.lock_for_change(null, id));

grant select on public.images to authenticated;
grant update (is_public, is_favorite, rating, archived_at) on public.images to authenticated;
create policy "own and public images" on public.images for select to authenticated
using (user_id = (select auth.uid()) or is_public);
grant delete on public.images to authenticated;
create policy "own images go" on public.images for delete to authenticated
using (user_id = (select auth.uid()));
create policy "own images' marks" on public.images for update to authenticated
using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- The view reads with its reader's rights, and writes by a trigger.
grant select, insert, update, delete on public.job_queue to service_role;
grant select, update (status, updated_at) on public.job_queue to authenticated;
grant select on
  private.scheduled_jobs, private.blocked_jobs, private.ready_jobs, private.running_jobs, private.finished_jobs
to service_role, authenticated;
-- Not those that store an image: they know its address at the provider, which is nobody's before the image is.
create policy "own jobs" on private.scheduled_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.blocked_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.ready_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.running_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.finished_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');

grant select on public.queue_health, public.failed_jobs_recent, public.stuck_jobs to service_role, authenticated;
grant select on public.queue_latency, public.tenant_usage to service_role;

-- Stored files.
create policy "owners find their generated images" on storage.objects for select to authenticated
using (bucket_id = 'generated-images' and split_part(name, '/', 1) = (select auth.uid())::text);
create policy "owners delete their generated images" on storage.objects for delete to authenticated
using (bucket_id = 'generated-images' and split_part(name, '/', 1) = (select auth.uid())::text);

-- Nobody but the service changes or deletes an upload: it stays what it was when it was checked. A body
-- that does not say how long it is, is bound to no limit by Storage: none of those. A form says the length of all of
-- it, some hundred bytes more than the file's.
create policy "users add source images to their own folder" on storage.objects for insert to authenticated
with check (
  bucket_id = 'source-images'
  and name ~ ('^' || (select auth.uid()) || '/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(png|jpg|webp)$')
  and (metadata ->> 'contentLength')::numeric between 1 and 10487808
  and (select private.may_add_source())
);
create policy "users find their own source images" on storage.objects for select to authenticated
using (bucket_id = 'source-images' and split_part(name, '/', 1) = (select auth.uid())::text);

-- Functions, one by one. A public function needs its private one, reached by name only: the API does not expose the
-- schema.
grant usage on schema private to anon, authenticated, service_role;

-- Prices are public, as the rows of models are: the HTTP interface tells them to anybody.
grant execute on function public.model_prices, private.model_prices to anon, authenticated, service_role;

grant execute on function
  public.start_generation, private.start_generation,
  public.start_inserted_generation, private.start_inserted,
  public.start_batch, private.start_batch,
  private.lock_for_change, private.job_cancelled_by_hand,
  public.get_generation, private.get_generation,
  public.list_generations, private.list_generations,
  public.kept_request, private.kept_request,
  public.mark_image, private.mark_image,
  public.mark_images, private.mark_images,
  public.user_usage, private.user_usage,
  public.usage_history, private.usage_history,
  public.cancel_generation, private.cancel_generation,
  public.retry_generation,
  public.delete_generation, private.delete_generation,
  public.delete_image, private.delete_image,
  public.delete_own_account, private.delete_own_account,
  public.webhook_secret, private.webhook_secret,
  public.rotate_webhook_secret, private.rotate_webhook_secret,
  public.webhook_deliveries, private.webhook_deliveries,
  public.resend_webhook, private.resend_webhook,
  public.enqueue_job, private.enqueue_own_job,
  private.with_own_changes, private.may_add_source
to authenticated;

-- Each of them checks that its caller is an admin.
grant execute on function
  public.admin_overview, private.admin_overview,
  public.admin_timeline, private.admin_timeline,
  public.admin_cron_history, private.admin_cron_history,
  public.admin_jobs, private.admin_jobs,
  public.admin_job, private.admin_job,
  public.admin_find, private.admin_find,
  public.admin_generation, private.admin_generation,
  public.admin_predictions, private.admin_predictions,
  public.admin_users, private.admin_users,
  public.admin_models, private.admin_models,
  public.admin_plans, private.admin_plans,
  public.admin_audit, private.admin_audit,
  public.admin_cancel_job, private.admin_cancel_job,
  public.admin_cancel_generation, private.admin_cancel_generation,
  public.admin_requeue_job, private.admin_requeue_job,
  public.admin_requeue_jobs, private.admin_requeue_jobs,
  public.admin_pause, private.admin_pause,
  public.admin_resume, private.admin_resume,
  public.admin_switch_model, private.admin_switch_model,
  public.admin_set_user_plan, private.admin_set_user_plan,
  public.admin_save_plan, private.admin_save_plan,
  public.admin_delete_plan, private.admin_delete_plan,
  public.admin_set_budget, private.admin_set_budget,
  public.admin_undo, private.admin_undo,
  public.admin_analytics, private.admin_analytics,
  public.admin_export, private.admin_export,
  public.admin_alerts, private.admin_alerts,
  public.admin_set_alert_rule, private.admin_set_alert_rule,
  public.admin_set_alert_receiver, private.admin_set_alert_receiver,
  public.admin_delete_alert_receiver, private.admin_delete_alert_receiver,
  public.admin_test_alert_receiver, private.admin_test_alert_receiver
to authenticated, service_role;

-- What the view queue_health is made of.
grant execute on function private.queue_totals, private.is_user to authenticated, service_role;

grant execute on function
  public.start_generation, public.get_generation, public.list_generations, public.kept_request,
  public.cancel_generation, public.retry_generation, public.delete_generation, public.delete_image,
  public.mark_image, public.mark_images, public.user_usage,
  private.act_as, private.act_as_owner, private.act_as_owner_of_image,
  public.enqueue_job, private.enqueue_job,
  public.enqueue_jobs, private.enqueue_jobs,
  public.claim_jobs, public.claim_next_job, private.claim_jobs,
  public.complete_job(uuid, bigint, jsonb), private.complete_job,
  public.complete_job(uuid, text, jsonb, jsonb, text), private.complete_job_unfenced,
  public.complete_jobs, private.complete_jobs,
  public.fail_job, private.fail_job,
  public.snooze_job, private.snooze_job,
  public.extend_lease, private.extend_lease,
  public.record_prediction, private.record_prediction,
  public.record_predictions, private.record_predictions,
  public.record_progress, private.record_progress,
  public.finish_prediction, private.finish_prediction,
  public.finish_download, private.finish_download,
  public.pause_provider, private.pause_provider,
  public.refuse_model, private.refuse_model,
  public.webhook_message, private.webhook_message,
  public.record_delivery, private.record_delivery,
  public.live_snapshot, private.live_snapshot,
  public.removable_objects, private.removable_objects,
  public.record_sweep, private.record_sweep,
  public.sweep_storage, private.sweep_storage,
  public.tell_late_subscribers, private.tell_late_subscribers,
  public.prune_jobs, private.prune_jobs,
  public.requeue_job, private.requeue_job,
  public.queue_status, private.queue_status,
  public.queue_metrics, private.queue_metrics,
  public.alerts, private.alert_state,
  public.set_alert_rule, private.set_alert_rule,
  public.set_alert_receiver, private.set_alert_receiver,
  public.delete_alert_receiver, private.delete_alert_receiver,
  public.test_alert_receiver, private.test_alert_receiver,
  private.tenants, private.latencies, private.with_changes
to service_role;

-- Realtime ------------------------------------------------------------------------------------------------------------
--
-- Tells each change of a generation or a batch to its owner.

do $$
begin
  if exists (select from pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    alter publication supabase_realtime add table public.image_generations, public.batch_generations;
  end if;
end
$$;

-- What each is: `\d+` and `\df+` show it, and docs/reference/sql.md is written from it --------------------------------

comment on table public.models is
'The models of the catalogue. A generation names one by replicate_id. A start refuses an inactive one.';
comment on table public.batch_generations is
'Generations of one request, and how many of them have ended. A user reads, names, cancels and deletes their own.';
comment on table public.image_generations is
'A request for one image: its parameters, its status, its progress, and why it failed. A user reads, inserts, cancels,
tries again and deletes their own.';
comment on table public.images is
'The file of a completed generation. A user reads their own and those with is_public, marks and deletes their own.';

comment on view public.job_queue is
'All jobs as one table, whichever state they are in. A user reads and cancels their own; the service writes to it.';
comment on view public.queue_health is
'Jobs by type and status: count, oldest, newest, average seconds and attempts. Finished ones of the last 24 hours.';
comment on view public.failed_jobs_recent is
'Jobs that failed in the last 24 hours, the newest first.';
comment on view public.stuck_jobs is
'Jobs that have been running for more than ten minutes.';
comment on view public.queue_latency is
'By type, for the last hour: the seconds that jobs waited and ran (median, 95th and 99th percentile).';
comment on view public.tenant_usage is
'By user: the plan, the use of each quota, slots taken, blocked jobs.';

comment on function public.model_prices is
'The active models and their prices:
[{id, is_available, usd_per_image, usd_per_megapixel, usd_per_second,
usd_per_source_megapixel, max_source_megapixels}].';

comment on function public.start_generation is
'Starts one generation or a batch, as POST /start-generation does: checks plan, quotas and budget, and enqueues.
The same idempotency key with the same hash gets the same answer for 24 hours. With p_next it also leases up to so
many of the new jobs to the caller. The service names the user with p_user_id, and nobody else may.';
comment on function public.start_inserted_generation is
'Starts a generation that the caller has inserted into image_generations, with the request of a start and, where that
leaves something out, with what the row says. A second call tells the same start again.';
comment on function public.start_batch is
'Starts a batch with a name, as start_generation does with items: [{prompt, seed, negative_prompt}], one to ten.';
comment on function public.get_generation is
'One generation of the caller, as GET /generations/{id} answers.';
comment on function public.list_generations is
'The caller''s generations, the newest first, as GET /generations answers: {generations, next_cursor}. A call reads
2,000 of them at most: a page may be short, or empty, and have a next_cursor all the same. The service names the user
with p_user_id, and nobody else may.';
comment on function public.kept_request is
'The request that a generation of the caller stands for, by the names of a start: with changes, and with the
generation''s id as parent_id, start_generation makes it again. The service is told the owner, too, as user_id.';
comment on function public.cancel_generation is
'Ends a generation of the caller, unless its image is made already. A job cancels its running prediction.';
comment on function public.retry_generation is
'Tries a failed generation of the caller again, with the quotas and the money of a start. Answers as get_generation
does; one that waits already is left as it is.';
comment on function public.delete_generation is
'Deletes a generation of the caller with its image, file and jobs. A job stops its running prediction.';
comment on function public.delete_image is
'Deletes an image of the caller with its file. Its generation stays, without images.';
comment on function public.delete_own_account is
'Deletes the caller''s account for good, with generations, images, files and uploads; what runs for it is stopped.
p_email is the account''s email address, as a confirmation; of an account without one it is empty.';
comment on function public.mark_image is
'Marks an image of the caller, {is_favorite, is_public, archived}, and returns it. What is left out stays as it is.';
comment on function public.mark_images is
'The same for 1 to 100 images. Those that are not the caller''s are passed over: {images} has the marked ones.
The service names the user with p_user_id, and nobody else may.';
comment on function public.user_usage is
'The caller''s plan, what they have used of it and when that starts anew, what they have spent, and their jobs that
make images, as GET /usage answers. The service names the user with p_user_id, and nobody else may.';
comment on function public.webhook_secret is
'The secret that signs the caller''s webhooks: {secret, created_at, old_secrets_expire_at}. The first call makes it.';
comment on function public.rotate_webhook_secret is
'Makes a new secret. The old one signs as well for another 24 hours. At most three calls in 24 hours.';
comment on function public.webhook_deliveries is
'The log of the webhooks of one generation of the caller, with the last 20 attempts of each.';
comment on function public.resend_webhook is
'Sends the last webhook of a generation of the caller again, under the same id. At most once a minute.';
comment on function public.enqueue_job is
'Enqueues a job and returns its id. A user may enqueue generate-image, which must pass the checks of a start.
The service may enqueue any type.';

comment on function public.enqueue_jobs is
'Enqueues up to 1,000 jobs in one transaction: [{job_type, payload, priority, scheduled_at, max_attempts}].';
comment on function public.claim_jobs is
'Hands out up to p_limit jobs of these types (null: all) under a new lease, those with a lost lease first.';
comment on function public.complete_job(uuid, bigint, jsonb) is
'Completes a job under its lease. Answers {outcome}: completed, or stale if that is no longer the job''s lease.';
comment on function public.complete_jobs is
'Completes many jobs, each under its lease. Returns the ids of those that it has completed.';
comment on function public.fail_job is
'Ends a run with an error. The job runs again after p_retry_in_seconds. Without that, or without attempts left,
it fails.';
comment on function public.snooze_job is
'Puts a run off without using an attempt. p_outcome_unknown: an unrecorded prediction may exist.';
comment on function public.extend_lease is
'Extends a lease: it lasts so many seconds from now.';
comment on function public.record_prediction is
'Records the prediction that a run has created, and extends the lease to p_wait_seconds. Answers stale if the run has
lost its lease or the job has a prediction already, with a leased job that cancels this one.';
comment on function public.record_predictions is
'Records several predictions, [{job_id, lease, prediction_id, details}]. The answers have the same order.';
comment on function public.record_progress is
'Records the progress, from 10 to 90, of the prediction that the job awaits. Late or repeated calls change nothing.';
comment on function public.finish_prediction is
'Records the end of a prediction, under whatever lease, and hands over the download job. With p_next it also hands
over up to so many ready jobs.';
comment on function public.finish_download is
'Records that the image is stored: completes image, generation, job and batch together.';
comment on function public.pause_provider is
'The provider refused a create: until the pause is over, nothing is created for any user. The job is put off and
uses no attempt.';
comment on function public.refuse_model is
'The provider refused this job''s model: the generation fails without an attempt, and new ones are refused for a
while.';
comment on function public.webhook_message is
'The message that a leased process-webhook job sends, and the secrets that sign it, the current one first.';
comment on function public.record_delivery is
'Ends an attempt at a webhook: delivered, failed (again after p_retry_in_seconds) or gone.';
comment on function public.live_snapshot is
'The states that a listener gets first. For p_listen_seconds from now, steps answer with this user''s changes.';
comment on function public.removable_objects is
'The stored files of a cleanup-storage job that exist and may be deleted now.';

comment on function public.claim_next_job is
'As in the original: claims one job, for ten minutes.';
comment on function public.complete_job(uuid, text, jsonb, jsonb, text) is
'As in the original: ends a job without a lease, and raises where there is no such job. With an error it runs again
after a backoff, until its attempts are used up.';

comment on function public.admin_overview is
'What the dashboards live page shows: each queue, what ended in the last minutes, the provider, budgets, the cron.';
comment on function public.admin_timeline is
'What ended, over time: {points, counted_until}, from minutes (six hours) or quarters of an hour (14 days).';
comment on function public.admin_cron_history is
'The last runs of the cron, the newest first: {runs}. A days are kept.';
comment on function public.admin_jobs is
'A page of jobs in one state: ready, blocked, scheduled, running, stuck, failed, completed or cancelled.';
comment on function public.admin_job is
'A job with each attempts error. Prompts and addresses of files are no part of it.';
comment on function public.admin_find is
'What an id is: {kind, id, generation_id, user_id}.';
comment on function public.admin_generation is
'One generations whole story: jobs, predictions, webhooks, image, costs.';
comment on function public.admin_predictions is
'The ledger of predictions, the newest first, or those of a prediction, job, generation or user.';
comment on function public.admin_users is
'Users by what they have used today or this month, or the one with that id or e-mail address.';
comment on function public.admin_models is
'All models with their use, prices and switches.';
comment on function public.admin_plans is
'All plans, and the installations budget.';
comment on function public.admin_audit is
'What operators have done, the newest first.';
comment on function public.admin_cancel_job is
'Ends a job that has not ended, with the generation that it makes.';
comment on function public.admin_cancel_generation is
'Cancels a generation as its user would.';
comment on function public.admin_requeue_job is
'Brings a failed job back with all its attempts, and its generation with it.';
comment on function public.admin_requeue_jobs is
'Brings up to 200 failed jobs back, the newest first: {requeued, skipped, left}.';
comment on function public.admin_pause is
'Pauses the queue, a job type or a model: what waits stays waiting, what runs goes on.';
comment on function public.admin_resume is
'Ends such a pause, or that of the provider.';
comment on function public.admin_switch_model is
'Switches a model on or off for new starts.';
comment on function public.admin_set_user_plan is
'Gives a user a plan; null: the plan default.';
comment on function public.admin_save_plan is
'Adds a plan, or changes what is given of one.';
comment on function public.admin_delete_plan is
'Deletes a plan that no user has.';
comment on function public.admin_set_budget is
'Sets both budgets anew; null is none.';
comment on function public.admin_undo is
'Takes an action back, where what it changed is as it has left it.';
comment on function public.admin_analytics is
'Rows of the daily roll-ups, by what p_by names: day, model, status, country, error_code, user. As JSON or CSV.';
comment on function public.admin_export is
'The same for a file, whole and by pages: {rows, next_cursor, day}. Of users over many days as well.';
comment on function public.admin_alerts is
'What alerts() answers: the rules of alerts and where each stands, the receivers, and the newest 50 notices.';
comment on function public.admin_set_alert_rule is
'Changes a rule of alerts as set_alert_rule does. Null leaves what is.';
comment on function public.admin_set_alert_receiver is
'Adds a receiver of alerts, or changes one, as set_alert_receiver does. The record has neither its address nor secret.';
comment on function public.admin_delete_alert_receiver is
'Deletes a receiver of alerts and its notices.';
comment on function public.admin_test_alert_receiver is
'Sends a receiver a notice, once in 30 seconds at most. What came of it stands in admin_alerts().';
comment on function public.usage_history is
'The caller''s generations that have ended, by day and model. As JSON or CSV.';

comment on function public.record_sweep is
'The cron''s maintenance, each minute: records that it ran, folds the counts, makes blocked jobs ready whose user''s
plan allows more by now, checks the budget, and sends alerts. Answers {alerts}: sentences for operators.';
comment on function public.sweep_storage is
'Finds stored files without rows and makes jobs that delete them. Looks at p_limit objects of each kind.';
comment on function public.tell_late_subscribers is
'Has Supabase Realtime tell the end once more to clients that subscribed after it. Answers how many rows it told.';
comment on function public.prune_jobs is
'Deletes finished jobs after their days, at most p_limit, and other rows that are no longer needed.';
comment on function public.requeue_job is
'Brings a failed job back with all its attempts, and its generation with it.';
comment on function public.queue_status is
'The queue at a glance, as one object: last run of the cron, counts, lost leases, pause, refused models.';
comment on function public.queue_metrics is
'The numbers behind GET /metrics of process-jobs.';
comment on function public.alerts is
'The rules of alerts and where each stands, the receivers, and the newest 50 notices: {rules, receivers, notices}. Of a
receiver''s address it tells the host alone, and no secret.';
comment on function public.set_alert_rule is
'Changes the threshold of a rule, how long it must hold, how often an open alert is told again (0: never), its severity,
or switches it off. Null leaves what is. Answers the rule.';
comment on function public.set_alert_receiver is
'Adds a receiver of alerts, or changes one: slack, discord, json (signed with p_secret, whsec_…) or email (p_url: the
mailer''s, p_secret: its token, p_template: its body with {subject} and {text}). Null leaves what is.';
comment on function public.delete_alert_receiver is
'Deletes a receiver of alerts and its notices.';
comment on function public.test_alert_receiver is
'Sends a receiver a notice, once in 30 seconds at most. What came of it stands in alerts().';
