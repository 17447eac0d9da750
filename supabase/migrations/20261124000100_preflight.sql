-- The schema, one file for each subject, in the order in which to read them:
--
--   preflight       whether this database can take the others
--   tables          every table, with all its columns and indexes
--   models          the rows of public.models
--
--   The queue: what moves a job
--   queue           its life, the view of all jobs, the order of locks
--   slots           whose turn it is, and how many jobs of a user may be ready or running
--   job_rows        one job, whichever table it stands in
--   enqueue         into the queue
--   claim           which jobs are next, and who gets them
--   outcomes        how a job's run ends
--   writes_by_hand  what an operator writes into the view
--   maintenance     what claims and the cron do besides: stage, rescue, expire, prune, counts
--   money           prices, users' quotas, the ledger of predictions, the installation's budget
--   usage           what a user has used of their plan
--   bookings        what the roll-ups cannot see in the jobs that have ended
--
--   Generations: what makes images of a request
--   requests        a request is read and bounded
--   start           everything that an accepted request needs, now or when it is due
--   steps           predictions, progress, downloads
--   ends            how a generation ends and comes back, and predictions that nobody wants
--   answers         what a user sees of it
--   library         a user's generations by pages, making one again, marks on images
--   provider        its pauses, and the models that it refuses
--   deletion        what goes with a generation or an account
--
--   webhooks        what is told to users' servers when a generation has ended
--   live            what is told to users' clients while a generation changes
--   storage         uploads, and files that nobody needs any more
--   apps            what users write into the tables themselves, as the original's apps do
--   operators       the views, and the queue in numbers
--   roll_ups        what has ended: by the minute, and by day, model, user and country
--   audit           what admins may do over the API, the record of it, and how it is taken back
--   admin_live      the dashboard's live page and timeline
--   admin_jobs      its pages of jobs, the ledger, what an id is, one generation's story
--   admin_use       its users, models, plans and analytics
--   admin_actions   what operators do there
--   alerts          what is measured, and when operators are told of it
--   alert_notices   what a notice says, and what becomes of it
--   alert_receivers rules and receivers, as operators see and set them
--   admin_alerts    what they call for it, and the record
--   api             what PostgREST exposes, and all rights
--
-- A function may call one of a later file, for its body is read when it runs; tables and types come before their use.
--
-- This one changes nothing. It checks the database first; an obstacle is named in one sentence, with its remedy.
-- docs/operations/deploy.md lists the same.

do $$
declare
  v_version int := current_setting('server_version_num')::int;
  v_relations text[] := '{models,batch_generations,image_generations,images,job_queue,'
    'queue_health,failed_jobs_recent,stuck_jobs,queue_latency,tenant_usage}';
  v_functions text[] := regexp_split_to_array(btrim('
    admin_overview admin_timeline admin_cron_history admin_jobs admin_job admin_find admin_generation
    admin_predictions admin_users admin_models admin_plans admin_audit admin_cancel_job admin_cancel_generation
    admin_requeue_job admin_requeue_jobs admin_pause admin_resume admin_switch_model admin_set_user_plan
    admin_save_plan admin_delete_plan admin_set_budget admin_undo admin_analytics admin_export
    admin_alerts admin_set_alert_rule admin_set_alert_receiver admin_delete_alert_receiver admin_test_alert_receiver
    alerts cancel_generation claim_jobs claim_next_job complete_job complete_jobs delete_alert_receiver
    delete_generation delete_image delete_own_account enqueue_job enqueue_jobs
    extend_lease fail_job finish_download finish_prediction get_generation kept_request list_generations
    live_snapshot mark_image mark_images model_prices pause_provider prune_jobs queue_metrics queue_status record_delivery record_prediction
    record_predictions retry_generation
    record_progress record_sweep refuse_model removable_objects requeue_job resend_webhook rotate_webhook_secret
    set_alert_receiver set_alert_rule snooze_job start_batch start_generation start_inserted_generation
    sweep_storage tell_late_subscribers test_alert_receiver
    usage_history user_usage webhook_deliveries webhook_message webhook_secret
  ', E' \n'), '\s+');
  v_taken text;
  v_profiles regclass := to_regclass('public.profiles');
  v_missing text;
begin
  if v_version < 150000 then
    raise exception using errcode = 'feature_not_supported', message = format(
      'Picture Queue needs PostgreSQL 15 or newer and this is %s: upgrade the database, then push the migrations again.',
      current_setting('server_version')
    );
  elsif v_version >= 180000 then
    raise warning 'Picture Queue is tested on PostgreSQL 15 to 17, and this is %.', current_setting('server_version');
  end if;

  -- The comment of `private` says that it is Picture Queue's: then what is in it is no stranger's.
  if obj_description(to_regnamespace('private'), 'pg_namespace') like 'Picture Queue:%' then
    return;
  end if;
  if exists (select from pg_class where relnamespace = to_regnamespace('private'))
    or exists (select from pg_proc where pronamespace = to_regnamespace('private'))
    or exists (select from pg_type where typnamespace = to_regnamespace('private'))
  then
    raise exception using errcode = 'duplicate_schema', message =
      'Picture Queue keeps its own things in a schema "private", and this database has one that is not empty: '
      'rename it (alter schema private rename to app_private) or use another project, then push the migrations again.';
  end if;

  select string_agg(taken.name, ', ' order by taken.name) into v_taken
  from (
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relname = any(v_relations)
    union
    select typname from pg_type
    where typnamespace = 'public'::regnamespace and typname = any(v_relations)
    union
    select proname || '()' from pg_proc
    where pronamespace = 'public'::regnamespace and proname = any(v_functions)
  ) as taken;
  if v_taken is not null then
    raise exception using errcode = 'duplicate_object', message = format(
      'Picture Queue makes these in the schema "public", and this database has them already: %s. '
      'Use a fresh project, or put them aside first as docs/guides/move-from-the-original.md says, then push the migrations again.',
      v_taken
    );
  end if;

  -- An app's own table of this name is used as it is. All that is asked of it is a row for each user.
  if v_profiles is not null then
    select string_agg(wanted.what, ', ') into v_missing
    from (values
      ('to be a table of which ' || quote_ident(current_user) || ' may read, add and refer to rows',
        (select relkind in ('r', 'p') from pg_class where oid = v_profiles)
        and has_table_privilege(v_profiles, 'select') and has_table_privilege(v_profiles, 'insert')
        and has_table_privilege(v_profiles, 'references')),
      ('a column "id uuid" that is its primary key', exists (
        select from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = v_profiles and i.indisprimary and i.indnkeyatts = 1
          and a.attname = 'id' and a.atttypid = 'uuid'::regtype
      )),
      ('that column to reference auth.users', exists (
        select from pg_constraint as c
        join pg_attribute as a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
        where c.conrelid = v_profiles and c.contype = 'f' and c.confrelid = 'auth.users'::regclass and a.attname = 'id'
      )),
      ('no other column that must be given', not exists (
        select from pg_attribute as a
        where a.attrelid = v_profiles and a.attnum > 0 and not a.attisdropped and a.attname <> 'id'
          and a.attnotnull and not a.atthasdef and a.attidentity = ''
      )),
      ('row-level security', (select relrowsecurity from pg_class where oid = v_profiles))
    ) as wanted (what, is_met)
    where not wanted.is_met;
    if v_missing is not null then
      raise exception using errcode = 'duplicate_table', message = format(
        'Picture Queue would use the table "public.profiles" that this database has, and that needs %s: '
        'change it, or put it aside (alter table public.profiles rename to app_profiles), then push the migrations again.',
        v_missing
      );
    end if;
  end if;
end
$$;
