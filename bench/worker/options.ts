import path from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  /** A tenth of the requests. */
  quick: boolean;
  /** What each kind of invocation costs, in place of the comparison. */
  table: boolean;
  /** Where the time of a request goes, in place of the comparison. */
  profile: boolean;
  json: boolean;
  /** Absolute path of another checkout, whose Workers take JavaScript's place. */
  against: string | undefined;
  note: string;
  write: boolean;
}

export const HELP = `npm run bench:worker [-- options]

The processor time that our Workers take for a request, beside the same Workers written in JavaScript: each side in a
workerd of its own, against one stub of Supabase and Replicate, 16 connections at once, the sides taking turns. The
Workers must be built (npm run stack builds them).

  --rounds N      how often each side is measured; medians are shown (6)
  --quick         two rounds with a tenth of the requests, to see whether it runs; nothing is written
  --table         what each kind of invocation costs, for the limits of Cloudflare's plans
  --profile       where the time of a start and of a read goes, by V8's profiler
  --against DIR   another checkout, whose built Workers take JavaScript's place: one that calls the same SQL functions in
                  the same way; then nothing is written
  --json          one line of JSON on stdout, progress on stderr; then nothing is written
  --note TEXT     a sentence on the circumstances, for docs/operations/worker-costs.md
  --no-write      print only; docs/operations/worker-costs.md stays as it is
  --help

It takes some 15 seconds a round on two idle cores, and needs Linux, which tells the time of each thread.
`;

const QUICK_ROUNDS = 2;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      table: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      against: { type: 'string' },
      note: { type: 'string', default: '' },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, table, profile, json, note } = values;
  const rounds = Number(values.rounds ?? (quick ? QUICK_ROUNDS : 6));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a whole number from 1 on');
  if (table && profile) throw new Error('--table and --profile are two runs');
  if (profile && values.against !== undefined)
    throw new Error('--profile looks at both sides of this checkout: it takes no --against');
  const against =
    values.against === undefined ? undefined : path.resolve(process.env.INIT_CWD ?? '.', values.against);
  const write = values.write && !quick && !json && against === undefined;
  return { rounds, quick, table, profile, json, against, note, write };
}
