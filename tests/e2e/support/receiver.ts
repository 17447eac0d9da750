import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Delivery {
  path: string;
  headers: Record<string, string>;
  /** As it came, byte for byte. */
  body: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** No answer at all. */
  silent?: boolean;
}

export interface Receiver {
  origin: string;
  /** All that came, in order. */
  deliveries: Delivery[];
  at(path: string): Delivery[];
  /** The next answers on a path; after them, and without any, 204. */
  reply(path: string, ...replies: Reply[]): void;
  /** Every answer on a path from now on, where `reply` names none; without one 204 again. */
  always(path: string, reply?: Reply): void;
  stop(): Promise<void>;
}

/** A user's server, on loopback, that takes webhooks. */
export async function startReceiver(): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const replies = new Map<string, Reply[]>();
  const standing = new Map<string, Reply>();
  const server = http.createServer(async (request, response) => {
    const path = request.url ?? '/';
    const headers = request.headers as Record<string, string>;
    deliveries.push({ path, headers, body: await text(request) });
    const reply = replies.get(path)?.shift() ?? standing.get(path) ?? { status: 204 };
    if (reply.silent) return;
    response.writeHead(reply.status, reply.headers);
    response.end(reply.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    at: (path) => deliveries.filter((delivery) => delivery.path === path),
    reply: (path, ...more) => replies.set(path, [...(replies.get(path) ?? []), ...more]),
    always: (path, reply) => (reply ? standing.set(path, reply) : standing.delete(path)),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Resolver {
  url: string;
  /** Each question: `name type`. */
  asked: string[];
  stop(): Promise<void>;
}

/** DNS over HTTPS in JSON, from a list; other names do not exist. */
export async function startResolver(names: Record<string, string[]>): Promise<Resolver> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://resolver').searchParams;
    const [name = '', type = ''] = [query.get('name') ?? '', query.get('type') ?? ''];
    asked.push(`${name} ${type}`);
    const number = type === 'AAAA' ? 28 : 1;
    const addresses = (names[name] ?? []).filter((address) => address.includes(':') === (number === 28));
    response.writeHead(200, { 'content-type': 'application/dns-json' });
    response.end(
      JSON.stringify({
        Status: names[name] ? 0 : 3,
        Answer: addresses.map((data) => ({ name, type: number, TTL: 60, data })),
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dns-query`,
    asked,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
