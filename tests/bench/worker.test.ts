import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Reply } from '../../bench/worker/client.ts';
import { send } from '../../bench/worker/client.ts';
import { Load } from '../../bench/worker/load.ts';
import { limits } from '../../bench/worker/report.ts';
import { rowsOf } from '../../bench/worker/rows.ts';
import { START } from '../../bench/worker/samples.ts';
import { javascript, ours, type RunningSide, startSide } from '../../bench/worker/sides.ts';
import { members, startUpstream } from '../../bench/worker/upstream.ts';

/** The Workers in JavaScript are worth comparing with only as long as they ask and answer the same. */

let upstream: Awaited<ReturnType<typeof startUpstream>>;
let sides: RunningSide[];

beforeAll(async () => {
  upstream = await startUpstream();
  sides = [];
  for (const side of [ours, javascript]) sides.push(await startSide(side, upstream.origin));
  // The first request of an isolate fetches the project's keys.
  for (const side of sides) {
    await new Load(side, upstream).read(0);
    await new Load(side, upstream).image(0);
  }
});
afterAll(async () => {
  for (const side of sides ?? []) await side.stop();
  await upstream?.stop();
});

/** What both sides make of the same requests: their answers, and what they have asked for. */
async function both(work: (load: Load) => Promise<Reply>) {
  const seen = [];
  for (const side of sides) {
    upstream.server.asked = [];
    const { status, contentType, text } = await work(new Load(side, upstream));
    const body = JSON.parse(text);
    upstream.check();
    const asked = upstream.server.asked;
    seen.push({
      name: side.name,
      body,
      answer: { status, contentType, members: [...members(body)].sort() },
      asked,
    });
  }
  const [first, second] = seen;
  if (!first || !second) throw new Error('two sides are compared');
  expect(second.answer, 'the answer').toEqual(first.answer);
  expect(second.asked, 'what was asked for').toEqual(first.asked);
  return { ours: first.body, asked: first.asked };
}

test('a start', async () => {
  const { asked } = await both((load) => load.start(0));
  expect(asked.map(({ path }) => path)).toEqual(['/rest/v1/rpc/start_generation']);
});

test('a read', async () => {
  const { asked } = await both((load) => load.read(0));
  expect(asked.map(({ path }) => path)).toEqual(['/rest/v1/rpc/get_generation']);
});

test('a whole image, through all three Workers', async () => {
  const { asked } = await both((load) => load.image(0));
  expect(asked.map(({ path }) => path)).toEqual([
    '/rest/v1/rpc/start_generation',
    '/v1/predictions',
    '/rest/v1/rpc/record_prediction',
    '/rest/v1/rpc/finish_prediction',
    '/files/21000/*/out-0.png',
    '/storage/v1/object/generated-images/*/*.png',
    '/rest/v1/rpc/finish_download',
  ]);
});

test.each([21_000, 1_000_000])('the webhook at the end of an image of %i bytes', async (bytes) => {
  const { asked } = await both((load) => load.webhook(bytes));
  expect(asked).toHaveLength(4);
});

test('a wake-up that hands jobs over, and claims more', async () => {
  const { ours } = await both(async (load) => {
    await upstream.set({ ready: 2, reports: false });
    const reply = await load.wakeUp(3, true);
    await upstream.set({ reports: true });
    return reply;
  });
  expect(ours).toMatchObject({ claimed: 5, processed: 5, errors: 0 });
});

test('an upload', async () => {
  const { ours, asked } = await both((load) => load.upload(0, 1_000_000));
  expect(ours).toMatchObject({ format: 'png', bytes: 1_000_000, width: 1024, height: 1024 });
  expect(asked.map(({ path }) => path)).toEqual(['/storage/v1/object/source-images/*/*.png']);
});

interface Refused {
  path: string;
  authorization?: string;
  body: string | Buffer;
  status: number;
}

const changed = (fields: Record<string, unknown>) => JSON.stringify({ ...JSON.parse(START), ...fields });
const cut = Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0', 'latin1');

