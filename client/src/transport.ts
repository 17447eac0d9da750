import type { SignalLike } from './platform.ts';
import type { Progress } from './progress.ts';
import type { Generation } from './types.ts';

/** What to follow. */
export interface Followed {
  /** These generations, until all of them have ended; without ids all of the user's, without end. */
  ids?: readonly string[];
  /** Their batch, if they are all of one. */
  batchId?: string | undefined;
  /** They were started a moment ago: the first poll can wait. */
  isNew?: boolean;
  /** The last update of each one must come with the whole generation. */
  whole?: boolean;
}

/** Takes an update of a generation; with the whole generation where a poll read it. */
export type Emit = (update: Progress, generation?: Generation) => void;

/** How the client learns the states of generations. */
export interface Transport {
  /**
   * Emits each state that it learns, repeated and late ones too: the listener sorts them out.
   *
   * @returns when all of them have ended, and their last states have been emitted
   * @throws what is not retryable, and the signal's reason
   */
  follow(followed: Followed, emit: Emit, signal?: SignalLike): Promise<void>;
  /** Polls at once: this client has just changed something. */
  pollNow(): void;
}
