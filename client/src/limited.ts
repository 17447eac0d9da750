import { TimeoutError } from './errors.ts';
import type { SignalLike } from './platform.ts';
import { withTimeLimit } from './wait.ts';

/**
 * Does what waits for something, until its time is over or the signal ends it.
 *
 * @param what it waits for, and
 * @param url where: for the error
 * @throws TimeoutError after `ms` milliseconds
 */
export function limited<T>(
  what: 'answer' | 'image',
  url: string,
  ms: number | undefined,
  signal: SignalLike | undefined,
  work: (signal: SignalLike) => Promise<T>,
): Promise<T> {
  return withTimeLimit(ms, () => new TimeoutError(`No ${what} within ${ms} ms.`, { url }), signal, work);
}
