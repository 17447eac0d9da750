import http from 'node:http';
import type net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { StackFault } from '../fault.ts';
import { administer } from './auth-admin.ts';
import { type Backends, ConnectionsReplaced, type CurrentBackends } from './backends.ts';
import { control, isControl, suffer } from './control.ts';
import { type Admitted, admit, type Caller, callerIn, identify, type Refusal } from './credentials.ts';
import { callFunction, isFunctionCall } from './edge-functions.ts';
import type { Faults } from './faults.ts';
import { API_ROLES, type JwtVerifier, type ProjectKeys } from './jwt.ts';
import type { Transaction } from './lite.ts';
import type { Rpc } from './rpc.ts';
import { signsUrls, signUrls } from './signed-urls.ts';
import { finish, isStorage, refuse, refuseRemoval, removes, route } from './storage.ts';
import { uploadTarget } from './uploads.ts';
import type { UserTokens } from './user-tokens.ts';

export interface GatewayOptions {
  /** Asked anew for each request: they are replaced when Postgres was restarted. */
  backends: CurrentBackends;
  verifier: JwtVerifier;
  tokens: UserTokens;
  keys: ProjectKeys;
  faults: Faults;
  host: string;
  port: number;
  /** Origin of the worker behind `/functions/v1/`; absent: the project has no functions. */
  functionsUrl?: string;
}

const JWKS_PATH = '/auth/v1/.well-known/jwks.json';
const RPC_PATH = '/rest/v1/rpc/';
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'content-range, content-location, content-profile, preference-applied, retry-after',
};
const JSON_TYPE = 'application/json; charset=utf-8';

