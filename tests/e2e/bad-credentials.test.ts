import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { call, MODEL, type Started, TestUser } from './support/user.ts';

/** Who may not: tokens, keys and signatures that are missing, false or of somebody else. */

let stack: TestStack;
let user: TestUser;
/** A generation that runs and waits, so that a webhook taken for true would show. */
let waiting: Started;
let before: Record<string, number>;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  await stack.simulator.fault('waits', { hold: 'run' });
  waiting = await user.start({ prompt: 'waits' });
  await user.reaches(waiting.generation_id, 'processing');
  before = await stack.traces();
});
afterAll(() => stack?.stop());

const now = () => Math.floor(Date.now() / 1000);
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = (changes: Record<string, unknown> = {}) => ({
  sub: user.id,
  role: 'authenticated',
  aud: 'authenticated',
  iat: now(),
  exp: now() + 3600,
  ...changes,
});
const signed = (changes: Record<string, unknown>) => signJwt(claims(changes), stack.addresses.jwtSecret);
const withHeader = (header: Record<string, unknown>) => {
  const text = `${base64url(header)}.${base64url(claims())}`;
  return `${text}.${createHmac('sha256', stack.addresses.jwtSecret).update(text).digest('base64url')}`;
};

/** `authorization` headers that no user's path may accept; made late, since they need the running stack. */
const badTokens: [string, () => string | undefined][] = [
  ['no token', () => undefined],
  ['an empty one', () => 'Bearer '],
  ['basic credentials', () => `Basic ${Buffer.from('a:b').toString('base64')}`],
  ['the anon key', () => `Bearer ${stack.addresses.anonKey}`],
  ['garbage', () => 'Bearer garbage'],
  ['garbage with dots', () => 'Bearer a.b.c'],
  ['a very long one', () => `Bearer ${'x'.repeat(12_000)}`],
  ['an expired one', () => `Bearer ${signed({ iat: now() - 7200, exp: now() - 3600 })}`],
  ['one without an expiry', () => `Bearer ${signed({ exp: undefined })}`],
  ['one that is not valid yet', () => `Bearer ${signed({ nbf: now() + 3600 })}`],
  ['one for another audience', () => `Bearer ${signed({ aud: 'elsewhere' })}`],
  ['one for postgres', () => `Bearer ${signed({ role: 'postgres' })}`],
  ['one without a user', () => `Bearer ${signed({ sub: undefined })}`],
  ['one of another secret', () => `Bearer ${signJwt(claims(), 'x'.repeat(40))}`],
  [
    'one that was changed',
    () => `Bearer ${user.token.replace(/\.(.)/, (_, c) => `.${c === 'e' ? 'f' : 'e'}`)}`,
  ],
  ['one without its signature', () => `Bearer ${user.token.slice(0, user.token.lastIndexOf('.') + 1)}`],
  ['alg none', () => `Bearer ${base64url({ alg: 'none', typ: 'JWT' })}.${base64url(claims())}.`],
  ['alg none, yet signed', () => `Bearer ${withHeader({ alg: 'none', typ: 'JWT' })}`],
  ['alg HS512', () => `Bearer ${withHeader({ alg: 'HS512', typ: 'JWT' })}`],
  [
    'a critical extension',
    () => `Bearer ${withHeader({ alg: 'HS256', typ: 'JWT', crit: ['b64'], b64: true })}`,
  ],
];

const authorization = (value: string | undefined): Record<string, string> =>
  value === undefined ? {} : { authorization: value };

