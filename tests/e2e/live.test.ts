import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LiveMessage, LiveSocket, LiveStream } from './support/live.ts';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** Live updates as an app hears them: the package `ws` and plain fetch are the judges. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const isReady = ({ type }: LiveMessage) => type === 'ready';
const numbers = (messages: LiveMessage[]) => messages.map(({ seq }) => seq);
const growing = (messages: LiveMessage[]) =>
  expect(numbers(messages), 'numbers must grow').toEqual(
    [...new Set(numbers(messages))].toSorted((a, b) => a - b),
  );

/** The statuses that were told, each once. */
const statuses = (messages: LiveMessage[]) =>
  messages.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1]);

describe.each([
  ['a WebSocket', LiveSocket],
  ['server-sent events', LiveStream],
] as const)('over %s', (kind, Live) => {
  test('an image is told from its start to its end, in order', async () => {
    const all = await Live.open(user);
    await all.hears('ready', isReady);
    await stack.simulator.fault(`told over ${kind}`, { generation_ms: 1_200 });
    const { generation_id } = await user.start({ prompt: `told over ${kind}` });
    const done = await all.reaches(generation_id, 'completed');
    const told = all.about(generation_id);
    growing(told);
    expect(statuses(told)).toEqual(['queued', 'processing', 'downloading', 'completed']);
    expect(told[0]).toMatchObject({ type: 'generation', batch_id: null, status: 'queued', progress: 0 });
    expect(done).toMatchObject({ progress: 100, queue_position: null, estimated_seconds: null });
    const { images } = await user.get(generation_id);
    expect(done.image_url).toBe(images[0]?.url);
    expect(told.flatMap(Object.keys), 'listeners are not told whose it is').not.toContain('user_id');
    all.close();
  });

  test('whoever connects while it runs hears how it stands first', async () => {
    await stack.simulator.fault(`seen late over ${kind}`, { hold: 'run' });
    const { generation_id } = await user.start({ prompt: `seen late over ${kind}` });
    await user.reaches(generation_id, 'processing');
    const all = await Live.open(user);
    await all.hears('ready', isReady);
    expect(all.messages.map(({ type }) => type)).toEqual(['generation', 'ready']);
    expect(all.messages[0]).toMatchObject({ generation_id, status: 'processing' });
    await stack.simulator.release();
    await all.reaches(generation_id, 'completed');
    all.close();
  });

  test('what ended meanwhile is told to whoever comes back', async () => {
    const before = await Live.open(user);
    const { seq } = await before.hears('ready', isReady);
    before.close();
    const { generation_id } = await user.start({ prompt: `missed over ${kind}` });
    await user.completed(generation_id);
    const after = await Live.open(user, { since: seq });
    await after.hears('ready', isReady);
    expect(after.about(generation_id)).toMatchObject([{ status: 'completed', progress: 100 }]);
    after.close();
    const anew = await Live.open(user);
    await anew.hears('ready', isReady);
    expect(anew.about(generation_id), 'without a number only what is under way is told').toEqual([]);
    anew.close();
  });

  test('who follows one generation hears of it alone, and its end ends the connection', async () => {
    await stack.simulator.fault(`followed over ${kind}`, { generation_ms: 600 });
    const { generation_id } = await user.start({ prompt: `followed over ${kind}` });
    const one = await Live.open(user, { generation: generation_id });
    await one.hears('ready', isReady);
    await user.start({ prompt: `not followed over ${kind}` });
    await one.reaches(generation_id, 'completed');
    const end = await one.end();
    if (Live === LiveSocket) expect(end).toEqual({ code: 1000, reason: 'ended' });
    else expect(end).toEqual({});
    expect(new Set(one.messages.map((message) => message.generation_id ?? 'ready'))).toEqual(
      new Set([generation_id, 'ready']),
    );
    // Once it has ended there is its state, ready and the end.
    const late = await Live.open(user, { generation: generation_id });
    await late.end();
    expect(late.messages.map(({ type, status }) => status ?? type)).toEqual(['completed', 'ready']);
  });

  test('a cancelled and a failed one are told as such', async () => {
    const all = await Live.open(user);
    await stack.simulator.faults([
      { match: { prompt: `cancelled over ${kind}` }, fault: { hold: 'run' } },
      { match: { prompt: `failed over ${kind}` }, fault: { error: 'E005' } },
    ]);
    const cancelled = await user.start({ prompt: `cancelled over ${kind}` });
    await all.reaches(cancelled.generation_id, 'processing');
    await user.call('POST', `/generations/${cancelled.generation_id}/cancel`);
    await all.reaches(cancelled.generation_id, 'cancelled');
    const failed = await user.start({ prompt: `failed over ${kind}` });
    const told = await all.reaches(failed.generation_id, 'failed');
    expect(told.error).toEqual((await user.get(failed.generation_id)).error);
    all.close();
  });

  test('a batch is told image by image', async () => {
    const all = await Live.open(user);
    await all.hears('ready', isReady);
    const { batch_id, generations } = await user.start({ prompt: `batch over ${kind}`, num_images: 3 });
    for (const { generation_id } of generations ?? []) {
      const done = await all.reaches(generation_id, 'completed');
      expect(done.batch_id).toBe(batch_id);
      growing(all.about(generation_id));
    }
    all.close();
  });
});

