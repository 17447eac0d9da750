import { either } from './configure.ts';
import { followGeneration, readGeneration, type StartParams, startAndFollow } from './generations.ts';
import type { GenerationUpdate } from './rows.ts';
import { query } from './supabase.ts';

/** What the original's web client told, in its words. Every function takes the client first, or does without. */

export interface GenerationProgress {
  generationId: string;
  /** One that was cancelled has failed, with the error `Cancelled by user`: the original knew no other word. */
  status: 'queued' | 'pending' | 'processing' | 'downloading' | 'completed' | 'failed';
  /** Percent, as it really is. */
  progress: number;
  /** Once it is completed. */
  imageUrl?: string;
  /** Once it has failed. */
  error?: string;
}

export type GenerationCallback = (progress: GenerationProgress) => void;

/** Follows a generation until it has ended. */
export const subscribeToGenerationUpdates = /* @__PURE__ */ either(
  (supabase, generationId: string, callback: GenerationCallback): (() => void) =>
    followGeneration(supabase, generationId, (update) => callback(toProgress(update))),
);

/** Starts a generation and follows it. */
export const generateWithRealtime = /* @__PURE__ */ either(
  (supabase, params: StartParams, onUpdate: GenerationCallback) =>
    startAndFollow(supabase, params, (update) => onUpdate(toProgress(update))),
);

/** The state of a generation, once; null where there is none. */
export const getGenerationStatus = /* @__PURE__ */ either(
  async (supabase, generationId: string): Promise<GenerationProgress | null> => {
    const update = await readGeneration(supabase, generationId);
    return update ? toProgress(update) : null;
  },
);

/**
 * Whether the project's own function `get_user_limits` lets the user start another one. Where it cannot be
 * asked the answer is yes, as it was: a start is checked against the user's plan in any case.
 */
export const checkCanGenerate = /* @__PURE__ */ either(
  async (supabase, userId: string): Promise<{ canGenerate: boolean; reason?: string }> => {
    const limits = await query<{ can_generate: boolean; limit_reason?: string | null }>(
      supabase.rpc('get_user_limits', { p_user_id: userId }),
    ).catch(() => undefined);
    if (!limits) return { canGenerate: true };
    const { can_generate: canGenerate, limit_reason: reason } = limits;
    return reason ? { canGenerate, reason } : { canGenerate };
  },
);

export const CANCELLED = 'Cancelled by user';

export function toProgress({
  generationId,
  status,
  progress,
  imageUrl,
  error,
}: GenerationUpdate): GenerationProgress {
  return {
    generationId,
    progress,
    ...(status === 'cancelled' ? { status: 'failed', error: CANCELLED } : { status }),
    ...(imageUrl === undefined ? {} : { imageUrl }),
    ...(error === undefined ? {} : { error }),
  };
}
