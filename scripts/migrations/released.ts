/** The migrations that have been released: which they are, and whether they still are what they were. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';

/** Beside the folder `migrations`: a line for each released file, as `sha256sum` writes and checks it. */
export const MANIFEST = 'released.sha256';

const LINE = /^([0-9a-f]{64}) {2}migrations\/(\S+\.sql)$/;
const INSTEAD = 'It is released, and databases have run it: migrations only go forward.';

/** Released files in their order, with the hash of each. @throws Error for a line of another form */
export async function readManifest(supabase: string): Promise<Map<string, string>> {
  const text = await fs.readFile(path.join(supabase, MANIFEST), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [, hash, file] = LINE.exec(line) ?? [];
      if (!hash || !file) throw new Error(`supabase/${MANIFEST} has a line that is none of its own: ${line}`);
      return [file, hash];
    }),
  );
}

/** What stands in the folder now, in order. */
export async function readFolder(supabase: string): Promise<Map<string, string>> {
  const folder = path.join(supabase, 'migrations');
  const files = (await fs.readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
  const hashes = files.map(async (file): Promise<[string, string]> => {
    const content = await fs.readFile(path.join(folder, file));
    return [file, createHash('sha256').update(content).digest('hex')];
  });
  return new Map(await Promise.all(hashes));
}

/** A sentence for each released file that is not what it was, and for each new one that would run before one. */
export function complaints(released: Map<string, string>, folder: Map<string, string>): string[] {
  const last = [...released.keys()].sort().at(-1) ?? '';
  return [
    ...[...released].flatMap(([file, hash]) => {
      const now = folder.get(file);
      if (now === hash) return [];
      return now === undefined
        ? `${file} has disappeared. ${INSTEAD} Restore it (git checkout), and undo what it does in a new migration.`
        : `${file} was changed. ${INSTEAD} Restore it (git checkout), and put the change into a new migration.`;
    }),
    ...[...folder.keys()]
      .filter((file) => !released.has(file) && file < last)
      .map(
        (file) =>
          `${file} is new and comes before ${last}, which is released: give it a higher number, or databases that have that one will not take it.`,
      ),
  ];
}

/** The manifest's text. */
export function manifestOf(folder: Map<string, string>): string {
  return [...folder].map(([file, hash]) => `${hash}  migrations/${file}\n`).join('');
}
