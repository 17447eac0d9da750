/**
 * The original's client functions, on a supabase-js client: an app that uses them changes its imports and
 * calls `configure` once. Its hooks are in `picture-queue/compat/react`.
 */

export type { StartBody as GenerateParams } from '../types.ts';
export { configure, type Either } from './configure.ts';
export {
  cancelGeneration,
  type GenerateImageJobParams,
  generateImageAsync,
  generateImageWithUpdates,
  getGenerationImage,
  pollGenerationUntilComplete,
  type StartedIds,
  type StartParams,
  startImageGeneration,
  subscribeToGeneration,
} from './generations.ts';
export {
  cancelJob,
  type EnqueueJobParams,
  enqueueJob,
  getJob,
  getQueueStats,
  getRecentFailedJobs,
  getUserJobs,
  type JobStats,
  type JobUpdateCallback,
  pollJobUntilComplete,
  subscribeToJob,
  type UserJobsOptions,
} from './jobs.ts';
export type { PollOptions } from './poll.ts';
export {
  checkCanGenerate,
  type GenerationCallback,
  type GenerationProgress,
  generateWithRealtime,
  getGenerationStatus,
  subscribeToGenerationUpdates,
} from './progress.ts';
export type {
  AnyJobType,
  FailedJob,
  GenerationRow,
  GenerationUpdate,
  ImageRow,
  JobQueueRow,
  JobStatus,
  JobType,
} from './rows.ts';
export type { SupabaseLike } from './supabase.ts';
export { subscribeToUserJobs } from './user-jobs.ts';
