-- What the push has made: all that is there now and was not before.

set local search_path = '';

insert into picture_queue_move.objects_made (class, id, kind, identity)
select o.class, o.id, o.kind, o.identity
from picture_queue_move.objects as o
left join picture_queue_move.objects_before as b using (class, id)
where b.id is null
on conflict do nothing;

create table if not exists picture_queue_move.buckets_made as
select id, public, file_size_limit, allowed_mime_types from storage.buckets
where id in ('generated-images', 'source-images');

-- Profiles that a migration has written, and no user: each migration writes itself into the history, in one transaction.
create table if not exists picture_queue_move.profiles_added (id uuid primary key, by text not null);
do $$
begin
  if exists (select from picture_queue_move.facts where name = 'profiles stay')
    and to_regclass('supabase_migrations.schema_migrations') is not null
  then
    insert into picture_queue_move.profiles_added (id, by)
    select p.id, p.xmin::text from public.profiles as p
    where p.xmin::text in (select h.xmin::text from supabase_migrations.schema_migrations as h)
    on conflict do nothing;
  end if;
end
$$;

-- Who has written the rows that a fresh project has: changes.sql. What is to be copied has none of these.
do $$
declare
  v_row record;
begin
  for v_row in
    select c.oid as id, c.oid::regclass as name
    from pg_class as c join pg_namespace as s on s.oid = c.relnamespace
    where c.relkind = 'r' and (s.nspname in ('private', 'supabase_migrations') or c.oid in (
      select m.id from picture_queue_move.objects_made as m where m.kind = 'table'
    ))
      and (s.nspname <> 'public' or c.relname not in ('batch_generations', 'image_generations', 'images'))
  loop
    execute format('insert into picture_queue_move.written (table_id, by) select distinct %L::oid, xmin::text from %s
      on conflict do nothing', v_row.id, v_row.name);
  end loop;
end
$$;
