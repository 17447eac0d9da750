import type postgres from 'postgres';

/**
 * What a database's schema is, a line for each thing: tables with their columns, constraints, indexes, settings and
 * rights, views, functions, triggers, policies, types, and what stands in the schemas of Supabase because of us
 * (triggers of auth.users, policies and buckets of Storage, published tables). As `pg_dump --schema-only` has it, for
 * whichever PostgreSQL, and sorted, so that two databases can be compared.
 */
export async function describeSchema(sql: postgres.ISql): Promise<string[]> {
  const rows = await sql.unsafe<{ line: string }[]>(`${OBJECTS} order by 1`);
  return rows.map(({ line }) => line);
}

/** Lines that only one of them has, as a diff shows them: `-` what `before` has, `+` what `after` has. */
export function differences(before: string[], after: string[]): string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}

/** Rights in an order that does not depend on who was granted first; the owner's alone, and none written, are the same. */
const rights = (acl: string, owner: string) => `coalesce(', rights ' || nullif((
  select string_agg(one::text, ' ' order by one::text) from unnest(${acl}) as one
  where one::text not like pg_get_userbyid(${owner}) || '=%'), ''), '')`;

const OURS = `('public'::regnamespace, 'private'::regnamespace)`;

const OBJECTS = `
  select format('schema %s of %s: %s%s', nspname, pg_get_userbyid(nspowner), obj_description(oid, 'pg_namespace'),
    ${rights('nspacl', 'nspowner')}) as line
  from pg_namespace where nspname = 'private'
  union all
  select format('%s %s of %s%s%s%s%s',
    case relkind when 'r' then 'table' when 'v' then 'view' when 'S' then 'sequence' when 'c' then 'type'
      else relkind::text end,
    oid::regclass, pg_get_userbyid(relowner),
    case when relrowsecurity then ', row-level security' end, case when relforcerowsecurity then ' forced' end,
    ' with (' || array_to_string(array(select unnest(reloptions) order by 1), ', ') || ')',
    ${rights('relacl', 'relowner')}
    || coalesce(': ' || obj_description(oid, 'pg_class'), '')
    || case relkind when 'v' then E'\\n' || pg_get_viewdef(oid) else '' end)
  from pg_class where relnamespace in ${OURS} and relkind in ('r', 'p', 'v', 'm', 'S', 'c', 'f')
  union all
  select format('sequence %s: %s', seqrelid::regclass,
    row(seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle))
  from pg_sequence as s join pg_class as c on c.oid = s.seqrelid where c.relnamespace in ${OURS}
  union all
  select format('column %s %s.%s: %s%s%s%s%s', a.attnum, a.attrelid::regclass, a.attname,
    format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' end,
    ' default ' || pg_get_expr(d.adbin, d.adrelid),
    case when a.attidentity <> '' then ' identity ' || a.attidentity::text else '' end || case when a.attgenerated <> '' then ' generated' end,
    case when a.attcollation not in (0, t.typcollation) then ' collate ' || a.attcollation::regcollation::text else '' end
    || ${rights('a.attacl', 'c.relowner')})
  from pg_attribute as a
  join pg_class as c on c.oid = a.attrelid
  join pg_type as t on t.oid = a.atttypid
  left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relnamespace in ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f') and a.attnum > 0 and not a.attisdropped
  union all
  select format('constraint %s of %s: %s', conname, coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text),
    pg_get_constraintdef(oid))
  from pg_constraint where connamespace in ${OURS} and contype <> 'n'
  union all
  select 'index ' || pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' INVALID' end
  from pg_index as i join pg_class as c on c.oid = i.indexrelid where c.relnamespace in ${OURS}
  union all
  select format('function %s of %s%s%s %s', p.oid::regprocedure, pg_get_userbyid(p.proowner), ${rights('p.proacl', 'p.proowner')},
    coalesce(': ' || obj_description(p.oid, 'pg_proc'), ''), pg_get_functiondef(p.oid))
  from pg_proc as p where p.pronamespace in ${OURS} and p.prokind in ('f', 'p')
    and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
  union all
  select format('trigger %s of %s, %s: %s', tgname, tgrelid::regclass, tgenabled, pg_get_triggerdef(t.oid))
  from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid where not tgisinternal and p.pronamespace in ${OURS}
  union all
  select format('policy %s of %s.%s: %s', policyname, schemaname, tablename, row(permissive, roles, cmd, qual, with_check))
  from pg_policies where schemaname in ('public', 'private', 'storage')
  union all
  select format('enum %s: %s', enumtypid::regtype, string_agg(enumlabel, ', ' order by enumsortorder))
  from pg_enum as e join pg_type as t on t.oid = e.enumtypid where t.typnamespace in ${OURS} group by enumtypid
  union all
  select format('published: %s.%s in %s', schemaname, tablename, pubname) from pg_publication_tables
  where schemaname in ('public', 'private')
  union all
  select format('bucket %s: %s', b.id, row(b.public, b.file_size_limit, b.allowed_mime_types)) from storage.buckets as b`;
