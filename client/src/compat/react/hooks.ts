import { useStore } from '../../react/store.ts';
import { configuredClient } from '../configure.ts';
import type { StartParams } from '../generations.ts';
import type { SupabaseLike } from '../supabase.ts';
import { type GenerationState, type GenerationStore, generationStore } from './generation-store.ts';
import { type HistoryState, type HistoryStore, historyStore } from './history-store.ts';

export interface ImageGeneration extends GenerationState {
  /**
   * Starts a generation and follows it; one that is going on is no longer followed. Resolves when it is started.
   *
   * @throws what kept it from starting, which is in `error` as well
   */
  generate(params: StartParams): Promise<void>;
  /** Back to `idle`. What is going on is no longer followed; on the server it goes on. */
  reset(): void;
  /** Ends what is going on, also on the server, and goes back to `idle`; else `error` says why it goes on. */
  cancel(): Promise<void>;
  isGenerating: boolean;
}

/** Makes images and shows their state, as the original's hook of this name. No provider is needed. */
export function useImageGeneration(supabase?: SupabaseLike): ImageGeneration {
  const [state, { generate, reset, cancel }] = useStore<GenerationState, GenerationStore>(
    () => generationStore(() => supabase ?? configuredClient()),
    supabase,
  );
  const isGenerating = !['idle', 'completed', 'failed'].includes(state.status);
  return { ...state, generate, reset, cancel, isGenerating };
}

export interface GenerationHistory extends HistoryState {
  /** Fetches them again. */
  refresh(): Promise<void>;
}

/** The user's newest generations with their images, live, as the original's hook of this name. */
export function useGenerationHistory(limit?: number): GenerationHistory;
export function useGenerationHistory(supabase: SupabaseLike, limit?: number): GenerationHistory;
export function useGenerationHistory(first?: SupabaseLike | number, second = 20): GenerationHistory {
  const supabase = typeof first === 'object' ? first : undefined;
  const limit = typeof first === 'number' ? first : second;
  const [state, { refresh }] = useStore<HistoryState, HistoryStore>(
    () => historyStore(() => supabase ?? configuredClient(), limit),
    supabase,
    limit,
  );
  return { ...state, refresh };
}
