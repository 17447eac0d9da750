import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Distance, HANDSHAKE_TRIPS, startDistance } from '../../bench/regions/distance.ts';
import { measureDistance } from '../../bench/regions/measure.ts';
import { leastOriginal, leastStart } from '../../bench/regions/report.ts';

/** Only lower bounds: what a busy machine takes besides says nothing of the distance. Timers may be a little early. */
const EARLY = 3;

let server: http.Server;
let distance: Distance;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

beforeAll(async () => {
  server = http.createServer((request, response) => request.pipe(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  distance = await startDistance(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(async () => {
  agent.destroy();
  await distance.stop();
  server.close();
});

async function echo(body: string): Promise<{ ms: number; text: string }> {
  const from = performance.now();
  const text = await new Promise<string>((resolve, reject) => {
    const request = http.request(distance.url, { method: 'POST', agent }, async (answer) => {
      let all = '';
      for await (const chunk of answer.setEncoding('utf8')) all += chunk;
      resolve(all);
    });
    request.once('error', reject);
    request.end(body);
  });
  return { ms: performance.now() - from, text };
}

test('a request waits a round trip, the first of a connection its handshakes too', async () => {
  distance.roundTrip = 60;
  const first = await echo('first');
  expect(first.ms).toBeGreaterThanOrEqual((HANDSHAKE_TRIPS + 1) * 60 - EARLY);
  const second = await echo('second');
  expect(second.ms).toBeGreaterThanOrEqual(60 - EARLY);
  expect(distance.opened, 'the second request went by another connection').toBe(1);
});

test('bytes keep their order, also while the distance changes', async () => {
  distance.roundTrip = 80;
  const body = Array.from({ length: 300_000 }, (_, n) => n).join(' ');
  const sent = echo(body);
  distance.roundTrip = 0;
  expect((await sent).text === body, 'what came back is not what was sent').toBe(true);
});

test('each way of an image is as long as it is said to be', async () => {
  const [cell] = await measureDistance('near the database', 40, [60], 2, () => {});
  if (!cell) throw new Error('nothing was measured');
  expect(cell.start).toBeGreaterThanOrEqual(leastStart(cell) - EARLY);
  // Half a way of the user, the start's trip, and the wake-up's way to the database.
  expect(cell.pickUp).toBeGreaterThanOrEqual(60 / 2 + 40 + 40 / 2 - EARLY);
  // The change's way to the live channel, and from there to the user.
  expect(cell.live).toBeGreaterThanOrEqual(40 / 2 + 60 / 2 - EARLY);
  expect(cell.whole).toBeGreaterThanOrEqual(60 + 40 + 40 - EARLY);
  expect(cell.original).toBeGreaterThanOrEqual(leastOriginal(cell) - EARLY);
});

test('only the Workers that call the database several times are placed', () => {
  const toml = readFileSync(new URL('../../wrangler.toml', import.meta.url), 'utf8');
  const placed = [...toml.matchAll(/^\[env\.([\w-]+)\.placement\]$/gm)].map(([, name]) => name);
  expect(placed, 'docs/operations/regions.md says which and why').toEqual([
    'process-generation',
    'process-jobs',
  ]);
});
