/** models.json as a text: entries are put in and taken out without touching the others. */
import { UserError } from '../user-error.mjs';
import type { Entry } from './entry.ts';

/** Compiled into three workers; a test keeps it below. */
export const MAX_BYTES = 60_000;

export function entriesOf(text: string): Entry[] {
  return (JSON.parse(text) as { models: Entry[] }).models;
}

/** Three lines of what it is, and a line for each input, as the file has them. */
export function format(entry: Entry): string {
  const { id, name, description, operations, version, facts, input, ...rest } = entry;
  const first = JSON.stringify({ id, name, description, operations, version });
  const fields = Object.entries(input).map(
    ([field, value]) => `${JSON.stringify(field)}:${JSON.stringify(value)}`,
  );
  return [
    ` ${first.slice(0, -1)},`,
    `  ${JSON.stringify(rest).slice(1, -1)},`,
    `  "facts":${JSON.stringify(facts)},`,
    '  "input":{',
    `   ${fields.join(',\n   ')}}}`,
  ].join('\n');
}

/** The model behind which a new one belongs: of its maker and kind, else of its kind, else the last one. */
export function placeFor({ id, operations }: Entry, entries: Entry[]): string | undefined {
  const owner = id.split('/')[0];
  const kind = entries.filter((one) => one.operations[0] === operations[0]);
  const family = kind.filter((one) => one.id.split('/')[0] === owner);
  return (family.at(-1) ?? kind.at(-1) ?? entries.at(-1))?.id;
}

/** The file with the entry behind the model `after`. @throws UserError when there is no such model */
export function insert(text: string, entry: Entry, after: string): string {
  const entries = entriesOf(text);
  if (entries.some(({ id }) => id === entry.id))
    throw new UserError(`${entry.id} is in the catalogue already.`);
  const before = entries.find(({ id }) => id === after);
  if (!before) throw new UserError(`There is no model ${after} in the catalogue to put ${entry.id} behind.`);
  return replaceOnce(text, format(before), `${format(before)},\n${format(entry)}`);
}

/** The file without an entry. */
export function remove(text: string, id: string): string {
  const entries = entriesOf(text);
  const index = entries.findIndex((one) => one.id === id);
  const entry = entries[index];
  if (!entry) throw new UserError(`There is no model ${id} in the catalogue.`);
  return replaceOnce(text, index === 0 ? `${format(entry)},\n` : `,\n${format(entry)}`, '');
}

function replaceOnce(text: string, old: string, replacement: string): string {
  const at = text.indexOf(old);
  if (at < 0)
    throw new UserError('models.json is not written as this command writes it; add the entry by hand.');
  return text.slice(0, at) + replacement + text.slice(at + old.length);
}
