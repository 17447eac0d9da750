import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createServerClient, type ServerClient } from '../../client/src/server.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { pictures as pngs } from '../e2e/support/uploads.ts';
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

  test('uploads, lists, reads the usage, marks, makes again and deletes for the user', async () => {
    const { png } = await pngs();
    const ofUser = { userId: user.id };
    const { generation, images } = await pictures.generate(
      {
        prompt: 'a library of a server',
        model_id: 'black-forest-labs/flux-dev',
        operation: 'variation',
        source_id: png,
      },
      ofUser,
    );
    const listed = [];
    for await (const one of pictures.list({ q: 'library of a server' }, ofUser)) listed.push(one.id);
    expect(listed).toEqual([generation.id]);
    expect((await pictures.usage(ofUser)).images.used).toBeGreaterThan(0);
    const id = images[0]?.id ?? '';
    expect(await pictures.markImage(id, { is_favorite: true })).toMatchObject({ is_favorite: true });
    expect(await pictures.markImages([id], { archived: true }, ofUser)).toMatchObject([{ id }]);
    const again = await pictures.rerun(generation.id, { seed: 7 });
    expect((await pictures.result(again.generation_id)).generation).toMatchObject({
      seed: 7,
      parent_id: generation.id,
    });
    await pictures.deleteImage(id);
    await pictures.deleteGeneration(generation.id);
    expect((await user.call('GET', `/generations/${generation.id}`)).status).toBe(404);
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
