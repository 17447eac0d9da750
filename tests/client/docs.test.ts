import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { type ComponentType, createElement } from 'react';
import { createRoot } from 'test-renderer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';
import { BUNDLE, ENTRIES } from './documented.ts';
import { ROOT, run } from './installed.ts';
import { serve } from './served.ts';

/** The examples of the documentation compile, and do what they say. */

const GUIDE = 'docs/guides/client.md';
const COMPAT = 'docs/guides/compat.md';
const PAGES = ['README.md', 'client/README.md', 'docs/guides/supabase-js.md', GUIDE, COMPAT];
const PLACEHOLDER = 'https://start-generation.example.workers.dev';

/** As little of Svelte as the examples need. */
const SVELTE = `
declare module 'svelte' { export function onDestroy(work: () => void): void }
declare function $state<T>(first: T): T;`;
const OWN_MODULE = `
import { createClient } from '@supabase/supabase-js';
interface Database { public: { Tables: Record<never, never>; Views: Record<never, never>; Functions: Record<never, never> } }
export const supabase = createClient<Database>('https://x.example', 'key');`;
const PICTURES = `
import { createClient } from 'picture-queue';
export { supabase } from './supabase';
export const pictures = createClient({ url: '', getToken: () => null });`;

interface Example {
  page: string;
  /** `ts`, `tsx`, or `svelte`: then it is the component's script. */
  kind: string;
  code: string;
}

let dir: string;
let examples: Example[];

beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'docs-'));
  await fs.symlink(await fs.realpath(path.join(ROOT, 'node_modules')), path.join(dir, 'node_modules'));
  const pages = await Promise.all(
    PAGES.map(async (page) => ({ page, text: await fs.readFile(path.join(ROOT, page), 'utf8') })),
  );
  examples = pages.flatMap(({ page, text }) =>
    [...text.matchAll(/```(tsx?|svelte)\n(.*?)```/gs)].flatMap(([, kind = '', block = '']) => {
      const code =
        kind === 'svelte' ? (/<script lang="ts">\n(.*?)<\/script>/s.exec(block)?.[1] ?? '') : block;
      return code.includes("'picture-queue") ? [{ page, kind, code }] : [];
    }),
  );
});
afterAll(() => fs.rm(dir, { recursive: true, force: true }));

/** The first example of a page with these words in it. */
function example(page: string, kind: string, ...words: string[]): string {
  const found = examples.find(
    (one) => one.page === page && one.kind === kind && words.every((word) => one.code.includes(word)),
  );
  if (!found) throw new Error(`${page} has no example (${kind}) with ${words.join(' and ')}`);
  return found.code;
}

/**
 * What a program has printed until a line is like `last`. It is ended then: supabase-js keeps its socket for 50 seconds
 * after the last channel, and a program with it.
 */
async function printed(file: string, last: RegExp): Promise<string[]> {
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (last.test(line)) {
      child.kill();
      return lines;
    }
  }
  throw new Error(`it ended without ${last}: ${lines.join('\n')}`);
}

/** The first block of code of a page with these words in it, whatever it imports. */
async function block(page: string, kind: string, words: string): Promise<string> {
  const text = await fs.readFile(path.join(ROOT, page), 'utf8');
  const found = [...text.matchAll(/```(\w+)\n(.*?)```/gs)].find(
    ([, own, code]) => own === kind && code?.includes(words),
  );
  if (!found?.[2]) throw new Error(`${page} has no block (${kind}) with ${words}`);
  return found[2];
}

test('they compile', async () => {
  expect(examples.length).toBeGreaterThanOrEqual(14);
  const folder = path.join(dir, 'compiled');
  await fs.mkdir(folder);
  const files = examples.map(({ kind }, index) => `example-${index + 1}.${kind === 'tsx' ? 'tsx' : 'ts'}`);
  await Promise.all([
    ...files.map((file, index) => fs.writeFile(path.join(folder, file), examples[index]?.code ?? '')),
    fs.writeFile(path.join(folder, 'svelte.d.ts'), SVELTE),
    fs.writeFile(path.join(folder, 'supabase.ts'), OWN_MODULE),
    fs.writeFile(path.join(folder, 'pictures.ts'), PICTURES),
  ]);
  const tsconfig = {
    compilerOptions: {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: 'es2022',
      module: 'esnext',
      moduleResolution: 'bundler',
      lib: ['es2022', 'dom', 'dom.iterable'],
      jsx: 'react-jsx',
      types: [],
      allowImportingTsExtensions: true,
      paths: Object.fromEntries(
        Object.entries({ ...ENTRIES, '$lib/supabase': './supabase.ts' }).map(([name, file]) => [
          name,
          [file],
        ]),
      ),
    },
    include: ['*'],
  };
  await fs.writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const faults = await run(process.execPath, [tsc, '-p', folder]).then(
    () => '',
    (error: { stdout?: string }) => error.stdout || String(error),
  );
  const names = files.map((file, index) => `${file}: ${examples[index]?.page}`);
  expect(faults, names.join(', ')).toBe('');
});

