import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { LiveSocket, LiveStream, Refused } from './support/live.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, call, TestUser } from './support/user.ts';

/** Who may listen, how many, for how long, and what a listener may not do. */

const APP = 'https://app.example';

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const seconds = () => Math.floor(Date.now() / 1000);
const tokenOf = (who: TestUser, changes: Record<string, unknown> = {}) =>
  signJwt(
    {
      sub: who.id,
      role: 'authenticated',
      aud: 'authenticated',
      iat: seconds(),
      exp: seconds() + 3600,
      ...changes,
    },
    stack.addresses.jwtSecret,
  );

/** The answer to somebody who may not listen. */
async function refusal(opening: Promise<{ close(): void }>): Promise<Answer> {
  const opened = await opening.catch((error: unknown) => {
    if (error instanceof Refused) return error.answer;
    throw error;
  });
  if ('close' in opened) {
    opened.close();
    throw new Error('the connection was opened, and should have been refused');
  }
  return opened;
}

const ready = (message: { type: string }) => message.type === 'ready';

describe.each([
  ['WebSocket', LiveSocket],
  ['server-sent events', LiveStream],
] as const)('%s', (_, Live) => {
  test.each([
    ['none', () => ''],
    ['garbage', () => 'a.b.c'],
    ['the anon key', () => stack.addresses.anonKey],
    ['the service key', () => stack.addresses.serviceRoleKey],
    ['an expired one', () => tokenOf(user, { exp: seconds() - 3600 })],
    ['one in its last seconds of grace', () => tokenOf(user, { iat: seconds() - 100, exp: seconds() - 5 })],
    ['one of another secret', () => signJwt({ sub: user.id, role: 'authenticated' }, 'x'.repeat(40))],
  ])('a token that is no good: %s', async (_name, token) => {
    const value = token();
    const options =
      value || Live === LiveStream ? { token: value } : { token: value, protocols: ['picture-queue.v1'] };
    expectProblem(await refusal(Live.open(user, options)), 401, 'unauthorized');
  });

  test('a generation of somebody else, or of nobody', async () => {
    const stranger = await TestUser.signUp(stack);
    const theirs = await stranger.start({ prompt: 'not yours' });
    for (const generation of [theirs.generation_id, crypto.randomUUID(), 'not-an-id']) {
      expectProblem(await refusal(Live.open(user, { generation })), 404, 'not_found');
    }
  });

  test('nothing of other users', async () => {
    const stranger = await TestUser.signUp(stack);
    const own = await Live.open(user);
    await own.hears('ready', ready);
    const theirs = await Live.open(stranger);
    const foreign = await stranger.start({ prompt: 'somebody else’s' });
    await theirs.reaches(foreign.generation_id, 'completed');
    const { generation_id } = await user.start({ prompt: 'one’s own' });
    await own.reaches(generation_id, 'completed');
    expect(new Set(own.messages.flatMap((message) => message.generation_id ?? []))).toEqual(
      new Set([generation_id]),
    );
    own.close();
    theirs.close();
  });

  test('a token that ends while its bearer listens ends the connection', async () => {
    const exp = seconds() + 3;
    const open = await Live.open(user, { token: tokenOf(user, { exp }) });
    await open.hears('ready', ready);
    const end = await open.end();
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp);
    expect(end).toEqual(Live === LiveSocket ? { code: 4401, reason: 'token expired' } : {});
  });
});

test('the token may come in Authorization, and never in the URL', async () => {
  const headers = { authorization: `Bearer ${user.token}` };
  const plain = await LiveSocket.open(user, { protocols: [], headers });
  await plain.hears('ready', ready);
  expect(plain.socket.protocol).toBe('');
  plain.close();
  const named = await LiveSocket.open(user);
  expect(named.socket.protocol).toBe('picture-queue.v1');
  named.close();
  const { startGenerationUrl } = stack.addresses;
  for (const parameter of ['token', 'access_token', 'apikey', 'jwt', 'bearer']) {
    const url = `${startGenerationUrl}/events?${parameter}=${user.token}`;
    expectProblem(await call('GET', url, { headers: { accept: 'text/event-stream' } }), 401, 'unauthorized');
  }
});

