import { onReturn, platform, type SignalLike } from './platform.ts';

/** What a call rejects with once its signal has been aborted: the signal's reason, as `fetch` does it. */
export function abortReason(signal: SignalLike): unknown {
  if (signal.reason !== undefined) return signal.reason;
  // React Native's signals carry no reason.
  const error = new Error('The operation was aborted.');
  error.name = 'AbortError';
  return error;
}

/** Throws once the signal has been aborted. */
export function throwIfAborted(signal?: SignalLike): void {
  if (signal?.aborted) throw abortReason(signal);
}

/**
 * Calls back with the reason when the signal is aborted, at once if it is already. Returns the function that stops it.
 */
export function onAbort(signal: SignalLike | undefined, callback: (reason: unknown) => void): () => void {
  const listener = () => callback(abortReason(signal as SignalLike));
  if (signal?.aborted) listener();
  else signal?.addEventListener('abort', listener);
  return () => signal?.removeEventListener('abort', listener);
}

/**
 * Waits; rejects as soon as the signal is aborted.
 *
 * @param ms milliseconds
 * @param untilReturn end the wait early when the page becomes visible or the device online again: browsers
 *   hold back timers of a hidden page, and a user who returns wants to see the present state
 */
export async function wait(ms: number, signal?: SignalLike, untilReturn = false): Promise<void> {
  let timer: unknown;
  let stop = () => {};
  const over = new Promise<void>((resolve) => {
    timer = platform.setTimeout(resolve, ms);
    if (untilReturn) stop = onReturn(resolve);
  });
  await unlessAborted(over, signal).finally(() => {
    platform.clearTimeout(timer);
    stop();
  });
}

/** The promise; rejects as soon as the signal is aborted, whatever becomes of it. */
export function unlessAborted<T>(promise: Promise<T>, signal?: SignalLike): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = onAbort(signal, reject);
  });
  return Promise.race([promise, aborted]).finally(stop);
}

/** Milliseconds, 24 days: a timer that shall wait longer does not wait at all. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Does some work, which ends with the signal, or after a time: whatever the work makes of the signal that it is
 * handed. That one is aborted when it has ended.
 *
 * @param ms milliseconds; undefined: no limit
 * @param late gives the error when they are over; none: it goes on
 */
export async function withTimeLimit<T>(
  ms: number | undefined,
  late: () => unknown,
  signal: SignalLike | undefined,
  work: (signal: SignalLike) => Promise<T>,
): Promise<T> {
  const controller = new platform.AbortController();
  let reason: unknown;
  const cut = (why: unknown) => {
    reason = why;
    controller.abort();
  };
  const over = () => {
    const why = late();
    if (why) cut(why);
  };
  const timer = ms === undefined ? undefined : platform.setTimeout(over, Math.min(ms, LONGEST_MS));
  const stop = onAbort(signal, cut);
  try {
    return await unlessAborted(work(controller.signal), controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? reason : error;
  } finally {
    platform.clearTimeout(timer);
    stop();
    controller.abort();
  }
}

/**
 * Exponential backoff with full jitter
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), in milliseconds.
 */
export function backoff(attempt: number, baseMs = 500, capMs = 8_000): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** attempt);
}
