import { useNow } from '../../../src/lib/now.ts';

/** How far the database's clock is ahead of this one, by the latest overview. Milliseconds. */
let ahead = 0;

export function setClock(at: string): void {
  ahead = Date.parse(at) - Date.now();
}

/** The time by the database's clock, counted on each second: ages and countdowns are by its times. */
export const useClock = (): number => useNow(1_000) + ahead;

/** Once: for an address or a question. */
export const databaseNow = (): number => Date.now() + ahead;
