import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  /** In each crowd; a third as many are made one after another. */
  images: number;
  users: number;
  note: string;
  write: boolean;
}

export const HELP = `node tests/bench/path/main.ts: the whole way of a picture, on a stack of its own with a generation time of 0.

  --rounds N   how often everything is measured, each time on a new stack; medians are shown (3)
  --images N   pictures in each of the two crowds (600)
  --users N    users who start them at once (8)
  --note TEXT  a sentence on the circumstances, for docs/benchmarks.md
  --no-write   print only; docs/benchmarks.md stays as it is
  --help

MAX_PARALLEL_JOBS and MAX_JOBS_PER_INVOCATION are handed on to the workers; then nothing is written.
It takes some 70 seconds a round.
`;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '3' },
      images: { type: 'string', default: '600' },
      users: { type: 'string', default: '8' },
      note: { type: 'string', default: '' },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    rounds: wholeNumber('rounds', values.rounds),
    images: wholeNumber('images', values.images),
    users: wholeNumber('users', values.users),
    note: values.note,
    write: values.write,
  };
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} wants a whole number from 1 on`);
  return number;
}
