import { median } from '../queue/statistics.ts';
import { MB, SEVERAL_MB, SMALL } from './load.ts';
import type { Comparison, Costs, Kind } from './measure.ts';

export interface Row {
  name: string;
  /** Milliseconds. */
  ours: number;
  others: number;
  /** The median of what each round gave. */
  ratio: number;
  /** What the ratio, or our own milliseconds, should be at most. */
  target: { of: 'ratio' | 'ours'; most: number } | undefined;
  met: boolean | undefined;
}

interface Wanted {
  name: string;
  of(costs: Costs, round: number, empty: number): number;
  /** Beside JavaScript, and beside the state before. */
  ratio?: number;
  before?: number;
  ours?: number;
}

const one = (kind: Kind) => (costs: Costs, round: number) => costs[kind][round] ?? Number.NaN;
/** What each MB costs: the difference between a file of several and one of one. */
const each = (several: Kind, single: Kind) => (costs: Costs, round: number) =>
  (one(several)(costs, round) - one(single)(costs, round)) / (SEVERAL_MB - 1);

const WANTED: Wanted[] = [
  { name: '`POST /start-generation`', of: one('start'), ratio: 1.1 },
  { name: '`GET /generations/{id}`', of: one('read'), ratio: 0.95 },
  { name: `a whole image of ${SMALL / 1000} kB`, of: one('small'), ratio: 1.4, before: 0.62 },
  { name: `a whole image of ${MB / 1_000_000} MB`, of: one('large'), ratio: 1.3, before: 0.26 },
  { name: 'each MB into Storage', of: each('webhooks', 'webhook'), ours: 1.2 },
  { name: 'each MB of `POST /sources`', of: each('uploads', 'upload'), ours: 1.2 },
  {
    name: 'first `POST` of a cold isolate, above an empty Worker',
    of: (costs, round, empty) => (costs.cold[round] ?? Number.NaN) - empty,
    ours: 12,
  },
];

/** @param before whether the others are our own Workers of another state */
export function rowsOf({ first, second, empty }: Comparison, before: boolean): Row[] {
  return WANTED.map(({ name, of, ...wanted }) => {
    const rounds = empty.map((nothing, round) => ({
      ours: of(first, round, nothing),
      others: of(second, round, nothing),
    }));
    const ours = median(rounds.map((round) => round.ours));
    const others = median(rounds.map((round) => round.others));
    const ratio = median(rounds.map((round) => round.ours / round.others));
    const most = before ? wanted.before : wanted.ratio;
    const target: Row['target'] =
      most !== undefined
        ? { of: 'ratio', most }
        : wanted.ours === undefined
          ? undefined
          : { of: 'ours', most: wanted.ours };
    const met = target && (target.of === 'ratio' ? ratio : ours) <= target.most;
    return { name, ours, others, ratio, target, met };
  });
}
