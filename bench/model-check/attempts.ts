import type { Args } from './calls.ts';
import { noteEnd } from './predictions.ts';
import { carriesGeneration, type Family, hasEnded, type ModelGeneration, type ModelJob } from './state.ts';

/** How jobs are found, and how a run and its generation end. */

/** A row of job_queue in an answer. */
// biome-ignore lint/suspicious/noExplicitAny: as PostgREST writes it
export type Row = Record<string, any>;

export const time = (text: unknown): number | null =>
  text === null || text === undefined ? null : Date.parse(String(text));

export const find = (family: Family, id: unknown): ModelJob | undefined =>
  family.jobs.find((job) => job.id === id && !job.gone);
export const leasedJob = (family: Family, { p_job_id, p_lease }: Args): ModelJob | undefined => {
  const job = find(family, p_job_id);
  return job?.status === 'processing' && job.lease === Number(p_lease) ? job : undefined;
};
export const living = (family: Family): ModelGeneration | null =>
  family.generation && !family.generation.gone ? family.generation : null;

export function end(job: ModelJob, status: ModelJob['status']): void {
  job.status = status;
  job.leaseEnds = null;
}

export function endGeneration(
  family: Family,
  job: ModelJob,
  status: 'failed' | 'cancelled',
  code: string | null,
): void {
  const generation = living(family);
  if (!generation || !job.ofGeneration || !carriesGeneration(job.type) || hasEnded(generation)) return;
  generation.status = status;
  generation.code = code;
  if (status === 'cancelled') generation.reserved = 0;
}

interface Failure {
  details: Args;
  retryIn: number | null;
  now: number;
}

/** An attempt that ended in an error. */
export function endAttempt(family: Family, job: ModelJob, { details, retryIn, now }: Failure): string {
  if (job.type === 'generate-image' && job.prediction !== null)
    noteEnd(family, job.prediction, 'unknown', null);
  const code = (details.code as string | undefined) ?? null;
  const once = details.retry === 'once';
  const again =
    retryIn !== null && job.attempts + 1 < job.most && !(once && job.errors.some((error) => error.once));
  job.errors.push({ code, prediction: job.prediction, once });
  job.leaseEnds = null;
  if (code !== 'model_unavailable' || again) job.attempts += 1;
  if (again) {
    job.status = 'pending';
    job.due = now + retryIn * 1000;
    job.prediction = null;
    job.unknown = false;
    job.rescued = false;
    const generation = living(family);
    if (generation && job.ofGeneration && job.type === 'generate-image' && !hasEnded(generation)) {
      generation.status = 'pending';
      generation.retries += 1;
      generation.prediction = null;
    }
    return 'retrying';
  }
  job.status = 'failed';
  endGeneration(family, job, code === 'cancelled' ? 'cancelled' : 'failed', code ?? 'failed');
  return 'failed';
}

export function reopen(family: Family, status: 'pending' | 'downloading' | 'processing'): void {
  const generation = living(family);
  if (generation?.status !== 'failed') return;
  generation.status = status;
  generation.code = null;
  generation.counts = true;
}

/** Answers with the outcome and, where one is handed on, the job. */
export interface Answer {
  outcome: string;
  job?: ModelJob;
}
