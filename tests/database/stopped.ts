import type postgres from 'postgres';
import { expect } from 'vitest';
import type { Database } from './support.ts';

/**
 * Makes the calls one after the other while a transaction holds a lock, each as soon as those before wait for a lock or
 * have ended. Then all must come to their end.
 *
 * @param lock what that transaction does first
 */
export async function stopped(
  db: Database,
  lock: (sql: postgres.TransactionSql) => Promise<unknown>,
  calls: (() => Promise<unknown>)[],
): Promise<void> {
  const made: Promise<unknown>[] = [];
  let running = 0;
  await db.sql.begin(async (sql) => {
    await lock(sql);
    for (const call of calls) {
      running += 1;
      const ended = call().finally(() => {
        running -= 1;
      });
      ended.catch(() => {}); // judged below
      made.push(ended);
      for (let blocked = -1; blocked < running; ) {
        const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        blocked = row?.n ?? 0;
      }
    }
    expect(running, 'at least one call was stopped half-way').toBeGreaterThan(0);
  });
  const refused = (await Promise.allSettled(made)).flatMap((answer) =>
    answer.status === 'rejected' ? [`${answer.reason.code} ${answer.reason.message}`] : [],
  );
  expect(refused, '40P01 is a deadlock').toEqual([]);
}
