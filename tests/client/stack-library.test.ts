import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, createClient } from '../../client/src/index.ts';
import { createLibrary, type Library } from '../../client/src/library.ts';
import { createServerClient } from '../../client/src/server.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';

/** `createLibrary` against the whole system. */

let stack: TestStack;
let pictures: Client;
let library: Library;

beforeAll(async () => {
  stack = await TestStack.start();
  const user = await TestUser.signUp(stack);
  const options = {
    url: stack.addresses.startGenerationUrl,
    getToken: () => user.token,
    polling: { minMs: 20, maxMs: 200 },
  };
  pictures = createClient(options);
  library = createLibrary(options);
});
afterAll(() => stack?.stop());

const make = async (prompt: string) => {
  const { generation } = await pictures.generate({ prompt, model_id: MODEL });
  const [image] = generation.images;
  if (!image) throw new Error('no image was made');
  return { generation, image };
};

describe('a user', () => {
  test('makes one again, with another prompt and the same seed, and with another seed', async () => {
    const { generation: first } = await make('a loft');
    const { generation: second } = await pictures.wait(await library.rerun(first.id, { prompt: 'a barn' }));
    expect(second).toMatchObject({
      status: 'completed',
      prompt: 'a barn',
      parent_id: first.id,
      seed: first.seed,
    });
    const { generation: third } = await pictures.wait(await library.rerun(first.id, { seed: null }));
    expect(third).toMatchObject({ prompt: 'a loft', parent_id: first.id });
    expect(third.seed).not.toBe(first.seed);
  });

  test('marks one image, and several, and finds them by their marks', async () => {
    const { generation: mill, image } = await make('a mill');
    const { image: other } = await make('a well');
    expect(await library.markImage(image.id, { is_favorite: true })).toMatchObject({ is_favorite: true });
    const found: string[] = [];
    for await (const { id } of pictures.list({ favorite: true })) found.push(id);
    expect(found).toEqual([mill.id]);
    const unknown = '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11';
    const marked = await library.markImages([image.id, unknown, other.id], { archived: true });
    expect(marked.map(({ id, archived_at }) => [id, archived_at !== null])).toEqual([
      [image.id, true],
      [other.id, true],
    ]);
  });

  test('deletes an image, and a generation, and once more', async () => {
    const { generation, image } = await make('a bridge');
    await library.deleteImage(image.id);
    expect((await pictures.get(generation.id)).images).toEqual([]);
    await library.deleteGeneration(generation.id);
    await expect(pictures.get(generation.id)).rejects.toMatchObject({ code: 'not_found' });
    await library.deleteGeneration(generation.id);
    await library.deleteImage(image.id);
  });

  test('sees what is used of the plan', async () => {
    const before = await library.usage();
    await make('a vane');
    const after = await library.usage();
    expect(after.plan).toEqual(before.plan);
    expect(after.images.used).toBe(before.images.used + 1);
    expect(after.money.used).toBeGreaterThan(before.money.used);
  });
});

test('a failed one is tried again, by its user and by a server', async () => {
  const server = createServerClient({
    url: stack.addresses.startGenerationUrl,
    secretKey: stack.addresses.secretKey || stack.addresses.serviceRoleKey,
  });
  const { generation_id: id } = await pictures.start({ prompt: 'a ruin', model_id: MODEL });
  await pictures.wait(id).catch(() => {});
  const fail = () => stack.sql`update public.image_generations set status = 'failed' where id = ${id}`;
  for (const retry of [library.retry, server.retry]) {
    await fail();
    const retried = await retry(id);
    expect(retried).toMatchObject({ id, status: 'queued' });
    await pictures.wait(id);
  }
});
