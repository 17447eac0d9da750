import { setTimeout as sleep } from 'node:timers/promises';
import type { TestStack } from '../../tests/e2e/support/stack.ts';

const TICK_MS = 250;
/** The cron trigger of process-jobs, in milliseconds of the queue's clock. */
const CRON_MS = 60_000;

/** The longest lease of a run, in seconds: bringing an image into the store. */
const LONGEST_LEASE_S = 120;

export interface Clock {
  /** Scheduled events that process-jobs answered. */
  readonly sweeps: number;
  /** Shortens the leases of workers that died just now; to be called before others run. */
  afterKill(): Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * Lets the queue's waits run out `speed` times as fast, by moving lease_expires_at back, and sends the
 * cron's event so much more often. Shortened is what nobody works on: the wait for a prediction, or for
 * the news whether there is one, and the leases of dead workers. Whoever works keeps the whole lease.
 */
export function startClock(stack: TestStack, speed: number): Clock {
  const stopped = new AbortController();
  const { signal } = stopped;
  let sweeps = 0;
  const leases = async () => {
    for (let last = performance.now(); !signal.aborted; await pause(TICK_MS, signal)) {
      const now = performance.now();
      const seconds = ((now - last) / 1000) * (speed - 1);
      last = now;
      // A row that somebody writes keeps its time for this tick, so that nobody waits for us.
      const moved = stack.sql`
        update public.job_queue set lease_expires_at = lease_expires_at - make_interval(secs => ${seconds})
        where id = any(array(
          select id from public.job_queue
          where status = 'processing' and (prediction_id is not null or outcome_unknown)
          for update skip locked
        ))`;
      // While Postgres is restarted the clock stands.
      await moved.catch((error: { code?: string }) => {
        if (!/^(57P0|08|CONNECTION_|ECONN)/.test(error.code ?? '')) throw error;
      });
    }
  };
  const cron = async () => {
    for (;;) {
      await pause(CRON_MS / speed, signal);
      if (signal.aborted) return;
      // A killed worker misses its event, as in production.
      const answered = stack.sweep().then(
        () => true,
        () => false,
      );
      if (await answered) sweeps += 1;
    }
  };
  const loops = Promise.all([leases(), cron()]);
  loops.catch(() => {}); // told by stop()
  return {
    get sweeps() {
      return sweeps;
    },
    // What is shortened already has less than that left.
    afterKill: () => stack.sql`
      update public.job_queue set lease_expires_at = now() + (lease_expires_at - now()) / ${speed}::float8
      where status = 'processing' and prediction_id is null and not outcome_unknown
        and lease_expires_at > now() + make_interval(secs => ${LONGEST_LEASE_S / speed}::float8)`,
    stop: async () => {
      stopped.abort();
      await loops;
    },
  };
}

/** Ends early, and without an error, when the signal comes. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
