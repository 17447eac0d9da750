import { parseArgs } from 'node:util';
import { OURS, PEERS } from '../queue/all.ts';
import { CELLS, type CellName } from './cells.ts';

export interface Options {
  /** Their names. */
  queues: string[];
  cells: CellName[];
  /** Seconds of each part of a cell. */
  warmUp: number;
  baseline: number;
  stress: number;
  recovery: number;
  /** Jobs offered a second. */
  rate: number;
  /** How many times the rate where it is raised. */
  more: number;
  producers: number;
  consumers: number;
  /** Jobs in an enqueue. */
  batch: number;
  /** Jobs asked for in a claim. */
  claim: number;
  users: number;
  /** A consumer that got fewer than it asked for asks again after so many milliseconds from its last. */
  pollMs: number;
  /** Seconds between two rounds of autovacuum. */
  naptime: number;
  /** Seconds between two runs of what a queue has its cron do. */
  sweep: number;
  readers: number;
  /** How long a reader keeps its snapshot, in seconds. */
  readerSeconds: number;
  json: boolean;
}

export const DEFAULTS: Options = {
  queues: [OURS, ...PEERS],
  cells: Object.keys(CELLS) as CellName[],
  warmUp: 3,
  baseline: 20,
  stress: 60,
  recovery: 20,
  rate: 400,
  more: 1.5,
  producers: 4,
  consumers: 4,
  batch: 5,
  claim: 10,
  users: 100,
  pollMs: 50,
  naptime: 10,
  sweep: 20,
  readers: 4,
  readerSeconds: 10,
  json: false,
};

const NUMBERS = {
  seconds: 'stress',
  baseline: 'baseline',
  recovery: 'recovery',
  'warm-up': 'warmUp',
  rate: 'rate',
  more: 'more',
  producers: 'producers',
  consumers: 'consumers',
  batch: 'batch',
  claim: 'claim',
  users: 'users',
  poll: 'pollMs',
  naptime: 'naptime',
  sweep: 'sweep',
  readers: 'readers',
  'reader-seconds': 'readerSeconds',
} as const;
const FRACTIONS = ['more', 'seconds', 'baseline', 'recovery', 'warm-up', 'reader-seconds', 'sweep'];

export const help = (queues: string[]) => `npm run pressure [-- options]

Queues on Postgres under pressure, one after the other on a durable Postgres of its own: at a fixed load that each of
them holds, every cell plays a baseline, a stress and a recovery in a fresh database. It tells what share of the load
was kept, the time from enqueue to claim, the processor time of Postgres, dead rows and WAL a job, and how long the
way back took; then how ours stands beside its goals. With all queues and cells it takes an hour.

  --queues LIST   of ${queues.join(',')}
                  (${DEFAULTS.queues.join(',')})
  --cells LIST    ${Object.keys(CELLS).join(',')} (all):
${Object.entries(CELLS)
  .map(([name, { title }]) => `                    ${name.padEnd(12)}${title}`)
  .join('\n')}
  --seconds N     length of a stress (${DEFAULTS.stress}); --baseline N (${DEFAULTS.baseline}), --recovery N (${DEFAULTS.recovery}), --warm-up N (${DEFAULTS.warmUp})
  --rate N        jobs offered a second (${DEFAULTS.rate}); --more N: how many times that where it is raised (${DEFAULTS.more})
  --batch N       jobs in an enqueue (${DEFAULTS.batch}); --claim N: jobs asked for in a claim (${DEFAULTS.claim})
  --producers N   (${DEFAULTS.producers}); --consumers N (${DEFAULTS.consumers}); --users N, at most 100 (${DEFAULTS.users})
  --poll N        milliseconds from one claim of a consumer to its next, where jobs were fewer than asked for (${DEFAULTS.pollMs})
  --naptime N     seconds between two rounds of autovacuum (${DEFAULTS.naptime})
  --sweep N       seconds between two runs of our cron's work, once a minute when deployed (${DEFAULTS.sweep})
  --readers N     (${DEFAULTS.readers}); --reader-seconds N: how long each keeps its snapshot (${DEFAULTS.readerSeconds})
  --json          the report as JSON
  --help

Exit code 1: a queue lost a job, handed one out twice, or did not get through a cell. Goals that are missed are only told.
`;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[], queues: string[]): Options | undefined {
  const texts = ['queues', 'cells', ...Object.keys(NUMBERS)];
  const known: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  };
  for (const name of texts) known[name] = { type: 'string' };
  const values: Record<string, unknown> = parseArgs({ args, options: known }).values;
  if (values.help) return undefined;
  const options: Options = { ...DEFAULTS, json: values.json === true };
  for (const [name, key] of Object.entries(NUMBERS)) {
    if (values[name] === undefined) continue;
    const value = Number(values[name]);
    const isFraction = FRACTIONS.includes(name);
    if (!(value > 0 && value < 1e6) || (!isFraction && !Number.isInteger(value)))
      throw new Error(`--${name} wants a ${isFraction ? 'number above 0' : 'whole number from 1 on'}`);
    options[key] = value;
  }
  if (options.users > 100) throw new Error('--users wants a whole number from 1 to 100');
  options.queues = list('queues', values.queues, queues) ?? DEFAULTS.queues;
  options.cells = list('cells', values.cells, DEFAULTS.cells) ?? DEFAULTS.cells;
  return options;
}

function list<T extends string>(option: string, text: unknown, known: T[]): T[] | undefined {
  if (typeof text !== 'string') return undefined;
  return text.split(',').map((name) => {
    const found = known.find((one) => one === name.trim());
    if (!found) throw new Error(`--${option} wants one or more of ${known.join(',')}`);
    return found;
  });
}
