'use client';
/**
 * The original's hooks for React Native, and all of `picture-queue/compat`. One name differs, as it did there:
 * `getGenerationStatus` gives the row.
 */
import { NotFoundError } from '../../errors.ts';
import { either } from '../configure.ts';
import { readGeneration } from '../generations.ts';
import type { GenerationUpdate } from '../rows.ts';
import type { GenerationStatus } from './generation-store.ts';

export * from '../index.ts';
export type { GenerationState, GenerationStatus } from './generation-store.ts';
export type { HistoryGeneration, HistoryState } from './history-store.ts';
export {
  type GenerationHistory,
  type ImageGeneration,
  useGenerationHistory,
  useImageGeneration,
} from './hooks.ts';

/** What came of a generation. */
export interface GenerationResult {
  generationId: string;
  jobId: string;
  imageUrl: string | null;
  status: GenerationStatus;
}

/**
 * The row of a generation.
 *
 * @throws NotFoundError where there is none
 */
export const getGenerationStatus = /* @__PURE__ */ either(
  async (supabase, generationId: string): Promise<GenerationUpdate> => {
    const update = await readGeneration(supabase, generationId);
    if (update) return update;
    throw new NotFoundError('There is no such generation.', { status: 404, code: 'not_found' });
  },
);
