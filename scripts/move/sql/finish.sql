-- The end of the move: what was put aside is dropped. Rows that were not carried stay, whole, and the
-- history of the app's own migrations.

set local search_path = '';

do $$
declare
  v_row record;
begin
  drop schema original cascade;
  for v_row in
    select c.relname, c.relkind from pg_class as c
    where c.relnamespace = 'picture_queue_move'::regnamespace and c.relkind in ('r', 'v')
      and c.relname <> all ('{not_carried,history,steps}')
    order by c.relkind = 'r'
  loop
    execute format('drop %s if exists picture_queue_move.%I cascade',
      case v_row.relkind when 'v' then 'view' else 'table' end, v_row.relname);
  end loop;
  for v_row in select oid::regprocedure as name from pg_proc where pronamespace = 'picture_queue_move'::regnamespace loop
    execute format('drop function %s', v_row.name);
  end loop;
  insert into picture_queue_move.steps (name) values ('finish');
  if not exists (select from picture_queue_move.not_carried) and to_regclass('picture_queue_move.history') is null then
    drop schema picture_queue_move cascade;
  end if;
end
$$;
