import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  quick: boolean;
  only: string[];
  note: string;
  jobs: number;
  waiting: number;
  tomorrow: number;
  fairness: number;
}

export const MEASURES = ['throughput', 'latency', 'claim-cost', 'fairness'];

export const HELP = `node tests/bench/queue/main.ts: Picture Queue's queue beside others, on one durable Postgres.

  --rounds N   how often each thing is measured; medians are shown (5)
  --quick      small numbers and one round: does it run at all? (40 seconds)
  --only NAME  one queue or one measure; may be repeated. Measures: ${MEASURES.join(', ')}
  --note TEXT  a sentence on the circumstances, for docs/benchmarks.md
  --help

A run of everything writes its section of docs/benchmarks.md; it takes some 15 minutes on two idle cores.
`;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[], queues: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      note: { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a whole number from 1 on');
  const names = [...queues, ...MEASURES];
  for (const name of values.only) {
    if (!names.includes(name)) throw new Error(`--only wants one of ${names.join(', ')}`);
  }
  const sizes = values.quick
    ? { jobs: 1_000, waiting: 20_000, tomorrow: 2_000, fairness: 1_000 }
    : { jobs: 20_000, waiting: 1_000_000, tomorrow: 100_000, fairness: 10_000 };
  return { rounds, quick: values.quick, only: values.only, note: values.note, ...sizes };
}
