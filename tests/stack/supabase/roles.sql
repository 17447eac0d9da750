-- The roles of a Supabase project; they belong to the whole server. Run by the superuser; repeatable.

do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
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
grant anon, authenticated, service_role, supabase_storage_admin to postgres;
grant pg_monitor, pg_signal_backend, pg_checkpoint, pg_read_all_data to postgres;
alter role postgres set search_path = "$user", public, extensions;
alter role authenticator set search_path = public, extensions;
