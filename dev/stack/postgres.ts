import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { UserError } from '../../scripts/user-error.mjs';
import { freePort } from './ports.ts';
import {
  findPostgresBinaries,
  majorVersion,
  othersCanEnter,
  type PostgresBinaries,
  postgresUser,
  runAsUser,
} from './postgres-binaries.ts';
import { commandOf, endChild, endOf, waitUntilGone } from './processes.ts';
import type { Running } from './supervise.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** Where the data lives; made when it does not exist. */
  dir: string;
  /** The `bin` folder of another PostgreSQL; absent: the one that npm installed. */
  binDir?: string | undefined;
  /** Settings beside those of a Supabase project. */
  settings?: Record<string, string>;
  /** TCP port on 127.0.0.1; a free one when absent. */
  port?: number;
  /**
   * true (the default): a crash of this machine loses no committed row.
   * false: no fsync, for test databases; a crash of Postgres alone is still harmless.
   */
  durable?: boolean;
  maxConnections?: number;
  /** Gets each line Postgres writes to its log. */
  onLog?: (line: string) => void;
  /** Told of the server process as soon as it runs, and when it has ended. */
  onSpawn?: (pid: number, ended: Promise<unknown>) => void;
}

export interface RunningPostgres extends Running {
  port: number;
  /** Connection as the superuser `supabase_admin` to the database `postgres`. */
  superuserUrl: string;
}

/** The superuser's name on Supabase; `postgres` itself is not one there. */
const SUPERUSER = 'supabase_admin';
const PASSWORD = 'postgres';

/** Starts Postgres on its own data directory, whatever a killed predecessor left behind. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const dir = path.resolve(options.dir);
  const binaries = await findPostgresBinaries(options.binDir);
  const major = await majorVersion(binaries);
  const port = options.port ?? (await freePort());
  if (!existsSync(path.join(dir, 'PG_VERSION'))) await initialise(binaries, major, dir);
  await assertMadeBy(major, dir);
  await stopLeftover(dir);

  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    wal_level: 'logical', // as on Supabase; publications need it
    max_connections: String(options.maxConnections ?? 100),
    max_wal_size: '2GB',
    timezone: 'UTC',
    ...(options.durable === false
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : {}),
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // Its own process group: Ctrl-C in a terminal must not stop the database before what uses it.
  const child = spawn(binaries.postgres, ['-D', dir, '-p', String(port), ...flags], {
    ...(await runAsUser()),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = endOf(child);
  const recent: string[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(whyNotStarted(recent, port, dir)));
    let rest = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        recent.push(line);
        if (recent.length > 20) recent.shift();
        options.onLog?.(line);
        if (line.includes('ready to accept connections')) resolve();
      }
    });
    if (child.pid !== undefined) options.onSpawn?.(child.pid, ended);
  });
  return {
    pid: child.pid ?? 0,
    port,
    superuserUrl: `postgres://${SUPERUSER}:${PASSWORD}@127.0.0.1:${port}/postgres`,
    ended,
    // SIGINT is Postgres' fast shutdown: sessions are ended, everything committed is kept.
    stop: () => endChild(child, 'SIGINT', 15_000),
  };
}

/** The same server and credentials, another database or user. */
export function databaseUrl(superuserUrl: string, database: string, user = 'postgres'): string {
  const url = new URL(superuserUrl);
  url.pathname = `/${database}`;
  url.username = user;
  return url.href;
}

async function assertMadeBy(major: number, dir: string): Promise<void> {
  const made = (await fs.readFile(path.join(dir, 'PG_VERSION'), 'utf8')).trim();
  if (made === String(major)) return;
  throw new UserError(
    `The data in ${dir} was made by PostgreSQL ${made} and this is ${major}: use the ${made} of before (--postgres-bin), another folder (--dir), or start with --fresh.`,
  );
}

async function initialise(binaries: PostgresBinaries, major: number, dir: string): Promise<void> {
  await fs.mkdir(path.dirname(dir), { recursive: true });
  const owner = await postgresUser();
  if (owner) {
    if (!(await othersCanEnter(path.dirname(dir)))) {
      throw new UserError(
        `Postgres refuses to run as root and its own user cannot enter ${dir}; choose another place for the data with --dir, for example --dir /var/tmp/picture-queue.`,
      );
    }
  }
  // Made beside its place and moved there when it is whole: a killed set-up leaves nothing half-made.
  const making = `${dir}.new`;
  await fs.rm(making, { recursive: true, force: true });
  await fs.mkdir(making, { mode: 0o700 });
  if (owner) await fs.chown(making, owner.uid, owner.gid);
  const passwordFile = path.join(path.dirname(dir), `.postgres-password-${process.pid}`);
  await fs.writeFile(passwordFile, PASSWORD, { mode: 0o600 });
  if (owner) await fs.chown(passwordFile, owner.uid, owner.gid);
  try {
    const args = [
      '-D',
      making,
      '-U',
      SUPERUSER,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--no-sync',
    ];
    args.push('--encoding=UTF8', '--locale=C');
    // The same order everywhere; before 17 what is a letter comes from the machine.
    if (major >= 17) args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8');
    else args.push(`--lc-ctype=${process.platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8'}`);
    await run(binaries.initdb, args, await runAsUser());
    await fs.rm(dir, { recursive: true, force: true });
    await fs.rename(making, dir);
  } catch (error) {
    await fs.rm(making, { recursive: true, force: true });
    const { stderr } = error as { stderr?: string };
    throw new UserError(`Postgres could not be set up in ${dir}: ${(stderr ?? String(error)).trim()}`);
  } finally {
    await fs.rm(passwordFile, { force: true });
  }
}

/** After a SIGKILL of the stack Postgres may still run on this directory: it is stopped first. */
export async function stopLeftover(dir: string): Promise<void> {
  const pidFile = path.join(dir, 'postmaster.pid');
  const pid = Number.parseInt(await fs.readFile(pidFile, 'utf8').catch(() => ''), 10);
  if (!Number.isInteger(pid) || pid <= 0) return;
  // The id may belong to another process by now: end only a server on this very directory.
  const command = await commandOf(pid);
  if (!command.includes('postgres') || !command.includes(dir)) return;
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return; // gone in the meantime
    }
    if (await waitUntilGone(pid, 10_000)) return;
  }
}

function whyNotStarted(recent: string[], port: number, dir: string): UserError {
  const log = recent.join('\n');
  if (log.includes('Address already in use')) {
    return new UserError(`Port ${port} for Postgres is taken; choose other ports with --port-base.`);
  }
  const reason = recent.findLast((line) => /FATAL|PANIC/.test(line)) ?? recent.at(-1) ?? 'it gave no reason';
  return new UserError(
    `Postgres did not start on ${dir}: ${reason.trim()}; --fresh starts again with an empty database.`,
  );
}

/** A client for a handful of statements; close it with `end()`. */
export function client(url: string, max = 1): postgres.Sql {
  return postgres(url, { max, onnotice: () => {}, fetch_types: false });
}