test('neither a WebSocket nor an event stream: 426 names both', async () => {
  const { generation_id } = await user.start({ prompt: 'asked for in vain' });
  for (const path of ['/events', `/generations/${generation_id}/events`]) {
    const answer = await user.call<Record<string, unknown>>('GET', path);
    expectProblem(answer, 426, 'upgrade_required');
    expect(answer.body.detail).toMatch(/WebSocket.*text\/event-stream/);
  }
  expectProblem(await user.call<Record<string, unknown>>('POST', '/events'), 405, 'method_not_allowed');
});

test('twenty connections of both kinds, and the next one is refused', async () => {
  const many = await TestUser.signUp(stack);
  const open = await Promise.all(
    Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? LiveSocket : LiveStream).open(many)),
  );
  for (const Live of [LiveSocket, LiveStream]) {
    const answer = await refusal(Live.open(many));
    expectProblem(answer, 429, 'rate_limited');
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  }
  // One of each kind goes, and makes room.
  for (const Live of [LiveSocket, LiveStream]) {
    open.find((one) => one instanceof Live && !one.ended)?.close();
    const next = await stack.until<LiveSocket | LiveStream>('a free place', async () =>
      Live.open(many).catch((error) => {
        if (error instanceof Refused && error.answer.status === 429) return undefined;
        throw error;
      }),
    );
    await next.hears('ready', ready);
    open.push(next);
  }
  for (const one of open) one.close();
});

test('twenty who come at once are twenty as well', async () => {
  const crowd = await TestUser.signUp(stack);
  const all = await Promise.allSettled(Array.from({ length: 25 }, () => LiveSocket.open(crowd)));
  const open = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const statuses = all.flatMap((one) =>
    one.status === 'rejected' ? [one.reason instanceof Refused ? one.reason.answer.status : one.reason] : [],
  );
  expect(open).toHaveLength(20);
  expect(statuses).toEqual(Array(5).fill(429));
  for (const one of open) one.close();
});

test.each([
  ['text', 'x'.repeat(257)],
  ['binary', Buffer.alloc(257)],
  ['many-byte text', 'é'.repeat(129)],
])('a frame of more than 256 bytes ends the connection: %s', async (_, frame) => {
  const open = await LiveSocket.open(user);
  open.socket.send(typeof frame === 'string' ? frame.slice(0, 128) : frame.subarray(0, 256));
  open.socket.send(frame);
  expect(await open.end()).toEqual({ code: 1009, reason: 'message too big' });
});

describe('origins', () => {
  let guarded: TestStack;
  let guest: TestUser;

  beforeAll(async () => {
    guarded = await TestStack.start({ env: { ALLOWED_ORIGINS: `${APP}, https://other.example` } });
    guest = await TestUser.signUp(guarded);
  });
  afterAll(() => guarded?.stop());

  test.each([
    ['WebSocket', LiveSocket],
    ['server-sent events', LiveStream],
  ] as const)(
    '%s: only pages on the list and our own may listen, and whoever is no page',
    async (_, Live) => {
      const own = guarded.addresses.startGenerationUrl;
      for (const headers of [{ origin: APP }, { origin: own }, {}] as Record<string, string>[]) {
        const open = await Live.open(guest, { headers });
        await open.hears('ready', ready);
        open.close();
      }
      for (const origin of ['https://evil.example', `${APP}.evil.example`, 'null', 'http://app.example']) {
        const { status, body } = await refusal(Live.open(guest, { headers: { origin } }));
        expect([status, body.code], origin).toEqual([403, 'forbidden']);
      }
    },
  );
});
