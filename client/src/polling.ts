import { ApiError } from './errors.ts';
import { isPassing } from './http.ts';
import type { SignalLike } from './platform.ts';
import { hasEnded, toProgress } from './progress.ts';
import type { Transport } from './transport.ts';
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

/** Reads how these generations stand, with one request where they are a batch; without ids the newest ones. */
export type Read = (ids?: readonly string[], batchId?: string, signal?: SignalLike) => Promise<Generation[]>;

const GROWTH = 1.4;

/** Also a defect of the server's: the picture is being made all the same. */
const mayHeal = (error: unknown) => isPassing(error) || (error instanceof ApiError && error.status === 500);

/**
 * Asks again and again, at growing intervals. An outage is sat out; a page that becomes visible again is
 * brought up to date at once.
 */
export function polling(
  read: Read,
  { minMs = 500, maxMs = 5_000, patienceMs = 300_000 }: PollingOptions = {},
): Transport {
  return {
    async follow({ ids, batchId, isNew }, tell, signal) {
      const open = new Set(ids);
      const seen = new Map<string, string>();
      let isFirst = true;
      let interval = minMs;
      let heardAt = Date.now();
      /** @returns whether there was news */
      const see = (state: Generation): boolean => {
        if (ids && !open.has(state.id)) return false;
        const now = `${state.status} ${state.progress}`;
        if (now === seen.get(state.id)) return false;
        seen.set(state.id, now);
        if (!hasEnded(state.status)) open.add(state.id);
        // What ended before anybody listened is no news.
        else if (!open.delete(state.id) && isFirst) return false;
        tell(toProgress(state), state);
        return true;
      };
      const look = async () => {
        if (ids) return read([...open], batchId, signal);
        const newest = await read(undefined, undefined, signal);
        const older = [...open].filter((id) => !newest.some((one) => one.id === id));
        return [...newest, ...(await read(older, undefined, signal))];
      };

      if (isNew) await wait(minMs, signal, true);
      while (!ids || open.size > 0) {
        let pause = 0;
        try {
          const states = await look();
          heardAt = Date.now();
          interval = Math.min(maxMs, interval * GROWTH);
          for (const state of states) if (see(state)) interval = minMs;
          isFirst = false;
        } catch (error) {
          if (!mayHeal(error) || Date.now() - heardAt > patienceMs) throw error;
          interval = maxMs;
          pause = error instanceof ApiError ? (error.retryAfter ?? 0) * 1_000 : 0;
        }
        // A little apart from others who started at the same moment.
        if (ids && open.size === 0) return;
        await wait(Math.max(pause, interval * (0.8 + Math.random() * 0.4)), signal, true);
      }
    },
  };
}
