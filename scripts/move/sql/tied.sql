-- What would be dropped with the old objects although it is not one of them: (what).
with aside as (
  select c.oid from pg_class as c where c.relnamespace = 'original'::regnamespace
  union
  select t.oid from pg_type as t where t.typnamespace = 'original'::regnamespace
  union
  select p.oid from pg_proc as p where p.pronamespace = 'original'::regnamespace
), outside as (
  select d.classid, d.objid, d.refobjid
  from pg_depend as d
  where d.refclassid in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass)
    and d.refobjid in (select oid from aside) and d.deptype in ('n', 'a')
)
select format('the foreign key %I of %s', c.conname, c.conrelid::regclass) as what
from outside as o join pg_constraint as c on o.classid = 'pg_constraint'::regclass and c.oid = o.objid
where c.contype = 'f' and c.conrelid not in (select oid from aside)
  and c.connamespace <> 'picture_queue_move'::regnamespace
union
select format('the view %s', r.ev_class::regclass)
from outside as o join pg_rewrite as r on o.classid = 'pg_rewrite'::regclass and r.oid = o.objid
join pg_class as c on c.oid = r.ev_class
where r.ev_class not in (select oid from aside) and c.relnamespace <> 'picture_queue_move'::regnamespace
union
select format('the policy %I of %s', p.polname, p.polrelid::regclass)
from outside as o join pg_policy as p on o.classid = 'pg_policy'::regclass and p.oid = o.objid
where p.polrelid not in (select oid from aside)
union
select format('the function %s', p.oid::regprocedure)
from outside as o join pg_proc as p on o.classid = 'pg_proc'::regclass and p.oid = o.objid
where p.pronamespace <> 'original'::regnamespace and p.pronamespace <> 'picture_queue_move'::regnamespace
union
select format('the column %I of %s', a.attname, c.oid::regclass)
from pg_attribute as a join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p')
where a.atttypid in (select oid from aside) and not a.attisdropped
  and c.relnamespace not in ('original'::regnamespace, 'picture_queue_move'::regnamespace)
union
select format('the trigger %I of %s', t.tgname, t.tgrelid::regclass)
from pg_trigger as t
where not t.tgisinternal and t.tgfoid in (select oid from aside) and t.tgrelid not in (select oid from aside)
order by 1;
