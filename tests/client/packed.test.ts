import fs from 'node:fs/promises';
import path from 'node:path';
import vm from 'node:vm';
import { build } from 'esbuild';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import { firstPicture } from './documented.ts';
import { type Installed, install, ROOT, run } from './installed.ts';
import { inWorkerd } from './workerd.ts';

/** The package as its users get it: packed, installed without a network, and run where it says it runs. */

let installed: Installed;
let app: string;
let tarball: string;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  installed = await install();
  ({ app, tarball } = installed);
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
}, 180_000);
afterAll(async () => {
  await stack?.stop();
  await installed?.remove();
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

const print = 'use().then((result) => console.log(JSON.stringify(result)));';

describe('the packed package', () => {
  test('holds what it needs and no more, and depends on nothing', async () => {
    const root = path.join(app, 'node_modules/picture-queue');
    expect((await fs.readdir(root)).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'compat',
      'dist',
      'library',
      'package.json',
      'react',
      'react-native',
      'server',
      'webhooks',
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

describe('the hooks, rendered on a server', () => {
  beforeAll(() => installed.link('react', 'react-dom'));

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

  test.each([
    ['imported', 'original.mjs', "import * as compat from 'picture-queue/compat/react';"],
    ['required', 'original.cjs', "const compat = require('picture-queue/compat/react');"],
  ])('the original’s, %s', async (_, file, own) => {
    const [from, close] = file.endsWith('.cjs') ? ['require(', ')'] : ['await import(', ')'];
    const source = `${own}
      (async () => {
        const { createElement } = ${from}'react'${close};
        const { renderToString } = ${from}'react-dom/server'${close};
        const Status = () => createElement('p', null, compat.useImageGeneration().status);
        console.log(JSON.stringify(renderToString(createElement(Status))));
      })();`;
    expect(await inNode(file, source)).toBe('<p>idle</p>');
  });

  test('are required', async () => {
    const source = `const { createElement } = require('react'); const { renderToString } = require('react-dom/server');
      const { createClient } = require('picture-queue');
      const { PictureQueueProvider, useModels } = require('picture-queue/react'); ${render}`;
    expect(await inNode('hooks.cjs', source)).toBe('<p>loading</p>');
  });
});

describe('a webhook is verified', () => {
  const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const BODY = JSON.stringify({ type: 'generation.completed', data: { id: 'g1' } });
  const headers = () => {
    const at = new Date();
    return {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(SECRET).sign('msg_1', at, BODY),
    };
  };
  const verified = (request: string) => `verifyWebhook(${request}, '${SECRET}').then(({ data }) => data.id)`;
  const parts = () => JSON.stringify({ headers: headers(), body: BODY });

  test.each([
    ['in Node, imported', 'webhook.mjs', "import { verifyWebhook } from 'picture-queue/webhooks';"],
    ['in Node, required', 'webhook.cjs', "const { verifyWebhook } = require('picture-queue/webhooks');"],
  ])('%s', async (_, file, imported) => {
    const source = `${imported} ${verified(parts())}.then((id) => console.log(JSON.stringify(id)));`;
    expect(await inNode(file, source)).toBe('g1');
  });

  test('with nothing around it but Web Crypto, base64 and text', async () => {
    const source = `import { verifyWebhook } from 'picture-queue/webhooks'; export const result = ${verified(parts())};`;
    const code = await bundled('webhook.js', source, { format: 'iife', globalName: 'app' });
    const surroundings = { crypto, atob, btoa, TextEncoder, TextDecoder, Uint8Array, ArrayBuffer };
    expect(await vm.runInNewContext(`${Buffer.from(code).toString()};app.result`, surroundings)).toBe('g1');
  });

  test('in a Worker, as it comes', async () => {
    const source = `import { verifyWebhook } from 'picture-queue/webhooks';
      export default {
        fetch: (request) =>
          ${verified('request')}.then((id) => new Response(id), ({ code }) => new Response(code, { status: 401 })),
      };`;
    const code = await bundled('webhook-worker.mjs', source, { conditions: ['workerd'] });
    const send = async (url: string, body: string) => {
      const response = await fetch(url, { method: 'POST', headers: headers(), body });
      return [response.status, await response.text()];
    };
    await inWorkerd(app, code, async (url) => {
      expect(await send(url, BODY)).toEqual([200, 'g1']);
      expect(await send(url, `${BODY} `)).toEqual([401, 'invalid_webhook']);
    });
  });
});

describe('it makes a picture', () => {
  test('as docs/guides/client.md says, word for word', async () => {
    await installed.link('@supabase/supabase-js');
    const code = await firstPicture('in a script', stack.addresses);
    await installed.write('picture.mjs', code);
    const { stdout } = await run(process.execPath, ['picture.mjs'], { cwd: app });
    const lines = stdout.trim().split('\n');
    expect(
      lines.slice(0, -1).every((line) => /^[a-z]+ \d+$/.test(line)),
      stdout,
    ).toBe(true);
    await expectPicture({ url: lines.at(-1), same: true });
  });

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
