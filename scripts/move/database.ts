import fs from 'node:fs/promises';
import postgres from 'postgres';
import { UserError } from '../user-error.mjs';

const LOCKED = '55P03';

export type Sql = postgres.Sql | postgres.TransactionSql;

/** One connection, which a pooler may share out by transactions. */
export function connect(url: string): postgres.Sql {
  return postgres(url, {
    max: 1,
    prepare: false,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: 'picture-queue move' },
  });
}

/** A file of `sql/`. */
export function statements(name: string): Promise<string> {
  return fs.readFile(new URL(`sql/${name}.sql`, import.meta.url), 'utf8');
}

/** Runs files of `sql/`, one after the other. */
export async function run(sql: Sql, ...names: string[]): Promise<void> {
  for (const name of names) {
    try {
      await sql.unsafe(await statements(name)).simple();
    } catch (error) {
      throw explained(error, name);
    }
  }
}

/** The rows of a file of `sql/` that is one query. */
export async function rows<T>(sql: Sql, name: string): Promise<T[]> {
  return [...(await sql.unsafe(await statements(name)))] as T[];
}

/**
 * One transaction of the move. It waits for no table longer than some seconds, so that the app waits no longer for
 * us; there is no limit to how long it works, and no other move at the same time.
 *
 * @throws UserError when another move is under way, or a table is in use
 */
export async function transaction<T>(
  sql: postgres.Sql,
  work: (sql: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  try {
    return (await sql.begin(async (inner) => {
      // A server notices that we are gone, and takes back what we did, also in the midst of a long statement.
      await inner.unsafe(`set local statement_timeout = 0; set local lock_timeout = '15s';
        set local idle_in_transaction_session_timeout = 0; set local client_connection_check_interval = '1s';
        set local work_mem = '64MB'; set local timezone = 'UTC'; set local jit = off`);
      await alone(inner);
      return work(inner);
    })) as T;
  } catch (error) {
    throw explained(error);
  }
}

/** Waits for one that was killed just now; not for one that works. */
async function alone(inner: postgres.TransactionSql): Promise<void> {
  try {
    await inner`select pg_advisory_xact_lock(hashtext('picture-queue move'))`;
  } catch (error) {
    if ((error as Partial<postgres.PostgresError>).code !== LOCKED) throw error;
    throw new UserError('Another move of this database is under way.');
  }
}

/** Thrown to take a transaction back that has done its work. */
export class TakenBack extends Error {}

function explained(error: unknown, file?: string): unknown {
  if (error instanceof UserError || error instanceof TakenBack) return error;
  const { code, message, detail } = error as Partial<postgres.PostgresError>;
  if (code === LOCKED) {
    return new UserError(
      'A table is in use by somebody else, and nothing was changed by this step. Stop the original’s functions and run the command again.',
    );
  }
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) return error;
  return new UserError(
    `The database refuses${file === undefined ? '' : ` (${file}.sql)`}: ${message}.${detail ? ` ${detail}` : ''} This step was taken back whole.`,
  );
}
