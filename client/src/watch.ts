import { hasEnded, type Progress } from './progress.ts';
import type { Followed, Tell } from './transport.ts';
import type { Generation } from './types.ts';

/** What is known of the generations that somebody follows. */
export interface Watch {
  /** Those that have not ended, as far as is known. */
  readonly open: ReadonlySet<string>;
  /**
   * @param generation where the state was read, not told by a message
   * @param isFirst it was read by the first look
   * @returns whether that is news
   */
  hear(update: Progress, generation?: Generation, isFirst?: boolean): boolean;
  /**
   * Whether a look must follow: a message has told of a picture without its URL, or messages have told all
   * ends, and the whole generations are wanted.
   */
  wantsLook(): boolean;
}

/** Sorts out what is told on, for what is followed. */
export function watch({ ids, whole }: Followed, tell: Tell): Watch {
  const open = new Set(ids);
  const seen = new Map<string, string>();
  /** Those whose end a message has told. */
  const ended = new Set<string>();
  /** Completed ones whose picture is not known yet: told once they have been read. */
  const bare = new Set<string>();
  return {
    open,
    wantsLook: () => bare.size > 0 || (!!ids && [...open].every((id) => ended.has(id))),
    hear(update, generation, isFirst) {
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
        // Of all the user's generations: what had ended before anybody listened, or has been told, is no news.
        else if (!open.delete(id) && (isFirst || before === now)) return false;
      }
      tell(update, generation);
      return before !== now;
    },
  };
}
