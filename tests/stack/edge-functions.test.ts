import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { startSupabase } from '../../dev/stack/supabase/index.ts';
import { createDatabase, EMPTY } from './testing.ts';

interface Seen {
  method: string | undefined;
  path: string | undefined;
  headers: http.IncomingHttpHeaders;
  body: string;
}

const seen: Seen[] = [];
/** Lets the worker below send the second half of its answer. */
let goOn = () => {};
let stop = async () => {};
let url = '';
let anonKey = '';

/** A worker that was started anew has cut what was kept open to it; nobody is told before the next use. */
const used = new Set<unknown>();

const worker = http.createServer(async (request, response) => {
  if (used.has(request.socket)) return request.socket.destroy();
  used.add(request.socket);
  let body = '';
  for await (const chunk of request) body += chunk;
  seen.push({ method: request.method, path: request.url, headers: request.headers, body });
  response.setHeader('x-request-id', 'r1');
  if (request.url?.endsWith('/slow')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('first');
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return response.end('second');
  }
  response.writeHead(request.method === 'OPTIONS' ? 204 : 202, { 'content-type': 'application/json' });
  response.end(request.method === 'OPTIONS' ? undefined : '{"from":"worker"}');
});

const startProject = async (functionsUrl: string) => {
  const { superuserUrl, name } = await createDatabase(EMPTY);
  return startSupabase({
    superuserUrl,
    database: name,
    storageDir: '/nowhere',
    functionsUrl,
    maxConnections: 2,
  });
};

beforeAll(async () => {
  await new Promise<void>((resolve) => worker.listen(0, '127.0.0.1', resolve));
  const supabase = await startProject(`http://127.0.0.1:${(worker.address() as AddressInfo).port}`);
  ({ url, anonKey, stop } = supabase);
});

afterAll(async () => {
  await stop();
  worker.closeAllConnections();
  await new Promise((resolve) => worker.close(resolve));
});

test('functions.invoke reaches the worker with path, host, token and body', async () => {
  const { data, error, response } = await createClient(url, anonKey).functions.invoke('start-generation', {
    body: { prompt: 'ü' },
  });
  expect([error, data]).toEqual([null, { from: 'worker' }]);
  expect([response?.status, response?.headers.get('x-request-id')]).toEqual([202, 'r1']);
  expect(seen.at(-1)).toMatchObject({
    method: 'POST',
    path: '/functions/v1/start-generation',
    headers: { host: new URL(url).host, apikey: anonKey, authorization: `Bearer ${anonKey}` },
    body: '{"prompt":"ü"}',
  });
});

test('the worker answers preflights itself, and sees the query', async () => {
  const answer = await fetch(`${url}/functions/v1/generations?limit=1`, { method: 'OPTIONS' });
  expect([answer.status, answer.headers.get('x-request-id')]).toEqual([204, 'r1']);
  expect(seen.at(-1)).toMatchObject({ method: 'OPTIONS', path: '/functions/v1/generations?limit=1' });
});

test('an answer arrives while it is being made', async () => {
  const answer = await fetch(`${url}/functions/v1/slow`);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe('first');
  goOn();
  expect((await reader?.read())?.value).toBe('second');
  expect((await reader?.read())?.done).toBe(true);
});

test('a worker that does not run is 503, not a hanging request', async () => {
  const supabase = await startProject(`http://127.0.0.1:${await freePort()}`);
  try {
    const answer = await fetch(`${supabase.url}/functions/v1/start-generation`, {
      method: 'POST',
      body: '{}',
    });
    expect(answer.status).toBe(503);
  } finally {
    await supabase.stop();
  }
});

test('each call has a connection of its own: none meets one that has been cut', async () => {
  for (let n = 0; n < 3; n += 1) {
    const answer = await fetch(`${url}/functions/v1/again`, { method: 'POST', body: '{}' });
    expect([answer.status, await answer.json()]).toEqual([202, { from: 'worker' }]);
  }
});
