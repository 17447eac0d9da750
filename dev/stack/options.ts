import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { UserError } from '../../scripts/user-error.mjs';
import { PORT_COUNT } from './ports.ts';

export interface StackOptions {
  fresh: boolean;
  /** Absolute path of the folder that holds everything a stack keeps; undefined: the default one. */
  dir?: string;
  /** Absolute path of another PostgreSQL's programs; undefined: the one that npm installed. */
  postgresBin?: string;
  portBase?: number;
  cron: boolean;
  /** Somebody else's Replicate: an origin without /v1. */
  replicateUrl?: string;
  wake: boolean;
  /** Which keys of the local project the workers hold. */
  apiKeys: 'legacy' | 'new';
  /** How the local project signs its users' tokens. */
  userTokens: 'ES256' | 'HS256';
  /** In place of the limit of wrangler.toml's rate-limit bindings. */
  rateLimit?: number;
}

export const PROJECT_ROOT = fileURLToPath(new URL('../../', import.meta.url));

export const HELP = `Runs the whole system on this machine until Ctrl-C: Postgres, the Supabase API, the three workers,
a Replicate simulator. When ready it prints one line of JSON with all addresses and keys.

npm run stack -- [options]

  --fresh              start with an empty database and empty storage
  --dir D              where data lives (default: .local/)
  --postgres-bin DIR   run the PostgreSQL (15 or newer) whose programs are in DIR, such as /usr/lib/postgresql/15/bin
  --port-base N        use the ports N to N+${PORT_COUNT - 1} (default: the last ones used here, else free ones)
  --no-cron            process-jobs runs only when it is called, not each minute
  --replicate-url U    use the Replicate at U (an origin, without /v1) instead of the simulator
  --wake off           start-generation does not wake process-jobs: only the cron picks jobs up
  --api-keys legacy    the workers hold the legacy keys, which are tokens; by default they hold those of today
                       (sb_publishable_…, sb_secret_…), and process-jobs takes the legacy service key too
  --user-tokens ES256  users' tokens are signed with a key whose public half the project publishes, as in new hosted
                       projects, and the workers hold no shared secret (default: HS256)
  --rate-limit N       starts and cancels that a user has a minute, in place of wrangler.toml's limit
  --help               this text

Environment: SUPABASE_URL with SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY (the publishable and the secret key, or
the legacy ones) use that project instead of a local one; REPLICATE_API_TOKEN without --replicate-url uses the real
Replicate. REPLICATE_WEBHOOK_SECRET, PUBLIC_URL, MAX_PARALLEL_JOBS, ALLOWED_ORIGINS, WEBHOOK_ALLOWED_ORIGINS,
DNS_OVER_HTTPS_URL, MODERATION_URL (with _SECRET, _TIMEOUT_MS, _ON_FAILURE), SUPABASE_JWT_SECRET and
REPLICATE_API_URL are handed on to the workers.
SIMULATOR_GENERATION_MS is how long the simulator takes for an image.
`;

/** @returns undefined when the help was asked for */
export function parseOptions(argv: string[]): StackOptions | undefined {
  const values = parse(argv);
  if (values.help) return undefined;
  const options: StackOptions = {
    fresh: values.fresh,
    cron: !values['no-cron'],
    wake: values.wake !== 'off',
    userTokens: values['user-tokens'].toUpperCase() === 'ES256' ? 'ES256' : 'HS256',
    apiKeys: values['api-keys'] === 'legacy' ? 'legacy' : 'new',
  };
  if (values['api-keys'] !== 'legacy' && values['api-keys'] !== 'new')
    throw new UserError('--api-keys takes legacy or new.');
  if (!/^(ES|HS)256$/i.test(values['user-tokens']))
    throw new UserError('--user-tokens takes ES256 or HS256.');
  if (values.wake !== 'on' && values.wake !== 'off') throw new UserError('--wake takes on or off.');
  if (values.dir !== undefined) options.dir = path.resolve(process.env.INIT_CWD ?? '.', values.dir);
  if (values['postgres-bin'] !== undefined) {
    options.postgresBin = path.resolve(process.env.INIT_CWD ?? '.', values['postgres-bin']);
  }
  if (values['port-base'] !== undefined) {
    const base = Number(values['port-base']);
    if (!Number.isInteger(base) || base < 1 || base + PORT_COUNT > 65_536) {
      throw new UserError(`--port-base takes a number from 1 to ${65_536 - PORT_COUNT}.`);
    }
    options.portBase = base;
  }
  if (values['rate-limit'] !== undefined) {
    const limit = Number(values['rate-limit']);
    if (!Number.isInteger(limit) || limit < 1) throw new UserError('--rate-limit takes a number from 1 on.');
    options.rateLimit = limit;
  }
  if (values['replicate-url'] !== undefined) options.replicateUrl = toOrigin(values['replicate-url']);
  return options;
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        fresh: { type: 'boolean', default: false },
        dir: { type: 'string' },
        'postgres-bin': { type: 'string' },
        'port-base': { type: 'string' },
        'no-cron': { type: 'boolean', default: false },
        'replicate-url': { type: 'string' },
        wake: { type: 'string', default: 'on' },
        'api-keys': { type: 'string', default: 'new' },
        'user-tokens': { type: 'string', default: 'HS256' },
        'rate-limit': { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    // Only the sentence about the option itself; what follows it is advice on Node's parser.
    const sentence = (error instanceof Error ? error.message : String(error)).split('. ')[0];
    throw new UserError(`${sentence}; see npm run stack -- --help.`);
  }
}

/** Forgives a trailing slash and the /v1 that Replicate's own clients want. */
export function toOrigin(url: string): string {
  try {
    const { protocol, origin } = new URL(url);
    if (protocol === 'http:' || protocol === 'https:') return origin;
  } catch {
    // said below
  }
  throw new UserError(
    `${JSON.stringify(url)} is not an http or https URL (Replicate's address, without /v1).`,
  );
}
