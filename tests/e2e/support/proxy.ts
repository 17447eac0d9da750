import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';

export interface Passed {
  method: string;
  /** Without the query. */
  path: string;
}

/** What the proxy does itself, once so many bytes of the request's body have come. */
export type Own = { after?: number } & ({ status: number; body: unknown; packed?: true } | { hangUp: true });

/** Answers a request itself, or changes its headers before they go on. */
export type Intervention = (
  request: http.IncomingMessage,
  headers: http.IncomingHttpHeaders,
) => Own | undefined;

export interface CountingProxy {
  url: string;
  /** All requests, in the order of their coming. */
  passed: Passed[];
  /** How many came to each path from the nth on; ids in storage paths are one name. */
  counts(since?: number): Record<string, number>;
  stop(): Promise<void>;
}

/** Stands in front of a server and notes each request; bodies stream. */
export async function startProxy(
  target: string,
  intervene: Intervention = () => undefined,
): Promise<CountingProxy> {
  const passed: Passed[] = [];
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', target);
    passed.push({ method: request.method ?? '', path: pathname });
    const headers = { ...request.headers };
    const own = intervene(request, headers);
    if (own) return act(own, request, response).catch(() => response.destroy());
    const upstream = http.request(target, { method: request.method, path: request.url, headers, agent });
    const fail = () => response.destroy();
    upstream.once('error', fail).once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response).catch(fail);
    });
    pipeline(request, upstream).catch(fail);
  });
  server.keepAliveTimeout = 65_000; // longer than workerd keeps its connections
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    counts: (since = 0) => {
      const counts: Record<string, number> = {};
      for (const { method, path } of passed.slice(since)) {
        const name = `${method} ${path.replace(/[0-9a-f-]{36}/g, '*')}`;
        counts[name] = (counts[name] ?? 0) + 1;
      }
      return counts;
    },
    stop: async () => {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Where it does not wait for the end of the body, the connection is closed with the rest unread. */
async function act(own: Own, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const { after = 0 } = own;
  let bytes = 0;
  if (after > 0) {
    const iterator = request[Symbol.asyncIterator]();
    while (bytes < after) {
      const { done, value } = await iterator.next();
      if (done) break;
      bytes += value.length;
    }
  }
  if ('hangUp' in own) {
    response.destroy();
    return;
  }
  const text = JSON.stringify(own.body);
  const body = own.packed ? gzipSync(text) : Buffer.from(text);
  response.writeHead(own.status, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(own.packed ? { 'content-encoding': 'gzip' } : {}),
    ...(after > 0 ? { connection: 'close' } : {}),
  });
  response.end(body);
}
