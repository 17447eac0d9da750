-- What has a name that the push needs and is not put aside with the old objects: (what).
select format('%s %s', case c.relkind when 'i' then 'the index' else 'the relation' end, c.oid::regclass) as what
from picture_queue_move.names as n
join pg_class as c on n.kind = 'index' and c.relname = n.name and c.relnamespace = 'public'::regnamespace
where c.oid not in (
    select i.indexrelid from pg_index as i where i.indrelid in (select id from picture_queue_move.moved)
  )
  and c.oid not in (select id from picture_queue_move.moved)
union all
select format('the policy %I on storage.objects', p.polname)
from picture_queue_move.names as n
join pg_policy as p on n.kind = 'policy' and p.polname = n.name and p.polrelid = 'storage.objects'::regclass
order by what;
