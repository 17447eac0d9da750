import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { type ComponentType, createElement } from 'react';
import { Webhook } from 'standardwebhooks';
import { createRoot } from 'test-renderer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUNDLE, ENTRIES } from '../client/documented.ts';
import { ROOT, run } from '../client/installed.ts';
import { TestStack } from '../e2e/support/stack.ts';

/** The files of apps in examples/ compile, and do what they say, without the frameworks around them. */

const EXAMPLES = path.join(ROOT, 'examples');
const PATIENCE = { timeout: 30_000 };
const PUBLIC = ['SUPABASE_URL', 'SUPABASE_PUBLISHABLE_KEY', 'START_GENERATION_URL'].map(
  (name) => `PUBLIC_${name}`,
);
/** As little of SvelteKit as its files need. */
const SVELTEKIT = `
declare module '@sveltejs/kit/env' { export function defineEnvVars<T>(variables: T): T }
declare module '$app/env/public' { export const ${PUBLIC.map((name) => `${name}: string`)} }
declare module '$app/env/private' { export const WEBHOOK_SECRET: string }
declare function $state<T>(first: T): T;`;
const ENV = ['WEBHOOK_SECRET', ...PUBLIC]
  .map((name) => `export const ${name} = process.env.${name};`)
  .join('');
const NATIVE = ['Button', 'Image', 'Text', 'View']
  .map((name) => `export const ${name} = '${name}';`)
  .join('')
  .concat('export const AppState = { addEventListener: () => ({ remove() {} }) };');

const source = (file: string) => fs.readFile(path.join(EXAMPLES, file), 'utf8');
const scriptOf = (page: string) => /<script lang="ts">\n(.*?)<\/script>/s.exec(page)?.[1] ?? '';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'apps-'));
  await fs.symlink(await fs.realpath(path.join(ROOT, 'node_modules')), path.join(dir, 'node_modules'));
});
afterAll(() => fs.rm(dir, { recursive: true, force: true }));

const COMMON = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  module: 'esnext',
  moduleResolution: 'bundler',
  target: 'es2022',
  jsx: 'react-jsx',
  allowImportingTsExtensions: true,
  paths: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, [file]])),
};

test.each<[string, string[], object]>([
  ['nextjs', ['app/page.tsx', 'app/api/webhooks/route.ts'], { lib: ['es2022', 'dom'], types: ['node'] }],
  [
    'sveltekit',
    ['src/env.ts', 'src/routes/+page.svelte', 'src/routes/api/webhooks/+server.ts'],
    { lib: ['es2022', 'dom'], types: [] },
  ],
  ['expo', ['App.tsx'], { lib: ['es2022'], types: ['node', 'react-native'] }],
])('%s compiles', async (app, files, options) => {
  const folder = path.join(dir, `${app}-types`);
  await fs.mkdir(folder);
  await Promise.all([
    ...files.map(async (file, index) => {
      const text = await source(`${app}/${file}`);
      const isSvelte = file.endsWith('.svelte');
      // What a page's markup uses is used.
      const code = isSvelte ? `${scriptOf(text)}\nexport { imageUrl, line, make };` : text;
      await fs.writeFile(path.join(folder, `${index}${isSvelte ? '.ts' : path.extname(file)}`), code);
    }),
    fs.writeFile(path.join(folder, 'sveltekit.d.ts'), SVELTEKIT),
    fs.writeFile(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...COMMON, ...options }, include: ['*'] }),
    ),
  ]);
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const faults = await run(process.execPath, [tsc, '-p', folder]).then(
    () => '',
    (error: { stdout?: string }) => error.stdout || String(error),
  );
  expect(faults).toBe('');
});

/** What a file exports, with modules of its framework. */
async function imported(name: string, contents: string, modules: Record<string, string> = {}) {
  const outfile = path.join(dir, `${name}.mjs`);
  await build({
    stdin: { contents, loader: 'tsx', resolveDir: dir },
    plugins: [
      {
        name: 'framework',
        setup({ onLoad, onResolve }) {
          onResolve({ filter: /^(\$app|react-native)/ }, ({ path: own }) => ({
            path: own,
            namespace: 'own',
          }));
          onLoad({ filter: /.*/, namespace: 'own' }, ({ path: own }) => ({ contents: modules[own] ?? '' }));
        },
      },
    ],
    ...BUNDLE,
    external: ['react', '@supabase/supabase-js'],
    outfile,
  });
  return import(/* @vite-ignore */ pathToFileURL(outfile).href);
}

