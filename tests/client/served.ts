import { once } from 'node:events';
import fs from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { WebSocketServer } from 'ws';
import { generation, IMAGE, STARTED } from './scripted.ts';

/** What each generation goes through; it takes a step each time that somebody has been told how it stands. */
const STEPS = [
  ['queued', 0],
  ['processing', 10],
  ['processing', 55],
  ['completed', 100],
] as const;
/** The updates that its follower sees. */
export const SEEN = STEPS.map(([status, progress]) => `${status} ${progress}`);

const PROTOCOL = 'picture-queue.v1';
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
/** The smallest PNG there is: one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=',
  'base64',
);

export interface Served {
  /** Origin of the server. */
  url: string;
  /** `GET /models`, …, `WebSocket /events` and `GET /events` (server-sent events), as they came. */
  asked: string[];
  /** The bodies of the starts, as they came. */
  starts: { prompt: string; source_id?: string }[];
  stop(): Promise<void>;
}

type Listener = (message: { type: string; seq: number }) => void;

interface Running {
  id: string;
  prompt: string;
  step: number;
  seq: number;
}

/**
 * A start-generation over real connections that makes each picture in a few steps: for what runs outside of
 * this process or has no `fetch` of ours, with its live channel.
 *
 * @param files a folder whose files it serves as well: the page of an app
 */
export async function serve(files?: string): Promise<Served> {
  const asked: string[] = [];
  const starts: Served['starts'] = [];
  const made: Running[] = [];
  const listeners = new Set<Listener>();
  let url = '';
  const pixel = () => `${url}/pixel.png`;

  const state = (one: Running) => {
    const [status, progress] = STEPS[one.step] ?? STEPS[3];
    const images = status === 'completed' ? [{ ...IMAGE, url: pixel(), format: 'png' }] : [];
    return generation(status, progress, {
      id: one.id,
      prompt: one.prompt,
      model_id: 'o/m',
      images,
      created_at: '2026-01-01T00:00:00Z',
    });
  };
  const told = (one: Running) => {
    one.step = Math.min(one.step + 1, STEPS.length - 1);
    one.seq += 1;
  };

  /** Tells every listener of each step, until it has ended. */
  const play = (one: Running) => {
    if (listeners.size === 0) return;
    const { status, progress } = state(one);
    const message = {
      type: 'generation',
      generation_id: one.id,
      batch_id: null,
      status,
      progress,
      queue_position: null,
      estimated_seconds: null,
      ...(status === 'completed' ? { image_url: pixel() } : {}),
      seq: one.seq,
    };
    for (const listener of listeners) listener(message);
    if (status === 'completed') return;
    told(one);
    setImmediate(play, one);
  };

  /** Tells how all that is open stands, then that this is so, and from here on each change. */
  const listen = (listener: Listener) => {
    listeners.add(listener);
    for (const one of made) if (one.step < STEPS.length - 1) play(one);
    listener({ type: 'ready', seq: Date.now() });
    return () => listeners.delete(listener);
  };

  const routes: Record<string, (rest: string, body: Buffer, type: string) => [number, unknown]> = {
    'POST /start-generation': (_, body) => {
      const wanted: Served['starts'][number] = JSON.parse(String(body));
      const one = { id: `g${made.length + 1}`, prompt: wanted.prompt, step: 0, seq: Date.now() };
      starts.push(wanted);
      made.push(one);
      setImmediate(play, one);
      return [202, { ...STARTED, generation_id: one.id, queue_position: null, estimated_seconds: null }];
    },
    'GET /generations/': (id) => {
      const one = made.find((candidate) => candidate.id === id);
      if (!one) return [404, { code: 'not_found', detail: `There is no ${id}.` }];
      const now = state(one);
      if (listeners.size === 0) told(one);
      return [200, now];
    },
    'GET /generations': () => {
      const generations = made.map(state).reverse();
      if (listeners.size === 0) for (const one of made) told(one);
      return [200, { generations, next_cursor: null }];
    },
    'POST /sources': (_, body, type) => [201, { source_id: 's1', format: type, bytes: body.length }],
    'GET /models': () => [200, { models: [{ id: 'o/m', name: 'The model' }] }],
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '/', 'http://server');
    // An app is at another origin than the server.
    response.setHeader('access-control-allow-origin', '*');
    if (request.method === 'OPTIONS') {
      response.setHeader(
        'access-control-allow-headers',
        request.headers['access-control-request-headers'] ?? '',
      );
      return response.end();
    }
    const call = `${request.method} ${pathname}`;
    const name = Object.keys(routes).find(
      (start) => call === start || (start.endsWith('/') && call.startsWith(start)),
    );
    if (name) {
      asked.push(call);
      const body = await buffer(request);
      const type = request.headers['content-type'] ?? '';
      const [status, result] = routes[name]?.(call.slice(name.length), body, type) ?? [500, {}];
      response.statusCode = status;
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify(result));
    }
    if (call === 'GET /events' && request.headers.accept === 'text/event-stream') {
      asked.push(call);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const stop = listen((message) => {
        response.write(`id: ${message.seq}\ndata: ${JSON.stringify(message)}\n\n`);
      });
      return response.on('close', stop);
    }
    if (pathname === '/pixel.png') {
      response.setHeader('content-type', 'image/png');
      return response.end(PIXEL);
    }
    const file = files && path.join(files, pathname === '/' ? 'index.html' : path.normalize(pathname));
    const content = file ? await fs.readFile(file).catch(() => undefined) : undefined;
    if (!content) response.statusCode = 404;
    else response.setHeader('content-type', TYPES[path.extname(file ?? '')] ?? 'application/octet-stream');
    response.end(content);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error));
  });
  const sockets = new WebSocketServer({
    server,
    handleProtocols: (offered) => (offered.has(PROTOCOL) && offered.has('bearer.token') ? PROTOCOL : false),
  });
  sockets.on('connection', (socket, { url: at }) => {
    asked.push(`WebSocket ${new URL(at ?? '/', 'http://server').pathname}`);
    socket.on('message', (text) => String(text) === 'ping' && socket.send('pong'));
    socket.on(
      'close',
      listen((message) => socket.send(JSON.stringify(message))),
    );
  });

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    asked,
    starts,
    async stop() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
