/** A server that stands for Supabase and Replicate: it answers at once, takes files and gives them. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { Answers, type Body, type Settings } from './answers.ts';
import { send } from './client.ts';
import { Ends } from './ends.ts';
import { webhookHeaders } from './identities.ts';
import { imageFile } from './image-file.ts';

/** The stub as those who measure see it, wherever it runs. */
export interface Upstream {
  readonly origin: string;
  set(settings: Partial<Settings>): Promise<void>;
  /** Resolves when the job's image has been stored and recorded. */
  stored(jobId: string): Promise<void>;
  /** Throws where something has come that should not. */
  check(): void;
  stop(): Promise<void>;
}

/** A request that came, with the names of its body's members, also of those inside. */
export interface Asked {
  method: string;
  /** Ids are one name. */
  path: string;
  members: string[];
  headers: string[];
}

export interface Hooks {
  ended(jobId: string): void;
  fault(text: string): void;
}

export class UpstreamServer {
  /** What has come, where it is wanted. */
  asked: Asked[] | undefined;
  origin = '';
  answers: Answers | undefined;
  readonly #hooks: Hooks;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #server: http.Server;

  private constructor(hooks: Hooks) {
    this.#hooks = hooks;
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        hooks.fault(`${request.method} ${request.url}: ${error}`);
        response.destroy();
      });
    });
    this.#server.keepAliveTimeout = 65_000; // longer than workerd keeps its connections
  }

  static async start(hooks: Hooks): Promise<UpstreamServer> {
    const upstream = new UpstreamServer(hooks);
    const server = upstream.#server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    upstream.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    upstream.answers = new Answers(upstream.origin, hooks.ended, (url, body) => upstream.#report(url, body));
    return upstream;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #report(url: string, body: string): void {
    send(this.#agent, 'POST', url, webhookHeaders(body), body).then(
      ({ status }) => status === 200 || this.#hooks.fault(`a webhook was answered ${status}`),
      (error) => this.#hooks.fault(`a webhook was not answered: ${error}`),
    );
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = request;
    const [, size] = /^\/files\/(\d+)\//.exec(path) ?? [];
    if (size !== undefined) return this.#file(Number(size), request, response);
    if (path.startsWith('/storage/v1/object/')) return this.#store(path, request, response);
    const body = method === 'POST' ? ((await json(request)) as Body) : {};
    this.#note(request, body);
    const answer = this.answers?.to(method, path, body);
    if (!answer) this.#hooks.fault(`${method} ${path} was not expected: ${JSON.stringify(body)}`);
    reply(response, answer?.status ?? 500, answer?.body ?? {});
  }

  #file(size: number, request: http.IncomingMessage, response: http.ServerResponse): void {
    this.#note(request, {});
    const file = imageFile(size);
    response.writeHead(200, { 'content-type': 'image/png', 'content-length': file.length }).end(file);
  }

  async #store(path: string, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    this.#note(request, {});
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await new Promise((resolve, reject) => request.once('end', resolve).once('error', reject));
    const declared = Number(request.headers['content-length']);
    if (bytes !== declared) this.#hooks.fault(`${path}: ${bytes} bytes of ${declared}`);
    reply(response, 200, { Key: path.slice('/storage/v1/object/'.length), Id: 'of-the-file' });
  }

  #note(request: http.IncomingMessage, body: Body): void {
    if (!this.asked) return;
    const { method = '', url = '', headers } = request;
    const own = ['apikey', 'authorization', 'cache-control', 'cancel-after', 'content-type', 'x-upsert'];
    this.asked.push({
      method,
      path: url.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*'),
      members: [...members(body)].sort(),
      headers: own.filter((name) => name in headers),
    });
  }
}

/** The names of what is in a JSON value, with the way to it. */
export function* members(value: unknown, at = ''): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const path = Array.isArray(value) ? `${at}[]` : `${at}.${name}`;
    yield path;
    yield* members(member, path);
  }
}

function reply(response: http.ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, headers).end(text);
}

/** The stub in this thread. */
export async function startUpstream(): Promise<Upstream & { server: UpstreamServer }> {
  const ends = new Ends();
  const faults: string[] = [];
  const server = await UpstreamServer.start({
    ended: (jobId) => ends.end(jobId),
    fault: (text) => {
      faults.push(text);
      ends.fail(text);
    },
  });
  return {
    server,
    origin: server.origin,
    set: async (settings) => void Object.assign(server.answers?.settings ?? {}, settings),
    stored: (jobId) => ends.of(jobId),
    check: () => checkFaults(faults),
    stop: () => server.stop(),
  };
}

export function checkFaults(faults: string[]): void {
  if (faults.length > 0)
    throw new Error(`${faults.length} faults at the stub:\n${faults.slice(0, 5).join('\n')}`);
}
