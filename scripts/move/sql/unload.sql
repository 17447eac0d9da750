-- Millions of rows are written faster into tables without indexes and foreign keys, which are made again afterwards, as
-- they were and in the same transaction. What holds a table together stays: keys that are unique.
set local maintenance_work_mem = '128MB';
create temp table unloaded (ord int generated always as identity, again text not null) on commit drop;

do $$
declare
  v_row record;
begin
  for v_row in
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
    from pg_index as i
    where i.indrelid in ('public.batch_generations'::regclass, 'public.image_generations'::regclass, 'public.images'::regclass)
      and not i.indisunique
    order by 1
  loop
    execute 'drop index ' || v_row.name;
    insert into unloaded (again) values (v_row.definition);
  end loop;
  for v_row in
    select c.conrelid::regclass::text as of_table, c.conname as name, pg_get_constraintdef(c.oid) as definition
    from pg_constraint as c
    where c.contype = 'f'
      and c.conrelid in ('public.batch_generations'::regclass, 'public.image_generations'::regclass, 'public.images'::regclass)
    order by 1, 2
  loop
    execute format('alter table %s drop constraint %I', v_row.of_table, v_row.name);
    insert into unloaded (again)
    values (format('alter table %s add constraint %I %s', v_row.of_table, v_row.name, v_row.definition));
  end loop;
end
$$;
