import type { Options } from './options.ts';
import { ROWS, type RowSpec } from './rows.ts';
import { median } from './statistics.ts';

/** All samples, by row and queue. */
export class Results {
  readonly #samples = new Map<string, number[]>();

  add(row: string, queue: string, value: number): void {
    if (!ROWS.some(({ id }) => id === row)) throw new Error(`there is no row ${row}`);
    const key = `${row}\n${queue}`;
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), value]);
  }

  get(row: string, queue: string): number | undefined {
    const samples = this.#samples.get(`${row}\n${queue}`);
    return samples && median(samples);
  }

  /** Smallest and largest sample. */
  range(row: string, queue: string): [number, number] | undefined {
    const samples = this.#samples.get(`${row}\n${queue}`);
    return samples && [Math.min(...samples), Math.max(...samples)];
  }
}

export interface Verdict {
  row: RowSpec;
  ours: number;
  bestPeer: string;
  best: number;
  /** Ours over the best peer, above 1 where ours is better. */
  factor: number;
  standing: 'ahead' | 'level' | 'behind';
}

/** Differences below this are noise. */
const NOISE = 0.05;

export function verdicts(results: Results, ours: string, peers: string[]): Verdict[] {
  return ROWS.flatMap((row) => {
    const mine = results.get(row.id, ours);
    const others = peers.flatMap((name) => {
      const value = results.get(row.id, name);
      return value === undefined ? [] : [{ name, value }];
    });
    const sorted = others.toSorted((a, b) => (row.better === 'more' ? b.value - a.value : a.value - b.value));
    const [best] = sorted;
    if (mine === undefined || !best) return [];
    // Counts may be zero: one more on both sides keeps them comparable.
    const plus = mine === 0 || best.value === 0 ? 1 : 0;
    const factor = row.better === 'more' ? mine / best.value : (best.value + plus) / (mine + plus);
    const standing = factor > 1 + NOISE ? 'ahead' : factor < 1 - NOISE ? 'behind' : 'level';
    return [{ row, ours: mine, bestPeer: best.name, best: best.value, factor, standing }];
  });
}

export function show(value: number | undefined, row: RowSpec): string {
  if (value === undefined) return '–';
  return value.toLocaleString('en', { minimumFractionDigits: row.digits, maximumFractionDigits: row.digits });
}

/** The table as lines of Markdown, columns padded so that it reads in a terminal too. */
export function table(results: Results, queues: string[], options: Options): string[] {
  const lines = ROWS.filter((row) => queues.some((name) => results.get(row.id, name) !== undefined)).map(
    (row) => [row.title(options), ...queues.map((name) => show(results.get(row.id, name), row))],
  );
  const all = [['', ...queues], ...lines];
  const widths =
    all[0]?.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0))) ?? [];
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(all[0] as string[]), rule, ...lines.map(line)];
}