/** The one origin of the local Supabase: answers RPC and uploads itself and hands the rest to lite. */
export async function startGateway(options: GatewayOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const server = http.createServer((request, response) => {
    handle(options, request, response).catch((error) => {
      if (response.destroyed || response.writableEnded) return; // the caller has gone, or a fault has answered it
      if (error instanceof ConnectionsReplaced && !response.headersSent) {
        return send(response, 503, {
          code: 'PGRST001',
          message: 'Database connection error',
          details: null,
          hint: null,
        });
      }
      console.error(`supabase: ${request.method} ${request.url}:`, error);
      if (response.headersSent) response.destroy();
      else send(response, 500, { message: 'Internal server error' });
    });
  });
  server.keepAliveTimeout = 65_000; // longer than clients keep theirs, so that none is closed under a request
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        taken ? new StackFault(`Port ${options.port} is taken; choose others with --port-base N.`) : error,
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function handle(options: GatewayOptions, request: http.IncomingMessage, response: http.ServerResponse) {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
  if (options.functionsUrl && isFunctionCall(url)) {
    if (await callFunction(options.functionsUrl, request, response)) return;
    return send(response, 503, { code: 'BOOT_ERROR', message: 'The function could not be reached' });
  }
  if (isControl(url)) {
    const { status, body } = await control(options.faults, request, url);
    return send(response, status, body);
  }
  if (request.method === 'OPTIONS') return preflight(request, response);
  const fault = options.faults.next(request.method ?? '', request.url ?? '');
  if (fault && (await suffer(fault, request, response))) return;
  if (url.pathname === JWKS_PATH) return send(response, 200, { keys: options.tokens.published });
  const admitted = admit(request.headers, url, options.verifier, options.keys);
  if ('status' in admitted) return send(response, admitted.status, admitted.body, admitted.headers);
  if (isStorage(url)) return answerStorage(options, request, response, url, admitted);
  const caller = callerOf(admitted, options, url);
  if (caller && 'status' in caller) return send(response, caller.status, caller.body, caller.headers);
  if (caller && isPlainRpc(request, url)) return callRpc(options, request, response, url, caller);
  const backends = options.backends.get();
  const done = await backends.run(
    administer(backends.lite, options.keys, request, url, caller && String(caller.role)),
  );
  if (done) return send(response, done.status, done.body);
  if (caller && !isApiRole(caller.role)) return refuseRole(backends, response, caller);
  const transaction = caller && (await transactionOf(backends.rpc, request, url, caller));
  const forLite = toRequest(request, url, options.tokens.forLite(admitted.token), options.keys);
  const answer = await backends.run(backends.lite.fetch(forLite, transaction));
  const isAuth = url.pathname.startsWith('/auth/v1/');
  await forward(isAuth ? await options.tokens.issued(answer, `${url.origin}/auth/v1`) : answer, response);
}

async function answerStorage(
  options: GatewayOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  url: URL,
  { token }: Admitted,
) {
  const verified = token === undefined ? undefined : options.verifier.verify(token);
  const refused = refuse(request, url, token, verified);
  if (refused) {
    request.resume(); // so that the caller gets to read the answer
    return send(response, refused.status, refused.body);
  }
  const backends = options.backends.get();
  const caller = verified && 'claims' in verified ? callerIn(verified.claims) : undefined;
  if (caller && !isApiRole(caller.role)) return refuseRole(backends, response, caller);
  const target = caller && uploadTarget(request, url);
  if (target) {
    const { status, body } = await backends.run(backends.uploads.upload(target, request, caller));
    return send(response, status, body);
  }
  const body = removes(request, url) ? await textOf(request) : undefined;
  const unclear = body === undefined ? undefined : refuseRemoval(body);
  if (unclear) return send(response, unclear.status, unclear.body);
  route(request, url);
  const { lite } = backends;
  const forLite = toRequest(request, url, caller && options.tokens.forLite(token), options.keys, body);
  const signs = signsUrls(request.method, url.pathname);
  const answer = await backends.run(signs ? signUrls(lite, forLite) : lite.fetch(forLite));
  await forward(await finish(request, url, answer), response);
}

async function refuseRole(backends: Backends, response: http.ServerResponse, caller: Caller) {
  const { status, headers, ...body } = await backends.run(backends.rpc.refusalOf(caller));
  send(response, status, body, headers);
}

async function textOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** How PostgREST runs what is left to lite; undefined for the other services. */
async function transactionOf(
  rpc: Rpc,
  { method }: http.IncomingMessage,
  url: URL,
  { role }: Caller,
): Promise<Transaction | undefined> {
  if (!url.pathname.startsWith('/rest/v1/')) return undefined;
  const reads = method === 'GET' || method === 'HEAD';
  const isCall = url.pathname.startsWith(RPC_PATH);
  const readOnly = reads || (isCall && (await rpc.readsOnly(functionName(url))));
  return { readOnly, settings: await rpc.settingsOf(role) };
}

const functionName = (url: URL) => decodeURIComponent(url.pathname.slice(RPC_PATH.length));

/** The caller, or why not; undefined where lite decides: Auth needs no token, and words what it refuses itself. */
function callerOf({ token }: Admitted, { verifier }: GatewayOptions, url: URL): Caller | Refusal | undefined {
  const identity = token === undefined ? undefined : identify(token, verifier);
  if (url.pathname.startsWith('/rest/v1/')) return identity;
  return identity && 'status' in identity ? undefined : identity;
}

/** As which lite may run something. It would become `postgres` too if a token said so. */
const isApiRole = (role: string) => (API_ROLES as readonly string[]).includes(role);

/** Filters, CSV and counting on a function's result are left to lite. */
function isPlainRpc({ method, headers }: http.IncomingMessage, url: URL): boolean {
  return (
    method === 'POST' &&
    url.pathname.startsWith(RPC_PATH) &&
    [...url.searchParams.keys()].every((name) => name === 'apikey') &&
    !/csv|text\/plain|octet-stream|plan\+json/.test(headers.accept ?? '') &&
    !/count=/.test(String(headers.prefer ?? '')) &&
    (headers['content-profile'] ?? 'public') === 'public'
  );
}

async function callRpc(
  { backends }: GatewayOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  url: URL,
  caller: Caller,
) {
  const body = await textOf(request);
  const current = backends.get();
  const call = current.rpc.call({
    name: functionName(url),
    headers: request.headers,
    body,
    caller,
  });
  const answer = await current.run(call);
  response.writeHead(answer.status, { ...CORS, ...answer.headers });
  response.end(answer.body);
}

function preflight(request: http.IncomingMessage, response: http.ServerResponse) {
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
function toRequest(
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

async function forward(answer: Response, response: http.ServerResponse) {
  const headers: Record<string, string | string[]> = { ...CORS };
  answer.headers.forEach((value, name) => {
    headers[name] = value;
  });
  response.writeHead(answer.status, headers);
  if (!answer.body) return response.end();
  await pipeline(Readable.fromWeb(answer.body as NodeReadableStream<Uint8Array>), response);
}

function send(
  response: http.ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { ...CORS, 'content-type': JSON_TYPE, ...headers });
  response.end(JSON.stringify(body));
}
