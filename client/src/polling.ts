import { ApiError } from './errors.ts';
import { isPassing } from './http.ts';
import type { SignalLike } from './platform.ts';
import { hasEnded } from './progress.ts';
import type { Followed, Transport } from './transport.ts';
import type { Generation } from './types.ts';
import { wait } from './wait.ts';

export interface PollingOptions {
  /** Milliseconds between two looks at first, and after each change; default 500. */
  minMs?: number;
  /** The longest pause between two looks; default 5,000. */
  maxMs?: number;
  /** How long the server may be out of reach before that is an error, in milliseconds; default 300,000. */
  patienceMs?: number;
}

const GROWTH = 1.4;

/** Also a defect of the server's: the picture is being made all the same. */
const mayHeal = (error: unknown) => isPassing(error) || (error instanceof ApiError && error.status === 500);

/**
 * Asks again and again, at growing intervals. An outage is sat out; a page that becomes visible again is
 * brought up to date at once.
 *
 * @param read how these generations stand; with one request, however many they are
 */
export function polling(
  read: (followed: Followed, signal?: SignalLike) => Promise<Generation[]>,
  { minMs = 500, maxMs = 5_000, patienceMs = 300_000 }: PollingOptions = {},
): Transport {
  return {
    async follow(followed, onState, signal) {
      const open = new Map<string, string>(followed.ids.map((id) => [id, '']));
      let interval = minMs;
      let heardAt = Date.now();
      while (open.size > 0) {
        let pause = 0;
        try {
          const states = await read(followed, signal);
          heardAt = Date.now();
          interval = Math.min(maxMs, interval * GROWTH);
          for (const state of states) {
            const before = open.get(state.id);
            if (before === undefined) continue;
            const now = `${state.status} ${state.progress}`;
            if (now !== before) interval = minMs;
            if (hasEnded(state.status)) open.delete(state.id);
            else open.set(state.id, now);
            onState(state);
          }
        } catch (error) {
          if (!mayHeal(error) || Date.now() - heardAt > patienceMs) throw error;
          interval = maxMs;
          pause = error instanceof ApiError ? (error.retryAfter ?? 0) * 1_000 : 0;
        }
        // A little apart from others who started at the same moment.
        if (open.size > 0) await wait(Math.max(pause, interval * (0.8 + Math.random() * 0.4)), signal, true);
      }
    },
  };
}
