-- The roles of a Supabase project; they belong to the whole server. Run by the superuser; repeatable.

do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('anon', 'nologin'),
      ('authenticated', 'nologin'),
      ('service_role', 'nologin bypassrls'),
      ('authenticator', 'login noinherit password ''postgres'''),
      ('supabase_auth_admin', 'nologin noinherit createrole'),
      ('supabase_storage_admin', 'nologin noinherit createrole'),
      -- Not a superuser, as on Supabase: a migration that needs more fails here as it would there.
      ('postgres', 'login nosuperuser createdb createrole replication bypassrls password ''postgres''')
    ) as roles (name, attributes)
  loop
    if not exists (select from pg_roles where rolname = wanted.name) then
      execute format('create role %I %s', wanted.name, wanted.attributes);
    end if;
  end loop;
end $$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres;
grant pg_monitor, pg_signal_backend, pg_checkpoint, pg_read_all_data to postgres;
-- What Auth and Storage keep is theirs: a project's owner is no member of their roles.
revoke supabase_auth_admin, supabase_storage_admin from postgres;

alter role postgres set search_path = "$user", public, extensions;
-- PostgREST's connections, and what it sets for each request of a role.
alter role authenticator set search_path = public, extensions;
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role authenticated set statement_timeout = '8s';
alter role anon set statement_timeout = '3s';
-- The stand-ins of Auth and Storage connect as this one: they may delete what they keep.
alter role supabase_admin set storage.allow_delete_query = 'true';
