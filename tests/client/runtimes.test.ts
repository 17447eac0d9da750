import fs from 'node:fs/promises';
import path from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findRuntime, type Runtime } from '../../scripts/runtimes.mjs';
import { type Installed, install, run } from './installed.ts';
import { SEEN, type Served, serve } from './served.ts';

/** The packed package in runtimes beside Node: as it is installed, with no more rights than it needs. */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const BODY = JSON.stringify({ type: 'generation.completed', data: { id: 'g1', images: [] } });

/** Installed by `npm test`; without, their tests are left out. How each runs a file, for one server. */
const RUNTIMES: [Runtime, (url: string) => string[]][] = [
  ['deno', (url) => ['run', `--allow-net=${new URL(url).host}`]],
  ['bun', () => ['run']],
];

const APP = `
  import { createClient, NotFoundError } from 'picture-queue';
  import { createServerClient } from 'picture-queue/server';
  import { verifyWebhook, WebhookVerificationError } from 'picture-queue/webhooks';

  const url = 'URL';
  const params = { prompt: 'a fox', model_id: 'o/m' };
  const updates: string[] = [];
  const pictures = createClient({ url, getToken: () => 'token' });
  const { images } = await pictures.generate(params, {
    onUpdate: ({ status, progress }) => updates.push(\`\${status} \${progress}\`),
  });
  const refused: unknown = await pictures.get('none').catch((error: unknown) => error);

  const server = createServerClient({ url, secretKey: 'sb_secret_x', polling: { minMs: 10, maxMs: 20 } });
  const userId = '00000000-0000-4000-8000-000000000000';
  const { generation } = await server.generate(params, { userId });

  const request = (body: string) =>
    new Request('https://app.example/webhooks', { method: 'POST', headers: HEADERS, body });
  const body = 'BODY';
  const { data } = await verifyWebhook(request(body), 'SECRET');
  const forged: unknown = await verifyWebhook(request(body + ' '), 'SECRET').catch((error: unknown) => error);
  console.log(JSON.stringify({
    updates,
    image: images[0]?.url,
    typed: refused instanceof NotFoundError,
    server: generation.status,
    webhook: data.id,
    forged: forged instanceof WebhookVerificationError,
  }));`;

function headers() {
  const at = new Date();
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(SECRET).sign('msg_1', at, BODY),
  };
}

const programs = new Map(RUNTIMES.map(([name]) => [name, findRuntime(name) ?? '']));
const deno = programs.get('deno');
let installed: Installed;
let served: Served;

beforeAll(async () => {
  installed = await install();
});
afterAll(() => installed?.remove());
beforeEach(async () => {
  served = await serve();
});
afterEach(() => served.stop());

const app = () =>
  installed.write(
    'app.ts',
    APP.replace('URL', served.url)
      .replace('HEADERS', JSON.stringify(headers()))
      .replace('BODY', BODY)
      .replaceAll('SECRET', SECRET),
  );
/** Where nothing is set: no key and no address is read from there. */
const surroundings = () => ({ cwd: installed.app, env: { HOME: path.dirname(installed.app) } });

describe.each(RUNTIMES)('in %s', (name, args) => {
  const program = programs.get(name) ?? '';

  test.runIf(program)('it makes a picture, for a user and for a server, and checks a webhook', async () => {
    await app();
    const { stdout } = await run(program, [...args(served.url), 'app.ts'], surroundings());
    expect(JSON.parse(stdout)).toEqual({
      updates: SEEN,
      image: `${served.url}/pixel.png`,
      typed: true,
      server: 'completed',
      webhook: 'g1',
      forged: true,
    });
    expect(served.asked, 'the updates came live').toContain('WebSocket /events');
  });
});

test.runIf(deno)('Deno finds its types', async () => {
  const file = await app();
  const check = () => run(deno ?? '', ['check', 'app.ts'], surroundings());
  await check();
  await fs.appendFile(file, '\nconst wrong: number = images[0]?.url;\n');
  await expect(check()).rejects.toMatchObject({ stderr: expect.stringContaining('TS2322') });
});
