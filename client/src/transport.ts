import type { SignalLike } from './platform.ts';
import type { Generation } from './types.ts';

/** The generations to follow: one, or those of a batch. */
export interface Followed {
  ids: readonly string[];
  batchId?: string | undefined;
}

/** A way in which the client learns how generations stand. */
export interface Transport {
  /**
   * Tells each state that it learns of, repeated and late ones too: whoever listens sorts them out.
   *
   * @returns when all of them have ended, and their last states have been told
   * @throws what does not heal by itself, and the signal's reason
   */
  follow(followed: Followed, onState: (generation: Generation) => void, signal?: SignalLike): Promise<void>;
}
