-- The first part of an undo: what is the app's lets go of the new tables. What the app has changed of it since is noted.

set local search_path = '';

-- What does not go back: a row each.
create temp table changes (
  ord int generated always as identity, table_name text not null, change text not null, row_data jsonb not null
) on commit drop;

insert into changes (table_name, change, row_data)
select format('%I.%I', v.schema_name, v.name), 'definition changed',
  jsonb_build_object('definition', pg_get_viewdef(to_regclass(format('%I.%I', v.schema_name, v.name))))
from picture_queue_move.views as v
where v.outcome = 'moved' and v.made <> pg_get_viewdef(to_regclass(format('%I.%I', v.schema_name, v.name)))
order by v.ord;
insert into changes (table_name, change, row_data)
select f.name, 'definition changed',
  jsonb_build_object('definition', pg_get_functiondef(to_regprocedure(f.name)))
from picture_queue_move.functions as f
where f.outcome = 'moved' and f.made <> pg_get_functiondef(to_regprocedure(f.name))
order by f.name;
-- A policy keeps its id under another name. A table or a column that was dropped takes its key with it.
update picture_queue_move.policies as o set name = p.polname from pg_policy as p where p.oid = o.id;
with dropped as (
  delete from picture_queue_move.foreign_keys as f
  where exists (
    select from unnest(f.columns) as k (name) where not exists (
      select from pg_attribute as a where a.attrelid = f.table_id and a.attname = k.name and not a.attisdropped
    )
  )
  returning f.table_name, f.name, f.definition
)
insert into changes (table_name, change, row_data)
select table_name, 'foreign key dropped since', jsonb_build_object('foreign key', name, 'definition', definition)
from dropped order by table_name, name;
-- A policy that was dropped stays dropped.
insert into changes (table_name, change, row_data)
select o.table_name, case when p.oid is null then 'policy dropped' else 'policy changed' end,
  jsonb_build_object('policy', o.name) || coalesce(n.now, o.made)
from picture_queue_move.policies as o
left join pg_policy as p on p.oid = o.id
cross join lateral (
  select case when p.oid is not null then jsonb_build_object('using', pg_get_expr(p.polqual, p.polrelid), 'check',
    pg_get_expr(p.polwithcheck, p.polrelid)) end as now
) as n
where o.outcome = 'moved' and o.made is distinct from n.now
order by o.table_name, o.name;
update picture_queue_move.policies set outcome = 'dropped since'
where outcome = 'moved' and id not in (select oid from pg_policy);
-- Of a bucket, what the undo puts back: its name, and when it was written, are not its settings.
insert into changes (table_name, change, row_data)
select 'storage.buckets', 'changed', to_jsonb(b)
from picture_queue_move.buckets_made as m join storage.buckets as b on b.id = m.id
where (b.public, b.file_size_limit, b.allowed_mime_types)
  is distinct from (m.public, m.file_size_limit, m.allowed_mime_types)
order by b.id;

-- The app's own objects let go of the new tables.
do $$
declare
  v_row record;
begin
  for v_row in
    select f.table_name, f.name from picture_queue_move.foreign_keys as f where f.outcome in ('moved', 'not validated')
  loop
    execute format('alter table if exists %s drop constraint if exists %I', v_row.table_name, v_row.name);
  end loop;
  -- Rows that name a model do it by the old id again, also those that have come since.
  for v_row in
    select f.id, f.table_name, f.columns[1] as column_name, picture_queue_move.key_of(f.table_name) as key
    from picture_queue_move.foreign_keys as f
    where f.target = 'models' and f.target_columns = '{id}' and f.outcome in ('moved', 'not validated')
      and to_regclass(f.table_name) is not null
  loop
    if v_row.key is not null then
      perform picture_queue_move.quietly(v_row.table_name, format(
        'update %1$s as t set %2$I = r.old_id from picture_queue_move.renamed_models as r
         where r.foreign_key = %4$L and r.key = %3$s and r.new_id = t.%2$I',
        v_row.table_name, v_row.column_name, v_row.key, v_row.id));
    end if;
    perform picture_queue_move.quietly(v_row.table_name, format(
      'update %1$s as t set %2$I = w.old_id
       from (
         select distinct on (n.id) n.id as new_id, o.id as old_id
         from public.models as n join picture_queue_move.old_models as o on split_part(o.replicate_id, '':'', 1) = n.replicate_id
         where o.id is not null order by n.id, o.is_default desc nulls last, o.created_at nulls last
       ) as w
       where t.%2$I = w.new_id and w.new_id <> w.old_id',
      v_row.table_name, v_row.column_name));
  end loop;
  for v_row in select kind, name from picture_queue_move.functions where outcome = 'moved' loop
    execute format('drop %s if exists %s', v_row.kind, v_row.name);
  end loop;
  for v_row in
    select kind, format('%I.%I', schema_name, name) as name from picture_queue_move.views
    where outcome = 'moved' order by ord desc
  loop
    execute format('drop %s if exists %s', v_row.kind, v_row.name);
  end loop;
  for v_row in select * from picture_queue_move.policies where outcome = 'moved' loop
    execute format('alter policy %I on %s%s%s', v_row.name, v_row.table_name,
      case when v_row.using_text is not null then ' using (false)' end,
      case when v_row.check_text is not null then ' with check (false)' end);
  end loop;
end
$$;
