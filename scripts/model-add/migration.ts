/** The migration that brings a database up to the catalogue. */
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../user-error.mjs';

const run = promisify(execFile);
const ARGUMENTS = ['xtask', 'models-sql', 'changes'];

/** Writes what the catalogue has and the migrations do not. @returns the file's name */
export async function writeMigration(root: string, id: string, now: Date): Promise<string> {
  const { stdout } = await run('cargo', ARGUMENTS, { cwd: root, maxBuffer: 2 ** 24 }).catch((error) => {
    const said = String(error.stderr ?? error.message).trim();
    throw new UserError(`cargo ${ARGUMENTS.join(' ')} failed:\n${said}`);
  });
  const folder = path.join(root, 'supabase/migrations');
  const name = (id.split('/')[1] ?? id).toLowerCase().replace(/[^a-z0-9]+/g, '_');
  const file = `${versionAfter(await fs.readdir(folder), now)}_model_${name}.sql`;
  await fs.writeFile(path.join(folder, file), stdout);
  return file;
}

/** A number of the present time, or the first one behind the last migration: they run in order. */
export function versionAfter(files: string[], now: Date): string {
  const present = now.toISOString().replace(/\D/g, '').slice(0, 14);
  const last =
    files
      .flatMap((file) => /^\d{14}(?=_.+\.sql$)/.exec(file) ?? [])
      .sort()
      .at(-1) ?? '';
  return present > last ? present : String(BigInt(last) + 1n);
}
