import { ConflictError, NotFoundError } from '../errors.ts';
import { either } from './configure.ts';
import { uncaught } from './follow.ts';
import { followRow } from './follow-row.ts';
import { type PollOptions, poll } from './poll.ts';
import type { AnyJobType, FailedJob, JobQueueRow, JobStatus, Json } from './rows.ts';
import { query, type SupabaseLike } from './supabase.ts';

/** Every function takes the supabase-js client first, or does without after `configure`. */

export interface EnqueueJobParams {
  /** A signed-in user may enqueue `generate-image`; the service anything. */
  jobType: AnyJobType;
  payload: Json;
  /** Higher goes first; default 0. */
  priority?: number | undefined;
  /** Default: now. */
  scheduledAt?: Date | string | undefined;
  /** Default 3. */
  maxAttempts?: number | undefined;
}

export type JobUpdateCallback = (job: JobQueueRow) => void;

/** Puts a job into the queue and gives its id. */
export const enqueueJob = /* @__PURE__ */ either(
  (supabase, { jobType, payload, priority, scheduledAt, maxAttempts }: EnqueueJobParams): Promise<string> =>
    query(
      supabase.rpc('enqueue_job', {
        p_job_type: jobType,
        p_payload: payload,
        ...(priority === undefined ? {} : { p_priority: priority }),
        ...(scheduledAt === undefined ? {} : { p_scheduled_at: new Date(scheduledAt).toISOString() }),
        ...(maxAttempts === undefined ? {} : { p_max_attempts: maxAttempts }),
      }),
    ),
);

/** A job of one's own; null where there is none with this id. */
export const getJob = /* @__PURE__ */ either(readJob);

function readJob(supabase: SupabaseLike, jobId: string): Promise<JobQueueRow | null> {
  return query(supabase.from('job_queue').select('*').eq('id', jobId).maybeSingle());
}

export interface UserJobsOptions {
  status?: JobStatus | undefined;
  /** Default: all of them, or 10 behind an `offset`. */
  limit?: number | undefined;
  offset?: number | undefined;
}

/** The user's own jobs, the newest first. */
export const getUserJobs = /* @__PURE__ */ either(
  (supabase, { status, limit, offset }: UserJobsOptions = {}): Promise<JobQueueRow[]> => {
    const all = supabase.from('job_queue').select('*').order('created_at', { ascending: false });
    const wanted = status === undefined ? all : all.eq('status', status);
    if (offset) return query(wanted.range(offset, offset + (limit || 10) - 1));
    return query(limit ? wanted.limit(limit) : wanted);
  },
);

/**
 * Ends the generation that a job works for. A prediction that runs already is stopped at the provider
 * with the next run of process-jobs, within a minute. The service ends a job that works for none, while it waits.
 *
 * @throws ConflictError where it has ended already, or a job without a generation has begun
 */
export const cancelJob = /* @__PURE__ */ either(async (supabase, jobId: string): Promise<void> => {
  const job = await readJob(supabase, jobId);
  if (!job) throw new NotFoundError('There is no such job to cancel.', { status: 404, code: 'not_found' });
  if (job.generation_id) {
    await query(supabase.rpc('cancel_generation', { p_generation_id: job.generation_id }));
    return;
  }
  const waiting = supabase.from('job_queue').update({ status: 'cancelled' });
  const ended = await query<unknown[]>(waiting.eq('id', jobId).eq('status', 'pending').select('id'));
  if (ended.length === 0) {
    throw new ConflictError('It no longer waits.', { status: 409, code: 'conflict' });
  }
});

export interface JobStats {
  total: number;
  pending: number;
  processing: number;
  completed: number;
  failed: number;
  /** Of completed jobs; 0 without any. */
  avgDurationSeconds: number;
}

interface HealthRow {
  status: JobStatus;
  count: number;
  avg_duration_seconds: number | null;
}

/** What waits and runs, and what has ended in the last 24 hours: one's own, or the service's everybody's. */
export const getQueueStats = /* @__PURE__ */ either(
  async (supabase, jobType?: AnyJobType): Promise<JobStats> => {
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
      avgDurationSeconds: jobs === 0 ? 0 : seconds / jobs,
    };
  },
);

/** Jobs that failed in the last 24 hours, the newest first; all of them without a `limit`. */
export const getRecentFailedJobs = /* @__PURE__ */ either(
  (supabase, limit?: number): Promise<FailedJob[]> => {
    const all = supabase.from('failed_jobs_recent').select('*').order('completed_at', { ascending: false });
    return query(limit ? all.limit(limit) : all);
  },
);

/** Polls until the job has ended, whichever way; rejects after `maxAttempts` polls, by default 60. */
export const pollJobUntilComplete = /* @__PURE__ */ either(
  (supabase, jobId: string, options: PollOptions<JobQueueRow> = {}): Promise<JobQueueRow> =>
    poll(`job ${jobId}`, () => readJob(supabase, jobId), hasEnded, {
      ...options,
      onUpdate: onlyNew(options.onUpdate ?? (() => {})),
    }),
);

/** Follows a job until it has ended: by Realtime where it is set up for `job_queue`, else by polling. */
export const subscribeToJob = /* @__PURE__ */ either(
  (supabase, jobId: string, callback: JobUpdateCallback): (() => void) => {
    const fresh = onlyNew(uncaught(callback));
    return followRow(supabase, {
      table: 'job_queue',
      id: jobId,
      read: () => readJob(supabase, jobId),
      onRow: (job) => {
        fresh(job);
        return hasEnded(job);
      },
      onLost: (error_message, last) => {
        if (last) fresh({ ...last, status: 'failed', error_message });
      },
    });
  },
);

export const hasEnded = ({ status }: JobQueueRow) => status !== 'pending' && status !== 'processing';

/** A job that is tried again is pending again. */
export const versionOf = ({ updated_at, status, attempts }: JobQueueRow) =>
  `${updated_at} ${status} ${attempts}`;

/** Passes on each version of a job once. */
function onlyNew(callback: JobUpdateCallback): JobUpdateCallback {
  const shown = new Map<string, string>();
  return (job) => {
    const version = versionOf(job);
    if (shown.get(job.id) === version) return;
    shown.set(job.id, version);
    callback(job);
  };
}
