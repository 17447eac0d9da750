import type { Status } from '../types.ts';

// biome-ignore-start lint/suspicious/noExplicitAny: the original's types have any there, and apps read on from it.
/** What a job is given, and what went wrong with it, as JSON. */
export type Json = Record<string, any>;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** The types that the original had. */
export type JobType = 'generate-image' | 'download-image' | 'process-webhook' | 'cleanup-storage';

/** Or one of the project's own. */
export type AnyJobType = JobType | (string & {});

/** A row of `job_queue`, as its owner sees it. */
export interface JobQueueRow {
  id: string;
  job_type: JobType;
  payload: Json;
  status: JobStatus;
  attempts: number;
  max_attempts: number;
  priority: number;
  scheduled_at: string;
  started_at: string | null;
  completed_at: string | null;
  error_message: string | null;
  error_details: Json | null;
  created_by: string | null;
  created_at: string;
  updated_at: string;
  generation_id: string | null;
  prediction_id: string | null;
}

/** A row of the view `failed_jobs_recent`: the last 24 hours. */
export type FailedJob = Pick<
  JobQueueRow,
  'id' | 'job_type' | 'payload' | 'attempts' | 'error_message' | 'created_at' | 'completed_at'
>;

/** A row of `image_generations`, as far as apps read it. */
export interface GenerationRow {
  id: string;
  user_id: string;
  job_id: string | null;
  status: Status | 'pending';
  progress: number;
  prompt: string;
  negative_prompt: string | null;
  /** The name at the provider: `owner/name`. */
  model: string | null;
  /** The id of the row in `models`. */
  model_id: string | null;
  style: string | null;
  width: number | null;
  height: number | null;
  steps: number | null;
  guidance_scale: number | null;
  seed: number | null;
  source_image_url: string | null;
  generation_strength: number | null;
  error_message: string | null;
  error_code: string | null;
  generation_time_seconds: number | null;
  replicate_prediction_id: string | null;
  priority: number;
  retry_count: number;
  batch_id: string | null;
  batch_index: number | null;
  multi_group_id: string | null;
  multi_index: number | null;
  created_at: string;
  completed_at: string | null;
}

/** A row of `images`, as far as apps read it. */
export interface ImageRow {
  id: string;
  generation_id: string | null;
  user_id: string;
  filename: string | null;
  storage_path: string;
  public_url: string;
  file_size: number | null;
  width: number | null;
  height: number | null;
  format: string | null;
  prompt: string | null;
  negative_prompt: string | null;
  model: string | null;
  style: string | null;
  source_image_id: string | null;
  generation_strength: number | null;
  blurhash: string | null;
  is_public: boolean;
  is_favorite: boolean;
  rating: number | null;
  download_count: number;
  archived_at: string | null;
  created_at: string;
}

/** What callbacks of `subscribeToGeneration` get: the row, with the members of a progress beside it. */
export interface GenerationUpdate extends GenerationRow {
  generationId: string;
  /** Once it is completed. */
  imageUrl?: string;
  error?: string;
}
