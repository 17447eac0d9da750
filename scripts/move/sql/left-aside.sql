-- What is in the schema original and has no equal in use: what could not be made over the new tables, and what was put
-- there since: (what).
select format('%s original.%I', v.kind, v.name) as what
from picture_queue_move.views as v where v.outcome is distinct from 'moved'
union all
select format('%s %s', f.kind, f.id::regprocedure)
from picture_queue_move.functions as f where f.outcome is distinct from 'moved'
union all
select pg_describe_object('pg_class'::regclass, c.oid, 0)
from pg_class as c
where c.relnamespace = 'original'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and c.oid not in (select m.id from picture_queue_move.moved as m union select v.id from picture_queue_move.views as v)
  -- A sequence of an old table's column.
  and not exists (
    select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
  )
union all
select pg_describe_object('pg_proc'::regclass, p.oid, 0)
from pg_proc as p
where p.pronamespace = 'original'::regnamespace
  and p.oid not in (select m.id from picture_queue_move.moved as m union select f.id from picture_queue_move.functions as f)
order by what;
