import { afterAll, beforeAll, expect, test } from 'vitest';
import judge from '../../examples/moderation/worker.mjs';
import { type Receiver, startReceiver } from '../e2e/support/receiver.ts';

/** The judge that asks a model at Replicate. A language model cannot run here: its answers are recorded ones. */

const PATH = '/v1/models/meta/meta-llama-guard-2-8b/predictions';
let replicate: Receiver;

beforeAll(async () => {
  replicate = await startReceiver();
});
afterAll(() => replicate?.stop());

const env = () => ({
  MODERATION_SECRET: 'known',
  REPLICATE_API_TOKEN: 'r8_x',
  REPLICATE_API_URL: replicate.origin,
});
const ask = (prompts: unknown, secret = 'known') =>
  judge.fetch(
    new Request('https://judge.example/', {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}` },
      body: JSON.stringify({ prompts, model_id: 'a/b', user_id: null }),
    }),
    env(),
  );
const says = (...answers: object[]) =>
  replicate.reply(PATH, ...answers.map((body) => ({ status: 201, body: JSON.stringify(body) })));

test('a prompt that the model calls safe is allowed, and asked once', async () => {
  const before = replicate.deliveries.length;
  says({ status: 'succeeded', output: 'safe' });
  expect(await (await ask(['a fox', 'a fox'])).json()).toEqual({ allow: true });
  const asked = replicate.deliveries.slice(before);
  expect(asked.map(({ body }) => JSON.parse(body))).toEqual([{ input: { prompt: 'a fox' } }]);
});

test('one that it calls unsafe refuses all', async () => {
  says({ status: 'succeeded', output: ['safe'] }, { status: 'succeeded', output: ['unsafe\n', 'S9'] });
  expect(await (await ask(['a fox', 'a bomb'])).json()).toMatchObject({ allow: false });
});

test.each([
  { status: 'processing', output: null },
  { status: 'succeeded', output: 'I cannot tell' },
])('no answer is no judgement: %o', async (answer) => {
  says(answer);
  expect((await ask(['a fox'])).status).toBe(503);
});

test('whoever does not know the secret asks nothing', async () => {
  const before = replicate.deliveries.length;
  expect((await ask(['a fox'], 'guessed')).status).toBe(401);
  expect(replicate.deliveries).toHaveLength(before);
});
