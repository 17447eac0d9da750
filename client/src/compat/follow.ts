import { platform } from '../platform.ts';
import { wait } from '../wait.ts';
import type { SupabaseLike } from './supabase.ts';

/** `for now`: a retry may take it up again, which only a message tells. */
export type HasEnded = boolean | 'for now';

export interface FollowOptions<T> {
  table: string;
  /** Which rows, as Realtime writes it: `id=eq.…`; without it all that the user may read. */
  filter?: string;
  event: 'UPDATE' | '*';
  read: () => Promise<T>;
  /** Gets what each poll has read. */
  emit: (seen: T) => HasEnded;
  /** Milliseconds between two polls while the channel is silent; default 1,500. */
  quickMs?: number;
}

/** Milliseconds between two polls once the channel has delivered: messages can be lost. */
const SLOW_MS = 15_000;

/** The longest that a timer waits. */
const LONGEST_MS = 2 ** 31 - 1;

let channels = 0;

/** What an app's callback throws is uncaught, as in an event's listener: the following goes on. */
export function uncaught<T>(callback: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      callback(value);
    } catch (error) {
      platform.setTimeout(() => {
        throw error;
      }, 0);
    }
  };
}

/**
 * Follows rows by Realtime, and by polling.
 *
 * A poll follows each message, so updates come from one place and in order. Until the first message has come
 * it polls at short intervals: the project may have no Realtime, the channel may be refused, or the table may
 * not be in the publication, which Realtime does not report. It repeats a poll that fails.
 *
 * @returns the function that stops it
 */
export function follow<T>(supabase: SupabaseLike, options: FollowOptions<T>): () => void {
  const stopped = new platform.AbortController();
  const { quickMs = 1_500 } = options;
  let interval = quickMs;
  let isJoined = false;
  let poke = new platform.AbortController();
  const channel = open();
  run();
  return stop;

  function open() {
    const { table, filter, event } = options;
    const changes = { event, schema: 'public', table, ...(filter === undefined ? {} : { filter }) };
    channels += 1;
    try {
      return supabase
        .channel(`picture-queue:${table}:${channels}`)
        .on('postgres_changes', changes, () => {
          interval = SLOW_MS;
          poke.abort();
        })
        .subscribe((status: string) => {
          // A poll sees what happened before the channel was up.
          isJoined = status === 'SUBSCRIBED';
          if (isJoined) poke.abort();
          else interval = quickMs;
        });
    } catch {
      // Node before 22 has no WebSocket.
      return undefined;
    }
  }

  async function run() {
    while (!stopped.signal.aborted) {
      poke = new platform.AbortController();
      const seen = await options.read().then(
        (value) => ({ value }),
        () => undefined,
      );
      if (stopped.signal.aborted) return;
      const ended = seen && options.emit(seen.value);
      if (isJoined ? ended === true : ended) return stop();
      await wait(ended ? LONGEST_MS : interval, poke.signal, true).catch(() => {});
    }
  }

  function stop() {
    if (stopped.signal.aborted) return;
    stopped.abort();
    poke.abort();
    if (channel) supabase.removeChannel(channel);
  }
}
