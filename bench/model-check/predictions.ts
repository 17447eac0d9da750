import { RUN_SECONDS } from './common.ts';
import { type Family, type ModelJob, newJob } from './state.ts';

/** The ledger of predictions, and what they cost. */

function costOf({ price }: Family, status: string, predictTime: number | null | undefined): number | null {
  if (status === 'aborted') return 0;
  if (price.second !== null && predictTime !== null && predictTime !== undefined) {
    return Math.round(predictTime * price.second);
  }
  return status === 'succeeded' ? price.image : null;
}

/** The end of a run of its user's that was cancelled is known: this counts in the place of what was reserved. */
export function settle({ generation }: Family, cost: number | null): void {
  if (!generation?.open || generation.gone) return;
  generation.open = false;
  generation.reserved = cost ?? 0;
}

/** The first end counts; a guess of ours gives way to the provider's word. */
export function noteEnd(
  family: Family,
  id: string,
  status: string,
  predictTime: number | null | undefined,
): boolean {
  const known = family.predictions[id];
  if (!known || (known.status !== null && known.status !== 'unknown')) return false;
  const cost = costOf(family, status, predictTime);
  const first = known.status === null;
  known.status = status;
  known.cost = cost;
  if (first && !known.loose) settle(family, cost);
  return true;
}

/** @returns whether it was not known */
export function note(
  family: Family,
  id: string,
  status: string | null,
  predictTime: number | null | undefined,
  isThere = true,
): boolean {
  if (status !== null && noteEnd(family, id, status, predictTime)) return false;
  if (family.predictions[id]) return false;
  // Of a job that is gone nobody knows the model, nor the generation.
  const cost = status === null || !isThere ? null : costOf(family, status, predictTime);
  family.predictions[id] = { status, cost, loose: !isThere };
  if (status !== null && isThere) settle(family, cost);
  return true;
}

/** Of a run whose job is gone, until it has ended. */
export function expectCost({ predictions, price }: Family, id: string): void {
  const one = predictions[id];
  if (one) one.cost = price.image ?? (price.second ?? 0) * RUN_SECONDS;
}

/** A prediction that nobody wants: the caller gets the job that stops it. */
export function leaveStop(
  family: Family,
  job: ModelJob | undefined,
  prediction: string,
  now: number,
): ModelJob {
  const stop = newJob({
    type: 'cancel-prediction',
    status: 'processing',
    priority: 100,
    lease: 1,
    leaseEnds: now + 60_000,
    timed: true,
    user: job?.user ?? null,
    ofGeneration: job?.ofGeneration ?? false,
    stops: { prediction, job: null, loose: job === undefined },
  });
  family.jobs.push(stop);
  return stop;
}

/** What the worker of a cancel-prediction job found. */
export function noteStopped(family: Family, job: ModelJob, predictions: unknown): void {
  if (!Array.isArray(predictions)) return;
  const of = job.stops.job === null ? undefined : family.jobs.find((one) => one.id === job.stops.job);
  for (const { id, status, predict_time } of predictions) {
    if (of) note(family, id, status === 'running' ? null : status, predict_time);
    else if (status !== 'running') noteEnd(family, id, status, predict_time);
  }
  if (!job.stops.loose && predictions.every(({ status }) => status !== 'running')) settle(family, 0);
}
