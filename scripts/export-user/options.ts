import path from 'node:path';
import { parseArgs } from 'node:util';
import { UserError } from '../user-error.mjs';

export interface Options {
  userId: string;
  databaseUrl: string;
  /** Absolute path of a folder that is not there yet. */
  out: string;
  /** Where the files are read from; undefined: they are listed only. */
  storage: { url: string; key: string } | undefined;
}

export const HELP = `npm run export-user -- USER_ID [options]

Writes what is kept of a user into a folder: JSON, a list of their files and, with --files, the files themselves. It
reads the database in one snapshot and changes nothing. docs/operations/runbook/export-user.md says what is in it.

  --out DIR   the folder; it must not be there yet (default: user-USER_ID)
  --files     bring the files too
  --help

Environment: DATABASE_URL, the project's connection string as postgres; for --files SUPABASE_URL and
SUPABASE_SERVICE_ROLE_KEY (the secret key).
`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[], env: NodeJS.ProcessEnv): Options | undefined {
  const { values, positionals } = read(args);
  if (values.help) return undefined;
  const [userId = '', ...others] = positionals.map((each) => each.toLowerCase());
  if (!UUID.test(userId) || others.length > 0) {
    throw new UserError('Name one user by the id that Authentication shows: npm run export-user -- 5f0c….');
  }
  const { DATABASE_URL: databaseUrl, SUPABASE_URL: url, SUPABASE_SERVICE_ROLE_KEY: key } = env;
  if (!databaseUrl)
    throw new UserError('Set DATABASE_URL to the connection string of the database, as postgres.');
  if (values.files && !(url && key)) {
    throw new UserError('--files reads Storage: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY as well.');
  }
  return {
    userId,
    databaseUrl,
    out: path.resolve(env.INIT_CWD ?? '.', values.out ?? `user-${userId}`),
    storage: values.files && url && key ? { url: url.replace(/\/+$/, ''), key } : undefined,
  };
}

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        files: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    const sentence = (error instanceof Error ? error.message : String(error)).split('. ')[0];
    throw new UserError(`${sentence}; see npm run export-user -- --help.`);
  }
}
