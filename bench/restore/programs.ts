import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensurePostgres15 } from '../../scripts/postgres15.mjs';
import { UserError } from '../../scripts/user-error.mjs';

const PAGE = fileURLToPath(new URL('../../docs/operations/runbook/backup.md', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The folder of programs that a dump and its restore take. */
export async function postgresPrograms(given: string | undefined): Promise<string> {
  const wayOut = 'give the folder of a PostgreSQL that has them with --postgres-bin DIR';
  const found = given === undefined ? await ensurePostgres15() : { bin: given };
  if ('missing' in found) {
    throw new UserError(`A restore takes pg_dump and psql, and ${found.missing}: ${wayOut}.`);
  }
  const missing = ['postgres', 'pg_dump', 'psql'].filter((name) => !existsSync(path.join(found.bin, name)));
  if (missing.length > 0) throw new UserError(`${found.bin} has no ${missing.join(' and no ')}: ${wayOut}.`);
  return found.bin;
}

/** The commands of the runbook's page that stand under a heading, as a shell runs them. */
export async function commandsUnder(heading: string): Promise<string> {
  const page = await fs.readFile(PAGE, 'utf8');
  const [, rest] = page.split(`\n## ${heading}\n`);
  const [, commands] = /^```sh\n(.*?)^```$/ms.exec(rest?.split('\n## ')[0] ?? '') ?? [];
  if (commands === undefined)
    throw new Error(`docs/operations/runbook/backup.md has no commands under "${heading}"`);
  return commands;
}

/** Runs commands in a shell that stops at the first that fails. */
export async function runShell(commands: string, bin: string, env: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)('/bin/sh', ['-eu', '-c', commands], {
    cwd: ROOT,
    env: { ...process.env, ...env, PATH: `${bin}:${process.env.PATH}` },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}
