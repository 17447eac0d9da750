import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../scripts/user-error.mjs';
import { client } from './postgres.ts';

const run = promisify(execFile);

/**
 * Builds pg-safeupdate, which hosted Supabase preloads into PostgREST's sessions, and preloads it into those of the
 * tests. It is off there until a test speaks as the API does (`Database.as`): what the tests themselves change is
 * no concern of it.
 *
 * @param source folder of its source, which no package registry has: a clone of eradman/pg-safeupdate
 * @param binDir `bin` folder of the PostgreSQL that runs, with its headers
 * @param target folder for the module; the server's user must be able to read it
 */
export async function preloadSafeupdate(
  superuserUrl: string,
  source: string,
  binDir: string,
  target: string,
): Promise<void> {
  const pgConfig = path.join(binDir, 'pg_config');
  const { stdout: headers } = await run(pgConfig, ['--includedir-server']);
  if (!existsSync(path.join(headers.trim(), 'postgres.h'))) {
    throw new UserError(
      `SAFEUPDATE_SOURCE is set and PostgreSQL's headers are not at ${headers.trim()}: install them (Debian: postgresql-server-dev-15).`,
    );
  }
  await fs.cp(source, target, { recursive: true });
  // The bitcode needs a compiler of its own and nothing reads it.
  await run('make', ['-C', target, `PG_CONFIG=${pgConfig}`, 'with_llvm=no']).catch((error) => {
    throw new UserError(`pg-safeupdate could not be built from ${source}: ${error.stderr ?? error}`);
  });
  const sql = client(superuserUrl);
  try {
    await sql
      .unsafe(`
      alter role postgres set session_preload_libraries = '${path.join(target, 'safeupdate')}';
      alter role postgres set safeupdate.enabled = 'off';
      grant set on parameter safeupdate.enabled to postgres`)
      .simple();
  } finally {
    await sql.end();
  }
}
