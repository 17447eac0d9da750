import { createStore, type Store, toError } from '../../react/store.ts';
import { onAbort } from '../../wait.ts';
import {
  cancelGeneration,
  followGeneration,
  type StartedIds,
  type StartParams,
  start,
} from '../generations.ts';
import { toProgress } from '../progress.ts';
import type { GenerationUpdate } from '../rows.ts';
import type { SupabaseLike } from '../supabase.ts';

/** One that was cancelled elsewhere has `failed`, with the error `Cancelled by user`. */
export type GenerationStatus = 'idle' | 'queued' | 'processing' | 'downloading' | 'completed' | 'failed';

export interface GenerationState {
  status: GenerationStatus;
  /** Percent, as it really is. */
  progress: number;
  imageUrl: string | null;
  error: string | null;
  generationId: string | null;
  jobId: string | null;
}

export interface GenerationStore extends Store<GenerationState> {
  generate(params: StartParams): Promise<void>;
  cancel(): Promise<void>;
  reset(): void;
}

interface Run {
  starting?: Promise<StartedIds>;
  supabase?: SupabaseLike;
  generationId?: string;
  hasEnded?: boolean;
  stop?: () => void;
}

const IDLE: GenerationState = {
  status: 'idle',
  progress: 0,
  imageUrl: null,
  error: null,
  generationId: null,
  jobId: null,
};

/** What the original told where an image is made and has no row. */
const WITHOUT_IMAGE = 'Image generated but failed to retrieve URL';

/** The generation that a component shows. @param clientOf asked at each start */
export function generationStore(clientOf: () => SupabaseLike): GenerationStore {
  let run: Run | undefined;
  const store = createStore(IDLE, () => {
    // Shown again: follow on what was left in the middle.
    if (run) follow(run);
  });

  /** Replaces what went on before, which is no longer followed; on the server it goes on. */
  function replace(state: GenerationState): Run {
    run?.stop?.();
    const mine: Run = {};
    run = mine;
    store.set(state);
    return mine;
  }

  function change(mine: Run, changes: Partial<GenerationState>) {
    if (run === mine) store.set(changes);
  }

  function follow(mine: Run) {
    const { supabase, generationId } = mine;
    const shown = store.signal();
    if (run !== mine || mine.hasEnded || !shown || !supabase || !generationId) return;
    const unfollow = followGeneration(supabase, generationId, (update) => {
      const changes = shownOf(update);
      mine.hasEnded = changes.status === 'completed' || changes.status === 'failed';
      change(mine, changes);
      // A retry makes another run: generate() is called for it.
      if (mine.hasEnded) mine.stop?.();
    });
    const forget = onAbort(shown, unfollow);
    mine.stop = () => {
      forget();
      unfollow();
    };
  }

  return {
    ...store,
    async generate(params) {
      const mine = replace({ ...IDLE, status: 'queued' });
      try {
        mine.supabase = clientOf();
        mine.starting = start(mine.supabase, params);
        const started = await mine.starting;
        mine.generationId = started.generationId;
        change(mine, started);
      } catch (error) {
        mine.hasEnded = true;
        change(mine, { status: 'failed', error: toError(error).message });
        throw error;
      }
      follow(mine);
    },
    async cancel() {
      const mine = run;
      // One that could not be started needs no cancelling; generate() says so.
      const started = await mine?.starting?.catch(() => undefined);
      if (!mine?.supabase || !started || mine.hasEnded) return;
      try {
        await cancelGeneration(mine.supabase, started.generationId);
      } catch (error) {
        // It goes on, and so does what is shown of it.
        return change(mine, { error: toError(error).message });
      }
      if (run === mine) replace(IDLE);
    },
    reset() {
      replace(IDLE);
    },
  };
}

function shownOf(update: GenerationUpdate): Partial<GenerationState> {
  const { status, progress, imageUrl = null, error = null } = toProgress(update);
  if (status === 'completed' && !imageUrl) return { status: 'failed', progress, error: WITHOUT_IMAGE };
  return { status: status === 'pending' ? 'queued' : status, progress, imageUrl, error };
}
