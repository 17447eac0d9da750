import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MIGRATIONS = path.join(ROOT, 'supabase/migrations');

export interface Name {
  kind: 'relation' | 'function' | 'index' | 'policy';
  name: string;
}

export interface Migration {
  version: string;
  name: string;
  sql: string;
}

/** The migrations, in their order. */
export async function migrations(folder = MIGRATIONS): Promise<Migration[]> {
  const files = (await fs.readdir(folder)).filter((file) => /^\d+_.+\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      const [version = '', ...rest] = file.replace(/\.sql$/, '').split('_');
      return { version, name: rest.join('_'), sql: await fs.readFile(path.join(folder, file), 'utf8') };
    }),
  );
}

/** What the migrations make in `public`: it must be free before they are pushed. */
export async function publicNames(folder = MIGRATIONS): Promise<Name[]> {
  const found = new Map<string, Name>();
  for (const { sql } of await migrations(folder)) {
    for (const [, what, name = ''] of sql.matchAll(
      /^\s*create (?:or replace )?(table|view|function) public\.(\w+)/gim,
    )) {
      const kind = what?.toLowerCase() === 'function' ? 'function' : 'relation';
      found.set(`${kind} ${name}`, { kind, name });
    }
  }
  return [...found.values()];
}

/** What else the migrations make by names that may be taken: indexes of `public`, and policies of Storage's files. */
export async function otherNames(folder = MIGRATIONS): Promise<Name[]> {
  const found: Name[] = [];
  for (const { sql } of await migrations(folder)) {
    for (const [, name = ''] of sql.matchAll(/^\s*create (?:unique )?index (\w+)\s+on public\./gim)) {
      found.push({ kind: 'index', name });
    }
    for (const [, name = ''] of sql.matchAll(/^\s*create policy "([^"]+)"\s+on storage\.objects/gim)) {
      found.push({ kind: 'policy', name });
    }
  }
  return found;
}

/** The catalogue's models, `owner/name`. */
export async function catalogue(): Promise<string[]> {
  const text = await fs.readFile(path.join(ROOT, 'shared/src/catalogue/models.json'), 'utf8');
  return (JSON.parse(text) as { models: { id: string }[] }).models.map(({ id }) => id);
}
