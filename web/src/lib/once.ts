import { ApiError } from 'picture-queue';
import { keep, recall } from './storage.ts';

/** For so long what is asked for again is the same gesture: a double click, a bouncing key. Milliseconds. */
const GESTURE_MS = 700;
/** For so long a start without an answer is not made anew when it is asked for again. Milliseconds. */
const LOST_MS = 15 * 60_000;
const MOST = 20;
const NAME = 'starts';

/** What was asked for, its key, and when. */
type Start = [asked: string, key: string, at: number];

const lost = () => recall<Start[]>(NAME, []).filter(([, , at]) => Date.now() - at < LOST_MS);

/** The key of a start: the same one until its outcome is known, in every tab and after a reload. */
function keyOf(asked: string): string {
  const starts = lost();
  const before = starts.find((start) => start[0] === asked);
  if (before) return before[1];
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  keep(NAME, [[asked, key, Date.now()] satisfies Start, ...starts].slice(0, MOST));
  return key;
}

function forget(asked: string): void {
  keep(
    NAME,
    lost().filter((start) => start[0] !== asked),
  );
}

/** Whether the server has decided. Any other failure leaves open whether something was started. */
const isRefusal = (error: unknown) => error instanceof ApiError && error.status < 500;

/**
 * Has one gesture start one thing. What is asked for while the same is under way, or at once after it, is not
 * asked for once more; where no answer came, the next attempt has the same idempotency key.
 *
 * @param start sends it, under the key
 * @returns the same for `params`, asked for by `control`: the same thing from another place is another gesture
 */
export function once<P>(start: (params: P, idempotencyKey: string) => Promise<void>) {
  const running = new Map<string, Promise<void>>();
  return (params: P, control = ''): Promise<void> => {
    const asked = control + JSON.stringify(params);
    const before = running.get(asked);
    if (before) return before;
    const begin = Date.now();
    const over = () => running.delete(asked);
    const work = start(params, keyOf(asked)).then(
      () => {
        forget(asked);
        setTimeout(over, begin + GESTURE_MS - Date.now());
      },
      (error: unknown) => {
        if (isRefusal(error)) forget(asked);
        over();
        throw error;
      },
    );
    running.set(asked, work);
    return work;
  };
}

/** Forgets it all: it is not for the user who signs in next. */
export const forgetStarts = () => keep(NAME, []);
