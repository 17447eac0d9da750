import { ApiError } from './errors.ts';
import { isPassing } from './http.ts';
import type { Live } from './live/live.ts';
import { onReturn, platform, type SignalLike } from './platform.ts';
import { toProgress } from './progress.ts';
import type { Followed, Tell, Transport } from './transport.ts';
import type { Generation } from './types.ts';
import { onAbort, throwIfAborted, wait } from './wait.ts';
import { watch } from './watch.ts';

export interface PollingOptions {
  /** Milliseconds between two looks at first, and after each change; default 500. */
  minMs?: number;
  /** The longest pause between two looks; default 5,000. */
  maxMs?: number;
  /** How long looks may fail before that is an error, in milliseconds; default 300,000. */
  patienceMs?: number;
}

/** Reads how these generations stand, with one request where they are a batch; without ids the newest ones. */
export type Read = (ids?: readonly string[], batchId?: string, signal?: SignalLike) => Promise<Generation[]>;

const GROWTH = 1.4;
/** Milliseconds between two looks at what the live connection tells of: messages can be lost. */
const SAFETY_MS = 30_000;
/** The same while nothing is under way. */
const IDLE_MS = 300_000;

/** Also a defect of the server's: the picture is being made all the same. */
const mayHeal = (error: unknown) => isPassing(error) || (error instanceof ApiError && error.status === 500);

/** A little apart from others who started at the same moment. */
const spread = () => 0.8 + Math.random() * 0.4;

/**
 * Looks again and again, at growing intervals; at what the live connection tells of now and then only. An
 * outage is sat out; a page that becomes visible again is brought up to date at once.
 */
export function polling(
  read: Read,
  { minMs = 500, maxMs = 5_000, patienceMs = 300_000 }: PollingOptions = {},
  live?: Live,
): Transport {
  const hasteners = new Set<() => void>();

  async function follow(followed: Followed, tell: Tell, signal?: SignalLike): Promise<void> {
    const { ids, batchId, isNew } = followed;
    const { open, hear, wantsLook } = watch(followed, tell);
    let isFirst = true;
    let interval = minMs;
    let factor = spread();
    let lookedAt = isNew ? Date.now() : 0;
    let failingSince: number | undefined;
    let broken: { error: unknown } | undefined;
    let notBefore = 0;
    let pause = new platform.AbortController();

    const lookSoon = () => {
      interval = 0;
      pause.abort();
    };
    const isTold = () => live?.isUp() && !wantsLook() && (!ids || [...open].every((id) => live.last(id)));
    const dueAt = () => {
      const gap = isTold() ? (open.size > 0 ? SAFETY_MS : IDLE_MS) : interval;
      return Math.max(notBefore, lookedAt + gap * factor);
    };

    async function look() {
      try {
        const states = await read(ids && [...open], batchId, signal);
        if (!ids) {
          const older = [...open].filter((id) => !states.some((state) => state.id === id));
          states.push(...(await read(older, undefined, signal)));
        }
        failingSince = undefined;
        interval = Math.min(maxMs, Math.max(minMs, interval * GROWTH));
        for (const state of states) if (hear(toProgress(state), state, isFirst)) interval = minMs;
        isFirst = false;
      } catch (error) {
        throwIfAborted(signal);
        const now = Date.now();
        // From the first failure on: a device that has slept has heard nothing for long.
        failingSince ??= now;
        if (!mayHeal(error) || now - failingSince > patienceMs) throw error;
        interval = maxMs;
        notBefore = now + ((error as Partial<ApiError>).retryAfter ?? 0) * 1_000;
      }
      lookedAt = Date.now();
      factor = spread();
    }

    const stops = [
      onAbort(signal, () => pause.abort()),
      onReturn(() => {
        lookedAt = 0;
        pause.abort();
      }),
    ];
    if (live) {
      const heard = (update: Parameters<Tell>[0]) => {
        failingSince = undefined;
        try {
          hear(update);
        } catch (error) {
          // Of the caller's own making: it ends this following, not the connection that others share.
          broken = { error };
        }
        if (wantsLook()) interval = 0;
        pause.abort();
      };
      const changed = () => {
        // What a new connection has not told of is looked at now; after a loss not all at once.
        interval = live.isUp() ? 0 : minMs;
        if (!live.isUp()) lookedAt = Math.max(lookedAt, Date.now());
        pause.abort();
      };
      stops.push(live.listen({ heard, changed }));
      for (const update of (ids ?? []).flatMap((id) => live.last(id) ?? [])) heard(update);
    }
    hasteners.add(lookSoon);
    try {
      while (!ids || open.size > 0) {
        throwIfAborted(signal);
        if (broken) throw broken.error;
        const due = dueAt() - Date.now();
        if (due <= 0) await look();
        else {
          pause = new platform.AbortController();
          await wait(due, pause.signal).catch(() => {});
        }
      }
    } finally {
      hasteners.delete(lookSoon);
      for (const stop of stops) stop();
    }
  }

  return {
    follow,
    hasten() {
      for (const lookSoon of hasteners) lookSoon();
    },
  };
}
