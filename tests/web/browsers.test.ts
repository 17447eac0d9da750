import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { expect, test } from 'vitest';
import { BROWSERS } from '../../web/browsers.ts';
import { isAtMost, since, usedInCss, usedInSources, type Versions } from './support/compat.ts';

/** The files as they are built need no newer browsers than the guide says, and no older ones would do. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const at = (...names: string[]) => path.join(ROOT, ...names);

/** Without these the pages work and look nearly the same. */
const MAY_BE_MISSING = [
  ':-webkit-details-marker',
  ':-webkit-inner-spin-button',
  ':selection',
  '-moz-text-size-adjust',
  '-webkit-font-smoothing',
  '-webkit-text-size-adjust',
  'accent-color',
  'cursor: crosshair',
  'cursor: default',
  'cursor: grab',
  'cursor: grabbing',
  'cursor: not-allowed',
  'cursor: pointer',
  'cursor: zoom-in',
  'field-sizing',
  'field-sizing: content',
  'overflow-anchor',
  'overflow-anchor: none',
  'overscroll-behavior',
  'resize',
  'resize: vertical',
  'scrollbar-color',
  'scrollbar-gutter',
  'scrollbar-gutter: stable',
  'scrollbar-width',
  'scrollbar-width: thin',
  'text-size-adjust',
  'text-wrap',
  'text-wrap: balance',
];
/** Names of ours that some new interface of browsers has too. */
const OURS = ['grow', 'last', 'move', 'range', 'retry', 'run', 'take', 'usage'];

const lacks = (by: Versions, there: Versions) =>
  Object.entries(by).flatMap(([name, version]) => {
    const from = there[name as keyof Versions];
    return from === 'never' || !isAtMost(from, version) ? [name] : [];
  });

function readEach(folder: string, ending: RegExp): string[] {
  const files = fs.readdirSync(at(folder), { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((name) => ending.test(name))
    .map((name) => fs.readFileSync(at(folder, name), 'utf8'));
  expect(texts.length, `files in ${folder}`).toBeGreaterThan(0);
  return texts;
}

const read = (folder: string, ending: RegExp) => readEach(folder, ending).join('\n');

/** What a style sheet has that one of these browsers lacks, or that is not known. */
const missing = (sheet: string, by: Versions = BROWSERS) =>
  [...usedInCss(sheet)].flatMap(([name, entry]) =>
    !entry?.__compat || lacks(by, since(entry)).length > 0 ? [name] : [],
  );

test('what is built for style needs no newer ones, but for what may be missing', () => {
  expect(missing(read('web/dist/assets', /\.css$/)).sort()).toEqual(MAY_BE_MISSING.toSorted());
});

test('nor would older ones do: something that is needed came with each of these versions', () => {
  const entries = [...usedInCss(read('web/dist/assets', /\.css$/))]
    .filter(([name]) => !MAY_BE_MISSING.includes(name))
    .flatMap(([, entry]) => (entry ? [since(entry)] : []));
  const latest = Object.keys(BROWSERS).map((name) => {
    const versions = entries.map((entry) => entry[name as keyof Versions]);
    return [name, versions.reduce((a, b) => (isAtMost(a, b) ? b : a))];
  });
  expect(Object.fromEntries(latest)).toEqual(BROWSERS);
});

test('a style that is too new is found, and one that nobody knows', () => {
  expect(missing('a{color:light-dark(red,blue);width:1cap}a:has(b){wobble:1px}')).toEqual([
    'light-dark()',
    'unit cap',
    'wobble',
  ]);
  expect(missing('a{color:color-mix(in srgb,red,blue)}', { ...BROWSERS, chrome: '110' })).toEqual([
    'color-mix()',
  ]);
});

test('the syntax of what is built is as old', async () => {
  const target = Object.entries(BROWSERS).map(([name, version]) => name + version);
  const written = async (text: string, to: string | string[]) => {
    // esbuild denies them to Safari, which has had them since 11.1.
    const supported = { 'regexp-unicode-property-escapes': true };
    return (await transform(text, { target: to, supported })).code;
  };
  expect(
    await written('a ||= class { static { b } };', 'es2021'),
    'esbuild rewrites what is too new',
  ).not.toBe(await written('a ||= class { static { b } };', 'esnext'));
  // Each is a module: names of one are not those of another.
  for (const code of readEach('web/dist/assets', /\.js$/)) {
    const isTheSame = (await written(code, target)) === (await written(code, 'esnext'));
    expect(isTheSame, `nothing is rewritten of ${code.slice(0, 80)}`).toBe(true);
  }
});

test('and so is what the sources call', () => {
  const text =
    read('web/src', /\.tsx?$/) + read('web/dashboard/src', /\.tsx?$/) + read('client/src', /\.ts$/);
  const used = usedInSources(text);
  expect([...used.keys()]).toEqual(expect.arrayContaining(['showModal', 'toSorted', 'WebSocket']));
  const newer = [...used].filter(([, entries]) =>
    entries.every((entry) => lacks(BROWSERS, since(entry)).length > 0),
  );
  expect(newer.map(([name]) => name).sort()).toEqual(OURS);
});

test('the guide says which', () => {
  const guide = fs.readFileSync(at('docs/guides/studio.md'), 'utf8');
  const { chrome, edge, firefox, safari, ios } = BROWSERS;
  expect(chrome).toBe(edge);
  expect(safari).toBe(ios);
  expect(guide).toContain(`Chrome and Edge ${chrome}, Firefox ${firefox}, Safari ${safari} on macOS and iOS`);
});
