import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import { inWorkerd } from './workerd.ts';

/** The package as its users get it: packed, installed without a network, and run where it says it runs. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAX_CORE_BYTES = 6 * 1024;

const run = promisify(execFile);
let app: string;
let tarball: string;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  app = await fs.mkdtemp(path.join(os.tmpdir(), 'client-'));
  await run('npm', ['pack', '--pack-destination', app], { cwd: path.join(ROOT, 'client') });
  const [filename = 'no tarball'] = await fs.readdir(app);
  tarball = path.join(app, filename);
  await fs.writeFile(path.join(app, 'package.json'), '{"private":true}');
  const offline = ['--offline', '--no-audit', '--no-fund', `file:${tarball}`];
  await run('npm', ['install', ...offline], { cwd: app });
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
}, 180_000);
afterAll(async () => {
  await stack?.stop();
  await fs.rm(app, { recursive: true, force: true });
});

/** Makes a picture, and shows that errors are the same classes from either entry. */
const USE = `
  const client = createClient({ url: URL_, getToken: () => TOKEN, polling: { minMs: 50, maxMs: 200 } });
  const { images } = await client.generate({ prompt: PROMPT, model_id: MODEL });
  const one = { message: 'no', code: 'PT404', details: 'not_found' };
  const supabase = { rpc: async () => ({ data: null, error: one }) };
  const error = await enqueueJob(supabase, { jobType: 'x', payload: {} }).catch((error) => error);
  return { url: images[0].url, same: error instanceof NotFoundError };
`;
const NAMES = 'createClient, NotFoundError';

function use(prompt: string): string {
  const values = { URL_: stack.addresses.startGenerationUrl, TOKEN: user.token, PROMPT: prompt, MODEL };
  const constants = Object.entries(values).map(
    ([name, value]) => `const ${name} = ${JSON.stringify(value)};`,
  );
  return `async function use() {${constants.join('')}${USE}}`;
}

const imports = `import { ${NAMES} } from 'picture-queue'; import { enqueueJob } from 'picture-queue/compat';`;

async function inNode(file: string, source: string): Promise<unknown> {
  await fs.writeFile(path.join(app, file), source);
  return JSON.parse((await run(process.execPath, [file], { cwd: app })).stdout);
}

async function bundled(file: string, source: string, options: Parameters<typeof build>[0] = {}) {
  await fs.writeFile(path.join(app, file), source);
  const result = await build({
    entryPoints: [path.join(app, file)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    logLevel: 'silent',
    ...options,
  });
  return result.outputFiles?.[0]?.contents ?? new Uint8Array();
}

async function expectPicture(result: unknown) {
  expect(result).toEqual({ url: expect.stringMatching(/^http/), same: true });
  const picture = await fetch((result as { url: string }).url);
  expect(picture.headers.get('content-type')).toBe('image/webp');
}

/** With the types of ES2022 and of nothing else. */
async function compile(name: string, source: string): Promise<void> {
  const file = path.join(app, name);
  await fs.writeFile(file, source);
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const options =
    '--strict --noEmit --ignoreConfig --target es2022 --lib es2022 --module nodenext --types'.split(' ');
  const faults = await run(process.execPath, [tsc, ...options, '', file], { cwd: app }).then(
    () => '',
    (error: { stdout?: string }) => error.stdout || String(error),
  );
  expect(faults, name).toBe('');
}

const print = 'use().then((result) => console.log(JSON.stringify(result)));';

describe('the packed package', () => {
  test('holds what it needs and no more, and depends on nothing', async () => {
    const root = path.join(app, 'node_modules/picture-queue');
    expect((await fs.readdir(root)).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'compat',
      'dist',
      'package.json',
      'react',
    ]);
    expect(
      (await fs.readdir(path.join(app, 'node_modules'))).filter((name) => !name.startsWith('.')),
    ).toEqual(['picture-queue']);
    const manifest = JSON.parse(await fs.readFile(path.join(root, 'package.json'), 'utf8'));
    expect(manifest.dependencies).toBeUndefined();
    expect(manifest).toMatchObject({
      license: 'MIT',
      sideEffects: false,
      // For the hooks only: who does not use them need not have it.
      peerDependencies: { react: '>=18' },
      peerDependenciesMeta: { react: { optional: true } },
    });
  });

  test('is as publint wants it', async () => {
    await run(process.execPath, [
      path.join(ROOT, 'node_modules/publint/src/cli.js'),
      'run',
      tarball,
      '--strict',
    ]);
  });

  test('has types that are right in each way of resolving them', async () => {
    const attw = path.join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    await run(process.execPath, [attw, tarball, '--no-color', '--no-emoji']);
  });
});

