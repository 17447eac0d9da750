-- What would be dropped with the old objects although it is not one of them, of whatever kind: (what).
with recursive tables as (
  select c.oid as id from pg_class as c where c.relnamespace = 'original'::regnamespace
  union
  -- Partitions hold rows of the old tables, wherever they are.
  select i.inhrelid from tables join pg_inherits as i on i.inhparent = tables.id
  join pg_class as c on c.oid = i.inhrelid and c.relispartition
), aside as (
  select 'pg_class'::regclass::oid as class, tables.id from tables
  union all
  select 'pg_type'::regclass, t.oid from pg_type as t
  where t.typnamespace = 'original'::regnamespace or t.typrelid in (select tables.id from tables)
  union all
  select 'pg_proc'::regclass, p.oid from pg_proc as p where p.pronamespace = 'original'::regnamespace
)
select distinct format('the %s', case
  when r.rulename = '_RETURN' then pg_describe_object('pg_class'::regclass, r.ev_class, 0)
  else pg_describe_object(d.classid, d.objid, d.objsubid)
end) as what
from pg_depend as d
join aside on aside.class = d.refclassid and aside.id = d.refobjid
cross join lateral pg_identify_object_as_address(d.classid, d.objid, d.objsubid) as address
left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_index as i on d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
where d.deptype in ('n', 'a') and d.classid <> 'pg_statistic_ext'::regclass
  and not exists (select from aside as own where own.class = d.classid and own.id = d.objid)
  and address.object_names[1] is distinct from 'picture_queue_move'
  -- Constraints, triggers, policies, rules, defaults and indexes of the old tables themselves.
  and not exists (
    select from tables join pg_class as c on c.oid = tables.id join pg_namespace as s on s.oid = c.relnamespace
    where c.oid = i.indrelid or s.nspname = address.object_names[1] and c.relname = address.object_names[2]
  )
order by what;
