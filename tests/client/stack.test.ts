import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as pq from '../../client/src/index.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import * as shapes from './shapes.ts';

/** `createClient` against the whole system. */

let stack: TestStack;
let user: TestUser;
let client: pq.Client;

const clientOf = (who: TestUser, more: Partial<pq.ClientOptions> = {}) =>
  pq.createClient({
    url: stack.addresses.startGenerationUrl,
    getToken: () => who.token,
    polling: { minMs: 20, maxMs: 200 },
    ...more,
  });

const failure = (promise: Promise<unknown>): Promise<pq.ApiError> =>
  promise.then(
    (value) => expect.unreachable(`it should fail, and came to ${JSON.stringify(value)}`),
    (error) => error,
  );

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const one of all) collected.push(one);
  return collected;
}

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  client = clientOf(user);
});
afterAll(() => stack?.stop());

describe('generate', () => {
  test('a prompt becomes a picture, and its updates go forward', async () => {
    const updates: pq.Progress[] = [];
    const { generation, images } = await client.generate(
      { prompt: 'a heron', model_id: MODEL, width: 1344, height: 768 },
      { onUpdate: (update) => updates.push(update) },
    );
    shapes.generation(generation, 'the generation');
    expect(generation).toMatchObject({ status: 'completed', prompt: 'a heron', width: 1344, height: 768 });
    const picture = await fetch(images[0]?.url ?? '');
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect((await picture.arrayBuffer()).byteLength).toBe(images[0]?.bytes);

    expect(updates[0]).toMatchObject({ generationId: generation.id, status: 'queued', progress: 0 });
    expect(updates.at(-1)).toEqual({
      generationId: generation.id,
      status: 'completed',
      progress: 100,
      queuePosition: null,
      estimatedSeconds: null,
      imageUrl: images[0]?.url,
    });
    const order = ['queued', 'processing', 'downloading', 'completed'];
    const seen = updates.map(({ status }) => order.indexOf(status));
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test('a batch: every picture, in the order of the prompts', async () => {
    const prompts = ['a red boat', 'a green boat', 'a blue boat'];
    const ended = new Set<string>();
    const result = await client.generate(
      { prompts, model_id: MODEL },
      { onUpdate: ({ status, generationId }) => status === 'completed' && ended.add(generationId) },
    );
    expect(result.generations.map(({ prompt }) => prompt)).toEqual(prompts);
    expect(result.images).toHaveLength(3);
    expect(ended).toEqual(new Set(result.generations.map(({ id }) => id)));
    const batch = result.generation.batch_id as string;
    const listed = await collect(client.list({ batch_id: batch }));
    expect(new Set(listed.map(({ id }) => id))).toEqual(ended);
  });

  test('of a batch, what failed is beside what was made', async () => {
    await stack.simulator.fault('a broken boat', { error: 'E005' });
    const { generations, images } = await client.generate({
      prompts: ['a whole boat', 'a broken boat'],
      model_id: MODEL,
    });
    expect(generations.map(({ status }) => status)).toEqual(['completed', 'failed']);
    expect(images).toHaveLength(1);
    shapes.generation(generations[1], 'the failed generation');
  });

  test('a slow model tells how far it is, and its picture is the source of the next', async () => {
    await stack.simulator.fault('a slow boat', { generation_ms: 2_000 });
    const seen: number[] = [];
    const { generation } = await client.generate(
      { prompt: 'a slow boat', model_id: 'black-forest-labs/flux-dev' },
      { onUpdate: ({ progress }) => seen.push(progress) },
    );
    expect(seen.filter((progress) => progress > 10 && progress < 90).length, `of ${seen}`).toBeGreaterThan(0);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));

    const larger = await client.generate({
      prompt: 'larger',
      model_id: 'nightmareai/real-esrgan',
      source_generation_id: generation.id,
    });
    shapes.generation(larger.generation, 'the larger one');
    expect(larger.generation.operation).toBe('upscale');
  });

  test('a failure says why', async () => {
    await stack.simulator.fault('what fails', { error: 'E005' });
    const updates: pq.Progress[] = [];
    const error = await failure(
      client.generate(
        { prompt: 'what fails', model_id: MODEL },
        { onUpdate: (update) => updates.push(update) },
      ),
    );
    expect(error).toBeInstanceOf(pq.GenerationFailedError);
    expect(updates.at(-1)).toMatchObject({
      status: 'failed',
      error: { code: error.code, message: error.message },
    });
    expect(error.message).toMatch(/\.$/);
  });
});

