import path from 'node:path';
import { parseArgs } from 'node:util';
import { UserError } from '../../scripts/user-error.mjs';

export interface Options {
  /** The folder of PostgreSQL's programs, `pg_dump` and `psql` among them; undefined: Debian's. */
  postgresBin: string | undefined;
  /** Images of the batch of which some wait, and some are blocked. */
  batch: number;
  json: boolean;
  write: boolean;
}

export const HELP = `npm run rehearse:restore [-- OPTIONS]

Rehearses a restore on a stack of its own: jobs in every state, predictions at the simulator, a dump with pg_dump, more
work and more payments after it; then a new database, the dump in it, and the queue goes on. Every row must be there,
and nothing may be paid twice. The commands are those of docs/operations/runbook/backup.md. It takes about a minute.

  --postgres-bin DIR  PostgreSQL's programs, with pg_dump and psql of the same version (Debian's PostgreSQL 15, which is
                      installed if you are root on such a machine)
  --batch N           images that are asked for at once, of which most wait at the dump: 6 to 10 (9)
  --json              the result as one JSON document
  --no-write          print only; the page stays as it is
  --help

It ends with 1 where something was lost or paid twice.
`;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = read(args);
  if (values.help) return undefined;
  const batch = Number(values.batch);
  if (!Number.isInteger(batch) || batch < 6 || batch > 10) {
    throw new UserError('--batch takes a whole number from 6 to 10.');
  }
  const given = values['postgres-bin'];
  return {
    batch,
    json: values.json,
    write: values.write,
    postgresBin: given === undefined ? undefined : path.resolve(process.env.INIT_CWD ?? '.', given),
  };
}

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      allowNegative: true,
      options: {
        'postgres-bin': { type: 'string' },
        batch: { type: 'string', default: '9' },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: true },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    const sentence = (error instanceof Error ? error.message : String(error)).split('. ')[0];
    throw new UserError(`${sentence}; see npm run rehearse:restore -- --help.`);
  }
}