test.each<[string, Refused]>([
  ['no token', { path: 'start-generation', authorization: '', body: START, status: 401 }],
  ['a forged token', { path: 'start-generation', authorization: 'forged', body: START, status: 401 }],
  ['no JSON', { path: 'start-generation', body: '{', status: 400 }],
  ['a prompt of nothing', { path: 'start-generation', body: changed({ prompt: ' ' }), status: 400 }],
  ['a width out of range', { path: 'start-generation', body: changed({ width: 9000 }), status: 400 }],
  ['a model that is unknown', { path: 'start-generation', body: changed({ model_id: 'a/b' }), status: 404 }],
  [
    'what the model cannot do',
    { path: 'start-generation', body: changed({ operation: 'edit' }), status: 422 },
  ],
  ['a body that is too long', { path: 'start-generation', body: ' '.repeat(70_000), status: 413 }],
  ['an upload that is no image', { path: 'sources', body: 'words', status: 415 }],
  ['an upload that is cut', { path: 'sources', body: cut, status: 422 }],
])('both refuse %s in the same words', async (_, { path, authorization, body, status }) => {
  const answers = [];
  for (const { users, agent, urls } of sides) {
    const token = users[0]?.token ?? '';
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    const bearer = { '': '', forged: `Bearer ${forged}` }[authorization ?? token] ?? `Bearer ${token}`;
    const headers = { 'content-type': 'application/json', ...(bearer ? { authorization: bearer } : {}) };
    const reply = await send(agent, 'POST', `${urls.door}/${path}`, headers, body);
    answers.push({ status: reply.status, type: reply.contentType, body: JSON.parse(reply.text) });
  }
  expect(answers[0]).toMatchObject({ status });
  expect(answers[1]).toEqual(answers[0]);
});

test('both refuse a webhook with a wrong signature', async () => {
  const url = '/webhooks/replicate?job=00000000-0000-4000-8000-000000000001&lease=1&attempts=0';
  const time = String(Math.floor(Date.now() / 1000));
  const headers = {
    'webhook-id': 'a',
    'webhook-timestamp': time,
    'webhook-signature': `v1,${btoa('x'.repeat(32))}`,
  };
  for (const { agent, urls } of sides) {
    const reply = await send(agent, 'POST', `${urls['process-generation']}${url}`, headers, '{}');
    expect(reply.status).toBe(401);
    expect(JSON.parse(reply.text)).toMatchObject({ code: 'unauthorized' });
  }
});

/** Two rounds in which every kind takes as many milliseconds; the second one on a machine twice as slow. */
function costs(ms: number) {
  const both = [ms, 2 * ms];
  const files = {
    webhook: both,
    webhooks: [ms + 4, 2 * ms + 8],
    upload: both,
    uploads: [ms + 2, 2 * ms + 4],
  };
  return { start: both, read: both, small: both, large: both, cold: [ms + 20, 2 * ms + 20], ...files };
}

test('ratios are of one round each, and what a file costs is by its length', () => {
  const rows = rowsOf({ first: costs(3), second: costs(2), empty: [20, 20], floor: [0.1, 0.1] }, false);
  const seen = rows.map(({ ours, others, ratio, met }) => ({ ours, others, ratio, met }));
  expect(seen.slice(0, 4)).toEqual(Array(4).fill({ ours: 4.5, others: 3, ratio: 1.5, met: false }));
  expect(seen.slice(4)).toEqual([
    { ours: 1.5, others: 1.5, ratio: 1, met: false },
    { ours: 0.75, others: 0.75, ratio: 1, met: true },
    { ours: 4.5, others: 3, ratio: 1.5, met: true },
  ]);
});

test('the limits leave room for what an invocation takes anyway', () => {
  const invocations = Object.entries({
    'sweep with 1 job': 1.5,
    'sweep with 20 jobs': 11,
    'webhook with 1 MB': 2,
    'webhook with 5 MB': 6,
  }).map(([name, ms]) => ({ name, ms, worker: '' }));
  // 1 ms and 0.5 for each job: 18 images, of 21 jobs a sixth is kept for webhooks. 1 ms and 1 for each MB.
  expect(limits(invocations)).toMatchObject({ job: 0.5, mb: 1, freeJobs: 21, freeBytes: 9_000_000 });
});
