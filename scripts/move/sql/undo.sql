-- Everything as it was, in the opposite order of the move: let-go.sql and changes.sql come before, in one transaction.

set local search_path = '';

-- What does not go back is kept.
do $$
begin
  if exists (select from changes) then
    create schema if not exists picture_queue_undone;
    comment on schema picture_queue_undone is
    'Picture Queue: rows that were written after a move and could not go back with it. Drop it when you need them no more.';
    revoke all on schema picture_queue_undone from public;
    create table if not exists picture_queue_undone.rows (
      ord bigint generated always as identity,
      undone_at timestamptz not null default now(),
      table_name text not null,
      change text not null,
      row_data jsonb not null
    );
    insert into picture_queue_undone.rows (table_name, change, row_data)
    select table_name, change, row_data from changes order by ord;
  end if;
end
$$;

-- What the push has made goes: with the schema private all that calls it.
do $$
declare
  v_kind text;
  v_list text;
  v_row record;
begin
  if exists (select from picture_queue_move.objects_made where kind = 'schema' and identity = 'private') then
    drop schema if exists private cascade;
  end if;
  for v_row in
    select m.kind, m.identity from picture_queue_move.objects_made as m
    join picture_queue_move.objects as o using (class, id)
    where m.kind in ('policy', 'trigger')
      and m.identity !~ ' on public\.(models|batch_generations|image_generations|images)$'
  loop
    execute format('drop %s %s', v_row.kind, v_row.identity);
  end loop;
  foreach v_kind in array array['function', 'procedure', 'view', 'materialized view', 'table', 'type'] loop
    select string_agg(o.identity, ', ') into v_list
    from picture_queue_move.objects_made as m join picture_queue_move.objects as o using (class, id)
    where m.kind = v_kind and o.identity not like 'supabase_migrations.%';
    if v_list is not null then
      execute format('drop %s %s', v_kind, v_list);
    end if;
  end loop;
end
$$;

-- The old objects come back. Rows that name what is not in them go first, as their foreign keys say of one that is
-- deleted; they are kept (changes.sql).
do $$
declare
  v_row record;
  v_deletes text;
begin
  create temp table emptied on commit drop as
  select c.table_id, c.row_id, string_agg(format('%I = %s', c.name, c.value), ', ' order by c.name) as assignments
  from (
    select l.table_id, l.row_id, k.name, case when bool_or(l.how = 'n') then 'null' else 'default' end as value
    from leaving as l cross join unnest(l.columns) as k (name)
    where not exists (
      select from leaving as g where g.table_id = l.table_id and g.row_id = l.row_id and g.how = 'c'
    )
    group by l.table_id, l.row_id, k.name
  ) as c group by c.table_id, c.row_id;
  for v_row in select e.table_id, e.table_id::regclass as name, e.assignments from emptied as e group by 1, 3 loop
    execute format(
      'update %s as t set %s from emptied as e
       where t.tableoid = %3$s and e.table_id = %3$s and e.assignments = %4$L and t.ctid = e.row_id',
      v_row.name, v_row.assignments, v_row.table_id, v_row.assignments);
  end loop;
  -- All in one statement, after which keys without action are looked at: whatever the order of the tables.
  select string_agg(format('%s as (delete from %s as t using leaving as l
      where t.tableoid = %s and l.table_id = %3$s and l.how = ''c'' and t.ctid = l.row_id)',
    'deleted_' || d.table_id, d.table_id::regclass, d.table_id), ', ') into v_deletes
  from (select distinct l.table_id from leaving as l where l.how = 'c') as d;
  if v_deletes is not null then
    execute format('with %s select', v_deletes);
  end if;
  set constraints all immediate;
  for v_row in select kind, id, name from picture_queue_move.moved order by ord desc loop
    execute format('alter %s original.%s set schema public', v_row.kind,
      case when v_row.kind in ('function', 'procedure') then v_row.name else quote_ident(v_row.name) end);
  end loop;
  for v_row in select kind, schema_name, name from picture_queue_move.views order by ord desc loop
    execute format('alter %s original.%I set schema %I', v_row.kind, v_row.name, v_row.schema_name);
  end loop;
  for v_row in select id, kind, schema_name from picture_queue_move.functions order by name loop
    execute format('alter %s %s set schema %I', v_row.kind, v_row.id::regprocedure, v_row.schema_name);
  end loop;
  for v_row in select * from picture_queue_move.policies where outcome = 'moved' loop
    execute format('alter policy %I on %s%s%s', v_row.name, v_row.table_name,
      ' using (' || v_row.using_text || ')', ' with check (' || v_row.check_text || ')');
  end loop;
  for v_row in select * from picture_queue_move.foreign_keys where outcome is not null loop
    execute format('alter table %s add constraint %I %s', v_row.table_name, v_row.name, v_row.definition);
    if v_row.comment is not null then
      execute format('comment on constraint %I on %s is %L', v_row.name, v_row.table_name, v_row.comment);
    end if;
  end loop;
end
$$;

-- Profiles that the push has added go; not those that have changed since, nor those that a row names.
create temp table profiles_staying (id uuid) on commit drop;
do $$
declare
  v_named text;
begin
  if exists (select from picture_queue_move.facts where name = 'profiles stay') then
    select string_agg(format('exists (select from %s as k where %s)', c.conrelid::regclass, k.pairs), ' or ') into v_named
    from pg_constraint as c
    cross join lateral (
      select string_agg(format('k.%I = p.%I', a.attname, b.attname), ' and ') as pairs
      from unnest(c.conkey, c.confkey) as pair (child, parent)
      join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = pair.child
      join pg_attribute as b on b.attrelid = c.confrelid and b.attnum = pair.parent
    ) as k
    where c.contype = 'f' and c.confrelid = 'public.profiles'::regclass;
    execute format(
      'insert into profiles_staying (id)
       select p.id from public.profiles as p join picture_queue_move.profiles_added as a on a.id = p.id
       where p.xmin::text <> a.by or %s', coalesce(v_named, 'false'));
    delete from public.profiles as p using picture_queue_move.profiles_added as a
    where a.id = p.id and not exists (select from profiles_staying as s where s.id = p.id);
  end if;
end
$$;

-- Buckets.
update storage.buckets as b set
  public = o.public, file_size_limit = o.file_size_limit, allowed_mime_types = o.allowed_mime_types,
  updated_at = o.updated_at
from picture_queue_move.buckets as o where o.id = b.id;
select set_config('storage.allow_delete_query', 'true', true);
delete from storage.buckets as b
where b.id in ('generated-images', 'source-images')
  and not exists (select from picture_queue_move.buckets as o where o.id = b.id)
  and not exists (select from storage.objects as f where f.bucket_id = b.id);
select set_config('storage.allow_delete_query', '', true);

-- The history of migrations.
do $$
begin
  if to_regclass('picture_queue_move.history') is not null then
    delete from supabase_migrations.schema_migrations where true;
    insert into supabase_migrations.schema_migrations select * from picture_queue_move.history;
  elsif exists (select from picture_queue_move.facts where name = 'history made') then
    drop schema supabase_migrations cascade;
  elsif to_regclass('supabase_migrations.schema_migrations') is not null then
    drop table supabase_migrations.schema_migrations;
  end if;
end
$$;

drop schema original;
drop schema picture_queue_move cascade;
