import type { SignalLike } from './platform.ts';
import type { Progress } from './progress.ts';
import type { Generation } from './types.ts';

/** What to follow. */
export interface Followed {
  /** These generations, until all of them have ended; without ids all of the user's, without end. */
  ids?: readonly string[];
  /** Their batch, if they are all of one. */
  batchId?: string | undefined;
  /** They were started a moment ago: there is nothing to learn yet. */
  isNew?: boolean;
  /** The last that is told of each one is to come with the whole generation. */
  whole?: boolean;
}

/** Told how a generation stands; with the whole of it, where that was read. */
export type Tell = (update: Progress, generation?: Generation) => void;

/** A way in which the client learns how generations stand. */
export interface Transport {
  /**
   * Tells each state that it learns of, repeated and late ones too: whoever listens sorts them out.
   *
   * @returns when all of them have ended, and their last states have been told
   * @throws what does not heal by itself, and the signal's reason
   */
  follow(followed: Followed, tell: Tell, signal?: SignalLike): Promise<void>;
  /** Something has just been changed by this client: whoever follows it is to learn of it soon. */
  hasten(): void;
}
