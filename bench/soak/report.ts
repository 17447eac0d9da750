import type { Case, Evidence } from './evidence.ts';
import { attemptOf, type Invariant, wasKilledTooOften } from './invariants.ts';
import type { Load } from './load.ts';
import type { SoakOptions } from './options.ts';

/** Offenders that are shown in full. */
const SHOWN = 10;

export interface Report {
  options: SoakOptions;
  /** Why it ended before everything was done. */
  stopped: string | null;
  numbers: Record<string, number>;
  ends: Record<string, number>;
  /** By kind: how many generations were to meet it, and how often it acted. */
  faults: Record<string, { planned: number; played: number }>;
  invariants: Invariant[];
  offenders: unknown[];
}

export function numbersOf(
  { cases, jobs, stats }: Evidence,
  load: Load,
  more: Record<string, number>,
): Record<string, number> {
  const all = [...cases.values()].map(({ row }) => row);
  const completed = all.filter(({ status }) => status === 'completed');
  const begun = Math.min(...all.map(({ created_at }) => created_at.getTime()));
  const ended = Math.max(...all.map(({ completed_at }) => completed_at?.getTime() ?? begun));
  const mostEnded = percentile(
    all.map(({ completed_at }) => completed_at?.getTime() ?? ended),
    0.95,
  );
  const toEnd = all.flatMap(({ seconds }) => (seconds === null ? [] : [seconds]));
  const undisturbed = completed.flatMap(({ id, seconds }) =>
    seconds === null || load.started.get(id)?.fault ? [] : [seconds],
  );
  const errors = jobs.flatMap(({ error_details }) => error_details ?? []);
  return {
    generations: all.length,
    seconds: round((ended - begun) / 1000),
    'images per second until 95 % had ended': round((0.95 * all.length * 1000) / (mostEnded - begun)),
    'start answered, p50 ms': round(percentile(load.answers, 0.5)),
    'start answered, p99 ms': round(percentile(load.answers, 0.99)),
    'time to end, p50 s': round(percentile(toEnd, 0.5)),
    'time to end, p99 s': round(percentile(toEnd, 0.99)),
    'without a fault, p50 s': round(percentile(undisturbed, 0.5)),
    'without a fault, p99 s': round(percentile(undisturbed, 0.99)),
    'starts sent again': load.repeats,
    'attempts that ended in an error': errors.length,
    'of these, runs that died': errors.filter(({ code }) => code === 'lease_expired').length,
    'generations failed by them': [...cases.values()].filter((one) =>
      wasKilledTooOften(one, load.started.get(one.row.id)),
    ).length,
    'predictions created': stats.predictions,
    'pages of the list of predictions read': stats.answers['list 200'] ?? 0,
    'creates refused with 429': stats.answers['create 429'] ?? 0,
    'webhooks delivered': stats.webhooks.delivered,
    'webhooks refused or not answered': stats.webhooks.refused,
    'webhooks lost': stats.webhooks.lost,
    ...more,
  };
}

/** The first generations for which something is broken, with all that is known of them. */
export function offendersOf(invariants: Invariant[], { cases }: Evidence, load: Load): unknown[] {
  const broken = invariants.filter((one) => one.broken > 0);
  const ids = [...new Set(broken.flatMap(({ generations }) => generations))].slice(0, SHOWN);
  return ids.map((id) => {
    const planned = load.started.get(id);
    const found = cases.get(id);
    return {
      generation: id,
      broken: broken.filter(({ generations }) => generations.includes(id)).map(({ name }) => name),
      number: planned?.number ?? null,
      fault: planned?.fault?.name ?? null,
      cancelled_after_ms: planned?.cancelAfterMs ?? null,
      ...(found ? described(found) : { database: 'no such row' }),
    };
  });
}

function described({ row, jobs, images, objects, predictions }: Case) {
  return {
    row,
    jobs,
    images: images.map(({ storage_path }) => storage_path),
    objects,
    records: predictions.map((entry) => ({
      id: entry.id,
      status: entry.status,
      lease: entry.lease,
      attempts: attemptOf(entry),
      created_at: entry.prediction.created_at,
      completed_at: entry.prediction.completed_at,
      create_answer: entry.create_answer,
      output: entry.prediction.output,
      error: entry.prediction.error,
      cancel_calls: entry.cancel_calls,
      get_calls: entry.get_calls,
      downloads: entry.downloads,
      lost_webhooks: entry.lost_webhooks,
      deliveries: entry.deliveries.map(({ at, answer, error }) => `${at} ${answer ?? error}`),
    })),
  };
}

/** The report for people. */
export function text({ options, stopped, numbers, ends, faults, invariants, offenders }: Report): string {
  const { count, seed, users, kills, clock } = options;
  const mix = `${count} generations, ${users} users, seed ${seed}, faults ${options.faults}`;
  const lines = [`soak: ${mix}, ${kills} kills, clock ×${clock}`];
  if (stopped) lines.push(`stopped: ${stopped}`);
  lines.push('', ...table(Object.entries({ ...prefixed('ended: ', ends), ...numbers })));
  const played = Object.entries(faults).map(
    ([name, { planned, played }]) => [name, `${planned} generations, ${played} times`] as const,
  );
  lines.push('', 'faults', ...table(played), '', 'invariants');
  for (const { name, counted, broken, others = [] } of invariants) {
    lines.push(`  ${broken === 0 ? '✔' : `✖ ${broken} ×`} ${name} (${counted})`);
    for (const other of others.slice(0, SHOWN)) lines.push(`      ${other}`);
  }
  for (const offender of offenders) lines.push('', JSON.stringify(offender, null, 1));
  return `${lines.join('\n')}\n`;
}

function prefixed(prefix: string, values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
}

function table(rows: (readonly [string, string | number])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