describe('its types', () => {
  // React Native and Workers have no DOM types; a package must not ask for skipLibCheck.
  test.each(['mts', 'cts'])('are enough by themselves, in a .%s file', async (extension) => {
    const source = `import { createClient, type Progress } from 'picture-queue';
      import { getJob, type SupabaseLike } from 'picture-queue/compat';
      const client = createClient({ url: '', getToken: () => null, fetch: async () => { throw new Error(); } });
      export const status: Promise<string> = client.get('').then(({ status }) => status);
      export const job = (supabase: SupabaseLike) => getJob(supabase, '').then((job) => job?.payload);
      // @ts-expect-error a generation has a prompt, or prompts
      client.start({ model_id: '' });
      // @ts-expect-error there is no such status
      export const wrong: Progress['status'] = 'done';`;
    await compile(`types.${extension}`, source);
  });
});

describe('the hooks', () => {
  beforeAll(async () => {
    for (const name of ['react', 'react-dom', 'scheduler', '@types/react', 'csstype']) {
      const link = path.join(app, 'node_modules', name);
      await fs.mkdir(path.dirname(link), { recursive: true });
      await fs.symlink(path.join(ROOT, 'node_modules', name), link);
    }
  });

  test.each(['mts', 'cts'])('have types, in a .%s file', async (extension) => {
    await compile(
      `hooks.${extension}`,
      `import type { PictureQueueError } from 'picture-queue';
      import { useGenerations, useImageGeneration, useModels } from 'picture-queue/react';
      export function useAll(): [string, string | undefined, PictureQueueError | null] {
        const { status, generate } = useImageGeneration();
        generate({ prompt: '', model_id: '', source_id: '' });
        // @ts-expect-error a generation has a prompt, or prompts
        generate({ model_id: '' });
        return [status, useGenerations({ limit: 3 }).generations[0]?.prompt, useModels().error];
      }`,
    );
  });

  const render = `const Models = () => createElement('p', null, useModels().isLoading ? 'loading' : '');
    const client = createClient({ url: 'http://x.example', getToken: () => null });
    const tree = createElement(PictureQueueProvider, { client }, createElement(Models));
    console.log(JSON.stringify(renderToString(tree)));`;

  test('are imported', async () => {
    const source = `import { createElement } from 'react'; import { renderToString } from 'react-dom/server';
      import { createClient } from 'picture-queue';
      import { PictureQueueProvider, useModels } from 'picture-queue/react'; ${render}`;
    expect(await inNode('hooks.mjs', source)).toBe('<p>loading</p>');
  });

  test('are required', async () => {
    const source = `const { createElement } = require('react'); const { renderToString } = require('react-dom/server');
      const { createClient } = require('picture-queue');
      const { PictureQueueProvider, useModels } = require('picture-queue/react'); ${render}`;
    expect(await inNode('hooks.cjs', source)).toBe('<p>loading</p>');
  });
});

describe('it makes a picture', () => {
  test('in Node, imported', async () => {
    await expectPicture(await inNode('esm.mjs', `${imports}\n${use('in esm')}\n${print}`));
  });

  test('in Node, required', async () => {
    const requires = `const { ${NAMES} } = require('picture-queue');
      const { enqueueJob } = require('picture-queue/compat');`;
    await expectPicture(await inNode('cjs.cjs', `${requires}\n${use('in cjs')}\n${print}`));
  });

  test('bundled for a browser, with nothing around it but fetch, AbortController and timers', async () => {
    const source = `${imports}\n${use('in a browser')}\nexport const result = use();`;
    const code = await bundled('browser.mjs', source, {
      platform: 'browser',
      format: 'iife',
      globalName: 'app',
    });
    // No crypto and no document: React Native has neither.
    const surroundings = { fetch, AbortController, setTimeout, clearTimeout };
    const script = `${Buffer.from(code).toString()};app.result`;
    const result = await vm.runInNewContext(script, surroundings);
    await expectPicture({ ...result });
  });

  test('in a Worker', async () => {
    const source = `${imports}\n${use('in a worker')}
      export default { fetch: async () => Response.json(await use()) };`;
    const code = await bundled('worker.mjs', source, { conditions: ['workerd'] });
    await inWorkerd(app, code, async (url) => expectPicture(await (await fetch(url)).json()));
  });
});

describe('its size, bundled and minified', () => {
  const gzipped = async (source: string) => gzipSync(await bundled('size.mjs', source)).length;

  test(`the core stays within ${MAX_CORE_BYTES} bytes`, async () => {
    const bytes = await gzipped(`export * from 'picture-queue';`);
    expect(bytes).toBeGreaterThan(1_000);
    expect(bytes).toBeLessThanOrEqual(MAX_CORE_BYTES);
  });

  test('what is not used is left out', async () => {
    const all = `import 'picture-queue'; import 'picture-queue/compat'; import 'picture-queue/react';`;
    expect(await gzipped(all)).toBeLessThan(100);
    expect(await gzipped(`export { ConnectionError } from 'picture-queue';`)).toBeLessThan(250);
    expect(await gzipped(`export { getJob } from 'picture-queue/compat';`)).toBeLessThan(1_800);
  });
});
