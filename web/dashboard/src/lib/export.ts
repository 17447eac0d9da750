import { type Call, isFinal } from '../api/call.ts';
import type { AnalyticsArgs, AnalyticsRow, Day, Dimension } from '../api/contract.ts';

/** A file has at most so many rows: spreadsheets open about a million. */
export const MOST_ROWS = 500_000;
/** A page that is not answered is asked for again, so often. */
const TRIES = 4;

export interface Progress {
  rows: number;
  /** Up to this day it has all. */
  day: Day;
}

/** What a dimension's values are called in a row. */
export const fieldOf = (name: Dimension) => (name === 'user' ? 'user_id' : name);

/**
 * All rows of a time, page by page, however many calls that takes; what two pages have of the same is added up.
 *
 * @throws where it is cancelled, refused, more than MOST_ROWS, or not answered in four tries
 */
export async function exportRows(
  call: Call,
  args: AnalyticsArgs,
  by: readonly Dimension[],
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
  wait: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<AnalyticsRow[]> {
  const rows = new Map<string, AnalyticsRow>();
  const page = async (cursor: string | undefined) => {
    for (let tries = 1; ; tries += 1)
      try {
        return await call('admin_export', cursor ? { ...args, p_cursor: cursor } : args, signal);
      } catch (error) {
        if (signal.aborted || isFinal(error) || tries === TRIES) throw error;
        await wait(500 * 2 ** tries);
      }
  };
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const answer = await page(cursor);
    signal.throwIfAborted();
    for (const row of answer.rows) {
      const key = by.map((name) => row[fieldOf(name)] ?? '').join('\n');
      const before = rows.get(key);
      if (before) {
        before.generations += row.generations;
        before.seconds += row.seconds;
        before.cost_usd += row.cost_usd;
      } else rows.set(key, row);
    }
    if (rows.size > MOST_ROWS)
      throw new Error(
        'These are more than 500,000 rows, which is the most a file has: choose fewer days, or tell less apart.',
      );
    onProgress({ rows: rows.size, day: answer.day });
    cursor = answer.next_cursor;
  }
  return [...rows.values()];
}
