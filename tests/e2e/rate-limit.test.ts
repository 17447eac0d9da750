import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, call, MODEL, TestUser } from './support/user.ts';

/** The coarse limit in front of start-generation. Each test counts as somebody of its own, well within a period. */

const LIMIT = 3;
let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start({ args: ['--rate-limit', String(LIMIT), '--wake', 'off'] });
});
afterAll(() => stack?.stop());

function expectLimited(answer: Answer): void {
  expectProblem(answer, 429, 'rate_limited', { title: 'Too many requests', retry_after: 60 });
  expect(answer.headers.get('retry-after')).toBe('60');
  expect(answer.headers.get('access-control-expose-headers'), 'so that apps can read it').toMatch(
    /retry-after/,
  );
}

/** As Cloudflare tells a Worker where a request comes from. */
const from = (address: string) => ({ 'cf-connecting-ip': address });

test('starts and cancels of a user count together, whatever comes of them', async () => {
  const user = await TestUser.signUp(stack);
  const { generation_id } = await user.start({ prompt: 'one' });
  expectProblem(await user.call('POST', '/start-generation', {}), 400, 'invalid_request');
  expect((await user.call('POST', `/generations/${generation_id}/cancel`)).status).toBe(200);

  const before = await stack.traces();
  expectLimited(await user.call('POST', '/start-generation', { prompt: 'too many' }));
  expectLimited(await user.call('POST', `/generations/${generation_id}/cancel`));
  expectLimited(await user.call('POST', '/functions/v1/start-generation', {}, from('203.0.113.1')));
  expect(await stack.traces(), 'a refused request leaves nothing behind').toEqual(before);

  // Reading goes on, and so does everybody else.
  for (let n = 0; n <= LIMIT; n += 1) {
    expect((await user.get(generation_id)).status).toBe('cancelled');
    expect((await user.call('GET', '/generations')).status).toBe(200);
  }
  const other = await TestUser.signUp(stack);
  expect((await other.start({ prompt: 'somebody else' })).status).toBe('queued');
});

test('uploads count with them, before anything of them is read', async () => {
  const user = await TestUser.signUp(stack);
  for (let n = 0; n < LIMIT; n += 1)
    expectProblem(await user.call('POST', '/sources', 'x'), 415, 'unsupported_media_type');
  expectLimited(await user.call('POST', '/sources', 'x'));
  expectLimited(await user.call('POST', '/start-generation', {}));
});

test('refused tokens count by address, for reading too', async () => {
  const url = stack.addresses.startGenerationUrl;
  const guess = (address: string, method: string, path: string, token?: string) =>
    call(method, `${url}${path}`, {
      headers: { ...from(address), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    });
  const guesses: [string, string, string?][] = [
    ['POST', '/start-generation', 'a.b.c'],
    ['GET', '/generations'],
    ['GET', '/generations/00000000-0000-4000-8000-000000000000', stack.addresses.anonKey],
  ];
  expect(guesses).toHaveLength(LIMIT);
  for (const [method, path, token] of guesses) {
    expectProblem(await guess('198.51.100.1', method, path, token), 401, 'unauthorized');
  }
  for (const [method, path, token] of guesses)
    expectLimited(await guess('198.51.100.1', method, path, token));
  expectProblem(await guess('198.51.100.2', 'GET', '/generations', 'a.b.c'), 401, 'unauthorized');

  // Whoever signs in from the same place is not concerned.
  const user = await TestUser.signUp(stack);
  expect((await guess('198.51.100.1', 'GET', '/generations', user.token)).status).toBe(200);
});

test('secret keys that are made up count by address, and use up nothing of a server', async () => {
  const user = await TestUser.signUp(stack);
  const { startGenerationUrl, serviceRoleKey } = stack.addresses;
  const start = (address: string, apikey: string) =>
    call('POST', `${startGenerationUrl}/start-generation`, {
      headers: { ...from(address), apikey },
      body: { prompt: 'for a user', model_id: MODEL, user_id: user.id },
    });
  for (let n = 0; n < LIMIT; n += 1)
    expectProblem(await start('198.51.100.7', `sb_secret_${n}`), 401, 'unauthorized');
  const before = await stack.traces();
  expectLimited(await start('198.51.100.7', 'sb_secret_more'));
  expect(await stack.traces(), 'Supabase is not asked').toEqual(before);

  // The first one of the server's counts by its address, since nothing is known of its key yet.
  for (let n = 0; n <= LIMIT; n += 1) expect((await start('198.51.100.8', serviceRoleKey)).status).toBe(202);
  expectLimited(await start('198.51.100.9', serviceRoleKey));
});

test('what needs no token is not counted', async () => {
  const url = stack.addresses.startGenerationUrl;
  const headers = from('192.0.2.1');
  for (let n = 0; n <= LIMIT; n += 1) {
    expect((await call('GET', `${url}/health`, { headers })).status).toBe(200);
    expect((await call('GET', `${url}/models`, { headers })).status).toBe(200);
    expectProblem(await call('GET', `${url}/nothing`, { headers }), 404, 'not_found');
    const preflight = await call('OPTIONS', `${url}/start-generation`, {
      headers: { ...headers, origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
  }
  // None of it was counted: this address has all its refusals left.
  for (let n = 0; n < LIMIT; n += 1) {
    expectProblem(await call('GET', `${url}/generations`, { headers }), 401, 'unauthorized');
  }
  expectLimited(await call('GET', `${url}/generations`, { headers }));
});
