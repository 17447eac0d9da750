'use client';
/** React hooks, for the web and React Native alike. See docs/guides/client.md of the repository. */
export { PictureQueueProvider, type PictureQueueProviderProps, usePictureQueue } from './provider.ts';
export { type Generations, type GenerationsOptions, useGenerations } from './use-generations.ts';
export {
  type GenerationState,
  type ImageGeneration,
  type ImageGenerationOptions,
  type RunStatus,
  useImageGeneration,
} from './use-image-generation.ts';
export {
  type LibraryActions,
  type LibraryOptions,
  type LibraryState,
  type UsedLibrary,
  useLibrary,
} from './use-library.ts';
export { type Models, type ModelsOptions, useModels } from './use-models.ts';
export { type UsageState, type UsedPlan, useUsage } from './use-usage.ts';
