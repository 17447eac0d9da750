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

describe.each(['websocket', 'sse', 'polling'] as const)('updates by %s', (live) => {
  /** A client whose looks would come too late for these tests, where it is live, and all that it sends. */
  const spied = (who: TestUser) => {
    const sent: string[] = [];
    const own = clientOf(who, {
      live,
      polling: live === 'polling' ? { minMs: 20, maxMs: 200 } : {},
      fetch: (url, request) => {
        sent.push(`${request.method} ${new URL(url).pathname.replace(/[0-9a-f-]{36}/, '{id}')}`);
        return fetch(url, request);
      },
    });
    return { own, sent };
  };

  test('from the start to the picture, forward only', async () => {
    const { own, sent } = spied(user);
    const prompt = `told by ${live}`;
    await stack.simulator.fault(prompt, { generation_ms: 1_500 });
    const updates: pq.Progress[] = [];
    const { images } = await own.generate(
      { prompt, model_id: 'black-forest-labs/flux-dev' },
      { onUpdate: (update) => updates.push(update) },
    );
    const statuses = [...new Set(updates.map(({ status }) => status))];
    expect(statuses.slice(0, 2)).toEqual(['queued', 'processing']);
    expect(updates.at(-1)).toMatchObject({ status: 'completed', imageUrl: images[0]?.url });
    expect((await fetch(images[0]?.url ?? '')).status).toBe(200);
    const progress = updates.map((update) => update.progress);
    expect(
      progress.filter((percent) => percent > 10 && percent < 90).length,
      `of ${progress}`,
    ).toBeGreaterThan(0);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    if (live === 'polling') return;
    expect(sent.filter((one) => one !== 'GET /events').length, `no polling: ${sent}`).toBeLessThanOrEqual(3);
  });

  test('of everything, also what is started elsewhere, failed and cancelled', async () => {
    const other = await TestUser.signUp(stack);
    const { own } = spied(other);
    const heard: pq.Progress[] = [];
    const stop = own.subscribeAll((update) => heard.push(update));
    const last = (id: string) => heard.findLast(({ generationId }) => generationId === id);

    await stack.simulator.faults([
      { match: { prompt: 'elsewhere fails' }, fault: { error: 'E005' } },
      { match: { prompt: 'elsewhere hangs' }, fault: { hold: 'run' } },
    ]);
    const elsewhere = clientOf(other, { live: 'polling' });
    const start = async (prompt: string) =>
      (await elsewhere.start({ prompt, model_id: MODEL })).generation_id;
    const [made, failed, held] = [
      await start('elsewhere'),
      await start('elsewhere fails'),
      await start('elsewhere hangs'),
    ];
    await stack.until('the third runs', async () => last(held)?.status === 'processing');
    await elsewhere.cancel(held);
    await stack.until('all ends are told', async () =>
      [made, failed, held].every((id) =>
        ['completed', 'failed', 'cancelled'].includes(last(id)?.status ?? ''),
      ),
    );
    expect([made, failed, held].map((id) => last(id)?.status)).toEqual(['completed', 'failed', 'cancelled']);
    expect(last(made)?.imageUrl).toMatch(/^http/);
    expect(last(failed)?.error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
    stop();
  });

  test('the Workers die while somebody follows: what happens afterwards is told', async () => {
    const { own } = spied(user);
    const prompt = `survives by ${live}`;
    await stack.simulator.fault(prompt, { hold: 'run' });
    const { generation_id } = await own.start({ prompt, model_id: MODEL });
    const heard: pq.Progress[] = [];
    const stop = own.subscribe(generation_id, (update) => heard.push(update));
    await stack.until('it runs', async () => heard.at(-1)?.status === 'processing');
    await stack.killWorkers();
    await clientOf(user, { live: 'polling' }).cancel(generation_id);
    await stack.until('its end is told', async () => heard.at(-1)?.status === 'cancelled');
    stop();
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
