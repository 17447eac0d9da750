import type http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import type { ProjectKeys } from './jwt.ts';

/** Between the server's requests and answers and those of fetch, which lite speaks. */

export const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'content-range, content-location, content-profile, preference-applied, retry-after',
};
const JSON_TYPE = 'application/json; charset=utf-8';

export async function textOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

export function preflight(request: http.IncomingMessage, response: http.ServerResponse) {
  response.writeHead(204, {
    ...CORS,
    'access-control-allow-methods': 'GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD',
    'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
    'access-control-max-age': '86400',
  });
  response.end();
}

/**
 * As lite wants it: the token that the gateway admitted, and the one key that lite knows. The body streams.
 *
 * @param read the body, where it has been read already
 */
export function toRequest(
  request: http.IncomingMessage,
  url: URL,
  token: string | undefined,
  { anonKey }: ProjectKeys,
  read?: string,
): Request {
  const headers = new Headers();
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    headers.append(request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '');
  }
  url.searchParams.delete('apikey');
  headers.set('apikey', anonKey);
  if (token === undefined) headers.delete('authorization');
  else headers.set('authorization', `Bearer ${token}`);
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  return new Request(url, {
    method: request.method ?? 'GET',
    headers,
    ...(hasBody
      ? { body: read ?? (Readable.toWeb(request) as ReadableStream<Uint8Array>), duplex: 'half' }
      : {}),
  } as RequestInit);
}

export async function forward(answer: Response, response: http.ServerResponse) {
  const headers: Record<string, string | string[]> = { ...CORS };
  answer.headers.forEach((value, name) => {
    headers[name] = value;
  });
  response.writeHead(answer.status, headers);
  if (!answer.body) return response.end();
  await pipeline(Readable.fromWeb(answer.body as NodeReadableStream<Uint8Array>), response);
}

export function send(
  response: http.ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { ...CORS, 'content-type': JSON_TYPE, ...headers });
  response.end(JSON.stringify(body));
}