describe('start', () => {
  test('answers at once, in the shape of its type', async () => {
    const one = await client.start({ prompt: 'one', model_id: MODEL });
    shapes.started(one, 'the answer');
    const batch = await client.start({ prompt: 'two', model_id: MODEL, num_images: 2 });
    shapes.started(batch, 'the answer of a batch');
    expect(batch.generations).toHaveLength(2);
    await Promise.all([one, ...(batch.generations ?? [])].map((each) => user.completed(each.generation_id)));
  });

  test('a start whose answer was lost is made once', async () => {
    let sent = 0;
    const lossy: pq.FetchLike = async (url, request) => {
      const answer = await fetch(url, request);
      sent += 1;
      if (sent === 1) throw new TypeError('connection reset');
      return answer;
    };
    const started = await clientOf(user, { fetch: lossy }).start({ prompt: 'made once', model_id: MODEL });
    expect(sent).toBe(2);
    const rows = await stack.sql`select id from public.image_generations where prompt = 'made once'`;
    expect(rows).toMatchObject([{ id: started.generation_id }]);
    await user.completed(started.generation_id);
  });

  test('one key for two calls is one generation, and for two requests an IdempotencyMismatchError', async () => {
    const idempotencyKey = crypto.randomUUID();
    const start = (prompt: string) => client.start({ prompt, model_id: MODEL }, { idempotencyKey });
    const [first, second] = [await start('same'), await start('same')];
    expect(second.generation_id).toBe(first.generation_id);
    expect(await failure(start('other'))).toBeInstanceOf(pq.IdempotencyMismatchError);
    await user.completed(first.generation_id);
  });
});

