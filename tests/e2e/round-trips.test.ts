import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CountedStack, startCounted } from './support/counted.ts';
import type { CountingProxy } from './support/proxy.ts';
import { type Receiver, startReceiver } from './support/receiver.ts';
import type { TestStack } from './support/stack.ts';
import type { Started, TestUser } from './support/user.ts';

/** Every request that the workers send to Supabase, counted by a proxy in between. */

let counted: CountedStack;
let proxy: CountingProxy;
let stack: TestStack;
let user: TestUser;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
  counted = await startCounted({ WEBHOOK_ALLOWED_ORIGINS: receiver.origin });
  ({ proxy, stack, user } = counted);
  await stack.sql`update private.settings set webhook_allowed_origins = array[${receiver.origin}]`;
});
afterAll(async () => {
  await counted?.stop();
  await receiver?.stop();
});

/** The images' rows, read past the proxy. */
const completed = (ids: string[]) =>
  stack.until(`${ids.length} images to be completed`, async () => {
    const [row] = await stack.sql<{ count: number }[]>`
      select count(*)::int from public.image_generations
      where id in ${stack.sql(ids)} and status = 'completed'`;
    return row?.count === ids.length;
  });

/** No job may be under way, or its requests would count for the next test. */
const idle = () =>
  stack.until('the queue to be idle', async () => {
    const [row] = await stack.sql`
      select count(*)::int as open from public.job_queue where status in ('pending', 'processing')`;
    return row?.open === 0;
  });

test('one image: 1 request until the answer, 5 until it is completed', async () => {
  const before = proxy.passed.length;
  const started = await user.start({ prompt: 'counted' });
  await completed([started.generation_id]);
  await idle();
  expect(proxy.counts(before)).toEqual({
    'POST /rest/v1/rpc/start_generation': 1,
    'POST /rest/v1/rpc/record_prediction': 1,
    'POST /rest/v1/rpc/finish_prediction': 1,
    'POST /storage/v1/object/generated-images/*/*.webp': 1,
    'POST /rest/v1/rpc/finish_download': 1,
  });
  expect(proxy.passed[before]?.path).toBe('/rest/v1/rpc/start_generation');
});

test('a webhook adds 3 requests', async () => {
  const before = proxy.passed.length;
  const started = await user.start({ prompt: 'announced', webhook_url: `${receiver.origin}/counted` });
  await completed([started.generation_id]);
  await idle();
  expect(receiver.at('/counted')).toHaveLength(1);
  expect(proxy.counts(before)).toEqual({
    'POST /rest/v1/rpc/start_generation': 1,
    'POST /rest/v1/rpc/claim_jobs': 1,
    'POST /rest/v1/rpc/record_prediction': 1,
    'POST /rest/v1/rpc/finish_prediction': 1,
    'POST /storage/v1/object/generated-images/*/*.webp': 1,
    'POST /rest/v1/rpc/finish_download': 1,
    'POST /rest/v1/rpc/webhook_message': 1,
    'POST /rest/v1/rpc/record_delivery': 1,
  });
});

test('a batch of 9 needs at most 36 requests, one of them a claim: 4 an image', async () => {
  const before = proxy.passed.length;
  const started = await user.start({ prompt: 'nine of them', num_images: 9 });
  const ids = started.generations?.map(({ generation_id }) => generation_id) ?? [];
  expect(ids).toHaveLength(9);
  await completed(ids);
  await idle();
  const {
    'POST /rest/v1/rpc/record_prediction': single,
    'POST /rest/v1/rpc/record_predictions': together = 0,
    ...others
  } = proxy.counts(before);
  // The start hands over three of the five that may run at once, a claim the others; the end of each hands on the
  // next without a claim.
  expect(others).toEqual({
    'POST /rest/v1/rpc/start_generation': 1,
    'POST /rest/v1/rpc/claim_jobs': 1,
    'POST /rest/v1/rpc/finish_prediction': 9,
    'POST /storage/v1/object/generated-images/*/*.webp': 9,
    'POST /rest/v1/rpc/finish_download': 9,
  });
  // Those of three and of two that are created at about the same time are recorded together: of the nine records at
  // least two are spared, and mostly three.
  expect(together).toBeGreaterThan(0);
  expect((single ?? 0) + together).toBeLessThanOrEqual(7);
});