describe('the route for webhooks', () => {
  const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const BODY = JSON.stringify({ type: 'generation.completed', data: { id: 'g1', images: [] } });
  const request = (body: string) => {
    const at = new Date();
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(SECRET).sign('msg_1', at, BODY),
    };
    return new Request('https://app.example/api/webhooks', { method: 'POST', headers, body });
  };
  type Route = (body: string) => Promise<Response>;

  test.each<[string, string, (module: { POST(given: unknown): Promise<Response> }) => Route]>([
    [
      'nextjs',
      'app/api/webhooks/route.ts',
      ({ POST }) =>
        (body) =>
          POST(request(body)),
    ],
    [
      'sveltekit',
      'src/routes/api/webhooks/+server.ts',
      ({ POST }) =>
        (body) =>
          POST({ request: request(body) }),
    ],
  ])('of %s takes what is signed, and nothing else', async (app, file, routeOf) => {
    process.env.WEBHOOK_SECRET = SECRET;
    try {
      const modules = { '$app/env/private': ENV };
      const route = routeOf(await imported(`${app}-route`, await source(`${app}/${file}`), modules));
      expect((await route(BODY)).status).toBe(204);
      const forged = await route(BODY.replace('g1', 'g2'));
      expect(forged.status).toBe(401);
      expect(await forged.text()).toMatch(/^No signature in webhook-signature fits/);
    } finally {
      delete process.env.WEBHOOK_SECRET;
    }
  });
});

describe('on the local stack', () => {
  let stack: TestStack;
  const before = { ...process.env };

  beforeAll(async () => {
    stack = await TestStack.start();
    const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
    for (const prefix of ['NEXT_PUBLIC', 'EXPO_PUBLIC', 'PUBLIC']) {
      process.env[`${prefix}_SUPABASE_URL`] = supabaseUrl;
      process.env[`${prefix}_SUPABASE_PUBLISHABLE_KEY`] = publishableKey;
      process.env[`${prefix}_START_GENERATION_URL`] = startGenerationUrl;
    }
  });
  afterAll(async () => {
    process.env = before;
    await stack?.stop();
  });

  const expectPicture = async (url: unknown) =>
    expect((await fetch(String(url))).headers.get('content-type')).toBe('image/webp');

  /** What a component shows, once it is there. */
  function render(component: ComponentType) {
    const root = createRoot();
    root.render(createElement(component));
    const find = (type: string) => root.container.queryAll(({ type: own }) => own === type)[0]?.props;
    return { find, close: () => root.unmount() };
  }

  test('the page of nextjs makes a picture', async () => {
    const page = await imported('nextjs-page', await source('nextjs/app/page.tsx'));
    const { find, close } = render(page.default);
    await expect.poll(() => find('button')?.children, PATIENCE).toBe('Make a picture');
    find('button')?.onClick();
    await expect.poll(() => find('img')?.src, PATIENCE).toBeTruthy();
    await expect.poll(() => find('output')?.children, PATIENCE).toBe('completed, 100 %');
    await expectPicture(find('img')?.src);
    close();
  });

  test('the screen of expo makes a picture', async () => {
    const app = await imported('expo', await source('expo/App.tsx'), { 'react-native': NATIVE });
    const { find, close } = render(app.default);
    await expect.poll(() => find('Button')?.title, PATIENCE).toBe('Make a picture');
    find('Button')?.onPress();
    await expect.poll(() => find('Image')?.source?.uri, PATIENCE).toBeTruthy();
    await expect.poll(() => find('Text')?.children, PATIENCE).toBe('completed, 100 %');
    await expectPicture(find('Image')?.source.uri);
    close();
  });

  test('the page of sveltekit makes a picture', async () => {
    const script = `const $state = (first) => first;
      ${scriptOf(await source('sveltekit/src/routes/+page.svelte'))}
      export { make };
      export const shown = () => ({ line, imageUrl });`;
    const page = await imported('sveltekit-page', script, { '$app/env/public': ENV });
    await page.make();
    expect(page.shown().line).toBe('completed, 100 %');
    await expectPicture(page.shown().imageUrl);
  });
});
