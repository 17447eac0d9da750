import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  type Delivery,
  type Receiver,
  type Resolver,
  startReceiver,
  startResolver,
} from './support/receiver.ts';
import { TestStack } from './support/stack.ts';
import { type Generation, type Started, TestUser } from './support/user.ts';

/** Outgoing webhooks as a user's server sees them, judged by the reference implementation. */

interface Event {
  type: string;
  timestamp: string;
  data: Generation;
}
interface LogEntry {
  webhook_id: string;
  type: string;
  status: string;
  next_attempt_at: string | null;
  attempts: { attempt: number; status: number | null; error: string | null; response: string | null }[];
}

const PRIVATE = {
  'ten.example.com': ['93.184.215.14', '10.0.0.7'],
  'six.example.com': ['93.184.215.14', 'fd00::7'],
  'metadata.example.com': ['169.254.169.254'],
};

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let receiver: Receiver;
let resolver: Resolver;
let stack: TestStack;
let user: TestUser;
let secret: string;

beforeAll(async () => {
  receiver = await startReceiver();
  resolver = await startResolver(PRIVATE);
  stack = await TestStack.start({
    env: { WEBHOOK_ALLOWED_ORIGINS: receiver.origin, DNS_OVER_HTTPS_URL: resolver.url },
  });
  await stack.sql`update private.settings set webhook_allowed_origins = array[${receiver.origin}]`;
  user = await TestUser.signUp(stack);
  secret = (await rpc<{ secret: string }>('webhook_secret')).secret;
});
afterAll(async () => {
  await stack?.stop();
  await receiver?.stop();
  await resolver?.stop();
});

async function rpc<T>(name: string, args: object = {}): Promise<T> {
  const { data, error } = await user.supabase.rpc(name, args);
  if (error) throw new Error(`${name}: ${error.code} ${error.message}`);
  return data as T;
}

const log = ({ generation_id }: Pick<Started, 'generation_id'>) =>
  rpc<LogEntry[]>('webhook_deliveries', { p_generation_id: generation_id });
const start = (path: string, request: object = {}) =>
  user.start({ prompt: path, webhook_url: `${receiver.origin}${path}`, ...request });

/** The log of the generation's one webhook, once it is as the test wants it. */
const logged = (started: Started, what: string, is: (entry: LogEntry) => boolean) =>
  stack.until(`the webhook to be ${what}`, async () => {
    const [entry] = await log(started);
    return entry && is(entry) && entry;
  });

const arrived = (path: string, count = 1) =>
  stack.until(`${count} webhooks on ${path}`, async () => {
    const all = receiver.at(path);
    return all.length >= count && all;
  });

/** What the reference implementation reads, which throws where a signature does not fit. */
const read = (delivery: Delivery | undefined, key = secret): Event => {
  if (!delivery) throw new Error('there is no delivery');
  return new Webhook(key).verify(delivery.body, delivery.headers) as Event;
};

test('a completed generation is announced at once, signed, with what GET says', async () => {
  const started = await start('/completed');
  const [delivery] = await arrived('/completed');
  const event = read(delivery);
  const generation = await user.get(started.generation_id);
  expect(event).toEqual({
    type: 'generation.completed',
    timestamp: generation.completed_at,
    data: generation,
  });
  expect(generation.images).toHaveLength(1);
  expect(delivery?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': expect.stringMatching(/^picture-queue/),
  });
  const entry = await logged(started, 'delivered', ({ status }) => status === 'delivered');
  expect(entry).toMatchObject({
    webhook_id: delivery?.headers['webhook-id'],
    attempts: [{ attempt: 1, status: 204, error: null }],
  });
  expect(resolver.asked, 'an allowed origin is not looked up').toEqual([]);
  await stack.processJobs();
  expect(receiver.at('/completed')).toHaveLength(1);

  expect(() => read(delivery, `whsec_${Buffer.alloc(32, 1).toString('base64')}`)).toThrow(/No matching/);
  const forged = { ...delivery, body: String(delivery?.body).replace('completed', 'cancelled') } as Delivery;
  expect(() => read(forged)).toThrow(/No matching/);
});

