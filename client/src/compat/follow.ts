import { platform } from '../platform.ts';
import { wait } from '../wait.ts';
import type { SupabaseLike } from './supabase.ts';

export interface FollowOptions<T> {
  table: string;
  /** Which rows, as Realtime writes it: `id=eq.…`. */
  filter: string;
  event: 'UPDATE' | '*';
  look: () => Promise<T>;
  /** Gets what each look saw. True: it has ended. */
  tell: (seen: T) => boolean;
}

/** Milliseconds between two looks while the channel is silent. */
const QUICK_MS = 1_500;
/** The same once the channel has delivered: messages can be lost. */
const SLOW_MS = 15_000;

let channels = 0;

/**
 * Follows rows by Realtime, and by looking.
 *
 * A look follows each message, so that what is told comes from one place and in order. Until the first
 * message has come there are looks at short intervals: the project may have no Realtime, the channel may
 * be refused, or the table may not be in the publication, which nobody is told. A look that fails is
 * made again.
 *
 * @returns the way to stop
 */
export function follow<T>(supabase: SupabaseLike, options: FollowOptions<T>): () => void {
  const stopped = new platform.AbortController();
  let interval = QUICK_MS;
  let poke = new platform.AbortController();
  const channel = open();
  run();
  return stop;

  function open() {
    const { table, filter, event } = options;
    channels += 1;
    try {
      return supabase
        .channel(`picture-queue:${table}:${channels}`)
        .on('postgres_changes', { event, schema: 'public', table, filter }, () => {
          interval = SLOW_MS;
          poke.abort();
        })
        .subscribe((status: string) => {
          // What happened before the channel stood is seen by a look.
          if (status === 'SUBSCRIBED') poke.abort();
          else interval = QUICK_MS;
        });
    } catch {
      // Node before 22 has no WebSocket.
      return undefined;
    }
  }

  async function run() {
    while (!stopped.signal.aborted) {
      poke = new platform.AbortController();
      const seen = await options.look().then(
        (value) => ({ value }),
        () => undefined,
      );
      if (stopped.signal.aborted) return;
      if (seen && options.tell(seen.value)) return stop();
      await wait(interval, poke.signal, true).catch(() => {});
    }
  }

  function stop() {
    if (stopped.signal.aborted) return;
    stopped.abort();
    poke.abort();
    if (channel) supabase.removeChannel(channel);
  }
}
