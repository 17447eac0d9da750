import { parseArgs } from 'node:util';

export interface SoakOptions {
  /** Generations to start. */
  count: number;
  /** Decides which generation meets which fault, and what each user asks for. */
  seed: number;
  /** Share of the generations that meet a fault, 0 to 1. */
  faults: number;
  users: number;
  /** How often the process that runs the workers is killed. */
  kills: number;
  /** How many times as fast as a real clock the queue's waits run out. */
  clock: number;
  /** How long Storage is down, in seconds of the queue's clock; 0: never. */
  storageOutage: number;
  /** The same for the provider's creates. */
  providerOutage: number;
  /** How often Postgres is restarted. */
  postgresRestarts: number;
  /** How many seconds the provider's clock is ahead of ours; negative: behind. */
  clockSkew: number;
}

/** Good weather: nothing that all generations meet. */
export const CALM = { storageOutage: 0, providerOutage: 0, postgresRestarts: 0, clockSkew: 0 };

export interface Command extends SoakOptions {
  json: boolean;
}

export const DEFAULTS: SoakOptions = {
  count: 1_000,
  seed: 1,
  faults: 0.1,
  users: 20,
  kills: 2,
  clock: 15,
  storageOutage: 600,
  providerOutage: 900,
  postgresRestarts: 1,
  clockSkew: 300,
};

/** How long it waits for the end when nothing is down any more. */
export const LIMIT_MINUTES = 9;

export const HELP = `npm run soak [-- options]

Starts a stack of its own (workerd, durable Postgres, the Replicate simulator), starts generations by many users
while faults play, waits until all have ended, and then reads the database, the storage and the simulator's records.
Exit code 1: an invariant is broken; the first 10 generations concerned are listed with what is recorded of them.

  --count N      generations to start (${DEFAULTS.count})
  --seed N       which generation meets which fault; the same seed gives the same mix (${DEFAULTS.seed})
  --faults S     share of the generations that meet a fault, 0 to 1 (${DEFAULTS.faults})
  --users N      users who ask, each for one image after the other (${DEFAULTS.users})
  --kills N      how often the process of the three workers is killed with SIGKILL (${DEFAULTS.kills})
  --clock N      how many times as fast the queue's waits run out (${DEFAULTS.clock}); 1 is real time
  --storage-outage S     how long Storage answers nothing but errors, in seconds of that clock (${DEFAULTS.storageOutage})
  --provider-outage S    how long no prediction can be created, the same (${DEFAULTS.providerOutage})
  --postgres-restarts N  how often Postgres is restarted (${DEFAULTS.postgresRestarts})
  --clock-skew=S         how many seconds the provider's clock is ahead; negative: behind (${DEFAULTS.clockSkew})
  --calm         none of these four
  --json         the result as one JSON object on stdout
  --help         this text

In production the sweep looks at an awaited prediction after 120 s, a create whose outcome is unknown waits 90 s for
its webhook, and the cron comes each minute. So that a run ends within minutes, --clock shortens what nobody works
on: it moves lease_expires_at back in SQL, steadily for jobs that await a prediction, and once for jobs whose worker
was killed; it sends the cron's event so much more often; and late webhooks and Replicate's repeats are shortened
alike. Whoever works keeps the whole lease of 60 s, and backoffs and Retry-After are waited out. The seed fixes the
mix, not the timing. The starts are spread over the outages, which come one after the other.
It ends by itself ${LIMIT_MINUTES} minutes after the last outage at the latest.
`;

/** @returns undefined when the help was asked for @throws Error with a sentence about the faulty option */
export function parseOptions(argv: string[]): Command | undefined {
  const { values } = parseArgs({
    args: argv,
    options: {
      count: { type: 'string' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      users: { type: 'string' },
      kills: { type: 'string' },
      clock: { type: 'string' },
      'storage-outage': { type: 'string' },
      'provider-outage': { type: 'string' },
      'postgres-restarts': { type: 'string' },
      'clock-skew': { type: 'string' },
      calm: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const number = (name: keyof SoakOptions, least: number, most: number, whole = true): number => {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as keyof typeof values;
    const value = Number(values[option] ?? (values.calm && name in CALM ? 0 : DEFAULTS[name]));
    if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
    throw new Error(`--${option} takes ${whole ? 'a whole number' : 'a number'} from ${least} to ${most}.`);
  };
  return {
    count: number('count', 1, 20_000),
    seed: number('seed', 0, 2 ** 31),
    faults: number('faults', 0, 1, false),
    users: number('users', 1, 1_000),
    kills: number('kills', 0, 20),
    clock: number('clock', 1, 30, false),
    storageOutage: number('storageOutage', 0, 3_000),
    providerOutage: number('providerOutage', 0, 3_000),
    postgresRestarts: number('postgresRestarts', 0, 20),
    clockSkew: number('clockSkew', -300, 300),
    json: values.json,
  };
}