test('the page’s example for Fetch reads what is sent', async () => {
  const page = await fs.readFile(path.join(ROOT, 'docs/guides/webhooks.md'), 'utf8');
  const [example = ''] = [...page.matchAll(/```js\n(.*?)```/gs)].flatMap(([, code = '']) =>
    code.includes('export default') ? [code] : [],
  );
  // Beside node_modules, where it finds the library.
  const file = path.join(ROOT, 'node_modules', `.webhook-example-${process.pid}.mjs`);
  await fs.writeFile(file, example);
  const worker = (await import(file)).default as {
    fetch(request: Request, env: Record<string, string>): Promise<Response>;
  };
  await fs.rm(file);
  const started = await start('/fetch');
  const [delivery] = (await arrived('/fetch')) as [Delivery];
  const said = vi.spyOn(console, 'log').mockImplementation(() => {});
  const answer = async (body = delivery.body) => {
    const request = new Request(receiver.origin, { method: 'POST', body, headers: delivery.headers });
    return (await worker.fetch(request, { WEBHOOK_SECRET: secret })).status;
  };
  expect(await answer()).toBe(204);
  expect(said).toHaveBeenCalledWith('generation.completed', started.generation_id, expect.any(String));
  expect(await answer(`${delivery.body} `)).toBe(401);
  said.mockRestore();
});

test('a generation that failed at the provider is announced at once', async () => {
  await stack.simulator.fault('/failed', { error: 'E005' });
  const started = await start('/failed');
  const [delivery] = await arrived('/failed');
  const generation = await user.get(started.generation_id);
  expect(read(delivery)).toEqual({
    type: 'generation.failed',
    timestamp: generation.completed_at,
    data: generation,
  });
  expect(generation.error).toMatchObject({ code: 'content_flagged' });
});

test('a generation that the provider did not take is announced at once', async () => {
  // An input that the model refuses; a 422 about anything else would take the model from everybody.
  const body = { title: 'Input validation failed', detail: '- input: prompt is required\n', status: 422 };
  await stack.simulator.fault('/refused', { status: 422, body: JSON.stringify(body) });
  await start('/refused');
  const [delivery] = await arrived('/refused');
  expect(read(delivery)).toMatchObject({ type: 'generation.failed', data: { status: 'failed' } });
});

test.each([
  ['waiting', { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() }],
  ['running', {}],
])('a %s generation that is cancelled is announced at once', async (name, request) => {
  const path = `/cancelled-${name}`;
  await stack.simulator.fault(path, { hold: 'run' });
  const started = await start(path, request);
  if (name === 'running') await user.reaches(started.generation_id, 'processing');
  expect((await user.call('POST', `/generations/${started.generation_id}/cancel`)).status).toBe(200);
  const [delivery] = await arrived(path);
  expect(read(delivery)).toEqual({
    type: 'generation.cancelled',
    timestamp: expect.any(String),
    data: await user.get(started.generation_id),
  });
});

test('a batch: one webhook for each image', async () => {
  const { batch_id, generations = [] } = await start('/batch', { num_images: 3 });
  const events = (await arrived('/batch', 3)).map((delivery) => read(delivery));
  expect(new Set(events.map(({ data }) => data.id))).toEqual(
    new Set(generations.map(({ generation_id }) => generation_id)),
  );
  for (const { type, data } of events) {
    expect({ type, batch_id: data.batch_id }).toEqual({ type: 'generation.completed', batch_id });
  }
  expect(new Set(receiver.at('/batch').map(({ headers }) => headers['webhook-id'])).size).toBe(3);
});

test('after a 500 it is sent again: the same id and bytes, signed anew', async () => {
  receiver.reply('/retry', { status: 500, body: 'out of order' });
  const started = await start('/retry');
  await arrived('/retry');
  const waits = await logged(started, 'logged', ({ attempts }) => attempts.length === 1);
  expect(waits).toMatchObject({
    status: 'pending',
    next_attempt_at: expect.any(String),
    attempts: [{ status: 500, error: 'The receiver answered with status 500.', response: 'out of order' }],
  });
  const wait = Date.parse(String(waits.next_attempt_at)) - Date.now();
  expect(wait, 'about five seconds').toBeLessThan(6_000);

  await stack.letTimePass(started.generation_id);
  expect((await stack.processJobs()).body).toMatchObject({
    success: true,
    claimed: 1,
    processed: 1,
    errors: 0,
  });
  const [first, second] = await arrived('/retry', 2);
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  expect(second?.body).toBe(first?.body);
  read(second);
  const done = await logged(started, 'delivered', ({ status }) => status === 'delivered');
  expect(done.attempts.map(({ status }) => status)).toEqual([500, 204]);
});

