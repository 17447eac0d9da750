import { follow } from './follow.ts';
import type { SupabaseLike } from './supabase.ts';

export interface FollowRowOptions<T> {
  table: string;
  id: string;
  /** What the row is, for a sentence. */
  what: string;
  read: () => Promise<T | null | undefined>;
  /** Gets what each poll has read. True: it has ended. */
  onRow: (row: T) => boolean;
  /** Why no poll can tell its end, and what the last one read. */
  onLost: (why: string, last: T | undefined) => void;
}

/** How long the original's apps wait for an end. */
const GIVE_UP_MS = 600_000;

/** Follows one row until it has ended, is deleted, or could not be read for ten minutes. */
export function followRow<T>(supabase: SupabaseLike, options: FollowRowOptions<T>): () => void {
  const { table, id, what, read, onRow, onLost } = options;
  let last: T | undefined;
  let failingSince: number | undefined;
  return follow(supabase, {
    table,
    filter: `id=eq.${id}`,
    event: 'UPDATE',
    read: async () => {
      try {
        return (await read()) ?? null;
      } catch {
        return undefined;
      }
    },
    emit: (row) => {
      if (row) {
        last = row;
        failingSince = undefined;
        return onRow(row);
      }
      const isGone = row === null && last;
      failingSince ??= Date.now();
      if (!isGone && Date.now() - failingSince < GIVE_UP_MS) return false;
      onLost(`The ${what} ${isGone ? 'is not there any more' : 'could not be read for ten minutes'}.`, last);
      return true;
    },
  });
}
