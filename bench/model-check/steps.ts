import { type Answer, end, endAttempt, find, leasedJob, living, reopen } from './attempts.ts';
import type { Args } from './calls.ts';
import { expectCost, leaveStop, note } from './predictions.ts';
import { counted, type Family, hasEnded, isOpen, knew, type ModelJob, newJob } from './state.ts';

/** The steps of a generation, each for one family. */

export function record(family: Family, args: Args, now: number): Answer {
  const prediction = args.p_prediction_id as string;
  const leased = leasedJob(family, args);
  if (leased && leased.prediction === null) {
    leased.prediction = prediction;
    leased.leaseEnds = now + Number(args.p_wait_seconds) * 1000;
    leased.unknown = false;
    leased.expires = null;
    leased.timed = false;
    note(family, prediction, null, null);
    const generation = living(family);
    if (generation && ['pending', 'processing'].includes(generation.status)) {
      generation.status = 'processing';
      generation.prediction = prediction;
    }
    return { outcome: 'recorded' };
  }
  const job = find(family, args.p_job_id);
  if (job && job.status !== 'cancelled' && (job.prediction === prediction || knew(job, prediction))) {
    return { outcome: 'recorded' };
  }
  if (job?.status === 'cancelled' && job.lease === Number(args.p_lease) && !args.searchIsHeld) {
    for (const one of family.jobs) {
      if (
        one.type === 'cancel-prediction' &&
        one.status === 'pending' &&
        one.ofGeneration &&
        one.stops.job === job.id
      ) {
        end(one, 'completed');
      }
    }
  }
  if (!note(family, prediction, null, null, job !== undefined)) return { outcome: 'stale' };
  if (!job) expectCost(family, prediction);
  return { outcome: 'stale', job: leaveStop(family, job, prediction, now) };
}

export function finish(family: Family, args: Args, now: number): Answer {
  const prediction = args.p_prediction_id as string;
  const outcome = args.p_outcome as Args;
  const job = find(family, args.p_job_id);
  const runs = outcome.status === 'running';
  if (runs && job?.status === 'processing' && job.prediction === null && !knew(job, prediction)) {
    return record(family, { ...args, p_lease: job.lease, p_wait_seconds: args.p_lease_seconds }, now);
  }
  const isNew = note(
    family,
    prediction,
    runs ? null : String(outcome.status),
    outcome.predict_time as number,
    job !== undefined,
  );
  let ends: string | null = null;
  if (job && knew(job, prediction)) ends = 'duplicate';
  else if (!job || (job.prediction !== null && job.prediction !== prediction)) ends = 'mismatch';
  else if (job.status === 'cancelled') ends = 'cancelled';
  if (runs) {
    const unwanted = isNew && job?.status !== 'pending';
    return {
      outcome: ends ?? 'running',
      ...(unwanted ? { job: leaveStop(family, job, prediction, now) } : {}),
    };
  }
  if (ends !== null || !job) return { outcome: ends ?? 'mismatch' };
  if (job.status === 'completed') return { outcome: 'duplicate' };
  if (job.status === 'failed') {
    if (
      outcome.status !== 'succeeded' ||
      job.prediction !== null ||
      job.errors.at(-1)?.code !== 'lease_expired'
    ) {
      return { outcome: 'duplicate' };
    }
    reopen(family, 'processing');
  }
  job.prediction = prediction;
  if (outcome.status !== 'succeeded') {
    // The ledger knows it when the job that stopped it is gone.
    const stopped =
      outcome.error_code === 'cancelled_at_provider' &&
      family.jobs.some((one) => one.ofGeneration && one.stops.prediction === prediction);
    const retryIn = stopped ? 0 : ((outcome.retry_in_seconds as number | undefined) ?? null);
    return { outcome: endAttempt(family, job, { details: { code: outcome.error_code }, retryIn, now }) };
  }
  end(job, 'completed');
  job.unknown = false;
  job.expires = null;
  const generation = living(family);
  if (generation && ['pending', 'processing'].includes(generation.status)) {
    generation.status = 'downloading';
    generation.prediction = prediction;
  }
  const download = newJob({
    type: 'download-image',
    status: 'processing',
    priority: 100,
    lease: 1,
    leaseEnds: now + Number(args.p_lease_seconds) * 1000,
    timed: true,
    user: job.user,
    ofGeneration: true,
  });
  family.jobs.push(download);
  return { outcome: 'download', job: download };
}

