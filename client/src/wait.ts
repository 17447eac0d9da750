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

/** Calls back when the signal is aborted, at once if it is already. Returns the function that stops it. */
export function onAbort(signal: SignalLike | undefined, callback: () => void): () => void {
  if (!signal) return () => {};
  if (signal.aborted) {
    callback();
    return () => {};
  }
  signal.addEventListener('abort', callback);
  return () => signal.removeEventListener('abort', callback);
}

/**
 * Waits; rejects as soon as the signal is aborted.
 *
 * @param ms milliseconds
 * @param untilReturn end the wait early when the page becomes visible or the device online again: browsers
 *   hold back timers of a hidden page, and a user who returns wants to see the present state
 */
export function wait(ms: number, signal?: SignalLike, untilReturn = false): Promise<void> {
  return new Promise((resolve, reject) => {
    let stops: (() => void)[] = [];
    const end = (settle: () => void) => {
      platform.clearTimeout(timer);
      for (const stop of stops) stop();
      settle();
    };
    const timer = platform.setTimeout(() => end(resolve), ms);
    if (signal?.aborted) return end(() => reject(abortReason(signal)));
    stops = [onAbort(signal, () => end(() => reject(abortReason(signal as SignalLike))))];
    if (untilReturn) stops.push(onReturn(() => end(resolve)));
  });
}

/** The promise; rejects as soon as the signal is aborted, whatever becomes of it. */
export function unlessAborted<T>(promise: Promise<T>, signal: SignalLike): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = onAbort(signal, () => reject(abortReason(signal)));
  });
  return Promise.race([promise, aborted]).finally(stop);
}

/**
 * Exponential backoff with full jitter
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), in milliseconds.
 */
export function backoff(attempt: number, baseMs = 500, capMs = 8_000): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** attempt);
}
