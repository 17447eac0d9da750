import { follow, type HasEnded } from './follow.ts';
import type { SupabaseLike } from './supabase.ts';

export interface FollowRowOptions<T> {
  table: string;
  id: string;
  read: () => Promise<T | null | undefined>;
  /** Gets what each poll has read. */
  onRow: (row: T) => HasEnded;
  /** Why no poll can tell its end, and what the last one read. */
  onLost: (why: string, last: T | undefined) => void;
}

/** How long the original's apps wait for an end. */
const GIVE_UP_MS = 600_000;

/** Follows one row until it has ended, is deleted, or could not be read for ten minutes. */
export function followRow<T>(supabase: SupabaseLike, options: FollowRowOptions<T>): () => void {
  const { table, id, read, onRow, onLost } = options;
  let last: T | undefined;
  let giveUpAt: number | undefined;
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
        giveUpAt = undefined;
        return onRow(row);
      }
      const isGone = row === null && last;
      giveUpAt ??= Date.now() + GIVE_UP_MS;
      if (!isGone && Date.now() < giveUpAt) return false;
      onLost(isGone ? 'It was deleted.' : 'It could not be read for 10 minutes.', last);
      return true;
    },
  });
}
