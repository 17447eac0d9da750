import path from 'node:path';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Browser } from 'playwright-core';
import { build, type InlineConfig } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launch } from '../browser/launch.ts';
import { type Installed, install } from './installed.ts';
import { SEEN, type Served, serve } from './served.ts';

/** The packed package in an app that Vite builds, run in a browser. */

const MAX_CORE_BYTES = 6 * 1024;
/** What the hooks add to the core. */
const MAX_HOOKS_BYTES = 3 * 1024;
/** What the library adds to it: the way of asking is the core's. */
const MAX_LIBRARY_BYTES = 512;

let installed: Installed;
let browser: Browser;

beforeAll(async () => {
  [installed, browser] = await Promise.all([install(), launch()]);
  await installed.link('react', 'react-dom');
});
afterAll(async () => {
  await browser?.close();
  await installed?.remove();
});

const config = (): InlineConfig => ({ root: installed.app, configFile: false, logLevel: 'error' });

describe('in a browser', () => {
  let served: Served;

  beforeAll(async () => {
    const page = (script: string) =>
      `<!doctype html><title>App</title><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="${script}"></script>`;
    const input = await Promise.all(
      Object.entries(APPS).map(async ([name, source]) => {
        await installed.write(`${name}/main.tsx`, source);
        return installed.write(`${name}/index.html`, page('./main.tsx'));
      }),
    );
    await build({ ...config(), plugins: [react()], build: { rolldownOptions: { input } } });
  });
  beforeEach(async () => {
    served = await serve(path.join(installed.app, 'dist'));
  });
  afterEach(() => served?.stop());

  /** Opens an app; it is at another origin than the server that it calls. */
  async function open(app: string, live = 'auto') {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    await page.goto(
      `${served.url.replace('127.0.0.1', 'localhost')}/${app}/index.html?api=${served.url}&live=${live}`,
    );
    return { page, faults };
  }

  test.each([
    ['auto', 'WebSocket /events'],
    ['sse', 'GET /events'],
    ['polling', 'GET /generations/g1'],
  ])('the core makes a picture, and is told by: %s', async (live, call) => {
    const { page, faults } = await open('core', live);
    await page.getByRole('button', { name: 'Make a picture' }).click();
    const picture = page.getByRole('img', { name: 'a fox' });
    await picture.waitFor().catch((error) => Promise.reject(new Error(`${error}\n${faults.join('\n')}`)));
    expect(await page.getByRole('listitem').allTextContents()).toEqual(SEEN);
    expect(
      await picture.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth)),
    ).toBe(1);
    expect(served.asked).toEqual(expect.arrayContaining(['POST /start-generation', call]));
    expect(served.asked.some((one) => one.endsWith(' /events'))).toBe(live !== 'polling');
    expect(faults).toEqual([]);
    await page.close();
  });

  test('the hooks make a picture, and show all there are', async () => {
    const { page, faults } = await open('hooks');
    expect(await page.getByRole('combobox', { name: 'Model' }).textContent()).toBe('The model');
    await page.getByRole('button', { name: 'Make a picture' }).click();
    const listed = page.getByRole('listitem').filter({ hasText: 'a fox: completed' });
    await listed.waitFor().catch((error) => Promise.reject(new Error(`${error}\n${faults.join('\n')}`)));
    // The two hooks read the finished picture each for itself, in either order.
    await page
      .getByRole('status')
      .filter({ hasText: /^completed 100$/ })
      .waitFor();
    expect(await page.getByRole('img', { name: 'a fox' }).getAttribute('src')).toBe(
      `${served.url}/pixel.png`,
    );
    expect(served.asked.filter((call) => call === 'POST /start-generation')).toHaveLength(1);
    expect(faults).toEqual([]);
    await page.close();
  });
});

