import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UserError } from '../../scripts/user-error.mjs';
import { watch } from '../../scripts/watch.mjs';
import { sourcesOf, WORKERS } from '../../scripts/workers.mjs';

let root: string;
let stop: () => Promise<void>;
/** What was done and said, in order. */
const seen: string[] = [];
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 20_000 });
let build: () => Promise<string[]>;

const START = 'functions/start-generation/src/lib.rs';
const write = (file: string, text: string) => fs.writeFile(path.join(root, file), text);
const reloads = () => seen.filter((line) => line === 'reload').length;

beforeEach(async () => {
  root = await fs.mkdtemp(path.join(os.tmpdir(), 'watch-'));
  for (const file of [
    START,
    'shared/src/lib.rs',
    'supabase/migrations/1.sql',
    'functions/start-generation/build/index.js',
  ]) {
    await fs.mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await write(file, '');
  }
  seen.length = 0;
  build = async () => [];
  stop = await watch({
    root,
    rebuild: async () => {
      seen.push('build');
      return build();
    },
    reload: () => seen.push('reload'),
    tell: (text) => seen.push(text.trim()),
  });
  expect(seen.splice(0)[0]).toBe('build'); // what changed before anybody watched
});
afterEach(async () => {
  await stop();
  await fs.rm(root, { recursive: true });
});

test('what changed is built, and the system takes it', async () => {
  build = async () => ['start-generation'];
  await write(START, 'fn a() {}');
  await eventually(() => expect(seen).toEqual([`${START} has changed`, 'build', 'reload']));
});

test('a new folder is seen, and what a build writes is not', async () => {
  build = async () => ['process-jobs'];
  await write('functions/start-generation/build/index.js', 'built');
  await fs.mkdir(path.join(root, 'shared/src/new'));
  await write('shared/src/new/mod.rs', '//!');
  await eventually(() => expect(reloads()).toBeGreaterThan(0));
  expect(seen[0]).toBe('shared/src/new/mod.rs has changed');
});

test('a build that fails is shown, nothing is reloaded, and the next one counts', async () => {
  build = async () => {
    throw new UserError('building the Worker start-generation: failed.\nerror[E0425]: cannot find value');
  };
  await write(START, 'x');
  await eventually(() => expect(seen.at(-1)).toMatch('What ran before goes on'));
  expect(seen.join('\n')).toContain('error[E0425]');
  expect(reloads()).toBe(0);
  build = async () => ['start-generation'];
  await write(START, 'fn a() {}');
  await eventually(() => expect(reloads()).toBe(1));
});

test('what changes while a build runs is built after it', async () => {
  const first = Promise.withResolvers<string[]>();
  build = () => first.promise;
  await write(START, 'one');
  await eventually(() => expect(seen).toContain('build'));
  await write('shared/src/lib.rs', 'two');
  await new Promise((resolve) => setTimeout(resolve, 300)); // longer than the watcher waits for more
  expect(seen.filter((line) => line === 'build')).toHaveLength(1);
  build = async () => ['process-jobs'];
  first.resolve(['start-generation']);
  await eventually(() => expect(reloads()).toBe(2));
  expect(seen).toEqual([
    `${START} has changed`,
    'build',
    'reload',
    'shared/src/lib.rs has changed',
    'build',
    'reload',
  ]);
});

test('of a migration it is said what to do', async () => {
  await write('supabase/migrations/1.sql', 'select 1;');
  await eventually(() => expect(seen.at(-1)).toBe('Nothing is built from that.'));
  expect(seen.join('\n')).toContain('Migrations are applied at the start');
  expect(reloads()).toBe(0);
});

test('a change in one Worker builds that one alone, a change in shared all of them', () => {
  const builtFor = (file: string) =>
    WORKERS.filter((worker) =>
      sourcesOf(worker).some((source) => file === source || file.startsWith(`${source}/`)),
    );
  expect(WORKERS).toHaveLength(3);
  for (const worker of WORKERS) expect(builtFor(`functions/${worker}/src/lib.rs`)).toEqual([worker]);
  expect(builtFor('shared/src/job.rs')).toEqual(WORKERS);
  expect(builtFor('functions/edge/src/lib.rs')).toEqual(WORKERS);
});
