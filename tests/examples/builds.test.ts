import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { launch } from '../browser/launch.ts';
import { type Installed, install, ROOT, run } from '../client/installed.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { until } from '../e2e/support/until.ts';
import { type App, EXPO, NEXTJS, SVELTEKIT } from './builds.ts';

/**
 * The apps of examples/ are built by their own frameworks, with the packed package, and used. It fetches a gigabyte of
 * packages: `npm test -- examples` does it, and `npm run test:examples` it alone.
 */
const isAsked = process.env.BUILD_EXAMPLES === '1';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const MINUTES = 60_000;
/** They send nothing home; and for none it is a test, for which Next.js passes over .env.local. */
const { NODE_ENV: _, ...own } = process.env;
const ENV = { ...own, CI: '1', NEXT_TELEMETRY_DISABLED: '1', EXPO_NO_TELEMETRY: '1', EXPO_OFFLINE: '1' };

describe.runIf(isAsked)('built by its framework', () => {
  let stack: TestStack;
  let browser: Browser;
  let installed: Installed;
  beforeAll(async () => {
    [stack, browser, installed] = await Promise.all([TestStack.start(), launch(), install()]);
  });
  afterAll(async () => {
    await browser?.close();
    await installed?.remove();
    await stack?.stop();
  });

  const variables = (prefix: string): Record<string, string> => {
    const { supabaseUrl, publishableKey, startGenerationUrl } = stack.addresses;
    return {
      [`${prefix}_SUPABASE_URL`]: supabaseUrl,
      [`${prefix}_SUPABASE_PUBLISHABLE_KEY`]: publishableKey,
      [`${prefix}_START_GENERATION_URL`]: startGenerationUrl,
      WEBHOOK_SECRET: SECRET,
    };
  };

  /** Its folder, built. */
  async function built(app: App, env: Record<string, string>): Promise<string> {
    const dir = path.join(path.dirname(installed.app), app.name);
    await fs.cp(path.join(ROOT, 'examples', app.name), dir, { recursive: true });
    const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
    for (const [name, content] of Object.entries({ ...app.files, [app.env]: lines.join('') })) {
      await fs.writeFile(path.join(dir, name), content);
    }
    const options = { cwd: dir, env: ENV, maxBuffer: 64 << 20 };
    const packages = [...app.packages, installed.tarball];
    await run('npm', ['install', '--save-exact', '--no-audit', '--no-fund', ...packages], options);
    const [program = '', ...args] = app.build;
    await run(process.execPath, [path.join('node_modules', program), ...args], options).catch((error) => {
      throw new Error(`${app.name} could not be built: ${error.stdout}${error.stderr}`);
    });
    return dir;
  }

  /** While `use` goes on, the app answers at its address. */
  async function served(dir: string, args: string[], env: object, use: (url: string) => Promise<void>) {
    const port = await freePort();
    const all = { ...ENV, ...env, PORT: String(port), HOST: '127.0.0.1' };
    const child = spawn(process.execPath, args, {
      cwd: dir,
      env: all,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = once(child, 'exit');
    const url = `http://127.0.0.1:${port}`;
    try {
      await until(`${args[0]} to answer`, () =>
        fetch(url).then(
          (answer) => answer.ok,
          () => false,
        ),
      );
      await use(url);
    } finally {
      child.kill();
      await ended;
    }
  }

  async function expectItWorks(url: string) {
    const page = await browser.newPage();
    await page.goto(url);
    const output = page.getByRole('status');
    // A button that the server has rendered does nothing until the page's script has come.
    await until('the button to do something', async () => {
      const button = page.getByRole('button', { name: 'Make a picture' });
      if (await button.isVisible()) await button.click();
      return output
        .filter({ hasText: /starting|queued|processing|downloading|completed/ })
        .waitFor({ timeout: 5_000 })
        .then(
          () => true,
          () => false,
        );
    });
    const image = page.getByRole('img', { name: 'A lighthouse at dawn' });
    await image.waitFor();
    await expect.poll(() => image.evaluate((one: HTMLImageElement) => one.naturalWidth)).toBeGreaterThan(100);
    await page.getByText('completed, 100 %').waitFor();
    await page.close();

    const body = JSON.stringify({ type: 'generation.completed', data: { id: 'g1', images: [] } });
    const at = new Date();
    const headers = {
      'content-type': 'application/json',
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(SECRET).sign('msg_1', at, body),
    };
    const send = (text: string) => fetch(`${url}/api/webhooks`, { method: 'POST', headers, body: text });
    expect((await send(body)).status).toBe(204);
    expect((await send(`${body} `)).status).toBe(401);
  }

  test('nextjs makes a picture, and takes webhooks that are signed', { timeout: 10 * MINUTES }, async () => {
    const env = variables('NEXT_PUBLIC');
    const dir = await built(NEXTJS, env);
    await served(dir, ['node_modules/next/dist/bin/next', 'start', '-H', '127.0.0.1'], env, expectItWorks);
  });

  test('sveltekit makes a picture, and takes webhooks that are signed', {
    timeout: 10 * MINUTES,
  }, async () => {
    const env = variables('PUBLIC');
    await served(await built(SVELTEKIT, env), ['build/index.js'], env, expectItWorks);
  });

  test('expo is bundled for Android, as bytecode', { timeout: 10 * MINUTES }, async () => {
    const dir = await built(EXPO, variables('EXPO_PUBLIC'));
    const folder = path.join(dir, 'dist/_expo/static/js/android');
    const [bundle = ''] = await fs.readdir(folder);
    expect(bundle).toMatch(/\.hbc$/);
    const content = await fs.readFile(path.join(folder, bundle));
    expect(content.includes(stack.addresses.startGenerationUrl), 'its variables are in it').toBe(true);
  });
});
