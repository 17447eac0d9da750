-- What the move knows by an id that is another's or nobody's now, as after a dump and restore or an upgrade: (what). What
-- was dropped since is none of it. The search path is empty.
select format('%s original.%s', m.kind, m.name) as what
from picture_queue_move.moved as m
where not exists (
  select from pg_class as c
  where c.oid = m.id and c.relnamespace = to_regnamespace('original') and c.relname = m.name
) and not exists (
  select from pg_proc as p where p.oid = m.id and p.pronamespace = to_regnamespace('original')
) and not exists (
  select from pg_type as t where t.oid = m.id and t.typnamespace = to_regnamespace('original') and t.typname = m.name
)
union all
select format('%s %s', m.kind, m.identity)
from picture_queue_move.objects_made as m
where not exists (select from picture_queue_move.objects as o where o.class = m.class and o.id = m.id)
  and exists (select from picture_queue_move.objects as o where o.class = m.class and o.identity = m.identity)
order by what;
