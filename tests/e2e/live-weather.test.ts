import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LiveSocket, LiveStream, Refused } from './support/live.ts';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** Much to tell at once, and connections that have died without a word. */

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start();
});
afterAll(() => stack?.stop());

const LISTENERS = 20;
/** Milliseconds after which a listener that says nothing may be taken for dead; see shared/src/live/mod.rs. */
const SILENCE_MS = 25_000;
const LATEST_MS = 30_000;
/** Between two attempts: requests of a user have a limit of their own. */
const ASK_MS = 500;

type Kind = typeof LiveSocket | typeof LiveStream;

const crowd = (user: TestUser, Live: Kind) =>
  Promise.all(Array.from({ length: LISTENERS }, () => Live.open(user)));

/** The next listener, as soon as there is a place; gives how long that took. */
async function nextOne(user: TestUser, Live: Kind): Promise<{ open: LiveSocket | LiveStream; ms: number }> {
  const start = Date.now();
  const open = await stack.until<LiveSocket | LiveStream>('a place', async () => {
    await sleep(ASK_MS);
    return Live.open(user).catch((error: unknown) => {
      if (error instanceof Refused && error.answer.status === 429) return undefined;
      throw error;
    });
  });
  return { open, ms: Date.now() - start };
}

test.each([
  ['a WebSocket', LiveSocket],
  ['server-sent events', LiveStream],
] as const)('hundreds of changes at once do not end %s whose reader keeps up', async (_, Live) => {
  const user = await TestUser.signUp(stack);
  const plan = `without limits ${user.id}`;
  await stack.sql`insert into private.plans (name) values (${plan})`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${user.id}, ${plan})`;
  const scheduled_at = new Date(Date.now() + 3e8).toISOString();
  const ids: string[] = [];
  for (let batch = 0; batch < 15; batch += 1) {
    const { generations = [] } = await user.start({ prompt: 'much at once', num_images: 10, scheduled_at });
    ids.push(...generations.map(({ generation_id }) => generation_id));
  }
  const open = await Live.open(user);
  await open.hears('ready', ({ type }) => type === 'ready');
  const told = (times: number) => ids.filter((id) => open.about(id).length >= times).length;
  expect(told(1)).toBe(150);
  // The time left runs down for all of them: each look at the database tells of all at once.
  await stack.until('two looks to be told', async () => told(3) === 150);
  expect(open.ended).toBeUndefined();
  open.close();
});

test('WebSockets that died in silence make room within 30 s, the oldest first', async () => {
  const user = await TestUser.signUp(stack);
  const first = await LiveSocket.open(user);
  const dead = await Promise.all(Array.from({ length: LISTENERS - 1 }, () => LiveSocket.open(user)));
  const { open, ms } = await nextOne(user, LiveSocket);
  expect(ms).toBeLessThan(LATEST_MS);
  await open.hears('ready', ({ type }) => type === 'ready');
  expect(await first.end()).toEqual({ code: 1001, reason: 'silent' });
  expect(
    dead.filter(({ ended }) => ended),
    'one is enough',
  ).toEqual([]);
  const { generation_id } = await user.start({ prompt: 'seen by the newcomer' });
  await open.reaches(generation_id, 'completed');
  for (const one of [open, ...dead]) one.close();
});

test('event streams that may be dead make room within 30 s, and are told to connect again', async () => {
  const user = await TestUser.signUp(stack);
  const all = await crowd(user, LiveStream);
  const { open, ms } = await nextOne(user, LiveStream);
  expect(ms).toBeLessThan(LATEST_MS);
  const [ended] = await stack.until('one to end', async () => {
    const gone = all.filter((one) => one.ended);
    return gone.length > 0 && gone;
  });
  const [ready, last] = ended?.messages.slice(-2) ?? [];
  expect(ended?.ended).toEqual({});
  expect(ready).toMatchObject({ type: 'ready' });
  expect(last).toMatchObject({ type: 'resume', seq: ready?.seq });
  // What happens meanwhile is told to whoever does as it is told.
  const { generation_id } = await user.start({ prompt: 'missed by the one that had to go' });
  await open.reaches(generation_id, 'completed');
  all.find((one) => !one.ended)?.close();
  const again = await stack.until('a free place', async () => {
    await sleep(ASK_MS);
    return LiveStream.open(user, { since: last?.seq ?? 0 }).catch(() => undefined);
  });
  await again.reaches(generation_id, 'completed');
  for (const one of [open, again, ...all]) one.close();
});

test('whoever pings keeps the place: there is none for one more', async () => {
  const user = await TestUser.signUp(stack);
  const all = (await crowd(user, LiveSocket)) as LiveSocket[];
  const opened = Date.now();
  const pings = setInterval(() => {
    for (const { socket } of all) socket.send('ping');
  }, 5_000);
  try {
    await sleep(opened + SILENCE_MS + 2_000 - Date.now());
    for (const Live of [LiveSocket, LiveStream]) {
      const refused = await Live.open(user).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(Refused);
      expect((refused as Refused).answer.status).toBe(429);
    }
    expect(all.filter(({ ended }) => ended)).toEqual([]);
  } finally {
    clearInterval(pings);
    for (const one of all) one.close();
  }
});
