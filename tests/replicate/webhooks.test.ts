/** Webhooks over a real receiver; signatures judged by `standardwebhooks` and by the official client. */
import Replicate, { validateWebhook } from 'replicate';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Fault } from '../../dev/replicate/faults.ts';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import type { WebhookEvent } from '../../dev/replicate/validate.ts';
import { sign } from '../../dev/replicate/webhooks.ts';
import { patience, type Received, type Receiver, startReceiver } from './receiver.ts';

vi.setConfig({ testTimeout: 30_000 });

let simulator: Simulator;
let receiver: Receiver;
let replicate: Replicate;

beforeEach(async () => {
  [simulator, receiver] = await Promise.all([
    // Sends final webhooks again after 5, 10, 20 ... milliseconds.
    startSimulator({ settings: { webhook_retry_ms: 5 } }),
    startReceiver(),
  ]);
  replicate = new Replicate({ auth: simulator.token, baseUrl: `${simulator.url}/v1`, useFileOutput: false });
});
afterEach(() => Promise.all([simulator.close(), receiver.close()]));

function create(filter?: WebhookEvent[], fault?: Fault) {
  if (fault !== undefined) simulator.control.setFaults([{ fault }]);
  return replicate.predictions.create({
    version: 'black-forest-labs/flux-schnell',
    input: { prompt: 'a red fox' },
    webhook: `${receiver.url}/hook?job=j1&lease=3`,
    ...(filter === undefined ? {} : { webhook_events_filter: filter }),
  });
}

const statuses = (received: Received[]): string[] => received.map(({ prediction }) => prediction.status);
const verified = ({ body, headers }: Received) =>
  new Webhook(simulator.webhookSecret).verify(body, headers as Record<string, string>);
const count = (wanted: number) => (received: Received[]) => received.length >= wanted;

describe('signatures', () => {
  test('agree with the public test vector of the official clients', () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    expect(sign(secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}')).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  test('are accepted by standardwebhooks and by the official client', async () => {
    const { id } = await create();
    const [first] = await receiver.until(count(1), 'a webhook');
    if (first === undefined) throw new Error('no webhook');
    expect(verified(first)).toMatchObject({ id });
    const { key } = await replicate.webhooks.default.secret.get();
    const parts = {
      id: String(first.headers['webhook-id']),
      timestamp: String(first.headers['webhook-timestamp']),
      signature: String(first.headers['webhook-signature']),
    };
    expect(await validateWebhook({ ...parts, body: first.body, secret: key })).toBe(true);
    expect(first.path, 'the query string is kept').toBe('/hook?job=j1&lease=3');
  });
});

describe('events', () => {
  test('start and completed come in this order, completed with the object that GET gives', async () => {
    const { id } = await create(['start', 'completed']);
    const received = await receiver.until(count(2), 'start and completed');
    expect(statuses(received)).toEqual(['processing', 'succeeded']);
    expect(JSON.parse(received[1]?.body ?? '')).toEqual(
      JSON.parse(JSON.stringify(await replicate.predictions.get(id))),
    );
  });

  test('without a filter: output and completed', async () => {
    await create();
    await receiver.until(count(2), 'output and completed');
    // The record is written when the receiver's answer is in, a moment after the receiver saw the request.
    const delivered = () =>
      simulator.control.predictions().predictions[0]?.deliveries.map(({ event }) => event);
    await expect.poll(delivered, patience).toEqual(['output', 'completed']);
  });

  test('output within 500 ms of another event is left out, completed never is', async () => {
    await create(['start', 'output', 'completed']);
    const received = await receiver.until((all) => statuses(all).includes('succeeded'), 'completed');
    // The body of an output event shows the output while the prediction is still processing.
    expect(statuses(received)).toEqual(['processing', 'succeeded']);
    expect(received[0]?.prediction.output).toBeNull();
  });

  test('logs come at most every 500 ms, when there are new ones, and show progress', async () => {
    const { id } = await create(['logs', 'completed'], { generation_ms: 1400, hold: 'run' });
    await receiver.until(count(3), 'three logs');
    // Held after its last step, it prints no more.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(receiver.received).toHaveLength(3);
    expect(simulator.control.release(id)).toBe(1);
    const received = await receiver.until((all) => statuses(all).includes('succeeded'), 'completed');
    expect(new Set(statuses(received.slice(0, -1)))).toEqual(new Set(['processing']));
    expect(received[0]?.prediction.logs).toContain(' 25%|');
    expect(received[2]?.prediction.logs).toContain('100%|');
    const [first, second] = simulator.control.predictions().predictions[0]?.deliveries ?? [];
    expect(Date.parse(second?.at ?? '') - Date.parse(first?.at ?? '')).toBeGreaterThanOrEqual(499);
  });

  test('a cancelled prediction is told, an aborted one is not', async () => {
    const { id } = await create(['completed'], { hold: 'run' });
    await replicate.predictions.cancel(id);
    await receiver.until((all) => statuses(all).includes('canceled'), 'the cancelled prediction');
    const aborted = await create(['completed'], { ends: 'aborted' });
    await expect
      .poll(async () => (await replicate.predictions.get(aborted.id)).status, patience)
      .toBe('aborted');
    expect(simulator.control.stats().webhooks.tries).toBe(1);
  });
});