/** Bundles an example with modules of its app's own; gives the path of an ES module. */
async function bundled(name: string, contents: string, modules: Record<string, string> = {}) {
  const folder = path.join(dir, name);
  await fs.mkdir(folder);
  const own = Object.entries(modules).map(([specifier, code], index) => {
    return { specifier, code, file: path.join(folder, `module-${index}.js`) };
  });
  await Promise.all(own.map(({ file, code }) => fs.writeFile(file, code)));
  const outfile = path.join(folder, 'bundle.mjs');
  await build({
    stdin: { contents, loader: 'tsx', resolveDir: folder },
    plugins: [
      {
        name: 'own-modules',
        setup({ onResolve }) {
          onResolve({ filter: /.*/ }, ({ path: specifier }) => {
            const found = own.find((one) => one.specifier === specifier);
            return found && { path: found.file };
          });
        },
      },
    ],
    ...BUNDLE,
    external: ['react', '@supabase/supabase-js'],
    outfile,
  });
  return outfile;
}

const PATIENCE = { timeout: 30_000 };
const imported = (file: string) => import(/* @vite-ignore */ pathToFileURL(file).href);

/** Renders a component; gives what it shows, and a way to press its button. */
function render(component: ComponentType<{ prompt: string }>) {
  const root = createRoot();
  root.render(createElement(component, { prompt: 'a fox' }));
  const find = (type: string) => root.container.queryAll(({ type: own }) => own === type)[0]?.props;
  return { find, close: () => root.unmount() };
}

test('the component with hooks of its own client makes a picture', async () => {
  const served = await serve();
  try {
    const code = example(GUIDE, 'tsx', 'function Picture', 'picture-queue/react').replace(
      PLACEHOLDER,
      served.url,
    );
    const session = '{ data: { session: { access_token: "token" } } }';
    const supabase = `export const supabase = { auth: { getSession: async () => (${session}) } };`;
    const { Picture } = await imported(await bundled('hooks', code, { './supabase': supabase }));
    const { find, close } = render(Picture);
    await expect.poll(() => find('button')?.children, PATIENCE).toBe('Make a picture');
    find('button')?.onClick();
    await expect.poll(() => find('img')?.src, PATIENCE).toBe(`${served.url}/pixel.png`);
    await expect.poll(() => find('button')?.children, PATIENCE).toBe('Make a picture');
    close();
  } finally {
    await served.stop();
  }
});

