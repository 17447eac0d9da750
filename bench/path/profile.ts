import { median } from '../queue/statistics.ts';
import type { FunctionWork } from './database.ts';
import type { Options } from './options.ts';
import type { Round } from './round.ts';

/** Milliseconds of processor time for each image, medians of the rounds. */
export interface ProcessorShare {
  name: string;
  ms: number;
  /** Of all processor time there was while the crowd was served. */
  share: number;
}

/** The processes, then what else the machine did, then what it did not do. */
export function processorShares(rounds: Round[], { images }: Options): ProcessorShare[] {
  const told = rounds.flatMap(({ processor }) => (processor ? [processor] : []));
  const each = told.map(({ processes, busy, idle }) => {
    const ours = Object.values(processes).reduce((sum, time) => sum + time, 0);
    return { all: busy + idle, times: { ...processes, other: Math.max(0, busy - ours), idle } };
  });
  return Object.keys(each[0]?.times ?? {}).map((name) => {
    const times = each.map(({ times, all }) => ({ time: times[name as 'idle'], all }));
    return {
      name,
      ms: median(times.map(({ time }) => (time * 1000) / images)),
      share: median(times.map(({ time, all }) => time / all)),
    };
  });
}

export interface FunctionShare extends FunctionWork {
  name: string;
}

/** For each image: calls and milliseconds of each function, the dearest by its own time first. */
export function functionShares(rounds: Round[], { images }: Options): FunctionShare[] {
  const names = new Set(rounds.flatMap(({ functions }) => Object.keys(functions)));
  const shares = [...names].map((name) => {
    const each = (of: (work: FunctionWork) => number) =>
      median(rounds.map(({ functions }) => of(functions[name] ?? { calls: 0, total: 0, self: 0 }) / images));
    return {
      name,
      calls: each(({ calls }) => calls),
      total: each(({ total }) => total),
      self: each(({ self }) => self),
    };
  });
  return shares.toSorted((a, b) => b.self - a.self);
}

/** Requests for each image by route. */
export function requestsPerImage(
  rounds: Round[],
  { images }: Options,
  of: (round: Round) => Record<string, number>,
): [string, number][] {
  const names = new Set(rounds.flatMap((round) => Object.keys(of(round))));
  return [...names]
    .map((name): [string, number] => [name, median(rounds.map((round) => (of(round)[name] ?? 0) / images))])
    .toSorted(([, a], [, b]) => b - a);
}
