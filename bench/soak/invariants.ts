import type { PredictionRecord } from '../../dev/replicate/control.ts';
import type { Case, Evidence } from './evidence.ts';
import type { Load } from './load.ts';
import type { Planned } from './plan.ts';

/** What must hold after any run, and where it does not. */
export interface Invariant {
  /** What must be so. */
  name: string;
  /** What was counted. */
  counted: string;
  /** How often it is not so. */
  broken: number;
  /** The generations concerned. */
  generations: string[];
  /** What belongs to no generation. */
  others?: string[];
}

const ENDED = ['completed', 'failed', 'cancelled'];

/** @param load the generations whose start was answered */
export function check(evidence: Evidence, load: Load): Invariant[] {
  const { cases, images, objects, ledger, mispriced, strays, unreadable, stats } = evidence;
  const all = [...cases.values()];
  const where = (name: string, counted: string, is: (one: Case) => boolean): Invariant => {
    const generations = all.filter(is).map(({ row }) => row.id);
    return { name, counted, broken: generations.length, generations };
  };
  const completed = all.filter(({ row }) => row.status === 'completed').length;
  const lost = [...load.started.keys()].filter((id) => !cases.has(id));
  const unasked = [...cases.keys()].filter((id) => !load.started.has(id));
  return [
    {
      name: 'every start that was answered is one generation',
      counted: `${load.started.size} answers, ${cases.size} rows`,
      broken: lost.length + unasked.length,
      generations: [...lost, ...unasked],
    },
    where('every generation ended', 'by status', ({ row }) => !ENDED.includes(row.status)),
    where('every job ended', 'by status', ({ jobs }) => jobs.some(({ status }) => !ENDED.includes(status))),
    where(
      'images, completed generations and stored objects are the same',
      `${images.length} images, ${completed} completed, ${objects.length} objects`,
      ({ row, images, objects }) => {
        const expected = row.status === 'completed' ? 1 : 0;
        const isSame = images[0]?.storage_path === objects[0];
        return images.length !== expected || objects.length !== expected || !isSame;
      },
    ),
    {
      name: 'every image can be read and is as long as its row says',
      counted: `${images.length} downloads`,
      broken: unreadable.length,
      generations: unreadable,
    },
    where(
      'no attempt created a second prediction',
      `${stats.predictions} predictions by job and attempt, as their webhook URLs name them`,
      ({ predictions }) => extraCreates(predictions) > 0,
    ),
    where(
      'no image was paid for twice',
      'predictions that succeeded with a usable output, by job',
      ({ predictions }) => predictions.filter(isUsable).length > 1,
    ),
    where(
      'every prediction is in the ledger with its end',
      `${ledger.size} rows, ${stats.predictions} predictions`,
      ({ predictions }) => predictions.some(({ id, status }) => ledger.get(id) !== status),
    ),
    {
      name: 'every image in the ledger has its price, and what never ran has none',
      counted: `${ledger.size} rows`,
      broken: mispriced.length,
      generations: mispriced,
    },
    where('no generation was completed twice', 'download jobs by generation', ({ jobs }) => {
      return jobs.filter(({ job_type }) => job_type === 'download-image').length > 1;
    }),
    where(
      'only what could not succeed failed, only what was cancelled is cancelled',
      'ends against the faults played and the workers killed',
      (one) => {
        const planned = load.started.get(one.row.id);
        const { status } = one.row;
        if (status === 'failed') return !planned?.fault?.deadly && !wasKilledTooOften(one, planned);
        if (status === 'cancelled') return planned?.cancelAfterMs === undefined;
        return status === 'completed' && (planned?.fault?.deadly ?? load.cancelled.has(one.row.id));
      },
    ),
    {
      name: 'no prediction runs on',
      counted: `${stats.predictions} predictions`,
      broken: stats.running,
      generations: all
        .filter(({ predictions }) => predictions.some(({ status }) => /starting|processing/.test(status)))
        .map(({ row }) => row.id),
    },
    {
      name: 'nothing belongs to no generation',
      counted: 'jobs, images, objects, predictions',
      broken: strays.length,
      generations: [],
      others: strays,
    },
  ];
}

/** Its attempts went with killed workers, but for one that met its fault. */
export function wasKilledTooOften({ jobs }: Case, planned: Planned | undefined): boolean {
  return jobs.some(({ status, attempts, error_details }) => {
    const died = (error_details ?? []).filter(({ code }) => code === 'lease_expired').length;
    return status === 'failed' && died > 0 && died + (planned?.fault ? 1 : 0) >= attempts;
  });
}

/** Predictions beyond the first of each attempt; our webhook URL names job and attempt. */
export function extraCreates(predictions: PredictionRecord[]): number {
  return predictions.length - new Set(predictions.map(attemptOf)).size;
}

export function attemptOf({ prediction }: PredictionRecord): string | null {
  return new URL(String(prediction.webhook)).searchParams.get('attempts');
}

/** An image came out and could be had: whoever makes another one pays for the same twice. */
export function isUsable({ status, prediction }: PredictionRecord): boolean {
  const { output } = prediction;
  const first = Array.isArray(output) ? output[0] : output;
  return status === 'succeeded' && typeof first === 'string';
}
