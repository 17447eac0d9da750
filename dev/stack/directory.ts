import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { PROJECT_ROOT } from './options.ts';
import { othersCanEnter, postgresUser } from './postgres-binaries.ts';
import { type ProjectKeys, projectKeys } from './supabase/jwt.ts';

/** What a stack's directory remembers, so that addresses and keys stay the same over restarts. */
export interface Memory {
  jwtSecret: string;
  replicateApiToken: string;
  replicateWebhookSecret: string;
  portBase?: number;
}

const fileIn = (dir: string) => path.join(dir, 'stack.json');

export async function recall(dir: string): Promise<Memory> {
  const known: Partial<Memory> = await fs
    .readFile(fileIn(dir), 'utf8')
    .then(JSON.parse)
    .catch(() => ({}));
  return {
    jwtSecret: randomBytes(32).toString('base64url'),
    replicateApiToken: `r8_${randomBytes(19).toString('hex').slice(0, 37)}`,
    replicateWebhookSecret: `whsec_${randomBytes(24).toString('base64')}`,
    ...known,
  };
}

export async function remember(dir: string, memory: Memory): Promise<void> {
  const unfinished = `${fileIn(dir)}.${process.pid}`;
  await fs.writeFile(unfinished, `${JSON.stringify(memory, null, 2)}\n`, { mode: 0o600 });
  await fs.rename(unfinished, fileIn(dir));
}

/** The keys of the local project; the secret may be given from outside. */
export function keysOf(memory: Memory, env: NodeJS.ProcessEnv): ProjectKeys {
  return projectKeys(env.SUPABASE_JWT_SECRET || memory.jwtSecret);
}

/** Removes all data; keys and ports stay. */
export async function forgetData(dir: string): Promise<void> {
  for (const name of ['postgres', 'storage', 'workers', 'replicate.jsonl']) {
    await fs.rm(path.join(dir, name), { recursive: true, force: true });
  }
}

/** `.local/` in the project; elsewhere when Postgres' user (as root it needs one) could not enter it. */
export async function defaultDir(log: (line: string) => void): Promise<string> {
  const inside = path.join(PROJECT_ROOT, '.local');
  if (!(await postgresUser()) || (await othersCanEnter(PROJECT_ROOT))) return inside;
  const id = createHash('sha256').update(inside).digest('hex').slice(0, 12);
  const outside = `/var/tmp/picture-queue-${id}`;
  log(
    `${PROJECT_ROOT} is closed to other users and Postgres refuses to run as root: data lives in ${outside}`,
  );
  return outside;
}
