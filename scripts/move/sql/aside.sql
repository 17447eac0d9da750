-- Puts the old project's objects aside into a schema "original". Nothing is rewritten: an object keeps its id, rows,
-- indexes, rights, policies and triggers, and goes back the same way.

create schema original;
comment on schema original is 'The original''s tables, put aside by Picture Queue''s move: npm run move.';
revoke all on schema original from public;

do $$
declare
  v_row record;
begin
  for v_row in select id, kind, name from picture_queue_move.functions order by name loop
    execute format('alter %s %s set schema original', v_row.kind, v_row.name);
  end loop;
  -- The app's views first: their names become free for the new ones.
  for v_row in select id, kind, format('%I.%I', schema_name, name) as name from picture_queue_move.views order by ord loop
    execute format('alter %s %s set schema original', v_row.kind, v_row.name);
  end loop;
  for v_row in select kind, id, name from picture_queue_move.moved order by ord loop
    execute format('alter %s public.%s set schema original', v_row.kind,
      case when v_row.kind in ('function', 'procedure') then v_row.name else quote_ident(v_row.name) end);
  end loop;
end
$$;

-- The migrations that the project has had are unknown to the CLI here, and it refuses to push beside them.
do $$
begin
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    create table picture_queue_move.history as table supabase_migrations.schema_migrations;
    delete from supabase_migrations.schema_migrations where true;
  elsif to_regnamespace('supabase_migrations') is null then
    insert into picture_queue_move.facts (name, value) values ('history made', 'true');
  end if;
end
$$;

-- The push may change these.
create table picture_queue_move.buckets as
select * from storage.buckets where id in ('generated-images', 'source-images');

insert into picture_queue_move.objects_before (class, id) select class, id from picture_queue_move.objects;
