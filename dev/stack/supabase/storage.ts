import type http from 'node:http';
import type { Verified } from './jwt.ts';
import {
  accessDenied,
  invalidRange,
  notAsDescribed,
  type StorageAnswer,
  withCode,
} from './storage-errors.ts';

/** What Supabase's Storage does before and after lite's part. */

const PREFIX = '/storage/v1/';
export const isStorage = (url: URL): boolean => url.pathname.startsWith(PREFIX);

/** Routes that need no token, or bring one of their own in the query. */
const OPEN =
  /^\/storage\/v1\/(object\/(public|sign|info\/public)\/|object\/upload\/sign\/|render\/image\/(public|sign)\/)/;
/** Reading a file: a token is looked at, and a bad one counts as none. */
const FILE = /^\/storage\/v1\/object\/(?!(?:authenticated|info|list|move|copy)(?:\/|$))[^/]+\/.+/;
const REMOVAL = /^\/storage\/v1\/object\/[^/]+\/?$/;

const isRead = (method: string | undefined) => method === 'GET' || method === 'HEAD';

/** Why a request is refused before anything is looked up: it has no token, or one that is not the project's. */
export function refuse(
  { method }: http.IncomingMessage,
  url: URL,
  token: string | undefined,
  verified: Verified | undefined,
): StorageAnswer | undefined {
  const opens =
    OPEN.test(url.pathname) && (isRead(method) || (method === 'PUT' && url.pathname.includes('/upload/')));
  if (opens || (isRead(method) && FILE.test(url.pathname))) return undefined;
  if (token === undefined) return notAsDescribed("headers must have required property 'authorization'");
  if (verified && 'error' in verified) return accessDenied(WHY[verified.error](token));
  return undefined;
}

/** In the words of the library that Storage verifies tokens with. */
const WHY: Record<Extract<Verified, { error: string }>['error'], (token: string) => string> = {
  expired: () => '"exp" claim timestamp check failed',
  'not-yet-valid': () => '"nbf" claim timestamp check failed',
  'issued-later': () => '"iat" claim timestamp check failed (it should be in the past)',
  invalid: (token) =>
    token.split('.').length === 3 ? 'signature verification failed' : 'Invalid Compact JWS',
};

/** lite has one route for files, with or without a token. */
export function route({ method }: http.IncomingMessage, url: URL): void {
  if (isRead(method))
    url.pathname = url.pathname.replace(/^\/storage\/v1\/object\/authenticated\//, '/storage/v1/object/');
}

export const removes = ({ method }: http.IncomingMessage, url: URL): boolean =>
  method === 'DELETE' && REMOVAL.test(url.pathname);

/** Why a removal of several files cannot be one, by its body. */
export function refuseRemoval(body: string): StorageAnswer | undefined {
  let prefixes: unknown;
  try {
    ({ prefixes } = JSON.parse(body));
  } catch {
    return notAsDescribed("Body is not valid JSON but content-type is set to 'application/json'");
  }
  if (prefixes === undefined) return notAsDescribed("body must have required property 'prefixes'");
  if (!Array.isArray(prefixes)) return notAsDescribed('body/prefixes must be array');
  if (prefixes.length === 0) return notAsDescribed('body/prefixes must NOT have fewer than 1 items');
  return undefined;
}

/** lite's answer as Storage gives it: errors with a `code`, and of a file the part that was asked for. */
export async function finish(
  { method, headers }: http.IncomingMessage,
  url: URL,
  answer: Response,
): Promise<Response> {
  if (answer.status >= 400) {
    const text = await answer.text();
    const body = parse(text);
    return new Response(body ? JSON.stringify(withCode(body)) : text, {
      status: answer.status,
      headers: without(answer.headers, 'content-length'),
    });
  }
  const isFile =
    isRead(method) && answer.status === 200 && (FILE.test(url.pathname) || OPEN.test(url.pathname));
  return isFile && answer.headers.has('content-length') ? part(answer, headers.range) : answer;
}

function part(answer: Response, range: string | undefined): Response {
  const size = Number(answer.headers.get('content-length'));
  const headers = new Headers(answer.headers);
  headers.set('accept-ranges', 'bytes');
  if (range === undefined) return new Response(answer.body, { status: 200, headers });
  const bounds = parseRange(range, size);
  if (!bounds) {
    void answer.body?.cancel();
    const { status, body } = invalidRange();
    return Response.json(body, { status });
  }
  const [from, to] = bounds;
  headers.set('content-range', `bytes ${from}-${to}/${size}`);
  headers.set('content-length', String(to - from + 1));
  return new Response(answer.body?.pipeThrough(slice(from, to)) ?? null, { status: 206, headers });
}

/** One range of bytes, the first and the last of them; undefined: none that the file has. */
function parseRange(range: string, size: number): [number, number] | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (size <= 0 || (first === '' && last === '')) return undefined;
  if (first === '') return Number(last) > 0 ? [Math.max(size - Number(last), 0), size - 1] : undefined;
  const to = last === '' ? size - 1 : Number(last);
  return Number(first) < size && to >= Number(first) ? [Number(first), Math.min(to, size - 1)] : undefined;
}

function slice(from: number, to: number): TransformStream<Uint8Array, Uint8Array> {
  let at = 0;
  return new TransformStream({
    transform(chunk, controller) {
      const wanted = chunk.subarray(Math.max(from - at, 0), Math.max(to + 1 - at, 0));
      at += chunk.length;
      if (wanted.length > 0) controller.enqueue(wanted);
      if (at > to) controller.terminate();
    },
  });
}

function without(headers: Headers, name: string): Headers {
  const kept = new Headers(headers);
  kept.delete(name);
  return kept;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
