import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Guardian } from '../../dev/stack/guardian.ts';
import { client, databaseUrl, startPostgres } from '../../dev/stack/postgres.ts';
import { createDatabase, createRoles } from '../../dev/stack/supabase/index.ts';
import { type Mark, mark } from '../cost.ts';

export interface Server {
  /** What it was really started with. */
  settings: Record<string, string>;
  /** @param template a database to copy, which has no connection; absent: an empty one */
  createDatabase(name: string, template?: string): Promise<{ url: string; superuserUrl: string }>;
  hasDatabase(name: string): Promise<boolean>;
  /** Between measurements, so that none pays for what another one left to be done. */
  settle(database: string): Promise<void>;
  /** What the backends of a database have cost until now; see cost.ts. */
  mark(database: string): Promise<Mark>;
  stop(): Promise<void>;
}

const SHOWN = [
  'server_version',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'shared_buffers',
  'max_wal_size',
];

/** A durable Postgres of the benchmark's own, in a temporary folder. */
export async function startServer(): Promise<Server> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-bench-'));
  await fs.chmod(dir, 0o755); // as root Postgres runs as another user
  const guardian = new Guardian();
  guardian.owns(dir);
  const server = await startPostgres({
    dir: path.join(dir, 'data'),
    durable: true,
    maxConnections: 200,
    onSpawn: (pid, ended) => guardian.watch(pid, ended),
  });
  const admin = client(server.superuserUrl);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      await admin.end();
      await server.stop();
      guardian.dismiss();
      await fs.rm(dir, { recursive: true, force: true });
    })();
    return stopped;
  };
  try {
    await createRoles(server.superuserUrl);
    const settings: Record<string, string> = {};
    for (const name of SHOWN) {
      const [row] = await admin`select current_setting(${name}) as value`;
      settings[name] = String(row?.value);
    }
    if (settings.fsync !== 'on' || settings.synchronous_commit !== 'on') {
      throw new Error('the benchmark must run on a Postgres with fsync and synchronous_commit on');
    }
    return {
      settings,
      async createDatabase(name, template) {
        await createDatabase(server.superuserUrl, name, template);
        const url = databaseUrl(server.superuserUrl, name);
        return {
          url,
          superuserUrl: databaseUrl(server.superuserUrl, name, new URL(server.superuserUrl).username),
        };
      },
      async hasDatabase(name) {
        return (await admin`select from pg_database where datname = ${name}`).length > 0;
      },
      async settle(database) {
        const inside = client(
          databaseUrl(server.superuserUrl, database, new URL(server.superuserUrl).username),
        );
        await inside`vacuum analyze`;
        await inside`checkpoint`;
        await inside.end();
      },
      mark: (database) => mark(admin, database),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
