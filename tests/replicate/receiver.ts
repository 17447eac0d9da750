/** For tests: a real HTTP server that takes webhooks and lets a test wait for the one it expects. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** The body parsed. */
  prediction: { id: string; status: string; output: unknown; logs: string | null };
}

export interface Receiver {
  url: string;
  received: Received[];
  /** The status of the next answers, in order; 200 when used up. */
  answers: number[];
  /** Resolves as soon as the condition holds for what was received. */
  until(condition: (received: Received[]) => boolean, what: string): Promise<Received[]>;
  close(): Promise<void>;
}

/** How long a test waits for an event: long, since only a test that fails waits it out. */
export const patience = { timeout: 20_000, interval: 10 };

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers: number[] = [];
  const checks = new Set<() => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        body,
        prediction: JSON.parse(body),
      });
      const status = answers.shift() ?? 200;
      response.writeHead(status, status >= 300 && status < 400 ? { location: '/elsewhere' } : {}).end();
      for (const check of checks) check();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const until: Receiver['until'] = (condition, what) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!condition(received)) return;
        clearTimeout(giveUp);
        checks.delete(check);
        resolve(received);
      };
      const giveUp = setTimeout(() => {
        checks.delete(check);
        const got = received.map(({ prediction }) => prediction.status).join(', ');
        reject(new Error(`waited ${patience.timeout} ms for ${what}; webhooks that came: ${got || 'none'}`));
      }, patience.timeout);
      checks.add(check);
      check();
    });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answers,
    until,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
