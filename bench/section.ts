import fs from 'node:fs/promises';

const DOCUMENTS = new URL('../docs/operations/', import.meta.url);

/** The document with what stands between the two markers of a section replaced. */
export function withSection(document: string, name: string, text: string): string {
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has lost its markers ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${document.slice(to)}`;
}

/** Each benchmark writes its own section of a page in docs/operations and leaves the rest alone. */
export async function writeSection(name: string, text: string, page = 'benchmarks.md'): Promise<void> {
  const file = new URL(page, DOCUMENTS);
  await fs.writeFile(file, withSection(await fs.readFile(file, 'utf8'), name, text));
}
