/** A file of one statement that builds or drops an index beside the traffic: Postgres takes it outside of a transaction only. */
const LONE_INDEX = /^(\s|--.*\n)*(create\s+(unique\s+)?|drop\s+)index\s+concurrently\s[^;]*;?\s*$/i;

export const isConcurrent = (sql: string): boolean => LONE_INDEX.test(sql);

/** The same inside a transaction, for tables that nobody uses yet. */
export const withoutConcurrently = (sql: string): string =>
  isConcurrent(sql) ? sql.replace(/\bindex\s+concurrently\b/i, 'index') : sql;