describe('on the local stack', () => {
  let stack: TestStack;
  let supabase: string;

  beforeAll(async () => {
    stack = await TestStack.start();
    const { supabaseUrl, anonKey } = stack.addresses;
    supabase = `import { createClient } from '@supabase/supabase-js';
      export const supabase = createClient('${supabaseUrl}', '${anonKey}');
      const email = Math.random().toString(36).slice(2) + '@example.com';
      await supabase.auth.signUp({ email, password: 'a-long-password' });`;
  });
  afterAll(() => stack?.stop());

  async function expectPicture(url: unknown) {
    expect((await fetch(String(url))).headers.get('content-type')).toBe('image/webp');
  }

  test('the first one of docs/guides/client.md makes a picture', async () => {
    const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
    const code = example(GUIDE, 'ts')
      .replace('LOCAL_SUPABASE_URL', supabaseUrl)
      .replace('LOCAL_PUBLISHABLE_KEY', publishableKey)
      .replace('START_GENERATION_URL', startGenerationUrl);
    const { stdout } = await run(process.execPath, [await bundled('first', code)]);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe('queued 0');
    expect(lines.at(-2)).toBe('completed 100');
    await expectPicture(lines.at(-1));
  });

  test("the README's example with supabase-js starts a generation, and so does the guide's", async () => {
    const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
    const user = { email: 'readme@example.com', password: 'a-long-password' };
    const signUp = await fetch(`${supabaseUrl}/auth/v1/signup`, {
      method: 'POST',
      headers: { apikey: publishableKey, 'Content-Type': 'application/json' },
      body: JSON.stringify(user),
    });
    expect(signUp.status).toBe(200);
    const names = Object.entries({
      SUPABASE_URL: supabaseUrl,
      SUPABASE_PUBLISHABLE_KEY: publishableKey,
      START_GENERATION_URL: startGenerationUrl,
      ...user,
    }).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
    const readme = await block('README.md', 'ts', 'functions.invoke');
    const guide = await block('docs/guides/supabase-js.md', 'ts', 'functions.invoke');
    const atTheWorker = await block('docs/guides/supabase-js.md', 'ts', 'global:');
    const pointed = guide.replace(/const supabase = createClient\(.*\);/, atTheWorker);
    expect(pointed).not.toBe(guide);
    for (const [name, code] of Object.entries({ readme, guide, pointed })) {
      const { stdout } = await run(process.execPath, [await bundled(name, `${names.join('\n')}\n${code}`)]);
      expect(stdout).toMatch(/^(queued|processing|downloading|completed) /);
    }
  });

  test('the commands of docs/start/quick-start.md make a picture', async () => {
    const commands = await block('docs/start/quick-start.md', 'sh', 'source .local/env.sh');
    const folder = path.join(dir, 'quick-start');
    const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
    await fs.mkdir(path.join(folder, '.local'), { recursive: true });
    await fs.writeFile(
      path.join(folder, '.local/env.sh'),
      `LOCAL_SUPABASE_URL=${supabaseUrl}\nLOCAL_PUBLISHABLE_KEY=${publishableKey}\nSTART_GENERATION_URL=${startGenerationUrl}\n`,
    );
    await run('bash', ['-euo', 'pipefail', '-c', commands], { cwd: folder });
    const file = await fs.readFile(path.join(folder, 'lighthouse.webp'), 'latin1');
    expect(file.slice(8, 12)).toBe('WEBP');
  });

  /** The README's module that names the client, and somebody who is signed in. */
  async function configured(email: string): Promise<string> {
    const { supabaseUrl, publishableKey } = stack.addresses;
    const code = example('README.md', 'ts', 'configure(supabase)')
      .replace('SUPABASE_URL', supabaseUrl)
      .replace('SUPABASE_PUBLISHABLE_KEY', publishableKey);
    return `${code}\nawait supabase.auth.signUp({ email: '${email}', password: 'a-long-password' });`;
  }

  test('the README’s example for the original’s web app makes a picture', async () => {
    const code = `import './supabase';\n${example('README.md', 'ts', 'generateWithRealtime')}`;
    const modules = { './supabase': await configured('web@example.com') };
    const lines = await printed(await bundled('original-web', code, modules), /^Image ready: .+$/);
    expect(lines).toContainEqual(expect.stringMatching(/^Started: [0-9a-f-]{36}$/));
    expect(lines).not.toContainEqual(expect.stringMatching(/^Status: pending/));
    expect(lines.at(-2)).toBe('Status: completed, Progress: 100%');
    await expectPicture(lines.at(-1)?.slice('Image ready: '.length));
  });

  test('the README’s example for the original’s mobile app makes a picture', async () => {
    const elements = ['Button', 'Image', 'Text', 'View'].map((name) => `export const ${name} = '${name}';`);
    const modules = {
      './supabase': await configured('mobile@example.com'),
      'react-native': elements.join('\n'),
    };
    const code = `import './supabase';\n${example('README.md', 'tsx', 'useImageGeneration')}`;
    const { MyComponent } = await imported(await bundled('original-mobile', code, modules));
    const { find, close } = render(MyComponent);
    await expect.poll(() => find('Text')?.children, PATIENCE).toEqual(['Status: ', 'idle']);
    find('Button')?.onPress();
    await expect.poll(() => find('Image')?.source?.uri, PATIENCE).toBeTruthy();
    expect(find('Text')?.children).toEqual(['Status: ', 'completed']);
    await expectPicture(find('Image')?.source.uri);
    close();
  });

  test('the SvelteKit page makes a picture', async () => {
    const script = `const $state = (first) => first;
      ${example(COMPAT, 'svelte', 'generateWithRealtime')}
      export { make };
      export const shown = () => ({ progress, imageUrl, problem });`;
    const modules = { '$lib/supabase': supabase, svelte: 'export const onDestroy = () => {};' };
    const page = await imported(await bundled('svelte', script, modules));
    await page.make('a fox');
    await expect.poll(() => page.shown().imageUrl, PATIENCE).not.toBe('');
    expect(page.shown()).toMatchObject({ progress: 100, problem: '' });
    await expectPicture(page.shown().imageUrl);
  });

  test('the React Native component makes a picture', async () => {
    const elements = ['Button', 'Image', 'Text', 'View'].map((name) => `export const ${name} = '${name}';`);
    const modules = { './supabase': supabase, 'react-native': elements.join('\n') };
    const code = example(COMPAT, 'tsx', 'picture-queue/compat');
    const { Picture } = await imported(await bundled('native', code, modules));
    const { find, close } = render(Picture);
    await expect.poll(() => find('Text')?.children, PATIENCE).toBe('0 %');
    find('Button')?.onPress();
    await expect.poll(() => find('Image')?.source?.uri, PATIENCE).toBeTruthy();
    expect(find('Text')?.children).toBe('100 %');
    await expectPicture(find('Image')?.source.uri);
    close();
  });
});