describe('a user’s paths', () => {
  test.each(badTokens)('%s', async (_, header) => {
    const url = stack.addresses.startGenerationUrl;
    const calls: [string, string, unknown][] = [
      ['POST', '/start-generation', { prompt: 'not mine', model_id: MODEL }],
      ['GET', '/generations', undefined],
      ['GET', `/generations/${waiting.generation_id}`, undefined],
      ['POST', `/generations/${waiting.generation_id}/cancel`, undefined],
    ];
    // The service key is a server's: tests/e2e/servers.test.ts.
    for (const [method, path, body] of calls) {
      const answer = await call(method, `${url}${path}`, { body, headers: authorization(header()) });
      expectProblem(answer, 401, 'unauthorized');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  test('the control: a token made like the bad ones passes', async () => {
    const headers = authorization(`Bearer ${signed({})}`);
    expect((await call('GET', waiting.urls.self, { headers })).status).toBe(200);
  });
});

describe('the private paths', () => {
  const notTheService: [string, () => Record<string, string>][] = [
    ['nothing', () => ({})],
    ['a user’s token', () => authorization(`Bearer ${user.token}`)],
    ['the anon key', () => authorization(`Bearer ${stack.addresses.anonKey}`)],
    ['the anon key as apikey', () => ({ apikey: stack.addresses.anonKey })],
    ['garbage', () => authorization('Bearer garbage')],
    [
      'the service key less a letter',
      () => authorization(`Bearer ${stack.addresses.serviceRoleKey.slice(0, -1)}`),
    ],
    [
      'a service token of another secret',
      () => authorization(`Bearer ${signJwt({ role: 'service_role', exp: now() + 3600 }, 'x'.repeat(40))}`),
    ],
    [
      'a claim to be another worker',
      () => ({ 'x-caller': 'start-generation', 'cf-worker': 'start-generation' }),
    ],
  ];
  test.each(notTheService)('%s', async (_, headers) => {
    const { processJobsUrl, processGenerationUrl } = stack.addresses;
    const body = { prompt: 'not paid', model_id: MODEL };
    for (const url of [`${processJobsUrl}/process-jobs`, `${processGenerationUrl}/process-generation`]) {
      expectProblem(await call('POST', url, { headers: headers(), body }), 401, 'unauthorized');
    }
  });

  test('unknown paths and wrong methods', async () => {
    const { processJobsUrl, processGenerationUrl } = stack.addresses;
    const paths: [string, string, number, string][] = [
      ['GET', `${processJobsUrl}/process-jobs`, 405, 'method_not_allowed'],
      ['GET', `${processGenerationUrl}/process-generation`, 405, 'method_not_allowed'],
      ['GET', `${processGenerationUrl}/webhooks/replicate`, 405, 'method_not_allowed'],
      ['POST', `${processJobsUrl}/start-generation`, 404, 'not_found'],
      ['POST', `${processGenerationUrl}/process-jobs`, 404, 'not_found'],
      ['POST', `${processGenerationUrl}/webhooks/other`, 404, 'not_found'],
    ];
    for (const [method, url, status, code] of paths) {
      const answer = await call(method, url);
      expectProblem(answer, status, code);
      if (status === 405) expect(answer.headers.get('allow')).toBe('POST');
    }
  });

  test('the stand-alone run checks its request as the public path does', async () => {
    const headers = authorization(`Bearer ${stack.addresses.serviceRoleKey}`);
    const url = `${stack.addresses.processGenerationUrl}/process-generation`;
    const run = (body: unknown) => call('POST', url, { headers, body });
    expectProblem(await run({ prompt: '', model_id: MODEL }), 400, 'invalid_request', { field: 'prompt' });
    expectProblem(await run('{'), 400, 'invalid_request', { field: 'body' });
    expectProblem(await run({ prompt: 'a', model_id: 'no/such' }), 404, 'unknown_model');
    expectProblem(await run('x'.repeat(65 * 1024)), 413, 'body_too_large');
  });
});

describe('webhooks', () => {
  interface Delivery {
    id: string;
    at: Date;
    body: string;
    signature: string;
  }

  /** What Replicate would send now, signed by the reference implementation. */
  async function delivery(): Promise<Delivery> {
    const [entry] = await stack.simulator.predictions(waiting.job_id);
    const prediction = { ...entry?.prediction, status: 'failed', error: '(E005)' };
    const [id, at, body] = ['msg_1', new Date(), JSON.stringify(prediction)];
    return { id, at, body, signature: sign(stack.addresses.replicateWebhookSecret, id, at, body) };
  }
  const sign = (secret: string, id: string, at: Date, body: string) => new Webhook(secret).sign(id, at, body);

  const send = ({ id, at, body, signature }: Delivery) =>
    call('POST', `${stack.addresses.processGenerationUrl}/webhooks/replicate?job=${waiting.job_id}&lease=1`, {
      body,
      headers: {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': signature,
      },
    });
  /** Rightly signed, at another time. */
  const signedAt = (right: Delivery, seconds: number): Delivery => {
    const at = new Date(Date.now() + seconds * 1000);
    const { id, body } = right;
    return { ...right, at, signature: sign(stack.addresses.replicateWebhookSecret, id, at, body) };
  };

  const bad: [string, (right: Delivery) => Delivery][] = [
    ['no signature', (right) => ({ ...right, signature: '' })],
    ['no id', (right) => ({ ...right, id: '' })],
    ['a signature that is no base64', (right) => ({ ...right, signature: 'v1,!' })],
    ['another scheme', (right) => ({ ...right, signature: right.signature.replace('v1,', 'v2,') })],
    [
      'another secret',
      (right) => ({
        ...right,
        signature: sign('whsec_bm90IHRoZSBzZWNyZXQ=', right.id, right.at, right.body),
      }),
    ],
    ['a changed body', (right) => ({ ...right, body: right.body.replace('E005', 'E1001') })],
    ['a changed id', (right) => ({ ...right, id: 'msg_2' })],
    ['a later time than was signed', (right) => ({ ...right, at: new Date(right.at.getTime() + 60_000) })],
    ['ten minutes old', (right) => signedAt(right, -600)],
    ['ten minutes ahead', (right) => signedAt(right, 600)],
  ];
  test.each(bad)('%s', async (_, change) => {
    expectProblem(await send(change(await delivery())), 401, 'unauthorized');
  });

  test('a signed body that is too large', async () => {
    const { id, at } = await delivery();
    const body = 'x'.repeat(4 * 1024 * 1024 + 1);
    const signature = sign(stack.addresses.replicateWebhookSecret, id, at, body);
    // It is refused by its length, unread: who is still sending may be cut off before the answer is seen.
    const answered = (): ReturnType<typeof send> =>
      send({ id, at, body, signature }).catch((error: Error & { cause?: { code?: string } }) => {
        if (/^(EPIPE|ECONNRESET|UND_ERR_SOCKET)$/.test(error.cause?.code ?? '')) return answered();
        throw error;
      });
    expectProblem(await answered(), 413, 'body_too_large');
  });

  test('rightly signed for no job of ours: taken, and nothing happens', async () => {
    const right = await delivery();
    const url = `${stack.addresses.processGenerationUrl}/webhooks/replicate`;
    const headers = {
      'webhook-id': right.id,
      'webhook-timestamp': String(Math.floor(right.at.getTime() / 1000)),
      'webhook-signature': right.signature,
    };
    for (const query of ['', '?job=x', '?job=00000000-0000-4000-8000-000000000000&lease=1']) {
      expect((await call('POST', `${url}${query}`, { body: right.body, headers })).status).toBe(200);
    }
  });
});

test('none of it changed anything; the rightly signed webhook then does', async () => {
  expect(await stack.traces()).toEqual(before);
  expect((await user.get(waiting.generation_id)).status).toBe('processing');
  expect(await stack.simulator.predictions(waiting.job_id)).toMatchObject([{ cancel_calls: 0 }]);
  await stack.simulator.release();
  await user.completed(waiting.generation_id);
});
