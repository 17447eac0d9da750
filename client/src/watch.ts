import { hasEnded, type Progress } from './progress.ts';
import type { Emit, Followed } from './transport.ts';
import type { Generation } from './types.ts';

/** What is known of the generations that a caller follows. */
export interface Watch {
  /** Those that have not ended, as far as is known. */
  readonly open: ReadonlySet<string>;
  /**
   * Takes what a message or a poll tells of one generation, and emits it.
   *
   * @param generation the whole of it, if a poll read it; absent for a message
   * @param isFirst the first poll read it
   * @returns whether it is new
   */
  apply(update: Progress, generation?: Generation, isFirst?: boolean): boolean;
  /**
   * Whether a poll must follow: a message named a completed generation without the URL of its image, or
   * messages have told all ends and the caller wants the whole generations.
   */
  needsPoll(): boolean;
}

/** Sorts out which updates to emit, for what is followed. */
export function watch({ ids, whole }: Followed, emit: Emit): Watch {
  const open = new Set(ids);
  const seen = new Map<string, string>();
  /** Those whose end came in a message. */
  const ended = new Set<string>();
  /** Completed ones whose image is not known yet: emitted once a poll has read them. */
  const bare = new Set<string>();
  return {
    open,
    needsPoll: () => bare.size > 0 || (!!ids && [...open].every((id) => ended.has(id))),
    apply(update, generation, isFirst) {
      const { generationId: id, status } = update;
      if (ids && !open.has(id)) return false;
      if (!generation && status === 'completed' && !update.imageUrl) {
        open.add(id);
        bare.add(id);
        return true;
      }
      const now = `${status} ${update.progress}`;
      const before = seen.get(id);
      seen.set(id, now);
      if (!hasEnded(status)) open.add(id);
      else {
        bare.delete(id);
        if (whole && !generation) ended.add(id);
        // Of all the user's generations: what had ended before anybody listened, or was emitted, is not new.
        else if (!open.delete(id) && (isFirst || before === now)) return false;
      }
      emit(update, generation);
      return before !== now;
    },
  };
}
