import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Receiver, startReceiver } from './support/receiver.ts';
import { TestStack } from './support/stack.ts';
import { MODEL, TestUser } from './support/user.ts';

/** The operators' judge of prompts before a start, and what happens when it does not judge. */

let receiver: Receiver;
const stacks: TestStack[] = [];

const SECRET = 'the-judge-knows-us';
/** Of the judge; its tests answer at once, but for the silent one. */
const TIMEOUT_MS = 1_000;

async function stackWith(path: string, onFailure: string): Promise<TestUser> {
  const stack = await TestStack.start({
    env: {
      MODERATION_URL: `${receiver.origin}${path}`,
      MODERATION_SECRET: SECRET,
      MODERATION_TIMEOUT_MS: String(TIMEOUT_MS),
      MODERATION_ON_FAILURE: onFailure,
    },
  });
  stacks.push(stack);
  return TestUser.signUp(stack);
}

let strict: TestUser;
let lenient: TestUser;

beforeAll(async () => {
  receiver = await startReceiver();
  [strict, lenient] = await Promise.all([stackWith('/strict', 'refuse'), stackWith('/lenient', 'allow')]);
});
afterAll(async () => {
  await Promise.all(stacks.map((stack) => stack.stop()));
  await receiver?.stop();
});

const says = (path: string, answer: unknown, status = 200) =>
  receiver.reply(path, { status, body: JSON.stringify(answer) });
const start = (user: TestUser, more: object = {}) =>
  user.call<{ generation_id: string }>('POST', '/start-generation', {
    prompt: 'a fox',
    model_id: MODEL,
    ...more,
  });

test('it is asked with all prompts and who asks, and lets a start pass', async () => {
  says('/strict', { allow: true });
  const before = receiver.deliveries.length;
  const prompts = ['a fox', 'a hare'];
  expect((await start(strict, { prompt: undefined, prompts })).status).toBe(202);
  const [asked, ...others] = receiver.deliveries.slice(before);
  expect(others).toEqual([]);
  expect(asked?.headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(JSON.parse(asked?.body ?? '')).toEqual({ prompts, model_id: MODEL, user_id: strict.id });
});

test('what it refuses is 422 with its reason, and leaves nothing behind', async () => {
  const traces = await strict.stack.traces();
  says('/strict', { allow: false, reason: 'No foxes today.' });
  expect(await start(strict)).toMatchObject({
    status: 422,
    body: { code: 'content_flagged', detail: 'No foxes today.' },
  });
  expect(await strict.stack.traces()).toEqual(traces);
});

test('an image that is made again is judged as well', async () => {
  says('/strict', { allow: true });
  const { body } = await start(strict);
  says('/strict', { allow: false });
  const again = await strict.call('POST', `/generations/${body.generation_id}/rerun`, { prompt: 'a wolf' });
  expect(again).toMatchObject({ status: 422, body: { code: 'content_flagged' } });
  expect(JSON.parse(receiver.deliveries.at(-1)?.body ?? '')).toMatchObject({ prompts: ['a wolf'] });
});

test('who asks once more under a key hears the first answer, whatever the judge thinks by now', async () => {
  const once = (path: string, body: object, allow: boolean) => {
    says('/strict', { allow });
    return strict.call<{ generation_id: string }>('POST', path, body, { 'idempotency-key': `once${path}` });
  };
  const request = { prompt: 'a fox', model_id: MODEL };
  const first = await once('/start-generation', request, true);
  const path = `/generations/${first.body.generation_id}/rerun`;
  const rerun = await once(path, {}, true);
  for (const [was, again] of [
    [first, await once('/start-generation', request, false)],
    [rerun, await once(path, {}, false)],
  ] as const) {
    expect([was.status, again.status], JSON.stringify(was.body)).toEqual([202, 202]);
    expect(again.body.generation_id).toBe(was.body.generation_id);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  }
});

test('a request that is refused anyway is not judged', async () => {
  const before = receiver.deliveries.length;
  expect((await start(strict, { model_id: 'no/such' })).status).toBe(404);
  expect(receiver.deliveries).toHaveLength(before);
});

test.each([
  ['an error', { status: 500 }],
  ['silence', { status: 200, silent: true }],
  ['another answer', { status: 200, body: '{"ok":true}' }],
])('%s refuses a start or lets it pass, as the policy says', async (_, reply) => {
  receiver.reply('/strict', reply);
  receiver.reply('/lenient', reply);
  const refused = await start(strict);
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(refused.headers.get('retry-after')).toBe('5');
  expect((await start(lenient)).status).toBe(202);
  expect(strict.stack.lastLines()).toContain('the judge of prompts did not judge');
});

test('what the judge allows, the list of words may refuse', async () => {
  await lenient.stack.sql`insert into private.refused_words (word, message) values ('wolf', 'No wolves.')`;
  says('/lenient', { allow: true });
  expect(await start(lenient, { prompt: 'a wolf' })).toMatchObject({
    status: 422,
    body: { code: 'content_flagged', detail: 'No wolves.' },
  });
});
