import { ApiError } from './errors.ts';
import { isTransient } from './http.ts';
import type { Live } from './live/live.ts';
import { onReturn, platform, type SignalLike } from './platform.ts';
import { toProgress } from './progress.ts';
import type { Emit, Followed, Transport } from './transport.ts';
import type { Generation } from './types.ts';
import { onAbort, throwIfAborted, wait } from './wait.ts';
import { watch } from './watch.ts';

export interface PollingOptions {
  /** Milliseconds between two polls at first, and after each change; default 500. */
  minMs?: number;
  /** The longest pause between two polls, in milliseconds; default 5,000. */
  maxMs?: number;
  /** How long polls may fail before the client reports the error, in milliseconds; default 300,000. */
  giveUpAfterMs?: number;
}

/** Reads these generations, a batch with one request; without ids the newest ones. */
export type Read = (ids?: readonly string[], batchId?: string, signal?: SignalLike) => Promise<Generation[]>;

const GROWTH = 1.4;
/** Milliseconds between two polls of what the live connection covers: messages can be lost. */
const SAFETY_MS = 30_000;
/** The same while no generation is open. */
const IDLE_MS = 300_000;

/** A defect of the server's is retryable too: the generation goes on all the same. */
const isRetryable = (error: unknown) =>
  isTransient(error) || (error instanceof ApiError && error.status === 500);

/** A factor that keeps clients apart that started at the same moment. */
const jitter = () => 0.8 + Math.random() * 0.4;

/**
 * Polls at growing intervals, and rarely what the live connection covers. It goes on through an outage, and
 * polls at once when a page becomes visible again.
 */
export function polling(
  read: Read,
  { minMs = 500, maxMs = 5_000, giveUpAfterMs = 300_000 }: PollingOptions = {},
  live?: Live,
): Transport {
  const pollers = new Set<() => void>();

  async function follow(followed: Followed, emit: Emit, signal?: SignalLike): Promise<void> {
    const { ids, batchId, isNew } = followed;
    const { open, apply, needsPoll } = watch(followed, emit);
    let isFirst = true;
    let interval = minMs;
    let factor = jitter();
    let polledAt = isNew ? Date.now() : 0;
    let failingSince: number | undefined;
    let broken: { error: unknown } | undefined;
    let notBefore = 0;
    let pause = new platform.AbortController();

    const pollSoon = () => {
      interval = 0;
      pause.abort();
    };
    const isCovered = () => live?.isUp() && !needsPoll() && (!ids || [...open].every((id) => live.last(id)));
    const dueAt = () => {
      const gap = isCovered() ? (open.size > 0 ? SAFETY_MS : IDLE_MS) : interval;
      return Math.max(notBefore, polledAt + gap * factor);
    };

    async function poll() {
      try {
        const states = await read(ids && [...open], batchId, signal);
        if (!ids) {
          const older = [...open].filter((id) => !states.some((state) => state.id === id));
          states.push(...(await read(older, undefined, signal)));
        }
        failingSince = undefined;
        interval = Math.min(maxMs, Math.max(minMs, interval * GROWTH));
        for (const state of states) if (apply(toProgress(state), state, isFirst)) interval = minMs;
        isFirst = false;
      } catch (error) {
        throwIfAborted(signal);
        const now = Date.now();
        // Counted from the first failure: a device that has slept has got no message for long.
        failingSince ??= now;
        if (!isRetryable(error) || now - failingSince > giveUpAfterMs) throw error;
        interval = maxMs;
        notBefore = now + ((error as Partial<ApiError>).retryAfter ?? 0) * 1_000;
      }
      polledAt = Date.now();
      factor = jitter();
    }

    const stops = [
      onAbort(signal, () => pause.abort()),
      onReturn(() => {
        polledAt = 0;
        pause.abort();
      }),
    ];
    if (live) {
      const onMessage = (update: Parameters<Emit>[0]) => {
        failingSince = undefined;
        try {
          apply(update);
        } catch (error) {
          // The caller's own error: it ends this subscription, not the connection that others share.
          broken = { error };
        }
        if (needsPoll()) interval = 0;
        pause.abort();
      };
      const onChange = () => {
        // After a connection has opened, poll what it has not covered; after a loss, not all clients at once.
        interval = live.isUp() ? 0 : minMs;
        if (!live.isUp()) polledAt = Math.max(polledAt, Date.now());
        pause.abort();
      };
      stops.push(live.listen({ onMessage, onChange }));
      for (const update of (ids ?? []).flatMap((id) => live.last(id) ?? [])) onMessage(update);
    }
    pollers.add(pollSoon);
    try {
      while (!ids || open.size > 0) {
        throwIfAborted(signal);
        if (broken) throw broken.error;
        const due = dueAt() - Date.now();
        if (due <= 0) await poll();
        else {
          pause = new platform.AbortController();
          await wait(due, pause.signal).catch(() => {});
        }
      }
    } finally {
      pollers.delete(pollSoon);
      for (const stop of stops) stop();
    }
  }

  return {
    follow,
    pollNow() {
      for (const pollSoon of pollers) pollSoon();
    },
  };
}
