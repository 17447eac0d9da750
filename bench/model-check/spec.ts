import { type Answer, end, endAttempt, find, leasedJob, living, reopen } from './attempts.ts';
import type { Args } from './calls.ts';
import { noteStopped } from './predictions.ts';
import { carriesGeneration, type Family, isOpen } from './state.ts';
import { bringBack, cancel, deleteUser, finish, record, remove, retry, store } from './steps.ts';

/**
 * What the functions of the queue's contract do to one family, one call at a time. Each takes the family as it is,
 * changes it, and gives the answer that it must get; a call on a job of another family is not its concern.
 */

function snooze(family: Family, args: Args, now: number, unknown: boolean): Answer {
  const job = leasedJob(family, args);
  if (!job) return { outcome: 'stale' };
  const until = now + Number(args.p_seconds) * 1000;
  if (job.type === 'generate-image' && job.prediction === null) job.timed = true;
  job.unknown = unknown;
  if (job.prediction !== null || unknown) job.leaseEnds = until;
  else {
    end(job, 'pending');
    job.due = until;
  }
  return { outcome: 'snoozed' };
}

function requeue(family: Family, args: Args, now: number): Answer {
  const job = find(family, args.p_job_id);
  if (job?.status !== 'failed') return { outcome: job ? 'not_failed' : 'unknown' };
  const generation = job.ofGeneration && carriesGeneration(job.type) ? living(family) : null;
  if (generation && generation.status !== 'failed') return { outcome: 'not_failed' };
  bringBack(job, now);
  if (job.ofGeneration && carriesGeneration(job.type)) {
    reopen(family, job.type === 'download-image' ? 'downloading' : 'pending');
  }
  return { outcome: 'requeued' };
}

export function apply(family: Family, name: string, args: Args, now: number): Answer {
  switch (name) {
    case 'record_prediction':
      return record(family, args, now);
    case 'finish_prediction':
      return finish(family, args, now);
    case 'finish_download':
      return store(family, args);
    case 'cancel_generation':
      return cancel(family, now);
    case 'requeue_job':
      return requeue(family, args, now);
    case 'snooze_job':
      return snooze(family, args, now, args.p_outcome_unknown === true);
    case 'pause_provider':
      return snooze(family, args, now, args.p_reason === 'outage');
    case 'delete_generation':
      return remove(family, now);
    case 'try again':
      return retry(family, args, now);
    case 'delete user':
      return deleteUser(family, now);
    default:
  }
  const job = name === 'complete_job by id' ? find(family, args.p_job_id) : leasedJob(family, args);
  switch (name) {
    case 'complete_job':
      if (!job) return { outcome: 'stale' };
      end(job, 'completed');
      if (job.type === 'cancel-prediction')
        noteStopped(family, job, (args.p_result as Args | undefined)?.predictions);
      return { outcome: 'completed' };
    case 'complete_jobs':
      if (job) end(job, 'completed');
      return { outcome: job ? 'completed' : 'stale' };
    case 'complete_job by id': {
      if (!job) return { outcome: 'PT404' };
      if (!isOpen(job)) return { outcome: 'done' };
      if (args.p_error_message === undefined) end(job, 'completed');
      // At the earliest: when it is due is a matter of chance.
      else endAttempt(family, job, { details: {}, retryIn: 0, now });
      return { outcome: 'done' };
    }
    case 'fail_job': {
      if (!job) return { outcome: 'stale' };
      const retryIn = (args.p_retry_in_seconds as number | null | undefined) ?? null;
      return {
        outcome: endAttempt(family, job, { details: (args.p_error_details ?? {}) as Args, retryIn, now }),
      };
    }
    case 'refuse_model':
      if (job?.type !== 'generate-image' || job.prediction !== null) return { outcome: 'stale' };
      return {
        outcome: endAttempt(family, job, { details: { code: 'model_unavailable' }, retryIn: null, now }),
      };
    case 'extend_lease':
      if (!job) return { outcome: 'stale' };
      job.leaseEnds = now + Number(args.p_lease_seconds) * 1000;
      return { outcome: 'extended' };
    default:
      throw new Error(`the model does not know ${name}`);
  }
}
