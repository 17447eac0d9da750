import { cpuFactor, type GoalResult, goalResults, p99Factor } from './goals.ts';
import type { Options } from './options.ts';
import type { Cell, Failed, Phase } from './results.ts';

export interface Report {
  /** ISO 8601. */
  date: string;
  /** Load average of a minute before the run; none of it is the run's. */
  loadBefore: number;
  cores: number;
  settings: Record<string, string>;
  options: Options;
  cells: (Cell | Failed)[];
  /** Queues that could not be had, and why. */
  missing: { name: string; missing: string }[];
  goalResults: GoalResult[];
}

export function reportOf(run: Omit<Report, 'goalResults'>, ours: string): Report {
  return { ...run, goalResults: goalResults(run.cells, ours) };
}

export function text(report: Report, ours: string): string {
  const { options, cells } = report;
  return [
    `Postgres ${report.settings.server_version}, ${report.cores} cores, load before ${report.loadBefore.toFixed(2)}; ${options.rate} jobs/s (×${options.more} where raised), in ${options.batch}s and claimed in ${options.claim}s, ${options.producers} producers, ${options.consumers} consumers, ${options.users} users, autovacuum every ${options.naptime} s; ${options.baseline} s baseline, ${options.stress} s stress, ${options.recovery} s recovery.`,
    "Times are in ms from when a job should have been enqueued to its claim; CPU is of the backends, in ms a job, then as a multiple of the same queue's baseline; autovacuum is apart.",
    '',
    ...table(
      [
        'cell',
        'queue',
        'kept',
        'base p50/p99',
        'p50/p99',
        'base CPU',
        'CPU',
        '×',
        'vacuum',
        'dead/job',
        'WAL/job',
        'back s',
        'lost',
      ],
      cells.map(cellLine),
    ),
    '',
    ...report.missing.map(({ name, missing }) => `${name} is left out: ${missing}`),
    ...(report.goalResults.length > 0 ? goals(report.goalResults, ours) : []),
  ].join('\n');
}

function goals(goalResults: GoalResult[], ours: string): string[] {
  const lines = goalResults.map(({ cell, goal, value, limit, met }) => [
    cell,
    goal,
    value === null ? '–' : number(value),
    `${goal.startsWith('share') ? '≥' : '≤'} ${limit}`,
    met === null ? 'not measured' : met ? 'met' : '**missed**',
  ]);
  return [`Goals of ${ours}:`, '', ...table(['cell', 'goal', 'value', 'limit', ''], lines), ''];
}

function cellLine(cell: Cell | Failed): string[] {
  if ('failed' in cell) return [cell.cell, cell.queue, `failed: ${cell.failed}`, ...Array(10).fill('')];
  const { baseline, stress } = cell;
  const times = (phase: Phase) => `${number(phase.p50)}/${number(phase.p99)}`;
  const cpu = cpuFactor(cell);
  return [
    cell.cell,
    cell.queue,
    `${(stress.kept * 100).toFixed(1)} %`,
    times(baseline),
    `${times(stress)} (${p99Factor(cell).toFixed(1)}×)`,
    some(baseline.cpuMs),
    some(stress.cpuMs),
    cpu === null ? '–' : `${cpu.toFixed(2)}×`,
    some(stress.vacuumMs),
    number(cell.deadPerJob),
    Math.round(stress.wal).toLocaleString('en'),
    cell.backAfterSeconds === null ? `> ${Math.round(cell.recovery.seconds)}` : number(cell.backAfterSeconds),
    String(cell.lost + cell.twice),
  ];
}

const number = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(2));
const some = (value: number | null) => (value === null ? '–' : value.toFixed(2));

/** Markdown, columns padded so that it reads in a terminal too. */
function table(head: string[], lines: string[][]): string[] {
  const all = [head, ...lines];
  const widths = head.map((_, column) => Math.max(3, ...all.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.map(line)];
}
