-- Why public.profiles cannot stay where it is (null: it can, or there is none). The first migration asks the same.
select string_agg(wanted.what, ', ') as missing
from (values
  ('rights of this role on it',
    (select relkind in ('r', 'p') from pg_class where oid = to_regclass('public.profiles'))
    and has_table_privilege(to_regclass('public.profiles'), 'select')
    and has_table_privilege(to_regclass('public.profiles'), 'insert')
    and has_table_privilege(to_regclass('public.profiles'), 'references')),
  ('a column "id uuid" that is its primary key', exists (
    select from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = to_regclass('public.profiles') and i.indisprimary and i.indnkeyatts = 1
      and a.attname = 'id' and a.atttypid = 'uuid'::regtype
  )),
  ('that column to reference auth.users', exists (
    select from pg_constraint as c
    join pg_attribute as a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
    where c.conrelid = to_regclass('public.profiles') and c.contype = 'f' and c.confrelid = 'auth.users'::regclass
      and a.attname = 'id'
  )),
  ('no other column that must be given', not exists (
    select from pg_attribute as a
    where a.attrelid = to_regclass('public.profiles') and a.attnum > 0 and not a.attisdropped and a.attname <> 'id'
      and a.attnotnull and not a.atthasdef and a.attidentity = ''
  )),
  ('row-level security', (select relrowsecurity from pg_class where oid = to_regclass('public.profiles')))
) as wanted (what, is_met)
where to_regclass('public.profiles') is not null and not coalesce(wanted.is_met, false);
