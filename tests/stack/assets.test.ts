import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { freePort } from '../../dev/stack/ports.ts';
import { parseRules, readAssets } from '../../dev/stack/workers/assets.ts';
import { type RunningWorkers, startWorkers } from '../../dev/stack/workers/index.ts';

/** Static assets in front of a worker, as Cloudflare puts them there. */

const WORKER = `export default {
  async fetch(request) {
    if (request.headers.get('upgrade') === 'websocket') {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener('message', ({ data }) => server.send('worker: ' + data));
      return new Response(null, { status: 101, webSocket: client });
    }
    const { pathname, search } = new URL(request.url);
    return Response.json(
      { method: request.method, at: pathname + search, token: request.headers.get('authorization'), body: await request.text() },
      { status: 404, headers: { 'x-worker': 'yes' } },
    );
  },
};`;
const HEADERS = `# a comment
/*
  X-Frame-Options: DENY
  Content-Security-Policy: img-src 'self' blob:; connect-src 'self' https:; script-src 'self'

/assets/*
  Cache-Control: public, max-age=31536000, immutable
`;
const SUPABASE = 'http://127.0.0.1:9';

let dir: string;
let workers: RunningWorkers;
let url: string;

beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'assets-'));
  const files: Record<string, string> = {
    'wrangler.toml': `name = "fixture"
compatibility_date = "2026-11-01"
[env.start-generation]
name = "start-generation"
main = "worker.js"
[env.start-generation.assets]
directory = "site"`,
    'worker.js': WORKER,
    'site/index.html': '<!doctype html><title>Page</title>',
    'site/desk.html': '<!doctype html><title>Desk</title>',
    'site/assets/page-1a2b.js': 'console.log(1)',
    'site/icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
    'site/_headers': HEADERS,
  };
  for (const [name, text] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await fs.writeFile(path.join(dir, name), text);
  }
  workers = await startWorkers({
    wranglerToml: path.join(dir, 'wrangler.toml'),
    ports: { 'start-generation': await freePort() },
    cronPort: await freePort(),
    vars: { 'start-generation': { SUPABASE_URL: SUPABASE } },
    dir: path.join(dir, 'run'),
    cron: false,
    log: () => {},
  });
  url = workers.urls['start-generation'] ?? '';
}, 60_000);

afterAll(async () => {
  await workers?.stop();
  await fs.rm(dir, { recursive: true });
});

const get = (at: string, init: RequestInit = {}) => fetch(url + at, { redirect: 'manual', ...init });

test('/ is the page, with the type, the tag and the headers that its file and its rules give it', async () => {
  const answer = await get('/?from=mail');
  expect(await answer.text()).toBe('<!doctype html><title>Page</title>');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(answer.headers.get('cache-control')).toBe('public, max-age=0, must-revalidate');
  expect(answer.headers.get('x-frame-options')).toBe('DENY');
  expect(answer.headers.get('etag')).toMatch(/^"[0-9a-f]{32}"$/);
  expect(answer.headers.get('x-worker'), 'the worker was asked for a file').toBeNull();
});

test('the page may talk to the local Supabase too, and to nothing else that it was not built for', async () => {
  const policy = (await get('/')).headers.get('content-security-policy');
  expect(policy).toBe(
    `img-src ${SUPABASE} 'self' blob:; connect-src ${SUPABASE} 'self' https:; script-src 'self'`,
  );
});

test('a file named after its contents is kept for good', async () => {
  const answer = await get('/assets/page-1a2b.js');
  expect(await answer.text()).toBe('console.log(1)');
  expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
});

test('what a browser has already is not sent again', async () => {
  const etag = (await get('/icon.svg')).headers.get('etag') ?? '';
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const answer = await get('/icon.svg', { headers: { 'if-none-match': tag } });
    expect([answer.status, await answer.text()], tag).toEqual([304, '']);
  }
  const other = await get('/icon.svg', { headers: { 'if-none-match': '"other"' } });
  expect(other.status).toBe(200);
});

test('a file is there for GET and HEAD alone, and the page has one address', async () => {
  const head = await get('/', { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect((await get('/', { method: 'POST', body: 'x' })).status).toBe(405);
  const old = await get('/index.html?a=1');
  expect([old.status, old.headers.get('location')]).toEqual([307, '/?a=1']);
});

test('another page is at its name without .html, and there alone', async () => {
  const desk = await get('/desk?from=mail');
  expect([desk.status, await desk.text()]).toEqual([200, '<!doctype html><title>Desk</title>']);
  expect(desk.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(desk.headers.get('x-frame-options')).toBe('DENY');
  expect(desk.headers.get('x-worker'), 'the worker was asked for a page').toBeNull();
  for (const old of ['/desk.html', '/desk/']) {
    const answer = await get(`${old}?a=1`);
    expect([answer.status, answer.headers.get('location')], old).toEqual([307, '/desk?a=1']);
  }
});

test.each([
  '/nothing',
  '/desk/deeper',
  '/_headers',
  '/assets',
  '/assets/',
  '/worker.js',
  '/%2e%2e/worker.js',
  '/constructor',
])('%s is no file: the worker answers it as if there were none', async (at) => {
  const answer = await get(at, { method: 'POST', headers: { authorization: 'Bearer x' }, body: 'words' });
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ method: 'POST', token: 'Bearer x', body: 'words' });
  const navigation = await get(at, { headers: { 'sec-fetch-mode': 'navigate', accept: 'text/html' } });
  expect(navigation.headers.get('x-worker')).toBe('yes');
});

test('WebSockets go through to the worker', async () => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/events`);
  const heard = new Promise((resolve, reject) => {
    socket.on('message', (data) => resolve(String(data))).on('error', reject);
  });
  socket.on('open', () => socket.send('hello'));
  expect(await heard).toBe('worker: hello');
  socket.close();
});

test('a folder that is missing is told, with what builds it', async () => {
  await expect(readAssets(path.join(dir, 'nowhere'))).rejects.toThrow(/npm start/);
});

test('a line of _headers that belongs to no path is a mistake', () => {
  expect(() => parseRules('  X-Lost: 1')).toThrow('X-Lost: 1');
});
