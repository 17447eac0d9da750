import type http from 'node:http';
import type { CurrentBackends } from './backends.ts';
import type { Caller } from './credentials.ts';
import type { Transaction } from './lite.ts';
import type { Rpc } from './rpc.ts';
import { CORS, textOf } from './wire.ts';

/** `/rest/v1/`: which calls are answered here, and how lite has to run the others. */

const RPC_PATH = '/rest/v1/rpc/';

/** How PostgREST runs what is left to lite; undefined for the other services. */
export async function transactionOf(
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

/** Filters, CSV and counting on a function's result are left to lite. */
export function isPlainRpc({ method, headers }: http.IncomingMessage, url: URL): boolean {
  return (
    method === 'POST' &&
    url.pathname.startsWith(RPC_PATH) &&
    [...url.searchParams.keys()].every((name) => name === 'apikey') &&
    !/csv|text\/plain|octet-stream|plan\+json/.test(headers.accept ?? '') &&
    !/count=/.test(String(headers.prefer ?? '')) &&
    (headers['content-profile'] ?? 'public') === 'public'
  );
}

export async function callRpc(
  backends: CurrentBackends,
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
