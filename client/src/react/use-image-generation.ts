import type { Client, Generated, StartOptions } from '../client.ts';
import type { GenerateParams } from '../types.ts';
import { type GenerationState, type GenerationStore, generationStore } from './generation-store.ts';
import { usePictureQueue } from './provider.ts';
import { useStore } from './store.ts';

export type { GenerationState, RunStatus } from './generation-store.ts';

export interface ImageGenerationOptions {
  /** Instead of the provider's. */
  client?: Client | undefined;
}

export interface ImageGeneration extends GenerationState {
  /**
   * Starts a generation, or a batch, and follows it; one that is going on is no longer followed.
   *
   * @returns what came of it; undefined where `error` says why there is nothing, and when it was
   *   cancelled or replaced, or the component has gone. It never rejects
   */
  generate(params: GenerateParams, options?: Omit<StartOptions, 'signal'>): Promise<Generated | undefined>;
  /** Ends what is going on, also on the server. */
  cancel(): Promise<void>;
  /** Back to `idle`. What is going on is no longer followed; on the server it goes on. */
  reset(): void;
}

/**
 * Makes images and shows their state. When the component goes away, generations go on on the server.
 */
export function useImageGeneration({ client }: ImageGenerationOptions = {}): ImageGeneration {
  const used = usePictureQueue(client);
  const [state, { generate, cancel, reset }] = useStore<GenerationState, GenerationStore>(
    () => generationStore(used),
    used,
  );
  return { ...state, generate, cancel, reset };
}
