import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { inject } from 'vitest';
import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import {
  createDatabase as create,
  type RunningSupabase,
  type SupabaseOptions,
  startSupabase,
} from '../../dev/stack/supabase/index.ts';
import { PROJECT } from '../../dev/stack/test-server.ts';

export { EMPTY, MIGRATIONS, PROJECT, SEED } from '../../dev/stack/test-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser connection to the run's own Postgres, with both templates made. */
    postgresUrl: string;
  }
}

export interface TestDatabase {
  name: string;
  /** As `postgres`: owner of the project's objects, not a superuser. */
  url: string;
  superuserUrl: string;
  drop(): Promise<void>;
}

/**
 * A database of one's own, copied from a template in some 30 ms. Dropped with the whole server at the end of
 * the run, so that `drop()` is needed only by those who make many.
 */
export async function createDatabase(template: string = PROJECT): Promise<TestDatabase> {
  const serverUrl = testServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await create(serverUrl, name, template);
  return {
    name,
    url: databaseUrl(serverUrl, name),
    superuserUrl: databaseUrl(serverUrl, name, new URL(serverUrl).username),
    drop: async () => {
      const sql = client(serverUrl);
      await sql`drop database if exists ${sql(name)} with (force)`;
      await sql.end();
    },
  };
}

/**
 * The local Supabase on a database of one's own; `stop()` drops that too. In a test file:
 *
 * ```ts
 * beforeAll(async () => {
 *   supabase = await createSupabase();
 *   return supabase.stop;
 * });
 * ```
 *
 * @param migrationsDir applied on top of the template
 */
export async function createSupabase(
  template: string = PROJECT,
  migrationsDir?: string,
  options: Pick<SupabaseOptions, 'userTokens'> = {},
): Promise<RunningSupabase> {
  const database = await createDatabase(template);
  const storageDir = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-storage-'));
  const supabase = await startSupabase({
    superuserUrl: database.superuserUrl,
    database: database.name,
    storageDir,
    ...(migrationsDir === undefined ? {} : { migrationsDir }),
    ...options,
    maxConnections: 8,
  });
  const stop = async () => {
    await supabase.stop();
    await database.drop();
    await fs.rm(storageDir, { recursive: true, force: true });
  };
  return { ...supabase, stop };
}

/** The run's Postgres. */
function testServer(): string {
  const url = inject('postgresUrl');
  if (!url)
    throw new Error("vitest must run with globalSetup: ['tests/stack/global-setup.ts'] to have a database");
  return url;
}
