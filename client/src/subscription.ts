import { asyncIterator, platform, type SignalLike } from './platform.ts';
import { onlyForward, type Progress } from './progress.ts';
import type { Followed, Transport } from './transport.ts';
import { onAbort } from './wait.ts';

export interface SubscribeOptions {
  /** The subscription has ended with this error. Without it the error is reported as uncaught. */
  onError?: (error: unknown) => void;
  /** Ends the subscription, as calling it does. */
  signal?: SignalLike | undefined;
}

/** Call it to unsubscribe, or read it with `for await`. */
export type Subscription = (() => void) & AsyncIterable<Progress>;

/** Follows generations until they have ended. */
export function subscription(
  transport: Transport,
  followed: Followed,
  onUpdate?: (update: Progress) => void,
  { onError, signal }: SubscribeOptions = {},
): Subscription {
  const controller = new platform.AbortController();
  const follow = (forward: (update: Progress) => void, own: SignalLike) => {
    const emit = onlyForward(forward);
    return transport.follow(followed, (update) => own.aborted || emit(update), own);
  };
  const off = onAbort(signal, () => controller.abort());
  if (onUpdate) {
    follow(onUpdate, controller.signal)
      .finally(off)
      .catch((error: unknown) => {
        if (controller.signal.aborted) return;
        if (onError) return onError(error);
        platform.setTimeout(() => {
          throw error;
        }, 0);
      });
  }
  const unsubscribe = () => {
    off();
    controller.abort();
  };
  return Object.assign(unsubscribe, {
    [asyncIterator]: () => iterate(follow, controller.signal),
  });
}

/** Updates as they come; it keeps those that the reader has not taken yet. */
async function* iterate(
  follow: (forward: (update: Progress) => void, own: SignalLike) => Promise<void>,
  parent: SignalLike,
): AsyncGenerator<Progress, void> {
  const own = new platform.AbortController();
  const off = onAbort(parent, () => own.abort());
  const waiting: Progress[] = [];
  let hasEnded = false;
  let wake = () => {};
  const ended = follow((update) => {
    waiting.push(update);
    wake();
  }, own.signal).finally(() => {
    hasEnded = true;
    wake();
  });
  // Unsubscribed: that is an end, and no error. An error is the reader's.
  ended.catch(() => {});
  try {
    for (;;) {
      while (waiting.length > 0) yield waiting.shift() as Progress;
      if (hasEnded) return own.signal.aborted ? undefined : await ended;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    off();
    own.abort();
  }
}
