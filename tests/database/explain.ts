import postgres from 'postgres';
import { afterAll, expect } from 'vitest';
import type { Database } from './support.ts';

/** A node of EXPLAIN's JSON, as far as it is looked at. */
export interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Node[];
}

/** A connection that reports the real plans, with counts, of every statement that its statements run. */
export class Watcher {
  readonly sql: postgres.Sql;
  #plans: Node[] = [];

  private constructor(url: string) {
    this.sql = postgres(url, {
      max: 1,
      onnotice: (notice) => {
        const text = notice.message ?? '';
        const start = text.indexOf('{');
        if (start >= 0 && text.includes('plan:'))
          this.#plans.push((JSON.parse(text.slice(start)) as { Plan: Node }).Plan);
      },
    });
  }

  static async open(db: Database): Promise<Watcher> {
    const watcher = new Watcher(db.superuserUrl);
    afterAll(() => watcher.sql.end());
    await watcher.sql.unsafe(`
      load 'auto_explain';
      set auto_explain.log_min_duration = 0;
      set auto_explain.log_analyze = on;
      set auto_explain.log_buffers = on;
      set auto_explain.log_timing = off;
      set auto_explain.log_nested_statements = on;
      set auto_explain.log_format = json;
      set auto_explain.log_level = notice;
      set client_min_messages = notice;
    `);
    return watcher;
  }

  async plansOf(statement: string): Promise<Node[]> {
    this.#plans = [];
    await this.sql.unsafe(statement);
    return this.#plans;
  }
}

export const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
/** Pages looked at, in memory or not, by a statement and what it runs within: the outermost counts them all. */
export const allBlocks = (tops: Node[]) =>
  Math.max(...tops.map((top) => top['Shared Hit Blocks'] + top['Shared Read Blocks']));

/** No node reads job_queue other than by an index, reads much more than it gives, or sorts much. */
export function expectBounded(tops: Node[], rows: number): void {
  expect(tops.length, 'auto_explain reports the nested statements').toBeGreaterThanOrEqual(2);
  for (const node of tops.flatMap(nodes)) {
    const what = JSON.stringify({ ...node, Plans: undefined });
    if (node['Relation Name'] === 'job_queue' && node['Node Type'].includes('Scan'))
      expect(node['Node Type'], what).toMatch(/^(Index|Bitmap|Tid)/);
    expect(node['Actual Rows'] * node['Actual Loops'], what).toBeLessThanOrEqual(rows);
    expect(node['Rows Removed by Filter'] ?? 0, what).toBeLessThanOrEqual(rows);
  }
}

/** Pages that a statement looks at as a role, the functions that it calls included. */
export async function pagesOf(
  db: Database,
  role: 'service_role' | 'authenticated',
  statement: string,
): Promise<number> {
  const [row] = await db.as(role, null, (sql) =>
    sql.unsafe<{ 'QUERY PLAN': { Plan: Node }[] }[]>(`explain (analyze, buffers, format json) ${statement}`),
  );
  const top = row?.['QUERY PLAN'][0]?.Plan;
  if (!top) throw new Error('EXPLAIN gave no plan');
  return allBlocks([top]);
}
