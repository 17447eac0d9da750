import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { warmUp } from './bench.ts';
import { type Claimed, newJobs, type Session } from './queue.ts';

/** What takes jobs out of a queue: clients that claim and complete, or the workers that the queue brings along. */
export interface Consumers {
  /**
   * Takes out and completes `count` jobs; answers them in the order of handing out.
   *
   * @param told hears of jobs that were handed out
   */
  drain(count: number, told?: (jobs: number) => void): Promise<Claimed[]>;
  close(): Promise<void>;
}

/** Without a job for so long, something is lost. */
const STUCK_MS = 120_000;
/** A client that gets nothing asks again after so long. */
const PAUSE_MS = 1;

/** Warm consumers of an empty queue, which is empty again afterwards. */
export async function consumers(bench: Bench, sessions: Session[], size: number): Promise<Consumers> {
  const [first] = sessions;
  if (!first) throw new Error('no session');
  if (bench.queue.runtime) {
    const runtime = await bench.queue.runtime(bench.url, sessions.length, size);
    for (let n = 0; n < 6; n += 1) {
      await Promise.all(sessions.map((session) => session.enqueue(newJobs(size, n))));
      await runtime.drain(size * sessions.length);
    }
    return runtime;
  }
  await Promise.all(sessions.map((session) => warmUp(session, size)));
  await finishRest(first);
  return { drain: (count, told) => drain(bench, sessions, size, count, told), close: async () => {} };
}

async function drain(
  bench: Bench,
  sessions: Session[],
  size: number,
  count: number,
  told?: (jobs: number) => void,
): Promise<Claimed[]> {
  const handedOut: Claimed[] = [];
  let lastAt = performance.now();
  await Promise.all(
    sessions.map(async (session) => {
      // What the others have under way may be all there is, or make more of it ready.
      while (handedOut.length < count) {
        const claimed = await session.claim(size);
        if (claimed.length > 0) {
          handedOut.push(...claimed);
          told?.(claimed.length);
          lastAt = performance.now();
          await session.complete(claimed);
        } else if (performance.now() - lastAt > STUCK_MS) {
          throw new Error(`${bench.queue.name} gave ${handedOut.length} jobs of ${count}`);
        } else {
          await sleep(PAUSE_MS);
        }
      }
    }),
  );
  return handedOut;
}

/** What warming up has left: clients that claim at the same time may miss each other's jobs. */
async function finishRest(session: Session): Promise<void> {
  for (;;) {
    const claimed = await session.claim(100);
    if (claimed.length === 0) return;
    await session.complete(claimed);
  }
}
