import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';

/** The examples of the documentation compile, and the first one makes a picture. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = ['README.md', 'client/README.md', 'docs/client.md'];
const ENTRIES = {
  'picture-queue': path.join(ROOT, 'client/src/index.ts'),
  'picture-queue/compat': path.join(ROOT, 'client/src/compat/index.ts'),
};
const SUPABASE = path.join(ROOT, 'node_modules/@supabase/supabase-js');

/** As little of React, React Native and an app's own module as the examples need. */
const STUBS = `
declare module 'react' {
  export function useState<T>(first: T): [T, (next: T) => void];
  export function useEffect(effect: () => void | (() => void), inputs: unknown[]): void;
  export function useRef<T>(first: T): { current: T };
}
declare module 'react-native' {
  export const Button: (props: { title: string; onPress: () => void }) => object;
  export const Image: (props: { source: { uri: string }; style: object }) => object;
  export const Text: (props: { children?: unknown }) => object;
  export const View: (props: { children?: unknown }) => object;
}
declare namespace JSX {
  type Element = object;
  interface ElementChildrenAttribute { children: unknown }
}`;
const OWN_MODULE = `
import { createClient } from '@supabase/supabase-js';
interface Database { public: { Tables: Record<never, never>; Views: Record<never, never>; Functions: Record<never, never> } }
export const supabase = createClient<Database>('https://x.example', 'key');`;

const run = promisify(execFile);
let dir: string;
let examples: string[];

beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'docs-'));
  const pages = await Promise.all(PAGES.map((page) => fs.readFile(path.join(ROOT, page), 'utf8')));
  examples = [];
  for (const [, kind, code = ''] of pages.join('\n').matchAll(/```(tsx?)\n(.*?)```/gs)) {
    if (!code.includes("'picture-queue")) continue;
    const name = `example-${examples.length + 1}.${kind}`;
    await fs.writeFile(path.join(dir, name), code);
    examples.push(name);
  }
  await fs.writeFile(path.join(dir, 'stubs.d.ts'), STUBS);
  await fs.writeFile(path.join(dir, 'supabase.ts'), OWN_MODULE);
});
afterAll(() => fs.rm(dir, { recursive: true, force: true }));

test('the examples compile', async () => {
  expect(examples.length).toBeGreaterThanOrEqual(7);
  const tsconfig = {
    compilerOptions: {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: 'es2022',
      module: 'esnext',
      moduleResolution: 'bundler',
      lib: ['es2022', 'dom', 'dom.iterable'],
      jsx: 'preserve',
      types: [],
      allowImportingTsExtensions: true,
      paths: Object.fromEntries(
        Object.entries({ ...ENTRIES, '@supabase/supabase-js': SUPABASE }).map(([name, file]) => [
          name,
          [file],
        ]),
      ),
    },
    include: ['*'],
  };
  await fs.writeFile(path.join(dir, 'tsconfig.json'), JSON.stringify(tsconfig));
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const faults = await run(process.execPath, [tsc, '-p', dir]).then(
    () => '',
    (error: { stdout?: string }) => error.stdout || String(error),
  );
  expect(faults, `the examples are ${examples.join(', ')} of ${PAGES.join(', ')}`).toBe('');
});

test('the first one of docs/client.md makes a picture', async () => {
  const stack = await TestStack.start();
  try {
    const page = await fs.readFile(path.join(ROOT, 'docs/client.md'), 'utf8');
    const { supabaseUrl, anonKey, startGenerationUrl } = stack.addresses;
    const code = /```ts\n(.*?)```/s
      .exec(page)?.[1]
      ?.replace('LOCAL_SUPABASE_URL', supabaseUrl)
      .replace('LOCAL_ANON_KEY', anonKey)
      .replace('START_GENERATION_URL', startGenerationUrl);
    const outfile = path.join(dir, 'first.mjs');
    await build({
      stdin: { contents: code ?? '', loader: 'ts', resolveDir: ROOT },
      alias: ENTRIES,
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'silent',
    });
    const { stdout } = await run(process.execPath, [outfile]);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe('queued 0');
    expect(lines.at(-2)).toBe('completed 100');
    expect((await fetch(lines.at(-1) ?? '')).headers.get('content-type')).toBe('image/webp');
  } finally {
    await stack.stop();
  }
});
