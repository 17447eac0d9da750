-- The table in which Supabase Realtime keeps who is subscribed to which rows. Run by the superuser; repeatable.
--
-- A project's own SQL may read it, so it has the names and types of the real one; the server keeps it as the real one
-- does: a row for each table of each subscription, empty when the server starts.
-- https://github.com/supabase/realtime, lib/realtime/tenants/repo/migrations (August 2026)

create schema if not exists realtime;

do $$ begin
  if to_regtype('realtime.equality_op') is null then
    create type realtime.equality_op as enum
      ('eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'like', 'ilike', 'is', 'match', 'imatch', 'isdistinct');
    create type realtime.user_defined_filter as (column_name text, op realtime.equality_op, value text, negate boolean);
  end if;
end $$;

create table if not exists realtime.subscription (
  id bigint generated always as identity primary key,
  subscription_id uuid not null,
  entity regclass not null,
  filters realtime.user_defined_filter[] not null default '{}',
  claims jsonb not null,
  claims_role regrole not null,
  -- UTC.
  created_at timestamp not null default timezone('utc', now()),
  -- `*`, INSERT, UPDATE or DELETE.
  action_filter text not null default '*',
  -- Null: all columns.
  selected_columns text[],
  unique (subscription_id, entity)
);

-- Everybody may read it there, the API's roles too; PostgREST does not expose the schema.
grant usage on schema realtime to postgres, anon, authenticated, service_role;
grant select on realtime.subscription to postgres, anon, authenticated, service_role;
