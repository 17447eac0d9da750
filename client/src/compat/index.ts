/** The original's client functions, on a supabase-js client: apps that use them need no change. */

export type { GenerateParams } from '../types.ts';
export {
  generateImageWithUpdates,
  generateWithRealtime,
  pollGenerationUntilComplete,
  startImageGeneration,
  subscribeToGeneration,
} from './generations.ts';
export {
  cancelJob,
  type EnqueueOptions,
  enqueueJob,
  getJob,
  getQueueStats,
  getRecentFailedJobs,
  getUserJobs,
  pollJobUntilComplete,
  type QueueStats,
  subscribeToJob,
  subscribeToUserJobs,
  type UserJobsOptions,
} from './jobs.ts';
export type { PollOptions } from './poll.ts';
export type { FailedJob, GenerationRow, GenerationUpdate, Job, JobStatus } from './rows.ts';
export type { SupabaseLike } from './supabase.ts';
