import { percentile } from '../queue/statistics.ts';
import type { CellName } from './cells.ts';
import type { Pickup } from './load.ts';
import type { Reading } from './meter.ts';

/** A part of a cell. */
export interface Phase {
  seconds: number;
  offered: number;
  completed: number;
  /** Completed of those offered: above 1 where more was left from before than afterwards. */
  kept: number;
  /** Milliseconds from when a job should have been enqueued to its claim. */
  p50: number;
  p99: number;
  /** Milliseconds of processor time of the queue's backends a job; null where the system does not tell. */
  cpuMs: number | null;
  /** The same of autovacuum. */
  vacuumMs: number | null;
  /** Bytes a job. */
  wal: number;
}

export interface Cell {
  queue: string;
  version: string;
  cell: CellName;
  baseline: Phase;
  stress: Phase;
  recovery: Phase;
  /** Dead rows that stand at the end of the stress, by the statistics, over the jobs completed in it. */
  deadPerJob: number;
  /** Dead rows that a VACUUM at the end does not return. */
  deadAfterVacuum: number;
  /** Seconds from the end of the stress until the queue was as before; null: not within the recovery. */
  backAfterSeconds: number | null;
  enqueued: number;
  completed: number;
  lost: number;
  twice: number;
}

/** A cell that a queue did not get through. */
export interface Failed {
  queue: string;
  version: string;
  cell: CellName;
  failed: string;
}

export function phaseOf(from: Reading, to: Reading, pickups: Pickup[], rate: number): Phase {
  const seconds = (to.at - from.at) / 1000;
  const completed = to.completed - from.completed;
  const times = pickups.filter(({ at }) => at >= from.at && at < to.at).map(({ ms }) => ms);
  const perJob = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined || completed === 0 ? null : ((b - a) * 1000) / completed;
  const offered = rate * seconds;
  return {
    seconds,
    offered,
    completed,
    kept: completed / offered,
    p50: times.length > 0 ? percentile(times, 0.5) : Number.POSITIVE_INFINITY,
    p99: times.length > 0 ? percentile(times, 0.99) : Number.POSITIVE_INFINITY,
    cpuMs: perJob(from.cpu, to.cpu),
    vacuumMs: perJob(from.vacuum, to.vacuum),
    wal: completed === 0 ? 0 : (to.wal - from.wal) / completed,
  };
}

export const GOALS = { kept: 0.99, cpu: 1.3, p99: 2, dead: 2, back: 2 };

const STEP_MS = 500;

/**
 * When the first of two half seconds in a row began in which processor time and p99 are within the goals for a
 * stress; seconds from `released` on.
 */
export function backAfter(
  released: number,
  baseline: Phase,
  readings: Reading[],
  pickups: Pickup[],
): number | null {
  const until = readings.at(-1)?.at ?? released;
  let good = 0;
  for (let from = released; from + STEP_MS <= until; from += STEP_MS) {
    good = isAsBefore(from, baseline, readings, pickups) ? good + 1 : 0;
    if (good === 2) return (from - STEP_MS - released) / 1000;
  }
  return null;
}

function isAsBefore(from: number, baseline: Phase, readings: Reading[], pickups: Pickup[]): boolean {
  const times = pickups.filter(({ at }) => at >= from && at < from + STEP_MS).map(({ ms }) => ms);
  if (times.length === 0 || percentile(times, 0.99) > baseline.p99 * GOALS.p99) return false;
  const [first, last] = [readingAt(readings, from), readingAt(readings, from + STEP_MS)];
  if (baseline.cpuMs === null || !first || !last) return true;
  const jobs = last.completed - first.completed;
  const cpuMs = (((last.cpu ?? 0) - (first.cpu ?? 0)) * 1000) / jobs;
  return jobs > 0 && cpuMs <= baseline.cpuMs * GOALS.cpu;
}

/** The one nearest to a moment. */
function readingAt(readings: Reading[], at: number): Reading | undefined {
  return readings.reduce<Reading | undefined>(
    (best, one) => (best && Math.abs(best.at - at) <= Math.abs(one.at - at) ? best : one),
    undefined,
  );
}
