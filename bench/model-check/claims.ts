import { end, endGeneration, type Row, time } from './attempts.ts';
import { type Family, isTimed, type ModelJob } from './state.ts';

/** What a claim does to a job: hands it out, or looks after it. */

/** Clocks of one machine, read by two processes; and a call begins before its transaction. */
export const MARGIN = 50;

export const isLost = (job: ModelJob, now: number) =>
  job.status === 'processing' && job.leaseEnds !== null && job.leaseEnds <= now + MARGIN;
const isExpired = (job: ModelJob, now: number) => job.expires !== null && job.expires <= now + MARGIN;
const leftNothing = (job: ModelJob) => job.prediction === null && !job.unknown && !job.handedOver;
const LOST = { code: 'lease_expired', prediction: null, once: false };

/**
 * The job in the row was handed out before `now`.
 * @param weather the provider is, or was just now, paused: a lost run may only look for what it left
 * @returns what speaks against it
 */
export function handOut(family: Family, row: Row, now: number, weather: boolean): string | null {
  let job = family.jobs.find((one) => one.id === row.id);
  if (!job) {
    const stops = (one: ModelJob) =>
      one.stops.prediction === (row.payload.prediction_id ?? null) &&
      one.stops.job === (row.payload.job_id ?? null);
    job = family.jobs.find(
      (one) => one.id === null && one.type === row.job_type && one.status === 'pending' && stops(one),
    );
    if (!job) return 'no such job is waiting';
    job.id = row.id;
  }
  if (job.gone) return 'the job is gone';
  if (row.lease !== job.lease + 1) return `its lease is ${job.lease}, it was handed out under ${row.lease}`;
  if (row.rescued) {
    if (job.status !== 'processing') return `it is ${job.status}, it was taken over`;
    if (!isLost(job, now)) return 'its lease had not run out';
    if (leftNothing(job) && !isTimed(job)) {
      const looksOnly = weather && job.type === 'generate-image' && row.outcome_unknown === true;
      if (looksOnly) job.unknown = true;
      if (!looksOnly || row.attempts === job.attempts + 1) {
        if (job.attempts + 1 >= job.most) return 'it had no attempt left';
        job.attempts += 1;
        job.errors.push(LOST);
      }
    }
    if (job.handedOver && job.prediction === null) job.unknown = true;
    job.rescued = true;
  } else {
    if (job.status !== 'pending') return `it is ${job.status}, it was handed out as waiting`;
    if (job.due > now + MARGIN) return `it is not due before ${new Date(job.due).toISOString()}`;
    job.status = 'processing';
    job.rescued = false;
    if (family.generation && job.type === 'generate-image') family.generation.counts = true;
  }
  job.handedOver = false;
  job.lease += 1;
  job.leaseEnds = time(row.lease_expires_at);
  return differs(job, row);
}

/** Between a job of the model and a row: what is not the same. */
export function differs(job: ModelJob, row: Row): string | null {
  const errors = (row.error_details ?? []) as Row[];
  const pairs: [string, unknown, unknown][] = [
    ['job_type', job.type, row.job_type],
    ['status', job.status, row.status],
    ['attempts', job.attempts, row.attempts],
    ['max_attempts', job.most, row.max_attempts],
    ['priority', job.priority, row.priority],
    ['lease', job.lease, Number(row.lease)],
    ['prediction_id', job.prediction, row.prediction_id ?? null],
    [
      'outcome_unknown',
      job.status === 'processing' && job.unknown,
      job.status === 'processing' && row.outcome_unknown,
    ],
    ['rescued', job.status === 'processing' && job.rescued, job.status === 'processing' && row.rescued],
    [
      'error codes',
      job.errors.map(({ code }) => code).join(),
      errors.map((error) => error.code ?? null).join(),
    ],
  ];
  const wrong = pairs.find(([, expected, found]) => expected !== found);
  return wrong
    ? `${wrong[0]} should be ${JSON.stringify(wrong[1])} and is ${JSON.stringify(wrong[2])}`
    : null;
}

/** What a claim of some types may do to the job at `at` besides handing it out, where its time has come. */
export function lookAfter(family: Family, at: number, now: number, types: string[] | null): boolean {
  const job = family.jobs[at] as ModelJob;
  if (job.gone) return false;
  if (job.status === 'pending' && isExpired(job, now)) {
    end(job, 'cancelled');
    endGeneration(family, job, 'cancelled', 'expired');
    return true;
  }
  if (!isLost(job, now) || !leftNothing(job) || isTimed(job)) return false;
  const expired = isExpired(job, now);
  if (expired || job.attempts + 1 >= job.most) {
    job.attempts += 1;
    job.errors.push(LOST);
    end(job, expired ? 'cancelled' : 'failed');
    endGeneration(family, job, expired ? 'cancelled' : 'failed', expired ? 'expired' : 'attempts_exhausted');
    return true;
  }
  return stray(job, now, types);
}

/**
 * An image for later is due, and asked for like any other.
 * @param refused it does not fit into its user's money
 */
export function admit(family: Family, at: number, now: number, refused: boolean): boolean {
  const job = family.jobs[at] as ModelJob;
  const { generation } = family;
  const is =
    job.type === 'generate-image' && job.status === 'pending' && !job.gone && job.due <= now + MARGIN;
  if (!is || !generation || generation.gone || generation.counts || generation.status !== 'pending')
    return false;
  if (!refused) generation.counts = true;
  else {
    if (!generation.limited) return false;
    job.errors.push({ code: 'quota_exceeded', prediction: null, once: false });
    end(job, 'failed');
    endGeneration(family, job, 'failed', 'quota_exceeded');
  }
  return true;
}

/** A lost job of a type that the claim does not want waits for whoever claims it. */
export function stray(job: ModelJob, now: number, types: string[] | null): boolean {
  if (types === null || types.includes(job.type) || !isLost(job, now) || !leftNothing(job)) return false;
  if (!isTimed(job)) {
    if (job.attempts + 1 >= job.most) return false;
    job.attempts += 1;
    job.errors.push(LOST);
  }
  // At the earliest: when this was is not known.
  job.due = job.leaseEnds ?? now;
  end(job, 'pending');
  return true;
}
