import fs from 'node:fs/promises';

const DOCUMENT = new URL('../../docs/operations/benchmarks.md', import.meta.url);

/** The document with what stands between the two markers of a section replaced. */
export function withSection(document: string, name: string, text: string): string {
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`docs/operations/benchmarks.md has lost its markers ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${document.slice(to)}`;
}

/** Each benchmark writes its own section of docs/operations/benchmarks.md and leaves the rest alone. */
export async function writeSection(name: string, text: string): Promise<void> {
  await fs.writeFile(DOCUMENT, withSection(await fs.readFile(DOCUMENT, 'utf8'), name, text));
}
