import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../run.mjs';
import { UserError } from '../user-error.mjs';

/** What both commands take. */
export interface Options {
  /** Which installation: its settings are in `.env.NAME`. */
  name: string;
  /** The folder with `.env.NAME` and `.local/NAME/`. */
  dir: string;
  dryRun: boolean;
  /** Whether the Workers are built first. */
  build: boolean;
  /** Whether migrations are applied. */
  database: boolean;
  smoke: boolean;
  /** Whether the smoke test makes an image, which costs. */
  image: boolean;
  /** Whether a person may be asked. */
  asks: boolean;
}

export interface DeployOptions extends Options {
  rollback: boolean;
  /** The release that a roll back is meant for, which has to be the newest one; absent: whichever that is. */
  release: string | undefined;
  /** Shares of the requests that the new version gets before all of them, in percent. */
  steps: number[];
  /** Between two shares. */
  pauseMs: number;
}

const COMMON = `  --name NAME        the installation (default: production). Its settings are in .env.NAME, which git ignores; the
                     Workers of another one than production have -NAME behind their names
  --dry-run          show every command, check what can be checked without an account, change nothing
  --no-build         take the Workers as they are built
  --no-database      leave the database as it is, such as one that npm run move brings over
  --no-smoke         do not run the smoke test at the end
  --no-image         run it without making an image, which Replicate charges for
  --dir DIR          where .env.NAME and .local/ are (default: this checkout)
  --help             this text
`;

export const SETUP_HELP = `npm run setup [-- options]

From nothing to a running installation: asks for what only you know and keeps it in .env.production, migrates the
database, deploys the three Workers with their variables and secrets, tries the result, and says what is left to do.
Run again it changes only what differs. After a failure, run it again: what is done is found to be unchanged.

You need: a Supabase project (or an account, to be asked for a project), a Cloudflare account, a Replicate token.

${COMMON}  --yes              ask nothing; what is missing is an error. Without a terminal nothing is asked either

Environment: every setting of .env.NAME that the file does not have, such as SUPABASE_PROJECT_REF, REPLICATE_API_TOKEN,
SUPABASE_ACCESS_TOKEN and CLOUDFLARE_API_TOKEN (in place of \`supabase login\` and \`wrangler login\`). The list:
docs/operations/deploy.md#settings
`;

export const DEPLOY_HELP = `npm run deploy [-- options]

Upgrades an installation that npm run setup has made: pending migrations first, then each Worker step by step with a
look at its health, then the smoke test. What is the same stays as it is.

  --steps 10,50      the new version's shares of the requests, in percent, before all; none: all at once
  --pause SECONDS    between two shares (default: 30)
  --rollback [RELEASE]
                     give the requests back to the versions from before the last release: RELEASE, as npm run deploy
                     has named it; where the newest one is another, nothing is done. The database stays, and so do
                     routes and the cron trigger

${COMMON}
Environment: as npm run setup takes it. Where it is described: docs/operations/deploy.md#upgrade
`;

const FLAGS = {
  name: { type: 'string', default: 'production' },
  dir: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  'no-build': { type: 'boolean', default: false },
  'no-database': { type: 'boolean', default: false },
  'no-smoke': { type: 'boolean', default: false },
  'no-image': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const LONGEST_PAUSE_S = 3600;

/** @returns undefined when the help was asked for */
export function parseSetup(argv: string[], isTerminal: boolean): Options | undefined {
  const flags = { ...FLAGS, yes: { type: 'boolean', short: 'y', default: false } } as const;
  const values = parse('setup', () => parseArgs({ args: argv, options: flags }).values);
  if (values.help) return undefined;
  return { ...common(values), asks: isTerminal && !values.yes && !values['dry-run'] };
}

/** @returns undefined when the help was asked for */
export function parseDeploy(argv: string[]): DeployOptions | undefined {
  const flags = {
    ...FLAGS,
    steps: { type: 'string', default: '10,50' },
    pause: { type: 'string', default: '30' },
    rollback: { type: 'string' },
  } as const;
  const values = parse('deploy', () => parseArgs({ args: joinRollback(argv), options: flags }).values);
  if (values.help) return undefined;
  const steps = values.steps === 'none' ? [] : values.steps.split(',').map(Number);
  const rises = steps.every((step, index) => step > (steps[index - 1] ?? 0) && step < 100);
  if (!rises) throw new UserError('--steps takes rising shares from 1 to 99, such as 10,50, or none.');
  const pause = values.pause === '' ? Number.NaN : Number(values.pause);
  if (!(pause >= 0 && pause <= LONGEST_PAUSE_S))
    throw new UserError(`--pause takes a number of seconds from 0 to ${LONGEST_PAUSE_S}.`);
  const { rollback } = values;
  if (rollback && !/^\d{12}$/.test(rollback))
    throw new UserError(
      '--rollback takes the twelve digits of a release, as npm run deploy names it, or nothing: the newest one.',
    );
  return {
    ...common(values),
    asks: false,
    rollback: rollback !== undefined,
    release: rollback || undefined,
    steps,
    pauseMs: pause * 1000,
  };
}

/** parseArgs has no option whose value may be left out: `--rollback NAME` becomes `--rollback=NAME`. */
function joinRollback(argv: string[]): string[] {
  const isValue = (arg = '-') => !arg.startsWith('-');
  return argv.flatMap((arg, index) => {
    if (arg === '--rollback') return `--rollback=${isValue(argv[index + 1]) ? argv[index + 1] : ''}`;
    return argv[index - 1] === '--rollback' && isValue(arg) ? [] : arg;
  });
}

function common(values: {
  name: string;
  dir?: string | undefined;
  'dry-run': boolean;
  'no-build': boolean;
  'no-database': boolean;
  'no-smoke': boolean;
  'no-image': boolean;
}): Omit<Options, 'asks'> {
  if (!/^[a-z][a-z0-9-]{0,29}$/.test(values.name))
    throw new UserError('--name takes small letters, digits and hyphens, 30 at most, the first a letter.');
  return {
    name: values.name,
    dir: values.dir === undefined ? ROOT : path.resolve(process.env.INIT_CWD ?? '.', values.dir),
    dryRun: values['dry-run'],
    build: !values['no-build'],
    database: !values['no-database'],
    smoke: !values['no-smoke'],
    image: !values['no-image'],
  };
}

function parse<T>(command: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    // Only the sentence about the option itself; what follows it is advice on Node's parser.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split('. ');
    throw new UserError(`${sentence}; see npm run ${command} -- --help.`);
  }
}
