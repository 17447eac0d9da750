import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createServerClient, type ServerClient } from '../../client/src/server.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';

/** `createServerClient` against the whole system: a server that starts for its users. */

let stack: TestStack;
let user: TestUser;
let pictures: ServerClient;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  pictures = createServerClient({
    url: stack.addresses.startGenerationUrl,
    secretKey: stack.addresses.secretKey || stack.addresses.serviceRoleKey,
    polling: { minMs: 20, maxMs: 200 },
  });
});
afterAll(() => stack?.stop());

describe('a server', () => {
  test('makes an image that is the user’s', async () => {
    const prompt = 'made by a server';
    const { generation, images } = await pictures.generate({ prompt, model_id: MODEL }, { userId: user.id });
    expect(generation).toMatchObject({ status: 'completed', prompt });
    expect((await fetch(images[0]?.url ?? '')).headers.get('content-type')).toBe('image/webp');
    expect((await user.get(generation.id)).images).toEqual(images);
  });

  test('makes a batch', async () => {
    const prompts = ['the first by a server', 'the second by a server'];
    const { generations } = await pictures.generate({ prompts, model_id: MODEL }, { userId: user.id });
    expect(generations.map(({ prompt, status }) => [prompt, status])).toEqual(
      prompts.map((prompt) => [prompt, 'completed']),
    );
  });

  test('starts once under one key, reads how it stands, and cancels it', async () => {
    const prompt = 'cancelled by a server';
    await stack.simulator.fault(prompt, { hold: 'run' });
    const options = { userId: user.id, idempotencyKey: 'server-1' };
    const { generation_id: id } = await pictures.submit({ prompt, model_id: MODEL }, options);
    expect((await pictures.submit({ prompt, model_id: MODEL }, options)).generation_id).toBe(id);
    await user.reaches(id, 'processing');
    expect(await pictures.status(id)).toMatchObject({ generationId: id, status: 'processing' });
    expect(await pictures.cancel(id)).toMatchObject({ status: 'cancelled' });
    await expect(pictures.result(id)).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('with a key that is not this project’s does nothing', async () => {
    const { startGenerationUrl: url } = stack.addresses;
    const stranger = createServerClient({ url, secretKey: 'sb_secret_of-another-project' });
    await expect(
      stranger.submit({ prompt: 'x', model_id: MODEL }, { userId: user.id }),
    ).rejects.toMatchObject({
      name: 'UnauthorizedError',
    });
  });
});
