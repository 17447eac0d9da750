import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Guardian } from './guardian.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';
import { preloadSafeupdate } from './safeupdate.ts';
import { createDatabase as create, createRoles, prepareDatabase } from './supabase/index.ts';

/** The project's own migrations; another folder can be given where migrations themselves are tested. */
export const MIGRATIONS = fileURLToPath(new URL('../../supabase/migrations', import.meta.url));
export const SEED = fileURLToPath(new URL('../../supabase/seed.sql', import.meta.url));

/** Templates of a test server: a bare Supabase project, and one with this project's migrations and seed. */
export const EMPTY = 'template_empty';
export const PROJECT = 'template_project';

/** As on Supabase, in the database `postgres`; its jobs need no connection, and so no password. */
const CRON = {
  shared_preload_libraries: 'pg_cron',
  'cron.database_name': 'postgres',
  'cron.use_background_workers': 'on',
};

/** Whether a PostgreSQL has a module to load, such as pg_cron. */
async function hasLibrary(binDir: string, name: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)(path.join(binDir, 'pg_config'), ['--pkglibdir']);
  return existsSync(path.join(stdout.trim(), `${name}.so`));
}

/**
 * Starts a Postgres for tests, without fsync, and makes the templates on it.
 *
 * POSTGRES_BIN in the environment is another PostgreSQL's `bin` folder. pg_cron is preloaded where that has it, and
 * pg-safeupdate where SAFEUPDATE_SOURCE says from where to build it.
 */
export async function startTestServer(): Promise<RunningPostgres> {
  const binDir = process.env.POSTGRES_BIN || undefined;
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-postgres-'));
  await fs.chmod(dir, 0o755); // as root Postgres runs as another user
  const guardian = new Guardian(); // a run that is killed must not leave its server behind
  guardian.owns(dir);
  const server = await startPostgres({
    dir: path.join(dir, 'data'),
    binDir,
    settings: binDir && (await hasLibrary(binDir, 'pg_cron')) ? CRON : {},
    durable: false,
    maxConnections: 300,
    onSpawn: (pid, ended) => guardian.watch(pid, ended),
  });
  const stop = async () => {
    await server.stop();
    guardian.dismiss();
    await fs.rm(dir, { recursive: true, force: true });
  };
  try {
    await createRoles(server.superuserUrl);
    const source = process.env.SAFEUPDATE_SOURCE;
    if (source && binDir) {
      await preloadSafeupdate(server.superuserUrl, source, binDir, path.join(dir, 'safeupdate'));
    }
    await create(server.superuserUrl, EMPTY);
    await prepareDatabase({ superuserUrl: server.superuserUrl, database: EMPTY });
    await create(server.superuserUrl, PROJECT, EMPTY);
    await prepareDatabase({
      superuserUrl: server.superuserUrl,
      database: PROJECT,
      migrationsDir: MIGRATIONS,
      seedFile: SEED,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...server, stop };
}