test('410 ends it', async () => {
  receiver.reply('/gone', { status: 410 });
  const started = await start('/gone');
  const entry = await logged(started, 'gone', ({ status }) => status === 'gone');
  expect(entry).toMatchObject({ next_attempt_at: null, attempts: [{ status: 410 }] });
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  expect(receiver.at('/gone')).toHaveLength(1);
});

test.each([301, 302, 307, 308])('a redirect with %s is a failure and is not followed', async (status) => {
  const path = `/redirect-${status}`;
  receiver.reply(path, { status, headers: { location: `${receiver.origin}/elsewhere` } });
  const started = await start(path);
  const entry = await logged(started, 'logged', ({ attempts }) => attempts.length === 1);
  expect(entry).toMatchObject({ status: 'pending', attempts: [{ status }] });
  expect(receiver.at('/elsewhere')).toEqual([]);
});

test('of an endless answer only the beginning is read', async () => {
  receiver.reply('/long', { status: 500, body: Buffer.alloc(20_000_000, 'x') });
  const started = await start('/long');
  const entry = await logged(started, 'logged', ({ attempts }) => attempts.length === 1);
  expect(entry.attempts[0]).toMatchObject({ status: 500, response: 'x'.repeat(256) });
});

test('a receiver that never answers is given up after 15 s, and holds up no image', async () => {
  receiver.reply('/silent', { status: 0, silent: true });
  const began = Date.now();
  const slow = await start('/silent');
  await arrived('/silent');
  const other = await user.start({ prompt: 'while the receiver is silent' });
  await user.completed(other.generation_id);
  expect(Date.now() - began, 'the image must not wait for the receiver').toBeLessThan(14_000);
  const entry = await logged(slow, 'logged', ({ attempts }) => attempts.length === 1);
  expect(entry.attempts[0]).toMatchObject({
    status: null,
    error: 'The receiver did not answer within 15 s.',
  });
});

test.each(Object.keys(PRIVATE))('%s, which leads to a private address, is refused', async (name) => {
  // What other tests left to be tried again would go first.
  await stack.processJobs();
  const started = await user.start({ prompt: name, webhook_url: `https://${name}/hook` });
  const entry = await logged(started, 'refused', ({ status }) => status === 'failed');
  expect(entry).toMatchObject({
    next_attempt_at: null,
    attempts: [{ status: null, error: 'The receiver is refused: its name leads to a private address.' }],
  });
  expect(resolver.asked.filter((question) => question.startsWith(name)).sort()).toEqual([
    `${name} A`,
    `${name} AAAA`,
  ]);
  expect((await user.get(started.generation_id)).status, 'the picture is made all the same').toBe(
    'completed',
  );
});

test('a name that does not exist is tried again', async () => {
  const started = await user.start({ prompt: 'no name', webhook_url: 'https://nowhere.example.com/' });
  const entry = await logged(started, 'logged', ({ attempts }) => attempts.length === 1);
  expect(entry).toMatchObject({
    status: 'pending',
    attempts: [{ error: 'The receiver could not be looked up: the name has no address.' }],
  });
});

test.each([
  'http://example.com/',
  'https://127.0.0.1/',
  'https://[::1]/',
  'http://127.0.0.1:1/',
  'https://a.internal/',
])('%s is refused at the door', async (webhook_url) => {
  const before = await stack.traces();
  const answer = await user.call('POST', '/start-generation', {
    prompt: 'x',
    model_id: 'black-forest-labs/flux-schnell',
    webhook_url,
  });
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', field: 'webhook_url' } });
  expect(await stack.traces()).toEqual(before);
});

test('sent again on demand: the same event', async () => {
  const started = await start('/again');
  await logged(started, 'delivered', ({ status }) => status === 'delivered');
  const answer = await rpc<{ status: string }>('resend_webhook', { p_generation_id: started.generation_id });
  expect(answer.status).toBe('pending');
  await stack.sweep();
  const [first, second] = await arrived('/again', 2);
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  expect(read(second)).toEqual(read(first));
});

test('during a rotation receivers with the old and with the new secret are both served', async () => {
  const { secret: renewed } = await rpc<{ secret: string }>('rotate_webhook_secret');
  expect(renewed).not.toBe(secret);
  await start('/rotated');
  const [delivery] = await arrived('/rotated');
  expect(delivery?.headers['webhook-signature']?.split(' ')).toHaveLength(2);
  expect(read(delivery, secret)).toEqual(read(delivery, renewed));
});
