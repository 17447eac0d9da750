import os from 'node:os';
import type { Options } from './options.ts';
import type { Missing, Queue } from './queue.ts';
import { besideBefore, type Comparison, compare, type Results, show, table, walTable } from './results.ts';

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

/** Our engine that is compared with the peers, which the other one of ours is not. */
function sides(queues: Queue[]): { ours: string; before: string | undefined; peers: string[] } {
  const own = queues.filter(({ alwaysFair }) => alwaysFair).map(({ name }) => name);
  const peers = queues.filter(({ alwaysFair }) => !alwaysFair).map(({ name }) => name);
  return { ours: own[0] ?? '', before: own[1], peers };
}

function comparisonsOf({ queues, results }: Run): Comparison[] {
  const { ours, peers } = sides(queues);
  return compare(results, ours, peers);
}

export function standing(run: Run): string[] {
  const { ours } = sides(run.queues);
  return comparisonsOf(run).map(({ row, best, bestPeer, factor, standing: where }) => {
    const cpu = (name: string) => run.results.cost(row.id, name)?.cpu;
    const [mine, theirs] = [cpu(ours), cpu(bestPeer)];
    const spent = mine && theirs ? `; ${(mine / theirs).toFixed(2)}× its CPU a job` : '';
    const against = `${bestPeer} ${show(best, row)}${spent}`;
    const words = {
      ahead: `ahead: ${factor.toFixed(factor < 10 ? 2 : 0)}× the best peer (${against})`,
      level: `level with the best peer (${against}), within 5 %. ${row.why}`,
      behind: `behind: ${factor.toFixed(2)}× the best peer (${against}). ${row.why}`,
    }[where];
    return `- **${row.title(run.options)}**: ${words.trim()}`;
  });
}

/** The two engines of ours, where both were measured. */
export function progress({ queues, results, options }: Run): string[] {
  const { ours, before } = sides(queues);
  return before ? besideBefore(results, [ours, before], options) : [];
}

/** Its section of docs/operations/benchmarks.md. */
export function section(run: Run): string {
  const { options, queues, missing, results, settings, load } = run;
  const names = queues.map(({ name }) => name);
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const lines = [
    'Written by `npm run bench:queue`; do not edit. It starts a Postgres of its own, gives every queue a database on it, and measures the queues side by side: in each round each queue in turn, another one first each time.',
    '',
    `${new Date().toISOString().slice(0, 10)}, ${os.availableParallelism()} cores, ${memory} GB RAM, database and clients on the same machine. Load average before the run: ${load.toFixed(2)}.${options.note ? ` **${options.note}**` : ''} ${options.rounds} ${options.rounds === 1 ? 'round' : 'rounds'} in ${Math.round(run.seconds / 60)} minutes; medians.`,
    '',
    'Beside each rate, in brackets: microseconds of processor time of the Postgres backends a job.',
    '',
    ...table(results, names, options),
    '',
    ...walTable(results, names, options),
    '',
    ...engines(run),
    '### Where ours stands',
    '',
    ...standing(run),
    '',
    ...method(settings),
    '',
    '| queue | version | best settings | settings for fairness | what users may count on with them |',
    '|---|---|---|---|---|',
    ...queues.map(
      ({ name, version, alwaysFair, settings: own }) =>
        `| ${name} | ${version} | ${own.tuned ?? 'as it comes'} | ${own.fair ?? (alwaysFair ? 'on by default' : 'none')} | ${own.promise} |`,
    ),
    '',
    ...missing.map(({ name, missing: why }) => `${name} was left out: ${why}\n`),
    ...results.failures.map((what) => `Broke off: ${what}\n`),
    ...ranges(run),
    '',
  ];
  return lines.join('\n');
}

function engines(run: Run): string[] {
  const lines = progress(run);
  if (lines.length === 0) return [];
  return [
    '### Beside the engine before',
    '',
    '*before* is the queue as it was before its engine was written anew, from the schema kept in `bench/queue/before`, measured in the same run through the same adapter. *CPU* and *WAL* are the present one’s over that one’s.',
    '',
    ...lines,
    '',
  ];
}

function method(settings: Record<string, string>): string[] {
  const shown = Object.entries(settings).filter(([name]) => name !== 'server_version');
  return [
    '### What is measured',
    '',
    `- Postgres ${settings.server_version}: ${shown.map(([name, value]) => `${name} ${value}`).join(', ')}; everything else at its default, autovacuum included. Before each measurement \`vacuum analyze\` and a checkpoint, not timed.`,
    '- All queues but awa are called through the same driver, one connection per client, one statement at a time, prepared. A statement is a transaction.',
    '- awa has no call to claim or complete: its own runtime does both, in one Python process that has all clients. It claims ahead for idle workers (claims of 1, 10 and up to 512 jobs), writes completions together, looks for lost jobs and empties old parts of its tables meanwhile; all that is in its numbers, and its rates are those of Python where that is busy. Its *enqueue to claim* includes the wake-up of a worker. Its *claim of 10* is the SQL function that the runtime calls, without the transaction in which it then notes its place.',
    '- *Microseconds a job*: time on a processor of the backends of the queue’s database (`/proc/PID/schedstat`), background processes not included. *WAL* is all that the server wrote meanwhile: whole pages after the checkpoint, and autovacuum, included.',
    '- Jobs carry some 250 bytes of JSON and belong to 100 users in turn. *Drain* is claim and complete, 8 clients until nothing is left; every job is counted. Singly it is a quarter of the jobs, and awa plays a quarter of each row. A client that gets nothing asks again after a millisecond.',
    '- *Through a queue of so many* is the steady state: half of the clients enqueue in hundreds, half claim and complete in hundreds, and as many jobs wait at any time; twice that number pass.',
    '- *With settings for fairness* the queue keeps what the table below says; ours does so by default, five running jobs of a user at any time. A queue without such settings has no such rows.',
    '- *Enqueue to claim* is one client that enqueues a job and claims it at once, in an empty queue: what the database adds to the pick-up. Wake-ups are not part of it.',
    '- The jobs for tomorrow have a high priority, and were enqueued before those that wait: pgmq has no priority, and takes the older first.',
    '- *Claim of 10* is timed inside a transaction that is rolled back, so that the backlog stays; *buffers* are shared hits and reads of the whole claim, nested functions included, by `EXPLAIN (ANALYZE, BUFFERS)`.',
    '- What finished jobs leave differs. Ours, pg-boss, awa and the original keep them, with times; graphile-worker and pgmq (`delete`) remove the row. Ours checks a lease on completion, keeps users in turns, priorities and expiry, and reads whose job it is; pgmq has none of these.',
  ];
}

function ranges(run: Run): string[] {
  const { ours } = sides(run.queues);
  return [
    '### How far single rounds were apart',
    '',
    '| | queue | smallest | largest |',
    '|---|---|---:|---:|',
    ...comparisonsOf(run).flatMap(({ row, bestPeer }) =>
      [ours, bestPeer].flatMap((name) => {
        const range = run.results.range(row.id, name);
        if (!range || row.id.startsWith('turn')) return [];
        return [`| ${row.title(run.options)} | ${name} | ${show(range[0], row)} | ${show(range[1], row)} |`];
      }),
    ),
  ];
}
