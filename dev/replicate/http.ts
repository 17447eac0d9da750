/** HTTP plumbing: a table of routes, JSON in and out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Endpoint } from './faults.ts';
import { fileTooLarge, methodNotAllowed, notFound, Problem } from './problems.ts';

const maxBodyBytes = 101 * 1024 * 1024;

export interface Request {
  raw: IncomingMessage;
  method: string;
  url: URL;
  /** The route's parts in parentheses. */
  params: string[];
  header(name: string): string | undefined;
  /** The whole body. */
  bytes(): Promise<Buffer>;
  /** The body as a JSON object; 400 when it is none. */
  json(): Promise<Record<string, unknown>>;
}

/** An answer of JSON, or, for files, a function that writes it. */
export interface Reply {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  stream?: (response: ServerResponse) => void | Promise<void>;
}

export interface Route {
  method: string;
  pattern: RegExp;
  /** The call's name for fault rules and for the statistics; control routes have none. */
  endpoint?: Endpoint;
  handle(request: Request): Promise<Reply> | Reply;
}

/** A route; `:name` in the path stands for one part. */
export function route(method: string, path: string, handle: Route['handle'], endpoint?: Endpoint): Route {
  const pattern = new RegExp(`^${path.replace(/:\w+/g, '([^/]+)')}$`);
  return endpoint === undefined ? { method, pattern, handle } : { method, pattern, handle, endpoint };
}

/** The route for a request, and the parts of its path. Throws 404 and 405. */
export function match(routes: Route[], method: string, path: string): { found: Route; params: string[] } {
  const allow: string[] = [];
  for (const found of routes) {
    const parts = found.pattern.exec(path);
    if (parts === null) continue;
    if (found.method === method || (found.method === 'GET' && method === 'HEAD')) {
      return { found, params: parts.slice(1).map(decodeURIComponent) };
    }
    allow.push(found.method);
  }
  throw allow.length > 0 ? methodNotAllowed(method, allow) : notFound();
}

export function wrap(raw: IncomingMessage, url: URL, params: string[]): Request {
  let read: Promise<Buffer> | undefined;
  const bytes = (): Promise<Buffer> => {
    read ??= collect(raw);
    return read;
  };
  return {
    raw,
    url,
    params,
    method: raw.method ?? 'GET',
    header: (name) => raw.headers[name]?.toString(),
    bytes,
    json: async () => parseObject((await bytes()).toString('utf8')),
  };
}

export function send(response: ServerResponse, reply: Reply): void {
  const { body, headers = {}, status } = reply;
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

export function sendProblem(response: ServerResponse, { status, body, headers }: Problem): void {
  const html = typeof body === 'string' && body.startsWith('<');
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, {
    'content-type': html ? 'text/html; charset=utf-8' : 'application/problem+json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

async function collect(raw: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw fileTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Falls through: text that is no JSON and JSON that is no object get the same answer.
  }
  throw new Problem(400, { detail: 'The request body is not a JSON object.', status: 400 });
}
