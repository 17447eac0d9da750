import { parseArgs } from 'node:util';

export const HELP = `npm run model-check [-- options]

Plays on a database of its own what users, workers, webhooks, the cron and operators may call, on many connections
at once and at random, and compares what was answered and what is there with a model of the queue: nothing is lost,
nothing handed out twice under one lease, no limit exceeded; counts and money are exact; no deadlock, and no error
that the contract does not know.

  --seed N         which calls are made; the same seed makes the same choices (1)
  --minutes N      how long it plays; it ends with the epoch that is under way (10)
  --connections N  as many calls at once, 1 to 64 (16)
  --deletions HOW  users are deleted and jobs pruned alone, between the rounds, or together
                   with other calls (alone)
  --help           this text

Exit code 1: something is not as the model has it. The calls concerned are listed, with what the model expected.
`;

export interface Command {
  seed: number;
  minutes: number;
  connections: number;
  deletions: 'alone' | 'together';
}

/** @returns undefined when the help was asked for @throws Error with a sentence about the faulty option */
export function parseOptions(args: string[]): Command | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      seed: text,
      minutes: text,
      connections: text,
      deletions: text,
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const number = (
    name: 'seed' | 'minutes' | 'connections',
    otherwise: number,
    least: number,
    most: number,
  ) => {
    const value = Number(values[name] ?? otherwise);
    if (value >= least && value <= most && (name === 'minutes' || Number.isInteger(value))) return value;
    throw Object.assign(
      new Error(`--${name} takes a number from ${least} to ${most}; see npm run model-check -- --help.`),
      {
        code: 'ERR_PARSE_ARGS_VALUE',
      },
    );
  };
  const deletions = values.deletions ?? 'alone';
  if (deletions !== 'alone' && deletions !== 'together') {
    throw Object.assign(
      new Error('--deletions takes alone or together; see npm run model-check -- --help.'),
      {
        code: 'ERR_PARSE_ARGS_VALUE',
      },
    );
  }
  return {
    deletions,
    seed: number('seed', 1, 0, 2 ** 31),
    minutes: number('minutes', 10, 0.1, 600),
    connections: number('connections', 16, 1, 64),
  };
}
