import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** What the pages point at is there. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_OURS = ['node_modules', 'target', 'build', 'dist'];
const TEXT = /\.(md|ts|tsx|mjs|rs|sql|toml|yml)$/;

const FILES = files('');
const PAGES = FILES.filter((file) => file.endsWith('.md'));
const { scripts } = JSON.parse(read('package.json'));

function files(folder: string): string[] {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.name.startsWith('.') || NOT_OURS.includes(entry.name)) return [];
    return entry.isDirectory() ? files(file) : TEXT.test(file) ? [file] : [];
  });
}

function read(file: string): string {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

/** A page without its blocks of code, whose text is nobody's link. */
function prose(page: string): string {
  return read(page).replaceAll(/^```.*?^```/gms, '');
}

/** As GitHub makes an anchor of a heading. */
function slug(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
}

function anchors(page: string): string[] {
  const text = prose(page);
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => slug(heading));
  const again = headings.map((each, index) => {
    const before = headings.slice(0, index).filter((other) => other === each).length;
    return before === 0 ? each : `${each}-${before}`;
  });
  return [...again, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id)];
}

/** What is wrong with this address, seen from the root. */
function whatIsWrong(file: string, anchor = ''): string | undefined {
  if (!fs.existsSync(path.join(ROOT, file))) return 'no such file';
  if (anchor && file.endsWith('.md') && !anchors(file).includes(anchor)) return 'no such heading';
}

/** The relative links of a page, as paths from the root. */
function links(page: string): { link: string; file: string; anchor: string | undefined }[] {
  const text = prose(page).replaceAll(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].flatMap(([, first, second]) => {
    const link = first ?? second ?? '';
    if (/^[a-z]+:/.test(link)) return [];
    const [relative = '', anchor] = link.split('#');
    return [{ link, file: relative ? path.posix.join(path.posix.dirname(page), relative) : page, anchor }];
  });
}

test.each(PAGES)('the links of %s lead somewhere', (page) => {
  const broken = links(page).flatMap(({ link, file, anchor }) => {
    const wrong = whatIsWrong(file, anchor);
    return wrong ? [`${link}: ${wrong}`] : [];
  });
  expect(broken).toEqual([]);
});

test('pages that programs and comments name are there', () => {
  const named = FILES.flatMap((file) =>
    [...read(file).matchAll(/(?<![\w/])docs\/([\w/-]+\.md)(?:#([\w-]+))?/g)].map(([link, page, anchor]) => ({
      link: `${file}: ${link}`,
      wrong: whatIsWrong(`docs/${page}`, anchor),
    })),
  );
  expect(named.filter(({ link }) => link.startsWith('scripts/smoke')).length).toBeGreaterThan(8);
  expect(named.filter(({ wrong }) => wrong)).toEqual([]);
});

test('decisions that are named by their number are there', () => {
  const numbers = fs.readdirSync(path.join(ROOT, 'docs/decisions')).map((name) => name.slice(0, 4));
  const named = FILES.flatMap((file) =>
    [...read(file).matchAll(/docs\/decisions\/(\d{4})/g)].map(([, number = '']) => `${number} ${file}`),
  );
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((each) => !numbers.includes(each.slice(0, 4)))).toEqual([]);
});

test('the files that CONTRIBUTING.md sends to are there', () => {
  const named = [
    ...prose('CONTRIBUTING.md').matchAll(
      /`((?:shared|supabase|web|functions|dev|bench|xtask|tests)\/[\w./*-]+)`/g,
    ),
  ];
  expect(named.length).toBeGreaterThan(10);
  const missing = named.filter(([, file = '']) => fs.globSync(file, { cwd: ROOT }).length === 0);
  expect(missing.map(([, file]) => file)).toEqual([]);
});

test('mise.toml names the Node of package.json, and a Rust that Cargo.toml allows', () => {
  const { devDependencies } = JSON.parse(read('package.json'));
  const [, node, rust = ''] = /^node = "(.*)"\nrust = \{ version = "(.*?)"/m.exec(read('mise.toml')) ?? [];
  expect(node).toBe(devDependencies.node);
  const [, oldest = ''] = /^rust-version = "(.*)"/m.exec(read('Cargo.toml')) ?? [];
  expect(rust.localeCompare(oldest, 'en', { numeric: true })).toBeGreaterThanOrEqual(0);
});

test('every command of a page is one', () => {
  const unknown = PAGES.flatMap((page) =>
    [...read(page).matchAll(/npm run (?:-s )?([\w-]+(?::[\w-]+)*)/g)].flatMap(([, name = '']) =>
      name in scripts ? [] : [`${page}: npm run ${name}`],
    ),
  );
  expect(unknown).toEqual([]);
});

test('the table of migrations in architecture.md has each of them, in their order', () => {
  const [, table = ''] = read('docs/concepts/architecture.md').split('\n| migration | what it holds |\n');
  const cells =
    table
      .split('\n\n')[0]
      ?.split('\n')
      .map((row) => row.split('|')[1] ?? '') ?? [];
  const named = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const migrations = fs.readdirSync(path.join(ROOT, 'supabase/migrations')).sort();
  expect(named).toEqual(migrations.map((name) => name.replace(/^\d+_(\w+)\.sql$/, '$1')));
});

test.each(['README.md', 'CHANGELOG.md', 'docs/guides/models.md', 'docs/guides/studio.md'])(
  '%s says how many models the catalogue has',
  (page) => {
    const { models } = JSON.parse(read('shared/src/catalogue/models.json'));
    const said = [...read(page).matchAll(/\b(\d+) (?:of its )?models\b|of the (\d+) prices\b/g)];
    expect(said.length).toBeGreaterThan(0);
    for (const [, one, other] of said) expect(Number(one ?? other)).toBe(Object.keys(models).length);
  },
);

test('README.md has at most 150 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150);
});

describe('docs/README.md', () => {
  test('leads to every page', () => {
    const seen = new Set(['docs/README.md']);
    for (const page of seen) {
      for (const { file } of links(page))
        if (PAGES.includes(file) && file.startsWith('docs/')) seen.add(file);
    }
    expect(PAGES.filter((page) => page.startsWith('docs/') && !seen.has(page))).toEqual([]);
  });
});