describe('sending again', () => {
  test('completed is sent until it is taken, with the same id; start is not', async () => {
    receiver.answers.push(500, 503, 404, 200);
    await create(['start', 'completed']);
    const received = await receiver.until(count(4), 'start once and completed three times');
    expect(statuses(received)).toEqual(['processing', 'succeeded', 'succeeded', 'succeeded']);
    const ids = received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids.slice(1)).size).toBe(1);
    expect(ids[0]).not.toBe(ids[1]);
    for (const each of received) verified(each);
  });

  test('it gives up after eight tries', async () => {
    receiver.answers.push(...Array.from({ length: 20 }, () => 500));
    await create(['completed']);
    await receiver.until(count(8), 'eight tries');
    // 120 pauses make the whole window: as long again would have brought a ninth.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(receiver.received).toHaveLength(8);
  });

  test('nobody listening counts as a failed try', async () => {
    await receiver.close();
    await create(['completed']);
    await expect.poll(() => simulator.control.stats().webhooks.refused, patience).toBeGreaterThan(2);
    expect(simulator.control.predictions().predictions[0]?.deliveries[0]?.error).toContain('ECONNREFUSED');
  });

  test('redirects are not followed', async () => {
    receiver.answers.push(302);
    await create(['completed']);
    await expect.poll(() => simulator.control.stats().webhooks.delivered, patience).toBe(1);
    expect(receiver.received.map(({ path }) => path)).toEqual(['/hook?job=j1&lease=3']);
  });
});

describe('faults', () => {
  test('lost: all, or some events', async () => {
    const { id } = await create(['start', 'completed'], { webhook: { lost: true } });
    await expect.poll(async () => (await replicate.predictions.get(id)).status, patience).toBe('succeeded');
    await create(['start', 'completed'], { webhook: { lost: ['completed'] } });
    await expect
      .poll(() => simulator.control.stats().webhooks)
      .toMatchObject({ lost: 3, tries: 1, delivered: 1 });
    expect(statuses(receiver.received)).toEqual(['processing']);
  });

  test('repeated with the same id', async () => {
    await create(['completed'], { webhook: { repeat: 3 } });
    const received = await receiver.until(count(3), 'three copies');
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  test('late', async () => {
    const { id } = await create(['completed'], { webhook: { delay_ms: 2000 } });
    await expect.poll(async () => (await replicate.predictions.get(id)).status, patience).toBe('succeeded');
    expect(receiver.received).toHaveLength(0);
    await receiver.until(count(1), 'the late webhook');
  });

  test('out of order: start after completed', async () => {
    await create(['start', 'completed'], { webhook: { order: 'reversed' } });
    const received = await receiver.until(count(2), 'both events');
    expect(statuses(received)).toEqual(['succeeded', 'processing']);
  });

  test.each([
    ['bad', 'No matching signature found'],
    ['none', 'Missing required headers'],
    ['old', 'Message timestamp too old'],
  ] as const)('signature %s is refused by standardwebhooks: %s', async (signature, reason) => {
    await create(['completed'], { webhook: { signature } });
    const [first] = await receiver.until(count(1), 'the webhook');
    if (first === undefined) throw new Error('no webhook');
    expect(() => verified(first)).toThrow(reason);
  });
});
