import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';

/** The programs of examples/ do what they say, as they are. */

const run = promisify(execFile);
const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

let stack: TestStack;
let cwd: string;

beforeAll(async () => {
  cwd = await fs.mkdtemp(path.join(os.tmpdir(), 'examples-'));
  stack = await TestStack.start();
});
afterAll(async () => {
  await stack?.stop();
  await fs.rm(cwd, { recursive: true, force: true });
});

test.each([
  ['node/picture.mjs', process.execPath, 'picture-1.webp'],
  ['curl/live.sh', 'bash', 'picture.webp'],
])('%s makes a picture and saves it', async (example, program, file) => {
  const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
  const env = {
    PATH: process.env.PATH,
    LOCAL_SUPABASE_URL: supabaseUrl,
    LOCAL_PUBLISHABLE_KEY: publishableKey,
    START_GENERATION_URL: startGenerationUrl,
  };
  const args = [path.join(EXAMPLES, example), 'a fox of the examples'];
  const { stdout } = await run(program, args, { cwd, env });
  const lines = stdout.trim().split('\n');
  expect(lines.at(-1)).toBe(file);
  expect(lines.at(-2)).toBe('completed 100 %');
  expect(lines.slice(0, -2).every((line) => /^(queued|processing|downloading) \d+ %$/.test(line))).toBe(true);
  const [row] = await stack.sql`
    select count(*)::int from public.image_generations where prompt = 'a fox of the examples'`;
  expect(row?.count).toBeGreaterThan(0);
  expect((await fs.readFile(path.join(cwd, file), 'latin1')).slice(8, 12)).toBe('WEBP');
});

test('examples/README.md lists each of them', async () => {
  const page = await fs.readFile(path.join(EXAMPLES, 'README.md'), 'utf8');
  const entries = await fs.readdir(EXAMPLES, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name !== 'README.md')
    .map((entry) => path.relative(EXAMPLES, path.join(entry.parentPath, entry.name)));
  expect(files.length).toBeGreaterThan(1);
  expect(files.filter((file) => !page.includes(`(${file})`))).toEqual([]);
});
