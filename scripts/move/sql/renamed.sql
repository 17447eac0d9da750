-- Tables of the app's that have another name since the apply, on which what the undo writes does not fit: (was, is).
select distinct known.name as was, c.oid::regclass::text as is
from (
  select table_id as id, table_name as name from picture_queue_move.foreign_keys
  union
  select p.polrelid, o.table_name from picture_queue_move.policies as o join pg_policy as p on p.oid = o.id
) as known
join pg_class as c on c.oid = known.id
where to_regclass(known.name) is distinct from c.oid
order by was;
