-- Checks the rows that are there against the new foreign keys. Rows that name what was not carried stay, and the key
-- holds for new rows only.

set local search_path = '';

do $$
declare
  v_row record;
  v_orphans bigint;
begin
  for v_row in
    select * from picture_queue_move.foreign_keys
    where outcome = 'not validated' and orphans is null order by table_name, name
  loop
    execute format('select count(*) from %s as a where (%s) and not exists (select from public.%I as b where %s)',
      v_row.table_name,
      (select string_agg(format('a.%I is not null', c), ' and ') from unnest(v_row.columns) as c),
      v_row.target,
      (select string_agg(format('b.%I = a.%I', t, c), ' and ')
        from unnest(v_row.columns, v_row.target_columns) as pair (c, t))
    ) into v_orphans;
    if v_orphans = 0 and v_row.definition not like '%NOT VALID' then
      execute format('alter table %s validate constraint %I', v_row.table_name, v_row.name);
    end if;
    update picture_queue_move.foreign_keys set orphans = v_orphans,
      outcome = case when v_orphans = 0 and v_row.definition not like '%NOT VALID' then 'moved' else outcome end
    where id = v_row.id;
  end loop;
end
$$;
