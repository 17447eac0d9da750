import http from 'node:http';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import { UserError } from '../../../scripts/user-error.mjs';
import { isRealtime, Realtime } from '../realtime/index.ts';
import { administer } from './auth-admin.ts';
import { type Backends, ConnectionsReplaced, type CurrentBackends } from './backends.ts';
import { control, isControl, suffer } from './control.ts';
import { type Admitted, admit, type Caller, callerIn, identify, type Refusal } from './credentials.ts';
import { callFunction, isFunctionCall } from './edge-functions.ts';
import type { Faults } from './faults.ts';
import { API_ROLES, type JwtVerifier, type ProjectKeys } from './jwt.ts';
import { callRpc, isPlainRpc, transactionOf } from './rest.ts';
import { signsUrls, signUrls } from './signed-urls.ts';
import { finish, isStorage, refuse, refuseRemoval, removes, route } from './storage.ts';
import { sourceOf, transform, transformationOf } from './transform.ts';
import { uploadTarget } from './uploads.ts';
import type { UserTokens } from './user-tokens.ts';
import { forward, preflight, send, textOf, toRequest } from './wire.ts';

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
  /** What Realtime reads changes from: a superuser's connection. */
  superuserUrl: string;
}

const JWKS_PATH = '/auth/v1/.well-known/jwks.json';
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
  const realtime = new Realtime({
    databaseUrl: options.superuserUrl,
    verifier: options.verifier,
    log: (line) => console.error(`supabase: ${line}`),
  });
  server.on('upgrade', (request, socket, head) => upgrade(options, realtime, request, socket, head));
  server.keepAliveTimeout = 65_000; // longer than clients keep theirs, so that none is closed under a request
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        taken ? new UserError(`Port ${options.port} is taken; choose others with --port-base N.`) : error,
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    stop: async () => {
      await realtime.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** A WebSocket: Realtime's, which has the key in its address, as browsers can send it. */
function upgrade(
  { verifier, keys }: GatewayOptions,
  realtime: Realtime,
  request: http.IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  socket.on('error', () => socket.destroy());
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
  const admitted = admit({}, url, verifier, keys);
  if (!isRealtime(url) || 'status' in admitted) {
    socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    return;
  }
  realtime.upgrade(request, socket, head, url, admitted.token);
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
  if (isRealtime(url)) {
    const message = 'The local Realtime has its WebSocket only: no broadcasts over HTTP.';
    return send(response, 501, { message });
  }
  const fault = options.faults.next(request.method ?? '', request.url ?? '');
  if (fault && (await suffer(fault, request, response))) return;
  if (url.pathname === JWKS_PATH) return send(response, 200, { keys: options.tokens.published });
  const admitted = admit(request.headers, url, options.verifier, options.keys);
  if ('status' in admitted) return send(response, admitted.status, admitted.body, admitted.headers);
  if (isStorage(url)) return answerStorage(options, request, response, url, admitted);
  const caller = callerOf(admitted, options, url);
  if (caller && 'status' in caller) return send(response, caller.status, caller.body, caller.headers);
  if (caller && isPlainRpc(request, url)) return callRpc(options.backends, request, response, url, caller);
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
  const transformation = transformationOf(request, url);
  if (transformation) {
    if ('status' in transformation) return send(response, transformation.status, transformation.body);
    const source = sourceOf(url);
    const whole = await backends.run(backends.lite.fetch(new Request(source)));
    if (!whole.ok) return forward(await finish(request, source, whole), response);
    const small = await transform(whole, transformation);
    return 'headers' in small ? forward(small, response) : send(response, small.status, small.body);
  }
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

/** The caller, or why not; undefined where lite decides: Auth needs no token, and words what it refuses itself. */
function callerOf({ token }: Admitted, { verifier }: GatewayOptions, url: URL): Caller | Refusal | undefined {
  const identity = token === undefined ? undefined : identify(token, verifier);
  if (url.pathname.startsWith('/rest/v1/')) return identity;
  return identity && 'status' in identity ? undefined : identity;
}

/** As which lite may run something. It would become `postgres` too if a token said so. */
const isApiRole = (role: string) => (API_ROLES as readonly string[]).includes(role);
