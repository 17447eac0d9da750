import data from '@mdn/browser-compat-data' with { type: 'json' };
import type { Identifier, SimpleSupportStatement } from '@mdn/browser-compat-data';

/** Since when browsers have what, by MDN's own data: https://github.com/mdn/browser-compat-data. */

const NAMES = {
  chrome: 'chrome',
  edge: 'edge',
  firefox: 'firefox',
  safari: 'safari',
  ios: 'safari_ios',
} as const;

/** Versions by browser. */
export type Versions = Record<keyof typeof NAMES, string>;

export const isAtMost = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true }) <= 0;

/** Since which version each browser has it whole, under its own name or a vendor's; `never` where it has not. */
export function since(entry: Identifier): Versions {
  const { support } = entry.__compat ?? {};
  const versions = Object.entries(NAMES).map(([name, id]) => {
    const statements = [support?.[id] ?? []].flat() as SimpleSupportStatement[];
    const there = statements.filter(
      ({ version_added, version_removed, flags, partial_implementation }) =>
        version_added && version_added !== 'preview' && !version_removed && !flags && !partial_implementation,
    );
    const all = there.map(({ version_added }) => String(version_added).replace('≤', ''));
    return [name, all.toSorted((a, b) => (isAtMost(a, b) ? -1 : 1))[0] ?? 'never'];
  });
  return Object.fromEntries(versions) as Versions;
}

/** All entries below one, with the names that lead to them. */
export function* below(entry: Identifier, path: string[] = []): Generator<[string[], Identifier]> {
  for (const [name, child] of Object.entries(entry)) {
    if (name === '__compat' || name === '__meta') continue;
    yield [[...path, name], child as Identifier];
    yield* below(child as Identifier, [...path, name]);
  }
}

const { css, javascript, api } = data as unknown as Record<'css' | 'javascript' | 'api', Identifier>;
const part = (entry: Identifier | undefined, ...path: string[]): Identifier | undefined =>
  path.reduce<Identifier | undefined>((at, name) => at?.[name] as Identifier | undefined, entry);
const plain = (name: string) => name.replace(/^-(webkit|moz)-/, '');

const types = new Map([...below(part(css, 'types') ?? {})].map(([path, entry]) => [path.at(-1), entry]));
/** What is as old as style sheets, and needs no entry; and what has its entry under another name. */
const UNITS: Record<string, string | undefined> = { dvh: 'viewport_percentage_units_dynamic' };
const OLD_UNITS = ['px', 's', 'ms', 'fr', 'deg', 'turn'];

/** What a style sheet, minified, makes use of, by the name under which it is reported. */
export function usedInCss(sheet: string): Map<string, Identifier | undefined> {
  const used = new Map<string, Identifier | undefined>();
  const text = sheet.replaceAll(/"[^"]*"/g, '""').replaceAll(/#[0-9a-f]{3,8}\b/gi, 'red');
  for (const [, chunk = '', end] of text.matchAll(/([^{};]*)([{};])/g)) {
    if (end === '{' && chunk.startsWith('@')) atRule(chunk, used);
    else if (end === '{') {
      for (const [, name = ''] of chunk.matchAll(/::?([a-z-]+)/g))
        used.set(`:${name}`, part(css, 'selectors', name) ?? part(css, 'selectors', plain(name)));
    } else declaration(chunk, used);
  }
  return used;
}

function atRule(chunk: string, used: Map<string, Identifier | undefined>) {
  const name = /^@([\w-]+)/.exec(chunk)?.[1] ?? '';
  used.set(`@${name}`, part(css, 'at-rules', plain(name)));
  if (name !== 'media') return;
  for (const [, feature = ''] of chunk.matchAll(/\(([\w-]+)/g))
    used.set(`@media ${feature}`, part(css, 'at-rules', 'media', feature.replace(/^(min|max)-/, '')));
}

function declaration(chunk: string, used: Map<string, Identifier | undefined>) {
  const [, property = '', value = ''] = /^([\w-]+):(.*)$/s.exec(chunk) ?? [];
  if (property === '') return;
  const own = part(css, 'properties', property) ?? part(css, 'properties', plain(property));
  if (!property.startsWith('--')) {
    used.set(property, own);
    for (const [word] of value.matchAll(/(?<![\w-])[a-z][a-z-]*(?![\w(-])/g)) {
      const entry = part(own, word);
      if (entry?.__compat) used.set(`${property}: ${word}`, entry);
    }
  }
  for (const [, name = ''] of value.matchAll(/([a-z-]+)\(/g))
    used.set(`${name}()`, part(own, name) ?? types.get(name));
  for (const [, unit = ''] of value.matchAll(/\d([a-z]+)\b/g))
    if (!OLD_UNITS.includes(unit))
      used.set(`unit ${unit}`, part(css, 'types', 'length', UNITS[unit] ?? unit));
}

/** Methods and classes that the data knows, by name: where several have one name, each counts. */
const members = new Map<string, Identifier[]>();
for (const root of [javascript.builtins as Identifier, api]) {
  for (const [path, entry] of below(root)) {
    const name = path.at(-1)?.replace(/_static$/, '') ?? '';
    members.set(name, [...(members.get(name) ?? []), entry]);
  }
}

/** What sources call or construct that some browser may have, by name; whose it is cannot be told from a name. */
export function usedInSources(text: string): Map<string, Identifier[]> {
  const names = [/\.([a-zA-Z]\w{2,})\(/g, /\bnew ([A-Z]\w+)/g].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, name = '']) => name),
  );
  return new Map(names.flatMap((name) => (members.has(name) ? [[name, members.get(name) ?? []]] : [])));
}
