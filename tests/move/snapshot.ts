import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type postgres from 'postgres';

const SCHEMAS = [
  'public',
  'auth',
  'storage',
  'supabase_migrations',
  'original',
  'private',
  'picture_queue_move',
  'cron',
];

/** A database, as texts: its catalog, and each row. Two that are equal are the same to everybody who uses them. */
export async function snapshot(sql: postgres.Sql): Promise<Record<string, string[]>> {
  return sql.begin(async (inner) => {
    // The names in definitions are whole then.
    await inner`set local search_path = ''`;
    const list = async (query: string) =>
      (await inner.unsafe(query)).map((row) => Object.values(row).join(' | ')).sort();
    const where = `nspname in (${SCHEMAS.map((name) => `'${name}'`).join(', ')})`;
    const tables = await inner<{ name: string }[]>`select c.oid::regclass::text as name from pg_class as c
      join pg_namespace as s on s.oid = c.relnamespace
      where c.relkind in ('r', 'm') and s.nspname = any(${SCHEMAS}) and s.nspname <> 'cron' order by 1`;
    const rows: Record<string, string[]> = {};
    for (const { name } of tables) rows[`rows of ${name}`] = await list(`select t::text from ${name} as t`);
    const sequences = (await list('select schemaname, sequencename, last_value from pg_sequences')).filter(
      (line) => SCHEMAS.includes(line.split(' | ')[0] ?? '') && !line.startsWith('cron | '),
    );
    return {
      sequences,
      schemas: await list(`select nspname, nspowner::regrole, nspacl, obj_description(oid, 'pg_namespace')
        from pg_namespace where nspname !~ '^pg_'`),
      relations:
        await list(`select c.oid, nspname, relname, relkind, relowner::regrole, relacl, relrowsecurity,
        relforcerowsecurity, reloptions, relreplident, relpersistence, obj_description(c.oid, 'pg_class')
        from pg_class as c join pg_namespace as s on s.oid = relnamespace where ${where}`),
      columns:
        await list(`select nspname, relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attacl,
        pg_get_expr(adbin, adrelid), attidentity, attgenerated from pg_attribute as a join pg_class as c on c.oid = attrelid
        join pg_namespace as s on s.oid = relnamespace left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attnum > 0 and not attisdropped and relkind in ('r', 'v', 'm') and ${where}`),
      constraints:
        await list(`select nspname, conrelid::regclass, conname, pg_get_constraintdef(c.oid), convalidated,
        obj_description(c.oid, 'pg_constraint') from pg_constraint as c join pg_namespace as s on s.oid = connamespace
        where ${where}`),
      indexes: await list(`select pg_get_indexdef(indexrelid), indisvalid, indisunique from pg_index
        join pg_class as c on c.oid = indexrelid join pg_namespace as s on s.oid = relnamespace where ${where}`),
      views: await list(`select c.oid::regclass, pg_get_viewdef(c.oid) from pg_class as c
        join pg_namespace as s on s.oid = relnamespace where relkind in ('v', 'm') and ${where}`),
      functions:
        await list(`select pg_get_functiondef(p.oid), proowner::regrole, proacl, obj_description(p.oid, 'pg_proc')
        from pg_proc as p join pg_namespace as s on s.oid = pronamespace where prokind in ('f', 'p') and ${where}`),
      types:
        await list(`select nspname, typname, typtype from pg_type join pg_namespace as s on s.oid = typnamespace
        where ${where}`),
      triggers: await list(`select pg_get_triggerdef(t.oid), tgenabled from pg_trigger as t
        join pg_class as c on c.oid = tgrelid join pg_namespace as s on s.oid = relnamespace
        where not tgisinternal and ${where}`),
      policies:
        await list(`select p.oid, polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[],
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) from pg_policy as p`),
      publications: await list(`select pubname, prrelid::regclass from pg_publication
        left join pg_publication_rel on prpubid = pg_publication.oid`),
      privileges:
        await list(`select defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl
        from pg_default_acl`),
      ...rows,
    };
  }) as Promise<Record<string, string[]>>;
}

const pgDump = process.env.POSTGRES_BIN && path.join(process.env.POSTGRES_BIN, 'pg_dump');

/** Whether the PostgreSQL of the tests has pg_dump: Debian's does, npm's does not. */
export const canDump = Boolean(pgDump && existsSync(pgDump));

/** What pg_dump writes. @throws where `canDump` is false */
export async function dump(superuserUrl: string): Promise<string> {
  const { stdout } = await promisify(execFile)(pgDump ?? '', ['--dbname', superuserUrl, '--inserts'], {
    maxBuffer: 1 << 28,
  });
  // Rows have no order. A random word of each run stands against scripts in names.
  const lines = stdout.split('\n').filter((line) => !/^\\(un)?restrict /.test(line));
  const rows = lines.filter((line) => line.startsWith('INSERT INTO ')).sort();
  return [...lines.filter((line) => !line.startsWith('INSERT INTO ')), ...rows].join('\n');
}
