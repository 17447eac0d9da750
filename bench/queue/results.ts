import type { Options } from './options.ts';
import { ROWS, type RowSpec } from './rows.ts';
import { median } from './statistics.ts';

/** What a job has cost Postgres, beside a rate. */
export interface JobCost {
  /** Microseconds of the backends' processor time; undefined where the system does not tell. */
  cpu: number | undefined;
  /** Bytes of WAL. */
  wal: number;
}

/** All samples, by row and queue. */
export class Results {
  readonly #samples = new Map<string, number[]>();
  readonly #costs = new Map<string, JobCost[]>();
  /** What a peer did not get through, a sentence each. */
  readonly failures: string[] = [];

  add(row: string, queue: string, value: number, cost?: JobCost): void {
    if (!ROWS.some(({ id }) => id === row)) throw new Error(`there is no row ${row}`);
    const key = `${row}\n${queue}`;
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), value]);
    if (cost) this.#costs.set(key, [...(this.#costs.get(key) ?? []), cost]);
  }

  get(row: string, queue: string): number | undefined {
    const samples = this.#samples.get(`${row}\n${queue}`);
    return samples && median(samples);
  }

  cost(row: string, queue: string): JobCost | undefined {
    const costs = this.#costs.get(`${row}\n${queue}`);
    if (!costs) return undefined;
    const cpu = costs.flatMap((cost) => cost.cpu ?? []);
    return { cpu: cpu.length > 0 ? median(cpu) : undefined, wal: median(costs.map(({ wal }) => wal)) };
  }

  /** Smallest and largest sample. */
  range(row: string, queue: string): [number, number] | undefined {
    const samples = this.#samples.get(`${row}\n${queue}`);
    return samples && [Math.min(...samples), Math.max(...samples)];
  }
}

export interface Comparison {
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

export function compare(results: Results, ours: string, peers: string[]): Comparison[] {
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

/** Microseconds with as many digits as there is to see. */
export function showCpu({ cpu }: JobCost): string {
  return cpu === undefined ? '' : ` (${cpu.toFixed(cpu < 20 ? 1 : 0)})`;
}

/** Rates with the processor time of Postgres beside them, and all else there is, as lines of Markdown. */
export function table(results: Results, queues: string[], options: Options): string[] {
  const shown = ROWS.filter((row) => queues.some((name) => results.get(row.id, name) !== undefined));
  return markdown(
    ['', ...queues],
    shown.map((row) => [
      row.title(options),
      ...queues.map((name) => {
        const cost = results.cost(row.id, name);
        return `${show(results.get(row.id, name), row)}${cost ? showCpu(cost) : ''}`;
      }),
    ]),
  );
}

/** Bytes of WAL a job, for each rate. */
export function walTable(results: Results, queues: string[], options: Options): string[] {
  const shown = ROWS.filter((row) => queues.some((name) => results.cost(row.id, name)));
  return markdown(
    ['bytes of WAL a job', ...queues],
    shown.map((row) => [
      row.title(options).replace(/, jobs\/s$/, ''),
      ...queues.map((name) => results.cost(row.id, name)?.wal.toFixed(0) ?? '–'),
    ]),
  );
}

/** The present engine over the one before, row by row: how many times as good, and as cheap. */
export function besideBefore(results: Results, [now, before]: [string, string], options: Options): string[] {
  const shown = ROWS.flatMap((row) => {
    const [a, b] = [results.get(row.id, now), results.get(row.id, before)];
    return a === undefined || b === undefined ? [] : [{ row, a, b }];
  });
  const over = (a: number | undefined, b: number | undefined) => (a && b ? (a / b).toFixed(2) : '–');
  return markdown(
    ['', before, now, 'times as good', 'CPU a job', 'WAL a job'],
    shown.map(({ row, a, b }) => {
      const [mine, old] = [results.cost(row.id, now), results.cost(row.id, before)];
      return [
        row.title(options),
        show(b, row),
        show(a, row),
        row.better === 'more' ? over(a, b) : over(b, a),
        over(mine?.cpu, old?.cpu),
        over(mine?.wal, old?.wal),
      ];
    }),
  );
}

/** Columns padded so that a table reads in a terminal too. */
export function markdown(head: string[], lines: string[][]): string[] {
  const all = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...lines.map(line)];
}
