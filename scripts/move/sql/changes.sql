-- What has been written since the copy, and does not go back: rows of the new tables, and rows of the app's own that name
-- them. Each row tells by its xmin which transaction has written it; those of the push and of the copy are noted
-- (pushed.sql, written.sql). Nothing of it changes until the end: the tables are locked.

set local search_path = '';

do $$
declare
  -- Counters, clocks and caches of the queue's own: nothing of a user's or an operator's is in them.
  v_counters text[] := '{user_slots,ready_queues,low_water,job_deltas,job_counts,running_counts,last_cron_run,usage,'
    'idempotency_keys,budget,budget_deltas,provider_pause,model_times,live_listeners,told_subscriptions,storage_scan,alerts,'
    'alert_samples}';
  v_row record;
  v_reader text;
begin
  for v_row in
    select c.oid as id, s.nspname = 'public' as is_public, c.relname, format('%I.%I', s.nspname, c.relname) as name
    from pg_class as c join pg_namespace as s on s.oid = c.relnamespace
    where c.relkind = 'r' and (
      c.oid in (select m.id from picture_queue_move.objects_made as m where m.kind = 'table')
      or c.oid = to_regclass('supabase_migrations.schema_migrations')
      or s.nspname = 'private' and c.relname <> all (v_counters) and exists (
        select from picture_queue_move.objects_made as m where m.kind = 'schema' and m.identity = 'private'
      )
    )
    order by s.nspname = 'public' desc, c.relname
  loop
    execute format('lock table %s in access exclusive mode', v_row.name);
    v_reader := case when v_row.is_public then case v_row.relname
      when 'image_generations' then 'old_generations' when 'images' then 'old_images'
      when 'batch_generations' then 'old_batches' when 'profiles' then 'old_profiles'
    end end;
    execute format(
      'insert into changes (table_name, change, row_data)
       select %1$L, %2$s, to_jsonb(t) from %3$s as t
       where t.xmin::text not in (select w.by from picture_queue_move.written as w where w.table_id = %4$L)
       order by t.ctid',
      v_row.name,
      case
        when v_reader is not null then format(
          'case when exists (select from picture_queue_move.%I as o where o.id = t.id) then ''changed'' else ''new'' end',
          v_reader)
        when v_row.relname in ('models', 'settings', 'plans') then '''changed'''
        else '''new'''
      end,
      v_row.name, v_row.id);
  end loop;
end
$$;

-- What was carried, and has been deleted since: the old row comes back. Its file does not.
do $$
declare
  v_table text;
  v_fates text;
  v_reader text;
begin
  -- Before the copy there is nothing to delete.
  if to_regclass('picture_queue_move.fated_images') is null then
    return;
  end if;
  for v_table, v_fates, v_reader in values
    ('batch_generations', 'batch_fates', 'old_batches'), ('image_generations', 'fated_generations', 'old_generations'),
    ('images', 'fated_images', 'old_images')
  loop
    execute format(
      'insert into changes (table_name, change, row_data)
       select %1$L, ''deleted'', to_jsonb(o)
       from picture_queue_move.%2$I as f join picture_queue_move.%3$I as o on o.id = f.id
       where f.reason is null and not exists (select from public.%4$I as c where c.id = f.id)',
      'public.' || v_table, v_fates, v_reader, v_table);
  end loop;
end
$$;

-- Rows of the app's own that name what is not among the old rows, and rows that go with those, once for each key by which
-- they do. How: c deleted, which counts before the others; n set to null, d set to the default.
create temp table leaving (
  table_id oid not null, row_id tid not null, foreign_key oid not null, how text not null, columns text[] not null,
  depth int not null, primary key (table_id, row_id, foreign_key)
) on commit drop;

do $$
declare
  v_row record;
  v_depth int := 0;
  v_rows bigint;
  v_added bigint;
begin
  for v_row in
    select f.*, m.id::regclass as old_table,
      case when f.definition ~ 'ON DELETE SET NULL' then 'n' when f.definition ~ 'ON DELETE SET DEFAULT' then 'd' else 'c'
      end as how
    from picture_queue_move.foreign_keys as f
    join picture_queue_move.moved as m on m.name = f.target and m.kind = 'table'
    where f.outcome is not null and f.definition not like '%NOT VALID'
      and to_regclass(f.table_name) is not null
    order by 1
  loop
    execute format('lock table %s in access exclusive mode', v_row.table_name);
    execute format(
      'insert into leaving (table_id, row_id, foreign_key, how, columns, depth)
       select a.tableoid, a.ctid, %1$L, %2$L, %3$L, 0 from %4$s as a
       where %5$s and not exists (select from %6$s as b where %7$s)',
      v_row.id, v_row.how, v_row.columns, v_row.table_name,
      (select string_agg(format('a.%I is not null', c), ' and ') from unnest(v_row.columns) as c),
      v_row.old_table,
      (select string_agg(format('b.%I = a.%I', t, c), ' and ')
        from unnest(v_row.columns, v_row.target_columns) as pair (c, t)));
  end loop;
  loop
    v_rows := 0;
    v_depth := v_depth + 1;
    for v_row in
      select c.oid as id, c.conrelid::regclass as name, c.confrelid::regclass as parent, c.confrelid as parent_id,
        case c.confdeltype when 'n' then 'n' when 'd' then 'd' else 'c' end as how,
        array(select a.attname::text from unnest(c.conkey) with ordinality as k (n, ord)
          join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.n order by ord) as columns,
        array(select a.attname::text from unnest(c.confkey) with ordinality as k (n, ord)
          join pg_attribute as a on a.attrelid = c.confrelid and a.attnum = k.n order by ord) as parents
      from pg_constraint as c
      where c.contype = 'f' and c.confrelid in (select l.table_id from leaving as l where l.how = 'c')
    loop
      execute format(
        'insert into leaving (table_id, row_id, foreign_key, how, columns, depth)
         select a.tableoid, a.ctid, %1$L, %2$L, %3$L, %4$L from %5$s as a
         where exists (
           select from %6$s as b join leaving as l on l.table_id = %7$L and l.row_id = b.ctid and l.how = ''c'' where %8$s
         )
         on conflict (table_id, row_id, foreign_key) do nothing',
        v_row.id, v_row.how, v_row.columns, v_depth, v_row.name, v_row.parent, v_row.parent_id,
        (select string_agg(format('b.%I = a.%I', t, c), ' and ')
          from unnest(v_row.columns, v_row.parents) as pair (c, t)));
      get diagnostics v_added = row_count;
      v_rows := v_rows + v_added;
    end loop;
    exit when v_rows = 0;
  end loop;
  for v_row in
    select l.table_id::regclass as name, l.table_id as id from leaving as l group by l.table_id order by min(l.depth), 1
  loop
    execute format(
      'insert into changes (table_name, change, row_data)
       select %1$L, case when l.goes then ''names what is new'' else ''named what is new'' end, to_jsonb(t)
       from %2$s as t join (
         select row_id, bool_or(how = ''c'') as goes from leaving where table_id = %3$L group by row_id
       ) as l on t.tableoid = %3$L and l.row_id = t.ctid order by t.ctid',
      v_row.name, v_row.name, v_row.id);
  end loop;
end
$$;