describe('get, cancel, subscribe, list, models', () => {
  const held = async (prompt: string) => {
    await stack.simulator.fault(prompt, { hold: 'run' });
    const { generation_id } = await client.start({ prompt, model_id: MODEL });
    await user.reaches(generation_id, 'processing');
    return generation_id;
  };

  test('what runs is cancelled, and whoever follows it hears of that', async () => {
    const id = await held('a long one');
    const reading = collect(client.subscribe(id));
    const last = new Promise<pq.Progress>((resolve) => {
      client.subscribe(id, (update) => update.status === 'cancelled' && resolve(update));
    });
    const answer = await client.cancel(id);
    shapes.cancelled(answer, 'the answer');
    expect(answer).toEqual({ generation_id: id, status: 'cancelled' });
    expect((await reading).at(-1)).toMatchObject({ generationId: id, status: 'cancelled' });
    expect(await last).toMatchObject({ generationId: id, status: 'cancelled' });
    shapes.generation(await client.get(id), 'the cancelled generation');
  });

  test('what has ended is a ConflictError', async () => {
    const { generation } = await client.generate({ prompt: 'over', model_id: MODEL });
    const error = await failure(client.cancel(generation.id));
    expect(error).toBeInstanceOf(pq.ConflictError);
    expect(error.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('lists by generation and by page', async () => {
    const other = await TestUser.signUp(stack);
    const own = clientOf(other);
    const { generations = [] } = await own.start({ prompt: 'listed', model_id: MODEL, num_images: 5 });
    await Promise.all(generations.map(({ generation_id }) => other.completed(generation_id)));
    const pages = await collect(own.list({ limit: 2 }).pages());
    expect(pages.map((page) => page.generations.length)).toEqual([2, 2, 1]);
    const all = await collect(own.list({ limit: 2, status: 'completed' }));
    expect(all).toEqual(pages.flatMap((page) => page.generations));
    const rest = own.list({ limit: 3, cursor: pages[0]?.next_cursor ?? '' });
    expect(await collect(rest)).toEqual(all.slice(2));
    expect(await collect(own.list({ status: 'failed' }))).toEqual([]);
  });

  test('models, without a token, by the platform’s own fetch', async () => {
    const getToken = () => expect.unreachable('models() needs no token');
    const models = await clientOf(user, { getToken, fetch }).models();
    expect(models.length).toBeGreaterThan(30);
    for (const model of models) shapes.model(model, model.id);
  });
});

describe('those who keep ids', () => {
  test('submit, ask for the status, and fetch the result', async () => {
    const { generation_id: id } = await client.submit({ prompt: 'kept by its id', model_id: MODEL });
    expect(await client.status(id)).toMatchObject({
      generationId: id,
      status: expect.stringMatching(/^(queued|processing|downloading|completed)$/),
    });
    const { images } = await client.result(id);
    expect(await client.status(id)).toEqual({
      generationId: id,
      status: 'completed',
      progress: 100,
      queuePosition: null,
      estimatedSeconds: null,
      imageUrl: images[0]?.url,
    });
  });

  test('several at once, in the order of their ids', async () => {
    const prompts = ['the first of two', 'the second of two'];
    const started = await Promise.all(prompts.map((prompt) => client.submit({ prompt, model_id: MODEL })));
    const ids = started.map(({ generation_id }) => generation_id).reverse();
    const { generations, images } = await client.result(ids);
    expect(generations.map(({ id }) => id)).toEqual(ids);
    expect(images).toHaveLength(2);
  });

  test('a cancelled one has no result', async () => {
    await stack.simulator.fault('cancelled by its id', { hold: 'run' });
    const { generation_id: id } = await client.submit({ prompt: 'cancelled by its id', model_id: MODEL });
    expect(await client.cancel(id)).toMatchObject({ generation_id: id, status: 'cancelled' });
    expect(await client.status(id)).toMatchObject({ status: 'cancelled' });
    const error = await failure(client.result(id));
    expect(error).toBeInstanceOf(pq.GenerationFailedError);
    expect(error).toMatchObject({ code: 'cancelled' });
  });
});

describe('uploadSource', () => {
  const png = () =>
    sharp({ create: { width: 96, height: 64, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();

  test('what is uploaded is the source of a picture', async () => {
    const bytes = await png();
    const source = await client.uploadSource(new Blob([new Uint8Array(bytes)], { type: 'image/png' }));
    shapes.source(source, 'the source');
    expect(source).toMatchObject({ format: 'png', bytes: bytes.length, width: 96, height: 64 });
    const { generation, images } = await client.generate({
      prompt: 'larger',
      model_id: 'nightmareai/real-esrgan',
      source_id: source.source_id,
    });
    expect(generation).toMatchObject({ status: 'completed', operation: 'upscale' });
    expect((await fetch(images[0]?.url ?? '')).status).toBe(200);
  });

  test('a file is the source of a picture, without a call of its own', async () => {
    const file = new File([new Uint8Array(await png())], 'photo.jpg');
    const { generation } = await client.generate({
      prompt: 'larger, at once',
      model_id: 'nightmareai/real-esrgan',
      source_id: file,
    });
    expect(generation).toMatchObject({ status: 'completed', operation: 'upscale' });
  });

  test('bytes, whose type is seen from them', async () => {
    const bytes = new Uint8Array(await png());
    expect(await client.uploadSource(bytes)).toMatchObject({ format: 'png' });
    expect(await client.uploadSource(bytes.buffer)).toMatchObject({ format: 'png' });
  });

  test('what cannot be used is refused', async () => {
    const text = new Blob(['no picture'], { type: 'text/plain' });
    expect(await failure(client.uploadSource(text))).toBeInstanceOf(pq.UnsupportedMediaTypeError);
    const half = new Uint8Array((await png()).subarray(0, 20));
    expect(await failure(client.uploadSource(half))).toBeInstanceOf(pq.InvalidImageError);
    const unknown = { prompt: 'p', model_id: 'nightmareai/real-esrgan', source_id: crypto.randomUUID() };
    expect(await failure(client.start(unknown))).toBeInstanceOf(pq.NotFoundError);
  });
});

describe('refusals', () => {
  test('the classes of what an app meets', async () => {
    const start = (params: Record<string, unknown>) =>
      failure(client.start({ prompt: 'p', model_id: MODEL, ...params }));
    const invalid = await start({ prompt: ' ' });
    expect(invalid).toBeInstanceOf(pq.InvalidRequestError);
    expect(invalid).toMatchObject({ status: 400, field: 'prompt' });
    expect(invalid.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(await start({ model_id: 'no/such' })).toBeInstanceOf(pq.UnknownModelError);
    expect(await start({ operation: 'upscale' })).toBeInstanceOf(pq.UnsupportedError);
    expect(await start({ style: 'x'.repeat(70_000) })).toBeInstanceOf(pq.BodyTooLargeError);
    expect(await failure(client.get(crypto.randomUUID()))).toBeInstanceOf(pq.NotFoundError);
    const signedOut = clientOf(user, { getToken: () => null });
    expect(await failure(signedOut.get('x'))).toBeInstanceOf(pq.UnauthorizedError);
  });

  test('a quota names itself and when to come back', async () => {
    const poor = await TestUser.signUp(stack);
    await stack.sql`insert into private.plans (name, requests_per_minute, images_per_day, priorities)
      values ('client-day', 100, 1, '{normal}')`;
    await stack.sql`insert into private.user_plans values (${poor.id}, 'client-day')`;
    const own = clientOf(poor);
    const first = await own.start({ prompt: 'first', model_id: MODEL });
    const error = await failure(own.start({ prompt: 'second', model_id: MODEL }));
    expect(error).toBeInstanceOf(pq.QuotaExceededError);
    expect(error).toMatchObject({ status: 429, limit: 'images_per_day' });
    expect(error.retryAfter).toBeGreaterThan(0);
    await poor.completed(first.generation_id);
  });
});
