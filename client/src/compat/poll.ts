import { NotFoundError, TimeoutError } from '../errors.ts';
import { wait } from '../wait.ts';

export interface PollOptions<T> {
  /** Polls until the client gives up. */
  maxAttempts?: number | undefined;
  /** Milliseconds between two polls; default 2,000. */
  intervalMs?: number | undefined;
  onUpdate?: ((now: T) => void) | undefined;
}

/** Polls at fixed intervals until something has ended. */
export async function poll<T>(
  what: string,
  read: () => Promise<T | null | undefined>,
  hasEnded: (now: T) => boolean,
  { maxAttempts = 60, intervalMs = 2_000, onUpdate }: PollOptions<T> = {},
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const now = await read();
    if (!now) throw new NotFoundError(`There is no ${what}.`, { status: 404, code: 'not_found' });
    onUpdate?.(now);
    if (hasEnded(now)) return now;
    if (attempt >= maxAttempts) throw new TimeoutError(`The ${what} had not ended after ${attempt} polls.`);
    await wait(intervalMs);
  }
}
