-- Run by the superuser after the auth and storage tables have been made; repeatable.

create or replace function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;

create or replace function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;

create or replace function auth.email() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;

create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;

-- The project's own role owns none of them.
do $$
declare
  v_table regclass;
begin
  for v_table in
    select oid from pg_class where relkind in ('r', 'p') and relnamespace in ('auth'::regnamespace, 'storage'::regnamespace)
  loop
    execute format('alter table %s owner to %I', v_table,
      case when v_table::text like 'auth.%' then 'supabase_auth_admin' else 'supabase_storage_admin' end);
  end loop;
end $$;
grant all on all tables in schema auth to postgres;
grant all on storage.buckets, storage.objects to postgres, anon, authenticated, service_role;

-- A row that is deleted by SQL would leave its file behind: Storage alone deletes them.
create or replace function storage.protect_delete() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('storage.allow_delete_query', true), '') <> 'true' then
    raise exception 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
      using errcode = '42501';
  end if;
  return null;
end $$;
create or replace trigger protect_objects_delete before delete on storage.objects
for each statement execute function storage.protect_delete();
create or replace trigger protect_buckets_delete before delete on storage.buckets
for each statement execute function storage.protect_delete();

-- Policies on storage.objects are the project's own to write, though the table is not: on Supabase an extension
-- (supautils) lends `postgres` the owner's rights for that one statement. Here it is a member of the owner as
-- long as the statement runs. Roles belong to the whole server, whose databases take turns.
create or replace function extensions.lend_storage_rights() returns event_trigger
language plpgsql security definer set search_path = '' as $$
begin
  if session_user <> 'postgres' then
    return;
  end if;
  lock table pg_catalog.pg_auth_members in share row exclusive mode;
  if tg_event = 'ddl_command_start' then
    grant supabase_storage_admin to postgres;
  else
    revoke supabase_storage_admin from postgres;
  end if;
end $$;
do $$ begin
  if not exists (select from pg_event_trigger where evtname = 'lend_storage_rights') then
    create event trigger lend_storage_rights on ddl_command_start
      when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY') execute function extensions.lend_storage_rights();
    create event trigger take_storage_rights_back on ddl_command_end
      when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY') execute function extensions.lend_storage_rights();
  end if;
end $$;

-- PostgREST notices DDL through these on Supabase; the API in front of this database does too.
create or replace function extensions.pgrst_watch() returns event_trigger language plpgsql as $$
begin
  notify pgrst, 'reload schema';
end $$;
do $$ begin
  if not exists (select from pg_event_trigger where evtname = 'pgrst_ddl_watch') then
    create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_watch();
    create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_watch();
  end if;
end $$;
