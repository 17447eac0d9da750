-- What the move keeps of itself: which steps are done, how everything was before, and the rows that were not carried.
-- All of it is in one schema, which --undo drops whole, and --finish but for the rows that were not carried.

create schema picture_queue_move;
comment on schema picture_queue_move is
'Picture Queue: the move from the original. npm run move -- --finish or --undo removes it.';
revoke all on schema picture_queue_move from public;

-- A step is one transaction, and its row here is the last thing that it writes.
create table picture_queue_move.steps (
  name text primary key,
  done_at timestamptz not null default clock_timestamp()
);

-- What Picture Queue makes in public, by kind: relation, function, index; and policy, of Storage's files.
create table picture_queue_move.names (kind text not null, name text not null, primary key (kind, name));

-- Models of the catalogue, owner/name.
create table picture_queue_move.catalogue (replicate_id text primary key);

-- Facts of the installation, by name.
create table picture_queue_move.facts (name text primary key, value text);

-- What is put aside. The object's id stays the same wherever it goes.
create table picture_queue_move.moved (
  ord int generated always as identity,
  kind text not null,
  id oid not null,
  name text not null
);

-- Foreign keys of other tables to those that are put aside. The definition names the table by its name in public, and
-- so fits the old table and the new one.
create table picture_queue_move.foreign_keys (
  id oid primary key,
  table_id oid not null,
  table_name text not null,
  name text not null,
  definition text not null,
  comment text,
  target text not null,
  columns text[] not null,
  target_columns text[] not null,
  -- Not yet known; moved; not validated; dropped.
  outcome text,
  orphans bigint,
  reason text
);

-- Views of the app's that read what is put aside, the ones that others read first.
create table picture_queue_move.views (
  id oid primary key,
  ord int not null,
  schema_name text not null,
  name text not null,
  kind text not null,
  definition text not null,
  options text,
  owner text not null,
  -- Statements: all its rights, those by default too; its indexes, rules, triggers, defaults, comments of these.
  grants text[] not null,
  parts text[] not null,
  comment text,
  -- Its definition over the new tables.
  made text,
  outcome text,
  reason text
);

-- Functions of the app's whose signature or body is bound to what is put aside: they take or return its rows, or are
-- written in the standard's way. Those that only name a table in their text find the new one by its name.
create table picture_queue_move.functions (
  id oid primary key,
  schema_name text not null,
  -- With its arguments, which may name rows of what is put aside.
  name text not null,
  aside_name text not null,
  kind text not null,
  definition text not null,
  owner text not null,
  grants text[] not null,
  comment text,
  made text,
  outcome text,
  reason text
);

-- Policies of other tables that read what is put aside.
create table picture_queue_move.policies (
  id oid primary key,
  table_name text not null,
  name text not null,
  using_text text,
  check_text text,
  -- Both as they read over the new tables.
  made jsonb,
  outcome text,
  reason text
);

create table picture_queue_move.cron_jobs (
  id bigint primary key,
  name text,
  schedule text not null,
  command text not null,
  owner text not null,
  -- paused: the job is there, and does not run. unscheduled: it is gone.
  outcome text
);

-- What is looked at and reported, and stays as it is.
create table picture_queue_move.remarks (
  ord int generated always as identity,
  topic text not null,
  what text not null
);

-- The objects there were before the push, and those that the push has made.
create table picture_queue_move.objects_before (class oid, id oid, primary key (class, id));
create table picture_queue_move.objects_made (class oid, id oid, kind text, identity text, primary key (class, id));

-- Transactions that have written rows of a new table which are no change of anybody's: the push and the copy.
create table picture_queue_move.written (table_id oid, by text, primary key (table_id, by));

-- A model's old id, and each way in which the old rows name it.
create table picture_queue_move.model_keys (
  key text primary key,
  replicate_id text not null,
  model_id uuid
);

-- Rows of an app's own that named a model by its old id: by their table's primary key, as it is now.
create table picture_queue_move.renamed_models (
  foreign_key oid not null,
  key jsonb not null,
  old_id uuid not null,
  new_id uuid not null
);

create table picture_queue_move.not_carried (
  table_name text not null,
  id text,
  reason text not null,
  row_data jsonb not null
);
comment on table picture_queue_move.not_carried is
'Rows of the original that the move could not carry, whole, and why. Drop the schema when you need them no more.';

-- What was compared after the copy.
create table picture_queue_move.compared (
  ord int generated always as identity,
  what text not null,
  expected numeric,
  found numeric
);

-- The primary key of a table's row t, as an expression; null: it has none.
create function picture_queue_move.key_of(p_table text) returns text
language sql stable set search_path = '' as $$
  select 'pg_catalog.jsonb_build_array(' || string_agg(format('t.%I', a.attname), ', ' order by k.ord) || ')'
  from pg_catalog.pg_index as i
  cross join pg_catalog.unnest(i.indkey) with ordinality as k (attnum, ord)
  join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = p_table::pg_catalog.regclass and i.indisprimary
$$;

-- A statement on a table of the app's, of which none of the app's triggers hears.
create function picture_queue_move.quietly(p_table text, p_statement text) returns void
language plpgsql set search_path = '' as $$
declare
  v_trigger record;
  v_triggers jsonb := '[]';
begin
  -- A table with checks that wait for the end of the transaction cannot be altered.
  set constraints all immediate;
  for v_trigger in
    select tgname, tgenabled from pg_catalog.pg_trigger
    where tgrelid = p_table::pg_catalog.regclass and not tgisinternal and tgenabled <> 'D'
  loop
    execute format('alter table %s disable trigger %I', p_table, v_trigger.tgname);
    v_triggers := v_triggers || jsonb_build_object('name', v_trigger.tgname, 'state', v_trigger.tgenabled);
  end loop;
  execute p_statement;
  for v_trigger in select t ->> 'name' as name, t ->> 'state' as state from jsonb_array_elements(v_triggers) as t loop
    execute format('alter table %s enable %s trigger %I', p_table,
      case v_trigger.state when 'R' then 'replica' when 'A' then 'always' else '' end, v_trigger.name);
  end loop;
end
$$;

-- A grantee of aclexplode, as GRANT names it.
create function picture_queue_move.grantee(p_role oid) returns text
language sql stable set search_path = '' as $$
  select case p_role when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(p_role)) end
$$;

-- Hands a new object to its owner, who gives it the rights it had and no others: the schema's default privileges may have
-- opened it to anybody.
create function picture_queue_move.hand_over(p_kind text, p_name text, p_owner text, p_grants text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_me text := current_user;
  v_is_routine boolean := p_kind in ('function', 'procedure');
  v_statement text;
  v_revokes text[];
begin
  if p_owner <> v_me then
    execute format('alter %s %s owner to %I', p_kind, p_name, p_owner);
  end if;
  v_revokes := array(
    select distinct format('revoke all on %s %s from %s', case when v_is_routine then 'routine' else 'table' end, p_name,
      picture_queue_move.grantee(g.grantee))
    from pg_catalog.aclexplode(case when v_is_routine
      then (select coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) from pg_catalog.pg_proc as p
        where p.oid = p_name::pg_catalog.regprocedure)
      else (select coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)) from pg_catalog.pg_class as c
        where c.oid = p_name::pg_catalog.regclass) end) as g
  );
  execute format('set local role %I', p_owner);
  foreach v_statement in array v_revokes || p_grants loop
    execute v_statement;
  end loop;
  execute format('set local role %I', v_me);
end
$$;
