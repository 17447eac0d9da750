-- One row: what stands in the way, and how far a move has come.
select
  current_setting('server_version') as version,
  current_setting('server_version_num')::int as version_number,
  current_user as role,
  current_database() as database,
  to_regnamespace('auth') is not null as is_supabase,
  coalesce(obj_description(to_regnamespace('picture_queue_move'), 'pg_namespace') like 'Picture Queue:%', false) as is_under_way,
  to_regnamespace('original') is not null as has_original,
  coalesce(obj_description(to_regnamespace('private'), 'pg_namespace') like 'Picture Queue:%', false) as is_pushed,
  to_regnamespace('private') is not null as has_private,
  to_regclass('public.image_generations') is not null as has_generations,
  to_regclass('cron.job') is not null as has_cron,
  to_regclass('supabase_migrations.schema_migrations') is not null as has_history;
