-- What there is that a migration could have made, outside of schemas that it makes itself.

create view picture_queue_move.objects as
select 'pg_class'::regclass::oid as class, c.oid as id,
  case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end as kind,
  format('%I.%I', s.nspname, c.relname) as identity
from pg_class as c join pg_namespace as s on s.oid = c.relnamespace
where s.nspname in ('public', 'supabase_migrations') and c.relkind in ('r', 'p', 'v', 'm', 'S')
union all
select 'pg_proc'::regclass, p.oid, case p.prokind when 'p' then 'procedure' else 'function' end,
  format('public.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid))
from pg_proc as p where p.pronamespace = 'public'::regnamespace
union all
select 'pg_type'::regclass, t.oid, 'type', format('public.%I', t.typname)
from pg_type as t where t.typnamespace = 'public'::regnamespace and t.typrelid = 0 and t.typelem = 0
union all
select 'pg_policy'::regclass, p.oid, 'policy', format('%I on %s', p.polname, p.polrelid::regclass)
from pg_policy as p where p.polrelid in (select oid from pg_class where relnamespace in ('storage'::regnamespace, 'public'::regnamespace))
union all
select 'pg_trigger'::regclass, t.oid, 'trigger', format('%I on %s', t.tgname, t.tgrelid::regclass)
from pg_trigger as t
where not t.tgisinternal
  and t.tgrelid in (select oid from pg_class where relnamespace in ('auth'::regnamespace, 'storage'::regnamespace, 'public'::regnamespace))
union all
select 'pg_namespace'::regclass, s.oid, 'schema', quote_ident(s.nspname)
from pg_namespace as s where s.nspname in ('private', 'supabase_migrations');
