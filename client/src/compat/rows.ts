import type { Status } from '../types.ts';

export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** A row of `job_queue`, as its owner sees it. */
export interface Job {
  id: string;
  job_type: string;
  payload: Record<string, unknown>;
  status: JobStatus;
  attempts: number;
  max_attempts: number;
  priority: number;
  scheduled_at: string;
  started_at: string | null;
  completed_at: string | null;
  error_message: string | null;
  error_details: unknown;
  created_by: string | null;
  created_at: string;
  updated_at: string;
  generation_id: string | null;
  prediction_id: string | null;
}

/** A row of the view `failed_jobs_recent`: the last 24 hours. */
export type FailedJob = Pick<
  Job,
  'id' | 'job_type' | 'payload' | 'attempts' | 'error_message' | 'created_at' | 'completed_at'
>;

/** A row of `image_generations`, as far as apps read it. */
export interface GenerationRow {
  id: string;
  user_id: string;
  job_id: string | null;
  batch_id: string | null;
  status: Status | 'pending';
  progress: number;
  prompt: string;
  model: string;
  width: number | null;
  height: number | null;
  error_message: string | null;
  error_code: string | null;
  created_at: string;
  completed_at: string | null;
}

/** What callbacks get: the row, with the members of the original's progress beside it. */
export interface GenerationUpdate extends GenerationRow {
  generationId: string;
  imageUrl?: string;
  error?: string;
}
