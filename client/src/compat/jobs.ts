import { NotFoundError } from '../errors.ts';
import { follow } from './follow.ts';
import { type PollOptions, poll } from './poll.ts';
import type { FailedJob, Job, JobStatus } from './rows.ts';
import { query, type SupabaseLike } from './supabase.ts';

export interface EnqueueOptions {
  /** A signed-in user may enqueue `generate-image`; the service anything. */
  jobType: string;
  payload: Record<string, unknown>;
  /** Higher goes first; default 0. */
  priority?: number;
  scheduledAt?: Date | string;
  /** Default 3. */
  maxAttempts?: number;
}

/** Puts a job into the queue and gives its id. */
export function enqueueJob(
  supabase: SupabaseLike,
  { jobType, payload, priority, scheduledAt, maxAttempts }: EnqueueOptions,
): Promise<string> {
  return query<string>(
    supabase.rpc('enqueue_job', {
      p_job_type: jobType,
      p_payload: payload,
      ...(priority === undefined ? {} : { p_priority: priority }),
      ...(scheduledAt === undefined ? {} : { p_scheduled_at: new Date(scheduledAt).toISOString() }),
      ...(maxAttempts === undefined ? {} : { p_max_attempts: maxAttempts }),
    }),
  );
}

/** A job of one's own; null where there is none with this id. */
export function getJob(supabase: SupabaseLike, jobId: string): Promise<Job | null> {
  return query(supabase.from('job_queue').select('*').eq('id', jobId).maybeSingle());
}

export interface UserJobsOptions {
  status?: JobStatus;
  /** Default 20. */
  limit?: number;
  offset?: number;
}

/** The user's own jobs, the newest first. */
export function getUserJobs(
  supabase: SupabaseLike,
  { status, limit = 20, offset = 0 }: UserJobsOptions = {},
): Promise<Job[]> {
  const all = supabase.from('job_queue').select('*');
  const wanted = status === undefined ? all : all.eq('status', status);
  return query(wanted.order('created_at', { ascending: false }).range(offset, offset + limit - 1));
}

/**
 * Ends the generation that a job works for. A prediction that runs already is stopped at the provider
 * with the next run of process-jobs, within a minute.
 *
 * @throws ConflictError where it has ended already
 */
export async function cancelJob(supabase: SupabaseLike, jobId: string): Promise<void> {
  const job = await getJob(supabase, jobId);
  if (!job?.generation_id) {
    throw new NotFoundError('There is no such job to cancel.', { status: 404, code: 'not_found' });
  }
  await query(supabase.rpc('cancel_generation', { p_generation_id: job.generation_id }));
}

export interface QueueStats {
  total: number;
  pending: number;
  processing: number;
  completed: number;
  failed: number;
  /** Of completed jobs; null without any. */
  avgDurationSeconds: number | null;
}

interface HealthRow {
  status: JobStatus;
  count: number;
  avg_duration_seconds: number | null;
}

/** What waits and runs, and what has ended in the last 24 hours: one's own, or the service's everybody's. */
export async function getQueueStats(supabase: SupabaseLike, jobType?: string): Promise<QueueStats> {
  const all = supabase.from('queue_health').select('status,count,avg_duration_seconds');
  const rows = await query<HealthRow[]>(jobType === undefined ? all : all.eq('job_type', jobType));
  const count = (status?: JobStatus) =>
    rows.reduce((sum, row) => sum + (status === undefined || row.status === status ? row.count : 0), 0);
  const timed = rows.filter((row) => row.status === 'completed' && row.avg_duration_seconds !== null);
  const seconds = timed.reduce((sum, row) => sum + row.count * (row.avg_duration_seconds ?? 0), 0);
  const jobs = timed.reduce((sum, row) => sum + row.count, 0);
  return {
    total: count(),
    pending: count('pending'),
    processing: count('processing'),
    completed: count('completed'),
    failed: count('failed'),
    avgDurationSeconds: jobs === 0 ? null : seconds / jobs,
  };
}

/** Jobs that failed in the last 24 hours, the newest first. */
export function getRecentFailedJobs(supabase: SupabaseLike, limit = 20): Promise<FailedJob[]> {
  return query(
    supabase.from('failed_jobs_recent').select('*').order('completed_at', { ascending: false }).limit(limit),
  );
}

/** Looks until the job has ended, whichever way; rejects after `maxAttempts` looks. */
export function pollJobUntilComplete(
  supabase: SupabaseLike,
  jobId: string,
  options: PollOptions<Job> = {},
): Promise<Job> {
  return poll(`job ${jobId}`, () => getJob(supabase, jobId), hasEnded, {
    ...options,
    onUpdate: onlyNew(options.onUpdate ?? (() => {})),
  });
}

/** Follows a job until it has ended: by Realtime where it is set up for `job_queue`, else by looking. */
export function subscribeToJob(
  supabase: SupabaseLike,
  jobId: string,
  callback: (job: Job) => void,
): () => void {
  const fresh = onlyNew(callback);
  return follow(supabase, {
    table: 'job_queue',
    filter: `id=eq.${jobId}`,
    event: '*',
    look: () => getJob(supabase, jobId),
    tell: (job) => {
      if (!job) return false;
      fresh(job);
      return hasEnded(job);
    },
  });
}

/** How many of the newest jobs are followed. */
const FOLLOWED = 50;

/** Follows a user's jobs, those to come as well, until it is unsubscribed from. */
export function subscribeToUserJobs(
  supabase: SupabaseLike,
  userId: string,
  callback: (job: Job) => void,
): () => void {
  const fresh = onlyNew(callback);
  const newest = () =>
    supabase
      .from('job_queue')
      .select('*')
      .eq('created_by', userId)
      .order('created_at', { ascending: false })
      .limit(FOLLOWED);
  return follow(supabase, {
    table: 'job_queue',
    filter: `created_by=eq.${userId}`,
    event: '*',
    look: () => query<Job[]>(newest()),
    tell: (jobs) => {
      for (const job of jobs.reverse()) fresh(job);
      return false;
    },
  });
}

const hasEnded = ({ status }: Job) => status !== 'pending' && status !== 'processing';

/** Passes on each version of a job once; a job that is tried again is pending again. */
function onlyNew(callback: (job: Job) => void): (job: Job) => void {
  const shown = new Map<string, string>();
  return (job) => {
    const version = `${job.updated_at} ${job.status} ${job.attempts}`;
    if (shown.get(job.id) === version) return;
    shown.set(job.id, version);
    callback(job);
  };
}