export function cancel(family: Family, now: number): Answer {
  const generation = living(family);
  if (!generation) return { outcome: 'PT404' };
  if (['completed', 'failed', 'downloading'].includes(generation.status)) return { outcome: 'PT409' };
  if (generation.status === 'cancelled') return { outcome: 'cancelled' };
  const open = family.jobs.filter((job) => job.type === 'generate-image' && isOpen(job) && !job.gone);
  const running = open.find((job) => job.status === 'processing');
  const before = running && { ...running };
  for (const job of open) end(job, 'cancelled');
  generation.status = 'cancelled';
  generation.code = null;
  if (before) {
    generation.open = true;
    stopRun(family, before, now, true);
  } else generation.reserved = 0;
  return { outcome: 'cancelled' };
}

/** What a run that is given up leaves behind. */
export function stopRun(family: Family, job: ModelJob, now: number, ofGeneration: boolean): void {
  const sure = job.prediction === null && !job.unknown;
  family.jobs.push(
    newJob({
      type: 'cancel-prediction',
      priority: 100,
      timed: true,
      due: sure ? (job.leaseEnds ?? now) : now,
      user: job.user,
      ofGeneration,
      stops: { prediction: job.prediction, job: job.prediction === null ? job.id : null, loose: false },
    }),
  );
}

export function store(family: Family, args: Args): Answer {
  const job = leasedJob(family, args);
  if (job?.type !== 'download-image') {
    const told = find(family, args.p_job_id);
    return {
      outcome: told?.status === 'completed' && told.lease === Number(args.p_lease) ? 'completed' : 'stale',
    };
  }
  end(job, 'completed');
  const generation = living(family);
  if (generation && !hasEnded(generation)) {
    generation.status = 'completed';
    generation.code = null;
    generation.cost ??= family.predictions[generation.prediction ?? '']?.cost ?? generation.reserved;
  }
  return { outcome: 'completed' };
}

/** What a deleted generation held of the budget, the prediction that runs counts there until its end. */
function holdPrice({ generation, predictions }: Family): void {
  const prediction = predictions[generation?.prediction ?? ''];
  if (!generation || prediction?.status !== null) return;
  if (['pending', 'processing'].includes(generation.status) || generation.open)
    prediction.cost = generation.reserved || prediction.cost;
}

/** With a user go their generations and these the jobs; what runs at the provider is stopped, or is being stopped. */
export function deleteUser(family: Family, now: number): Answer {
  const generation = family.generation;
  if (!generation) {
    return { outcome: 'deleted' };
  }
  holdPrice(family);
  generation.gone = true;
  for (const job of [...family.jobs]) {
    if (job.gone || !job.ofGeneration) continue;
    if (job.type === 'cancel-prediction' && isOpen(job)) continue;
    job.gone = true;
    if (job.type === 'generate-image' && job.status === 'processing') stopRun(family, job, now, false);
  }
  return { outcome: 'deleted' };
}

/** What runs stays counted at its price, and what waits has cost nothing; its batch counts one that is open as cancelled. */
export function remove(family: Family, now: number): Answer {
  const generation = living(family);
  if (!generation) return { outcome: 'PT404' };
  holdPrice(family);
  if (!hasEnded(generation)) {
    const job = makerOf(family);
    generation.kept = job?.status === 'pending' ? 0 : counted(generation);
    generation.status = 'cancelled';
  } else generation.kept = counted(generation);
  deleteUser(family, now);
  return { outcome: 'deleted' };
}

/** The job that makes the image: a generation that is tried again may get another one. */
const makerOf = (family: Family) => family.jobs.findLast((job) => job.type === 'generate-image' && !job.gone);

/** A failed one is made again, as its user sets its status to pending. @param args `made` is the job that makes it then */
export function retry(family: Family, { made }: Args, now: number): Answer {
  const generation = living(family);
  if (!generation) return { outcome: 'PT404' };
  if (generation.status === 'pending') return { outcome: 'pending' };
  const job = makerOf(family);
  if (generation.status !== 'failed' || (job && isOpen(job))) return { outcome: 'PT409' };
  if (job?.status === 'failed') bringBack(job, now);
  else {
    const { priority = 0, user = null } = family.jobs[0] ?? {};
    const again = newJob({ type: 'generate-image', due: now, ofGeneration: true, priority, user });
    family.jobs.push({ ...again, id: made as string | null });
  }
  Object.assign(generation, { status: 'pending', code: null, retries: 0, counts: true });
  return { outcome: 'pending' };
}

/** With all its attempts; where its last run ended unseen, that one is looked for first. */
export function bringBack(job: ModelJob, now: number): void {
  const isUnseen =
    job.type === 'generate-image' && job.prediction === null && job.errors.at(-1)?.code === 'lease_expired';
  Object.assign(job, {
    status: isUnseen ? 'processing' : 'pending',
    leaseEnds: isUnseen ? now : null,
    attempts: 0,
    due: now,
    prediction: null,
    unknown: isUnseen,
    rescued: false,
  });
  job.expires = null;
  job.timed = job.timed && job.type !== 'generate-image';
}
