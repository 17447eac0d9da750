-- What a hosted Supabase project has before the first migration, as far as this project can meet it.
-- Run by the superuser, on every database, before the auth and storage tables exist; repeatable.

do $$ begin
  execute format('alter database %I owner to postgres', current_database());
end $$;

create schema if not exists extensions;
create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;

create schema if not exists auth authorization supabase_auth_admin;
create schema if not exists storage authorization supabase_storage_admin;

grant usage on schema public, extensions, auth, storage to anon, authenticated, service_role;
grant all on schema public, extensions to postgres;
grant usage on schema auth, storage to postgres;

-- New tables, functions and sequences of `public` are granted to nobody, as in projects since the end of May 2026.
-- automatic-grants.sql has what older projects do.

-- Migrations, triggers and foreign keys of the project's may touch auth.users and storage's tables.
alter default privileges in schema auth grant all on tables to postgres;
alter default privileges in schema storage
  grant all on tables to postgres, anon, authenticated, service_role;

-- What Realtime tells of: migrations add tables to it.
do $$ begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
    alter publication supabase_realtime owner to postgres;
  end if;
end $$;
