import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** The files that CONTRIBUTING.md names for a change are those in which something of that kind is there today. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = fs.readFileSync(path.join(ROOT, 'CONTRIBUTING.md'), 'utf8');
/** Where the system is written by hand. */
const SYSTEM = ['shared/src', 'functions', 'xtask/src', 'supabase/migrations', 'client/src', 'web', 'bench'];
/** Tests, examples of the HTTP interface, what commands write, and the queues that a benchmark runs beside ours. */
const NOT_COUNTED =
  /(^|\/)(tests?|samples|[a-z_]+_tests)\.rs$|openapi\.(json|ts)$|\/(build|dist|node_modules)\/|^bench\/queue\/(before|queues)\//;
const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven'];
NUMBERS[14] = 'fourteen';
NUMBERS[19] = 'nineteen';

const section = (heading: string) => PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';

/** What the cells of the table below a heading name as a path: one file each, or the folder of a provider. */
function named(heading: string): string[] {
  const rows = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| '));
  const names = rows.flatMap((row) => [...row.matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name));
  return [
    ...new Set(
      names.filter((name) => /^(shared|functions|xtask|supabase|client|web|docs)\/.*(\.\w+|\/)$/.test(name)),
    ),
  ];
}

/** What the text beside the table names: where something of the kind may be, or is for another reason. */
function mentioned(heading: string): string[] {
  const text = section(heading)
    .split('\n')
    .filter((line) => !line.startsWith('| '));
  const names = text.flatMap((line) => [...line.matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name));
  return names.filter((name) => /^(shared|functions|client|web|bench)\/(.*\.\w+|(.*\/)?)$/.test(name));
}

/** Files that say one of these words, outside of comments and of tests in the same file. */
function saying(words: RegExp): string[] {
  const files = SYSTEM.flatMap((folder) =>
    fs.globSync(`${folder}/**/*.{rs,sql,json,ts,tsx,js}`, { cwd: ROOT }),
  );
  return files.map(slashes).filter((file) => {
    if (NOT_COUNTED.test(file)) return false;
    const [code = ''] = fs.readFileSync(path.join(ROOT, file), 'utf8').split('#[cfg(test)]\nmod tests {');
    return code.split('\n').some((line) => !/^\s*(\/\/|--|\/?\*)/.test(line) && words.test(line));
  });
}

const slashes = (file: string) => file.split(path.sep).join('/');

test.each([
  ['Add a model', 2, /black-forest-labs\/flux-schnell/],
  ['Add a path', 6, /\bUploadSource\b|\bupload_source\b|\bpub struct Source\b|'\/sources'/],
  ['Add a field to a start', 5, /\bexpires_in\b|\bEXPIRES_IN\b/],
  ['Add a field that models take', 19, /\bguidance(_scale)?\b|\b(GUIDANCE|Guidance)\b/],
  ['Add a job type', 14, /['",{]cleanup-storage['",}]|\bCleanupStorage\b|CLEANUP\b|_cleanup\(|\bremovable/],
])('%s: %i files, as the page says, and every file that has one', (heading, number, words) => {
  const files = named(heading);
  expect(files).toHaveLength(number);
  expect(section(heading).toLowerCase()).toContain(`${NUMBERS[number]} files`);
  expect(missing(words, [...files, ...mentioned(heading)])).toEqual([]);
});

test('Add a provider: a folder and four files, as the page says', () => {
  const heading = 'Add a provider';
  const first = section(heading).split('\n| file | |\n')[1]?.split('\n\n')[0] ?? '';
  const cells = first.split('\n').map((row) => row.split('|')[1] ?? '');
  const paths = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  expect(paths.filter((name) => name.endsWith('/'))).toEqual(['shared/src/adapters/<name>/']);
  expect(paths.filter((name) => !name.endsWith('/'))).toHaveLength(4);
  expect(section(heading)).toContain('four files');
  expect(missing(/\breplicate::|\bmod replicate\b/, paths)).toEqual([]);
});

/** The files that say one of these words, and are none of these. */
function missing(words: RegExp, patterns: string[]): string[] {
  const listed = patterns.flatMap((pattern) => {
    const found = fs.globSync(pattern.replace('<name>/', 'replicate/**').replace(/\/$/, '/**'), {
      cwd: ROOT,
    });
    expect(found, pattern).not.toEqual([]);
    return found.map(slashes);
  });
  const there = saying(words);
  expect(there.length).toBeGreaterThan(0);
  return there.filter((file) => !listed.includes(file));
}

test.each([
  ['webhook', 'shared/src/auth/webhook_signature.rs', 'pub fn verify'],
  ['input', 'shared/src/catalogue/model_input.rs', 'pub fn map'],
  ['waits', 'shared/src/pipeline/backoff.rs', 'fn backoff'],
  ['path of the HTTP interface', 'shared/src/http/routes.rs', 'pub const ROUTES'],
  ['claimed next', 'supabase/migrations/*_claim.sql', 'create function private.claim_jobs('],
])('where to look for what has to do with "%s" is named, and is there: %s', (subject, file, symbol) => {
  const row = PAGE.split('\n## Where to look\n')[1]
    ?.split('\n')
    .find((line) => line.split('|')[1]?.includes(subject));
  expect(row).toContain(`\`${file}\``);
  const [found = ''] = fs.globSync(file, { cwd: ROOT });
  expect(fs.readFileSync(path.join(ROOT, found), 'utf8')).toContain(symbol);
});

test('every file that the page says to look at is there', () => {
  const [section = ''] = (PAGE.split('\n## Where to look\n')[1] ?? '').split('\n## ');
  const files = [...section.matchAll(/`([\w*./-]+\/[\w*.-]*)`/g)].map(([, file = '']) => file);
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((file) => fs.globSync(file.replace(/\/$/, ''), { cwd: ROOT }).length === 0)).toEqual(
    [],
  );
});
