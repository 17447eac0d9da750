import { NotFoundError, TimeoutError } from '../errors.ts';
import { wait } from '../wait.ts';

export interface PollOptions<T> {
  /** Looks until it is given up; default 60. */
  maxAttempts?: number;
  /** Milliseconds between two looks; default 2,000. */
  intervalMs?: number;
  onUpdate?: (now: T) => void;
}

/** Looks at fixed intervals until something has ended. */
export async function poll<T>(
  what: string,
  look: () => Promise<T | null | undefined>,
  hasEnded: (now: T) => boolean,
  { maxAttempts = 60, intervalMs = 2_000, onUpdate }: PollOptions<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const now = await look();
    if (!now) throw new NotFoundError(`There is no ${what}.`, { status: 404, code: 'not_found' });
    onUpdate?.(now);
    if (hasEnded(now)) return now;
    if (attempt >= maxAttempts) throw new TimeoutError(`The ${what} had not ended after ${attempt} looks.`);
    await wait(intervalMs);
  }
}
