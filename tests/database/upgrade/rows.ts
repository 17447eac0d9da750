import type postgres from 'postgres';

type Row = Record<string, unknown>;

/** Every row of every table of ours. */
export type Rows = Map<string, Row[]>;

export async function readRows(sql: postgres.Sql): Promise<Rows> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', relnamespace::regnamespace, relname) as name from pg_class where relkind in ('r', 'p')
      and relnamespace in ('public'::regnamespace, 'private'::regnamespace) order by 1`;
  const rows: Rows = new Map();
  for (const { name } of tables) {
    rows.set(
      name,
      (await sql.unsafe(`select to_jsonb(t) as row from ${name} as t`)).map(({ row }) => row),
    );
  }
  return rows;
}

/** A sentence for each table, column and value that was there before and is not now. */
export function losses(before: Rows, after: Rows): string[] {
  return [...before].flatMap(([table, old]) => {
    const now = after.get(table);
    if (!now) return `${table} is gone.`;
    const columns = Object.keys(old[0] ?? {});
    const kept = columns.filter((column) => now.length === 0 || column in (now[0] ?? {}));
    const gone = columns.filter((column) => !kept.includes(column));
    const [was, is] = [listOf(old, kept), listOf(now, kept)];
    const counts = new Map<string, number>();
    for (const row of is) counts.set(row, (counts.get(row) ?? 0) + 1);
    const missing = was.filter((row) => {
      const count = counts.get(row) ?? 0;
      counts.set(row, count - 1);
      return count < 1;
    });
    return [
      ...gone.map((column) => `${table}.${column} is gone.`),
      ...(missing.length > 0
        ? [`${table}: ${missing.length} of ${old.length} rows are gone or changed.`]
        : []),
    ];
  });
}

const listOf = (rows: Row[], columns: string[]) =>
  rows.map((row) => JSON.stringify(columns.map((column) => row[column])));
