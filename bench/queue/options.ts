import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  quick: boolean;
  only: string[];
  /** Which of our own engines are measured. */
  engines: Engine[];
  note: string;
  jobs: number;
  /** The same for the rows with settings for fairness, some of which are slow. */
  fairJobs: number;
  waiting: number;
  tomorrow: number;
  fairness: number;
}

export type Engine = 'old' | 'new';

export const MEASURES = ['throughput', 'fair-throughput', 'steady', 'latency', 'claim-cost', 'fairness'];

export const HELP = `node bench/queue/main.ts: Picture Queue's queue beside others, on one durable Postgres.

  --rounds N      how often each thing is measured; medians are shown (5)
  --quick         small numbers and one round: does it run at all? (a minute)
  --engines LIST  new, old or old,new (new): old is the queue as it was before its engine was written anew, from the
                  frozen schema in bench/queue/before; its column is named "before"
  --only NAME     one queue or one measure; may be repeated. Measures: ${MEASURES.join(', ')}
  --note TEXT     a sentence on the circumstances, for docs/operations/benchmarks.md
  --help

A run of everything writes its section of docs/operations/benchmarks.md. With both engines and five rounds it takes about
an hour on two idle cores; after each round it says how long the rest will take. The first run installs awa with
Python's pip, into .tools; a queue that cannot be had here is left out, and why is said.
`;

const SIZES = {
  quick: { jobs: 1_000, fairJobs: 400, waiting: 20_000, tomorrow: 2_000, fairness: 1_000 },
  full: { jobs: 20_000, fairJobs: 4_000, waiting: 1_000_000, tomorrow: 100_000, fairness: 10_000 },
};

/** A quarter is enough for a rate when each job is a commit. */
export function jobsAt(size: number, jobs: number): number {
  return size === 1 ? jobs / 4 : jobs;
}

/** @returns undefined when help was asked for */
export function parseOptions(args: string[], queues: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      engines: { type: 'string', default: 'new' },
      only: { type: 'string', multiple: true, default: [] },
      note: { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, only, note } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a whole number from 1 on');
  const names = [...queues, ...MEASURES];
  for (const name of only) {
    if (!names.includes(name)) throw new Error(`--only wants one of ${names.join(', ')}`);
  }
  const both = only.includes('before') ? `${values.engines},old` : values.engines;
  return { rounds, quick, only, note, engines: engines(both), ...SIZES[quick ? 'quick' : 'full'] };
}

function engines(list: string): Engine[] {
  const named = list.split(',').map((name) => name.trim());
  const known = (['old', 'new'] as const).filter((name) => named.includes(name));
  if (known.length === 0 || named.some((name) => name !== 'old' && name !== 'new')) {
    throw new Error('--engines wants new, old or old,new');
  }
  return known;
}