describe('its size, as Vite bundles and minifies it', () => {
  /** Bytes, gzipped, of what comes of `source`; React is not counted. */
  async function bundled(source: string): Promise<{ bytes: number; code: string }> {
    const entry = await installed.write(`size-${Math.random()}.js`, source);
    const result = await build({
      ...config(),
      build: {
        write: false,
        modulePreload: false,
        rolldownOptions: { input: entry, external: /^react(\/|$)/ },
      },
    });
    if (!('output' in result)) throw new Error('Vite made no single bundle');
    const code = result.output.map((file) => (file.type === 'chunk' ? file.code : '')).join('');
    return { bytes: gzipSync(code).length, code };
  }
  const all = (entry: string) => `import * as all from '${entry}'; globalThis.all = all;`;

  test(`the core stays within ${MAX_CORE_BYTES} bytes, and knows nothing of React`, async () => {
    const { bytes, code } = await bundled(all('picture-queue'));
    expect(bytes).toBeGreaterThan(1_000);
    expect(bytes).toBeLessThanOrEqual(MAX_CORE_BYTES);
    expect(code).not.toMatch(/react/i);
  });

  test('the original’s functions know nothing of React either', async () => {
    const { bytes, code } = await bundled(all('picture-queue/compat'));
    expect(bytes).toBeLessThan(4_500);
    expect(code).not.toMatch(/react/i);
    expect((await bundled(all('picture-queue/compat/react'))).code).toContain('useSyncExternalStore');
  });

  test(`the hooks add at most ${MAX_HOOKS_BYTES} bytes`, async () => {
    const core = await bundled(all('picture-queue'));
    const both =
      await bundled(`import * as core from 'picture-queue'; import * as hooks from 'picture-queue/react';
      globalThis.all = [core, hooks];`);
    expect(both.code).toContain('useSyncExternalStore');
    expect(both.bytes - core.bytes).toBeLessThanOrEqual(MAX_HOOKS_BYTES);
  });

  test(`the library adds at most ${MAX_LIBRARY_BYTES} bytes`, async () => {
    const core = await bundled(all('picture-queue'));
    const both =
      await bundled(`import * as core from 'picture-queue'; import * as library from 'picture-queue/library';
      globalThis.all = [core, library];`);
    expect(both.code).toContain('/rerun');
    expect(both.bytes - core.bytes).toBeLessThanOrEqual(MAX_LIBRARY_BYTES);
  });

  test('what verifies webhooks needs no client', async () => {
    expect((await bundled(all('picture-queue/webhooks'))).bytes).toBeLessThan(1_500);
  });

  test('what is not used is left out', async () => {
    const entries = [
      '',
      '/compat',
      '/compat/react',
      '/library',
      '/react',
      '/react-native',
      '/server',
      '/webhooks',
    ].map((path) => `picture-queue${path}`);
    const nothing = entries.map((entry) => `import '${entry}';`).join('');
    expect((await bundled(`${nothing} globalThis.all = 1;`)).bytes).toBeLessThan(100);
    const only = async (name: string, entry: string) =>
      (await bundled(`import { ${name} } from '${entry}'; globalThis.all = ${name};`)).bytes;
    expect(await only('ConnectionError', 'picture-queue')).toBeLessThan(250);
    expect(await only('getJob', 'picture-queue/compat')).toBeLessThan(1_800);
    // It gets its client handed over: the one that makes clients is not needed.
    expect(await only('useModels', 'picture-queue/react')).toBeLessThan(1_000);
  });
});

const APPS = {
  core: `
    import { createClient } from 'picture-queue';
    const { api: url = '', live } = Object.fromEntries(new URLSearchParams(location.search));
    const pictures = createClient({ url, getToken: () => 'token', live: live as 'auto', polling: { minMs: 10, maxMs: 20 } });
    const list = document.createElement('ol');
    const button = document.createElement('button');
    button.textContent = 'Make a picture';
    button.onclick = async () => {
      const onUpdate = ({ status, progress }: { status: string; progress: number }) => {
        list.append(Object.assign(document.createElement('li'), { textContent: \`\${status} \${progress}\` }));
      };
      const { images } = await pictures.generate({ prompt: 'a fox', model_id: 'o/m' }, { onUpdate });
      document.body.append(Object.assign(new Image(), { src: images[0]?.url, alt: 'a fox' }));
    };
    document.body.append(button, list);`,
  hooks: `
    import { createClient } from 'picture-queue';
    import { PictureQueueProvider, useGenerations, useImageGeneration, useModels } from 'picture-queue/react';
    import { StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';

    const url = new URLSearchParams(location.search).get('api') ?? '';
    const client = createClient({ url, getToken: () => 'token', polling: { minMs: 10, maxMs: 20 } });

    function Studio() {
      const { models, isLoading } = useModels();
      const { generate, status, progress, imageUrl, isGenerating } = useImageGeneration();
      const { generations } = useGenerations();
      if (isLoading) return null;
      return (
        <>
          <select aria-label="Model">{models.map(({ id, name }) => <option key={id}>{name}</option>)}</select>
          <button disabled={isGenerating} onClick={() => generate({ prompt: 'a fox', model_id: 'o/m' })}>
            Make a picture
          </button>
          <output>{status} {progress}</output>
          {imageUrl && <img src={imageUrl} alt="a fox" />}
          <ul>{generations.map((one) => <li key={one.id}>{one.prompt}: {one.status}</li>)}</ul>
        </>
      );
    }

    createRoot(document.getElementById('root') as HTMLElement).render(
      <StrictMode><PictureQueueProvider client={client}><Studio /></PictureQueueProvider></StrictMode>,
    );`,
};