test('positions in the queue move for those who wait', async () => {
  const waiting = await TestUser.signUp(stack);
  await stack.sql`insert into private.plans (name, running_jobs) values ('one at a time', 1)`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${waiting.id}, 'one at a time')`;
  await stack.simulator.fault('in a row', { hold: 'run' });
  const all = await LiveSocket.open(waiting);
  const { generations = [] } = await waiting.start({ prompt: 'in a row', num_images: 3 });
  const last = generations[2]?.generation_id ?? '';
  const position = (message: LiveMessage) => message.generation_id === last && message.queue_position;
  await all.reaches(generations[0]?.generation_id ?? '', 'processing');
  const told = await all.hears('the last one’s second position', (message) => position(message) === 2);
  // Nothing of its row changes: the channel looks at the database.
  await stack.simulator.release();
  const moved = await all.hears('the last one’s first position', (message) => position(message) === 1);
  expect(moved.seq).toBeGreaterThan(told.seq);
  growing(all.about(last));
  await stack.simulator.fault('nothing of ours', {});
  await stack.simulator.release();
  all.close();
});

test('events are numbered for Last-Event-ID, and a stream that has said all is not opened again', async () => {
  const { generation_id } = await user.start({ prompt: 'numbered' });
  await user.completed(generation_id);
  const stream = await LiveStream.open(user, { generation: generation_id });
  await stream.end();
  expect(stream.headers.get('content-type')).toBe('text/event-stream');
  expect(stream.ids).toEqual(stream.messages.map(({ seq }) => String(seq)));
  expect(stream.fields).toEqual([
    ['retry', 'id', 'data'],
    ['id', 'data'],
  ]);
  const again = (id: string) =>
    fetch(`${stack.addresses.startGenerationUrl}/generations/${generation_id}/events`, {
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${user.token}`,
        'last-event-id': id,
      },
    });
  const last = stream.ids.at(-1) ?? '';
  expect((await again(last)).status).toBe(204);
  const before = await again(String(Number(last) - 1));
  expect(before.status).toBe(200);
  expect(await before.text()).toContain('"completed"');
});

test('an empty Last-Event-ID does not hide what the URL says', async () => {
  const { generation_id } = await user.start({ prompt: 'heard before' });
  await user.completed(generation_id);
  const first = await LiveStream.open(user, { generation: generation_id });
  await first.end();
  const open = (id: string) =>
    LiveStream.open(user, {
      generation: generation_id,
      since: Number(first.ids.at(-1)),
      headers: { 'last-event-id': id },
    });
  await expect(open('')).rejects.toMatchObject({ answer: { status: 204 } });
  const behind = await open('1');
  await behind.end();
  expect(behind.about(generation_id)).toMatchObject([{ status: 'completed' }]);
});

test('a ping is answered, whatever else is said is not', async () => {
  const { socket, ...all } = await LiveSocket.open(user);
  const heard: string[] = [];
  socket.on('message', (data) => heard.push(String(data)));
  socket.send('hello');
  socket.send('ping');
  await stack.until('a pong', async () => heard.includes('pong'));
  expect(heard.filter((text) => !text.startsWith('{'))).toEqual(['pong']);
  expect(all.messages.filter(({ type }) => type !== 'ready')).toEqual([]);
  socket.close();
});

test('the workers die: a client that connects again lacks nothing', async () => {
  await stack.simulator.fault('outlives a crash', { hold: 'run' });
  const socket = await LiveSocket.open(user);
  const stream = await LiveStream.open(user);
  const { generation_id } = await user.start({ prompt: 'outlives a crash' });
  const { seq } = await socket.reaches(generation_id, 'processing');
  await stack.killWorkers();
  expect(await socket.end()).toMatchObject({ code: 1006 });
  await stream.end();
  await stack.simulator.release();
  await user.completed(generation_id);
  for (const Live of [LiveSocket, LiveStream]) {
    const again = await Live.open(user, { since: seq });
    const done = await again.reaches(generation_id, 'completed');
    expect(done.seq).toBeGreaterThan(seq);
    again.close();
  }
});
