/** A platform whose clock goes wrong, and one that is down for a while. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';

const MINUTE = 60_000;
const schnell = 'black-forest-labs/flux-schnell';
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
beforeEach(() => simulator.control.reset());

function call(path: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${simulator.token}`, prefer: 'wait' };
  return fetch(`${simulator.url}/v1${path}`, { headers, ...init });
}

const create = () =>
  call('/predictions', {
    method: 'POST',
    body: JSON.stringify({ version: schnell, input: { prompt: 'fox' } }),
  });

test.each([5, -5])('a clock that is %i minutes off tells other times, in the same order', async (minutes) => {
  simulator.control.configure({ clock_offset_ms: minutes * MINUTE });
  const expected = Date.now() + minutes * MINUTE;
  const answer = await create();
  const made = await answer.json();
  for (const told of [made.created_at, made.started_at, made.completed_at, answer.headers.get('date')]) {
    expect(Math.abs(Date.parse(told) - expected), told).toBeLessThan(MINUTE);
  }
  expect(Date.parse(made.completed_at)).toBeGreaterThanOrEqual(Date.parse(made.created_at));

  const ids = async (since: number) => {
    const page = await (await call(`/predictions?created_after=${new Date(since).toISOString()}`)).json();
    return page.results.map(({ id }: { id: string }) => id);
  };
  expect(await ids(Date.parse(made.created_at))).toEqual([made.id]);
  expect(await ids(Date.parse(made.created_at) + 1)).toEqual([]);
});

test('an outage of creates makes nothing, and what exists can be read', async () => {
  const { id } = await (await create()).json();
  simulator.control.configure({ create_status: 503 });
  expect((await create()).status).toBe(503);
  expect((await call(`/predictions/${id}`)).status).toBe(200);
  expect(simulator.control.predictions().predictions).toHaveLength(1);

  simulator.control.configure({ create_status: null, read_status: 500 });
  expect((await create()).status).toBe(201);
  const paths = [`/predictions/${id}`, '/predictions'];
  for (const path of paths) expect((await call(path)).status, path).toBe(500);
  expect((await call(`/predictions/${id}/cancel`, { method: 'POST' })).status).toBe(500);
});

test('a fault that was to play keeps its turn until an outage is over', async () => {
  simulator.control.setFaults([{ match: { times: 1 }, fault: { error: 'PA' } }]);
  simulator.control.configure({ create_status: 502 });
  await create();
  simulator.control.configure({ create_status: null });
  expect((await (await create()).json()).status).toBe('failed');
});
