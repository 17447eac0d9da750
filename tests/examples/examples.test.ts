import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inWorkerd } from '../client/workerd.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { TestUser } from '../e2e/support/user.ts';

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

/** Python is not needed by anything else here. */
const has = (program: string) => spawnSync(program, ['--version']).status === 0;

test.each([
  ['python/picture.py', 'python3'],
  ['curl/live.sh', 'bash'],
])('%s says which variable is not set', (example, program) => {
  if (!has(program)) return;
  const { status, stderr } = spawnSync(program, [path.join(EXAMPLES, example)], {
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^\w+_URL is not set\. .*source \.local\/env\.sh\n$/),
  ]);
});

describe.each([
  ['node/picture.mjs', process.execPath, 'picture-1.webp'],
  ['python/picture.py', 'python3', 'picture-1.webp'],
  ['curl/live.sh', 'bash', 'picture.webp'],
])('%s', (example, program, file) => {
  test.runIf(has(program))('makes a picture and saves it', async () => {
    const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
    const env = {
      PATH: process.env.PATH,
      LOCAL_SUPABASE_URL: supabaseUrl,
      LOCAL_PUBLISHABLE_KEY: publishableKey,
      START_GENERATION_URL: startGenerationUrl,
    };
    const prompt = `a "fox" of ${example} \\ a & b`;
    const folder = await fs.mkdtemp(path.join(cwd, 'made-'));
    const { stdout } = await run(program, [path.join(EXAMPLES, example), prompt], { cwd: folder, env });
    const lines = stdout.trim().split('\n');
    expect(lines.at(-1)).toBe(file);
    expect(lines.at(-2)).toBe('completed 100 %');
    expect(lines.slice(0, -2).every((line) => /^(queued|processing|downloading) \d+ %$/.test(line))).toBe(
      true,
    );
    const [row] = await stack.sql`
      select count(*)::int from public.image_generations where prompt = ${prompt}`;
    expect(row?.count).toBeGreaterThan(0);
    expect((await fs.readFile(path.join(folder, file), 'latin1')).slice(8, 12)).toBe('WEBP');
  });
});

test('cloudflare/worker.mjs starts a picture, says how it stands, and leads to it', async () => {
  const user = await TestUser.signUp(stack);
  const bundle = await build({
    entryPoints: [path.join(EXAMPLES, 'cloudflare/worker.mjs')],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['workerd'],
  });
  const use = async (url: string) => {
    const call = async (method: string, where: string, token: string, body?: object) => {
      const response = await fetch(new URL(where, url), {
        method,
        headers: { authorization: `Bearer ${token}` },
        redirect: 'manual',
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      return { status: response.status, location: response.headers.get('location'), response };
    };
    const started = await call('POST', '/pictures', user.token, { prompt: 'a fox of a Worker' });
    expect(started.status).toBe(202);
    const seen: unknown[] = [];
    const image = await stack.until('the image', async () => {
      const { status, location, response } = await call('GET', started.location ?? '', user.token);
      if (status === 200) seen.push(await response.json());
      return status === 303 && (location ?? '');
    });
    for (const state of seen) {
      expect(state).toEqual({ status: expect.stringMatching(/^[a-z]+$/), progress: expect.any(Number) });
    }
    expect((await fetch(image)).headers.get('content-type')).toBe('image/webp');

    const refused = await call('POST', '/pictures', user.token, { prompt: ' ' });
    expect(refused.status).toBe(400);
    expect(await refused.response.json()).toMatchObject({ code: 'invalid_request' });
    expect((await call('GET', started.location ?? '', 'nobody')).status).toBe(401);
    expect((await call('GET', '/elsewhere', user.token)).status).toBe(404);
  };
  const code = bundle.outputFiles[0]?.contents ?? new Uint8Array();
  await inWorkerd(cwd, code, use, { START_GENERATION_URL: stack.addresses.startGenerationUrl });
});

test('examples/README.md lists each of them', async () => {
  const page = await fs.readFile(path.join(EXAMPLES, 'README.md'), 'utf8');
  const entries = await fs.readdir(EXAMPLES, { recursive: true, withFileTypes: true });
  const files = entries
    // Declarations are for the tests that import an example.
    .filter((entry) => entry.isFile() && !/^README\.md$|\.d\.mts$/.test(entry.name))
    .map((entry) => path.relative(EXAMPLES, path.join(entry.parentPath, entry.name)));
  expect(files.length).toBeGreaterThan(1);
  expect(files.filter((file) => !page.includes(`(${file})`))).toEqual([]);
});
