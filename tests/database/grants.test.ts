import fs from 'node:fs/promises';
import type postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { Database } from './support.ts';

// Older hosted projects grant every new table, function and sequence of `public` to the three API roles, newer ones
// to nobody. No right of ours may depend on either.

const db = await Database.open();
Database.beforeMigrations = await fs.readFile(
  new URL('../../dev/stack/supabase/automatic-grants.sql', import.meta.url),
  'utf8',
);
const older = await Database.open();

const SCHEMAS = "in ('public'::regnamespace, 'private'::regnamespace)";
const ROLES = "unnest('{anon,authenticated,service_role}'::text[]) as role";

/** One line for each role, object and privilege: what is true in one regime and not in the other is told. */
const RIGHTS: Record<string, string> = {
  tables: `select role || ' may ' || lower(privilege) || ' ' || c.oid::regclass as right
    from pg_class as c, ${ROLES},
      unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) as privilege
    where c.relnamespace ${SCHEMAS} and c.relkind in ('r', 'v') and has_table_privilege(role, c.oid, privilege)`,
  columns: `select role || ' may ' || lower(privilege) || ' ' || c.oid::regclass || '.' || a.attname as right
    from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped, ${ROLES},
      unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) as privilege
    where c.relnamespace ${SCHEMAS} and c.relkind in ('r', 'v')
      and has_column_privilege(role, c.oid, a.attnum, privilege)`,
  sequences: `select role || ' may ' || lower(privilege) || ' ' || c.oid::regclass as right
    from pg_class as c, ${ROLES}, unnest('{USAGE,SELECT,UPDATE}'::text[]) as privilege
    where c.relnamespace ${SCHEMAS} and c.relkind = 'S' and has_sequence_privilege(role, c.oid, privilege)`,
  functions: `select role || ' may call ' || p.oid::regprocedure as right from pg_proc as p, ${ROLES}
    where p.pronamespace ${SCHEMAS} and has_function_privilege(role, p.oid, 'execute')`,
  schemas: `select role || ' may ' || lower(privilege) || ' ' || n.oid::regnamespace as right
    from pg_namespace as n, ${ROLES}, unnest('{USAGE,CREATE}'::text[]) as privilege
    where n.oid ${SCHEMAS} and has_schema_privilege(role, n.oid, privilege)`,
};

describe.each(Object.entries(RIGHTS))('rights on %s', (kind, query) => {
  const rights = async (sql: postgres.Sql) =>
    (await sql.unsafe<{ right: string }[]>(`${query} order by 1`)).map((row) => row.right);

  test('are the same in older and newer projects', async () => {
    const [newer, before] = [await rights(db.sql), await rights(older.sql)];
    if (kind !== 'sequences') expect(newer.length).toBeGreaterThan(0);
    expect(before).toEqual(newer);
  });
});
