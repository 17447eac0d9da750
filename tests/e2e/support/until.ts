import { setTimeout as sleep } from 'node:timers/promises';

/** Long, since only a test that fails waits it out; below vitest's own limit, whose message says less. */
const PATIENCE_MS = 30_000;
const INTERVAL_MS = 15;

/**
 * Asks again and again until the answer is there.
 *
 * @param what what is waited for, as the message names it
 * @param ask undefined or false: not yet
 * @param state what to show when it never came
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  state: () => unknown | Promise<unknown> = () => 'nothing more is known',
): Promise<T> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(INTERVAL_MS)) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
  }
  const shown = await state();
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown, null, 1);
  throw new Error(`waited ${PATIENCE_MS / 1000} s for ${what}, and it did not come: ${text}`);
}