test('progress costs a request only where it moved by five points', async () => {
  await stack.simulator.fault('printing', { generation_ms: 2_400 });
  const before = proxy.passed.length;
  // Four steps: it prints 25, 50, 75 and 100 %, and each half second nothing new or one of them.
  const started = await user.start({ prompt: 'printing' });
  await completed([started.generation_id]);
  await idle();
  const { 'POST /rest/v1/rpc/record_progress': told, ...others } = proxy.counts(before);
  expect(told).toBeGreaterThanOrEqual(2);
  expect(told).toBeLessThanOrEqual(4);
  expect(Object.values(others)).toEqual(Array(5).fill(1));
  const [prediction] = await stack.simulator.predictions(started.job_id);
  expect(prediction?.deliveries.length, 'the start and the end are told, too').toBeGreaterThanOrEqual(4);
});

test('an image of one’s own as the source costs one request more', async () => {
  const source = await user.start({ prompt: 'the source' });
  await completed([source.generation_id]);
  await idle();
  const before = proxy.passed.length;
  const model_id = 'black-forest-labs/flux-dev';
  const made = await user.start({
    prompt: 'made of it',
    model_id,
    source_generation_id: source.generation_id,
  });
  await completed([made.generation_id]);
  await idle();
  // The last one is the model that reads the image.
  expect(proxy.counts(before)).toMatchObject({
    'POST /storage/v1/object/sign/generated-images/*/*.webp': 1,
    'GET /storage/v1/object/sign/generated-images/*/*.webp': 1,
  });
  expect(proxy.passed.length - before).toBe(7);
});

test('making one again costs one request more than a start', async () => {
  const first = await user.start({ prompt: 'once and again' });
  await completed([first.generation_id]);
  await idle();
  const before = proxy.passed.length;
  const { status, body } = await user.call<Started>('POST', `/generations/${first.generation_id}/rerun`, {});
  expect(status).toBe(202);
  await completed([body.generation_id]);
  await idle();
  expect(proxy.counts(before)).toEqual({
    'POST /rest/v1/rpc/kept_request': 1,
    'POST /rest/v1/rpc/start_generation': 1,
    'POST /rest/v1/rpc/record_prediction': 1,
    'POST /rest/v1/rpc/finish_prediction': 1,
    'POST /storage/v1/object/generated-images/*/*.webp': 1,
    'POST /rest/v1/rpc/finish_download': 1,
  });
});

test('reading, listing, cancelling and refusing cost at most one request', async () => {
  const started = await user.start({ prompt: 'read' });
  await completed([started.generation_id]);
  await idle();
  const id = started.generation_id;
  const table: [string, string, unknown, number, Record<string, number>][] = [
    ['GET', `/generations/${id}`, undefined, 200, { 'POST /rest/v1/rpc/get_generation': 1 }],
    ['GET', '/generations', undefined, 200, { 'POST /rest/v1/rpc/list_generations': 1 }],
    ['POST', `/generations/${id}/cancel`, undefined, 409, { 'POST /rest/v1/rpc/cancel_generation': 1 }],
    [
      'GET',
      '/generations?q=read&favorite=false',
      undefined,
      200,
      { 'POST /rest/v1/rpc/list_generations': 1 },
    ],
    ['GET', '/generations?favorite=perhaps', undefined, 400, {}],
    ['GET', '/usage', undefined, 200, { 'POST /rest/v1/rpc/user_usage': 1 }],
    ['PATCH', `/images/${id}`, { archived: true }, 404, { 'POST /rest/v1/rpc/mark_image': 1 }],
    ['PATCH', '/images', { ids: [id], archived: true }, 200, { 'POST /rest/v1/rpc/mark_images': 1 }],
    ['PATCH', '/images', { ids: [id] }, 400, {}],
    ['POST', `/generations/${id}/rerun`, { seed: -1 }, 400, { 'POST /rest/v1/rpc/kept_request': 1 }],
    ['POST', '/start-generation', { prompt: 'x', model_id: 'no/such' }, 404, {}],
    ['POST', '/start-generation', { prompt: '' }, 400, {}],
    ['GET', '/generations/not-an-id', undefined, 404, {}],
    ['GET', '/models', undefined, 200, { 'POST /rest/v1/rpc/model_prices': 1 }],
    // Prices are kept for a minute.
    ['GET', '/models', undefined, 200, {}],
  ];
  for (const [method, path, body, status, requests] of table) {
    const before = proxy.passed.length;
    expect([path, (await user.call(method, path, body)).status]).toEqual([path, status]);
    expect(proxy.counts(before), path).toEqual(requests);
  }
});
