/**
 * Loaded into the stack's Node processes with --import: counts the requests they get, and the simulator's webhooks.
 * On SIGUSR2 it writes the counts to the file `<REQUEST_COUNTS>-<its id>` and begins anew.
 */
import { subscribe } from 'node:diagnostics_channel';
import { renameSync, writeFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';

let counts: Record<string, number> = {};

function count(method: string | undefined, url: string | undefined, suffix = ''): void {
  const path = (url ?? '').split('?', 1)[0] ?? '';
  const name = `${method} ${path.replace(/[0-9a-f]{8}(-[0-9a-f]+){4}|(?<=\/)[a-z0-9]{20,}/g, '*')}${suffix}`;
  counts[name] = (counts[name] ?? 0) + 1;
}

subscribe('http.server.request.start', (message) => {
  const { request } = message as { request: IncomingMessage };
  count(request.method, request.url);
});
subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: ClientRequest };
  count(request.method, request.path, ' (sent)');
});

process.on('SIGUSR2', () => {
  const file = `${process.env.REQUEST_COUNTS}-${process.pid}`;
  writeFileSync(`${file}.new`, JSON.stringify(counts));
  renameSync(`${file}.new`, file);
  counts = {};
});
