import os from 'node:os';
import type { Options } from './options.ts';
import type { Missing, Queue } from './queue.ts';
import { type Results, show, table, verdicts } from './results.ts';

export interface Run {
  options: Options;
  queues: Queue[];
  missing: Missing[];
  results: Results;
  settings: Record<string, string>;
  /** Load averages before the run; none of it is ours. */
  load: number;
  seconds: number;
}

export function standing({ queues, results, options }: Run): string[] {
  const [ours, ...peers] = queues.map(({ name }) => name) as [string, ...string[]];
  return verdicts(results, ours, peers).map(({ row, best, bestPeer, factor, standing: where }) => {
    const against = `${bestPeer} ${show(best, row)}`;
    const words = {
      ahead: `ahead: ${factor.toFixed(factor < 10 ? 2 : 0)}× the best peer (${against})`,
      level: `level with the best peer (${against}), within 5 %. ${row.why}`,
      behind: `behind: ${factor.toFixed(2)}× the best peer (${against}). ${row.why}`,
    }[where];
    return `- **${row.title(options)}**: ${words.trim()}`;
  });
}

/** Its section of docs/benchmarks.md. */
export function section(run: Run): string {
  const { options, queues, missing, results, settings, load } = run;
  const names = queues.map(({ name }) => name);
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const lines = [
    'Written by `npm run bench:queue`; do not edit. It starts a Postgres of its own, gives every queue a database on it, and measures the queues side by side: in each round each queue in turn, another one first each time.',
    '',
    `${new Date().toISOString().slice(0, 10)}, ${os.availableParallelism()} cores, ${memory} GB RAM, database and clients on the same machine. Load average before the run: ${load.toFixed(2)}.${options.note ? ` **${options.note}**` : ''} ${options.rounds} ${options.rounds === 1 ? 'round' : 'rounds'} in ${Math.round(run.seconds / 60)} minutes; medians.`,
    '',
    ...table(results, names, options),
    '',
    '### Where ours stands',
    '',
    ...standing(run),
    '',
    '### What is measured',
    '',
    `- Postgres ${settings.server_version}: ${Object.entries(settings)
      .filter(([name]) => name !== 'server_version')
      .map(([name, value]) => `${name} ${value}`)
      .join(
        ', ',
      )}; everything else at its default, autovacuum included. Before each measurement \`vacuum analyze\` and a checkpoint, not timed.`,
    '- All queues are called through the same driver, one connection per client, one statement at a time, prepared. A statement is a transaction.',
    '- Jobs carry some 250 bytes of JSON and belong to 100 users in turn. *Drain* is claim and complete, 8 clients until nothing is left; every job is counted.',
    '- *Enqueue to claim* is one client that enqueues a job and claims it at once, in an empty queue: what the database adds to the pick-up. Wake-ups are not part of it.',
    '- The jobs for tomorrow have a high priority, and were enqueued before those that wait: pgmq has no priority, and takes the older first.',
    '- *Claim of 10* is timed inside a transaction that is rolled back, so that the backlog stays; *buffers* are shared hits and reads of the whole claim, nested functions included, by `EXPLAIN (ANALYZE, BUFFERS)`.',
    '- What finished jobs leave differs. Ours, pg-boss and the original keep them, with result and times; graphile-worker and pgmq (`delete`) remove the row. Ours checks a lease on completion, keeps users in turns, priorities and expiry, and reads whose job it is; pgmq has none of these.',
    '',
    '| queue | version | best settings | settings for fairness |',
    '|---|---|---|---|',
    ...queues.map(
      ({ name, version, settings: own }, index) =>
        `| ${name} | ${version} | ${own.tuned ?? 'as it comes'} | ${own.fair ?? (index === 0 ? 'on by default' : 'none')} |`,
    ),
    '',
    ...missing.map(({ name, missing: why }) => `${name} was left out: ${why}\n`),
    '### How far single rounds were apart',
    '',
    '| | queue | smallest | largest |',
    '|---|---|---:|---:|',
    ...verdicts(results, names[0] as string, names.slice(1)).flatMap(({ row, bestPeer }) =>
      [names[0] as string, bestPeer].flatMap((name) => {
        const range = results.range(row.id, name);
        if (!range || row.id.startsWith('fair')) return [];
        return [`| ${row.title(options)} | ${name} | ${show(range[0], row)} | ${show(range[1], row)} |`];
      }),
    ),
    '',
  ];
  return lines.join('\n');
}
