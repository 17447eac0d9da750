import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../client/src/index.ts';
import { verifyWebhook } from '../../client/src/webhooks.ts';
import { type Receiver, startReceiver } from '../e2e/support/receiver.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';

/** `verifyWebhook` on what the whole system signs. */

let receiver: Receiver;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  receiver = await startReceiver();
  stack = await TestStack.start({ env: { WEBHOOK_ALLOWED_ORIGINS: receiver.origin } });
  await stack.sql`update private.settings set webhook_allowed_origins = array[${receiver.origin}]`;
  user = await TestUser.signUp(stack);
});
afterAll(async () => {
  await stack?.stop();
  await receiver?.stop();
});

const secretBy = async (name: 'webhook_secret' | 'rotate_webhook_secret'): Promise<string> => {
  const { data, error } = await user.supabase.rpc(name);
  if (error) throw error;
  return data.secret;
};

async function delivered(path: string) {
  const pictures = createClient({ url: stack.addresses.startGenerationUrl, getToken: () => user.token });
  const webhook_url = `${receiver.origin}${path}`;
  const { generation } = await pictures.generate({ prompt: path, model_id: MODEL, webhook_url });
  const [delivery] = await stack.until(`a webhook on ${path}`, async () => {
    const all = receiver.at(path);
    return all.length > 0 && all;
  });
  if (!delivery) throw new Error(`nothing came on ${path}`);
  return { delivery, generation };
}

test('an event is read, and a forged one is not', async () => {
  const secret = await secretBy('webhook_secret');
  const { delivery, generation } = await delivered('/verified');
  const { headers, body } = delivery;
  for (const given of [headers, new Headers(headers)]) {
    const event = await verifyWebhook({ headers: given, body }, secret);
    expect(event).toMatchObject({ type: 'generation.completed', data: { id: generation.id } });
    expect(event.data.images).toEqual(generation.images);
  }
  const forged = { headers, body: body.replace('completed', 'cancelled') };
  await expect(verifyWebhook(forged, secret)).rejects.toMatchObject({ code: 'invalid_webhook' });
});

test('after a rotation the old secret and the new one both fit', async () => {
  const old = await secretBy('webhook_secret');
  const renewed = await secretBy('rotate_webhook_secret');
  expect(renewed).not.toBe(old);
  const { delivery } = await delivered('/rotated');
  for (const secret of [old, renewed]) {
    expect(await verifyWebhook(delivery, secret)).toMatchObject({ data: { prompt: '/rotated' } });
  }
});
