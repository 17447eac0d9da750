import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CountedStack, startCounted } from './support/counted.ts';
import { LiveSocket, LiveStream } from './support/live.ts';
import type { CountingProxy } from './support/proxy.ts';
import type { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** What listening costs in requests to Supabase, counted by a proxy in between. */

let counted: CountedStack;
let proxy: CountingProxy;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  counted = await startCounted();
  ({ proxy, stack, user } = counted);
});
afterAll(() => counted?.stop());

const SNAPSHOT = 'POST /rest/v1/rpc/live_snapshot';
const snapshots = (since: number) => proxy.counts(since)[SNAPSHOT] ?? 0;

test('a listener costs one request, and an image that they hear of not one more', async () => {
  const before = proxy.passed.length;
  const all = await LiveSocket.open(user);
  await all.hears('ready', ({ type }) => type === 'ready');
  expect(proxy.counts(before)).toEqual({ [SNAPSHOT]: 1 });

  const { generation_id } = await user.start({ prompt: 'heard of' });
  await all.reaches(generation_id, 'completed');
  expect(proxy.counts(before)).toEqual({
    [SNAPSHOT]: 1,
    'POST /rest/v1/rpc/start_generation': 1,

    'POST /rest/v1/rpc/record_prediction': 1,
    'POST /rest/v1/rpc/finish_prediction': 1,
    'POST /storage/v1/object/generated-images/*/*.webp': 1,
    'POST /rest/v1/rpc/finish_download': 1,
  });
  all.close();
});

test('something under way is looked at again and again, once for all listeners', async () => {
  const watcher = await TestUser.signUp(stack);
  const listeners = await Promise.all([LiveSocket, LiveStream, LiveSocket].map((Live) => Live.open(watcher)));
  await stack.simulator.fault('watched', { hold: 'run' });
  const { generation_id } = await watcher.start({ prompt: 'watched' });
  await Promise.all(listeners.map((one) => one.reaches(generation_id, 'processing')));
  const before = proxy.passed.length;
  await stack.until('two looks at the database', async () => snapshots(before) >= 2);
  expect(proxy.counts(before), 'no listener is asked for again').toEqual({ [SNAPSHOT]: 2 });
  await stack.simulator.release();
  await Promise.all(listeners.map((one) => one.reaches(generation_id, 'completed')));
  for (const one of listeners) one.close();
});

test('what was lost on the way is found by the next look', async () => {
  const robbed = await TestUser.signUp(stack);
  const all = await LiveSocket.open(robbed);
  await stack.simulator.fault('lost', { hold: 'run' });
  const { generation_id } = await robbed.start({ prompt: 'lost' });
  await all.reaches(generation_id, 'processing');
  // Nobody is said to listen: the end is not handed out.
  await stack.sql`delete from private.live_listeners where user_id = ${robbed.id}`;
  await stack.simulator.release();
  const done = await all.reaches(generation_id, 'completed');
  expect(done.image_url).toBe((await robbed.get(generation_id)).images[0]?.url);
  all.close();
});
