import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LiveStream } from './support/live.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { pictures, uploadSource } from './support/uploads.ts';
import { type Answer, call, type Generation, MODEL, TestUser } from './support/user.ts';

/** What a request says is done, told as an adjustment or refused with the way out: never passed over. */

let stack: TestStack;
let user: TestUser;
beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const url = (path: string) => `${stack.addresses.startGenerationUrl}${path}`;
const get = (path: string) => user.call<Record<string, unknown>>('GET', path);
const DEV = 'black-forest-labs/flux-dev';
const REMOVER = '851-labs/background-remover';

describe('a query', () => {
  test.each([
    ['/generations?favourite=true', 'favourite', 'Did you mean favorite?'],
    ['/generations?is_favorite=true', 'is_favorite', 'Did you mean favorite?'],
    ['/generations?limit=5&prompt=fox', 'prompt', 'Did you mean q?'],
    ['/generations?page=2', 'page', 'Did you mean cursor?'],
    ['/generations?offset=1', 'offset', 'Did you mean cursor?'],
    ['/generations?model=flux-dev', 'model', 'Did you mean model_id?'],
    ['/generations?sort=asc', 'sort', 'GET /openapi.json lists its parameters.'],
    ['/models?operation=edit', 'operation', 'GET /openapi.json lists its parameters.'],
    ['/usage?month=11', 'month', 'GET /openapi.json lists its parameters.'],
    ['/events?seq=7', 'seq', 'Did you mean since?'],
    ['/functions/v1/generations?page=2', 'page', 'Did you mean cursor?'],
  ])('%s', async (path, field, hint) => {
    expectProblem(await get(path), 400, 'invalid_request', {
      field,
      detail: `${field} is not a parameter of this path. ${hint}`,
    });
  });

  test.each([
    '/generations?limit=5&apikey=sb_publishable_x&forceFunctionRegion=eu-west-1',
    '/models?apikey=sb_publishable_x',
    '/openapi.json?_=1795513424',
    '/health?probe=1',
  ])('%s is answered', async (path) => {
    const { status, body } = await get(path);
    expect(status, JSON.stringify(body)).toBe(200);
  });

  test('a time is taken as an answer has it, with its plus', async () => {
    const { generation_id } = await user.start({ prompt: 'a clock' });
    const { body } = await get(`/generations/${generation_id}`);
    expect(body.created_at).toMatch(/\+00:00$/);
    const before = await get(`/generations?created_before=${body.created_at}`);
    expect(before.status, JSON.stringify(before.body)).toBe(200);
    expect(before.body.generations).toEqual([]);
  });
});

describe('a body where there is nothing to say', () => {
  let cancel: string;
  let retry: string;
  beforeAll(async () => {
    const { urls } = await user.start({
      prompt: 'much later',
      scheduled_at: new Date(Date.now() + 3_600_000).toISOString(),
    });
    cancel = new URL(urls.cancel).pathname;
    retry = cancel.replace(/cancel$/, 'retry');
  });

  test.each([
    ['{"xyzzy":1}', 'xyzzy'],
    ['[]', 'body'],
    ['now', 'body'],
  ])('%s is refused', async (body, field) => {
    for (const path of ['/process-queue', retry, cancel])
      expectProblem(await user.call('POST', path, body), 400, 'invalid_request', { field });
  });

  test('none, and an empty object, are taken', async () => {
    for (const body of [undefined, '', {}]) {
      expect((await user.call('POST', '/process-queue', body)).status).toBe(202);
      expect((await user.call('POST', cancel, body)).status).toBe(200);
    }
  });
});

describe('who does not sign in is told what is wrong with what came', () => {
  test.each([
    ['no word Bearer', { authorization: 'eyJ.eyJ.x' }, /the word Bearer/],
    ['the publishable key', { apikey: 'sb_publishable_x' }, /API key signs nobody in/],
    ['it as the token', { authorization: 'Bearer sb_publishable_x' }, /API key signs nobody in/],
    ['nothing', {}, /carries no access token/],
  ])('%s', async (_, headers, detail) => {
    for (const path of ['/generations', '/generations/00000000-0000-4000-8000-000000000000']) {
      const answer = await call('GET', url(path), { headers: headers as Record<string, string> });
      expectProblem(answer, 401, 'unauthorized', { detail: expect.stringMatching(detail) });
    }
  });
});

describe('a model that takes no prompt', () => {
  test('needs none, and keeps one as a title', async () => {
    const { png } = await pictures();
    const { source_id, expires_at } = await uploadSource(user, png, 'image/png');
    expect(expires_at, 'as every other time').toMatch(/\+00:00$/);
    const request = { model_id: REMOVER, source_id };
    for (const [prompt, kept] of [
      [undefined, ''],
      ['', ''],
      ['My cat', 'My cat'],
    ]) {
      const { generation_id } = await user.start({ ...request, prompt });
      const done = (await user.completed(generation_id)) as Generation & { prompt: string };
      expect([done.prompt, done.operation, done.adjustments]).toEqual([kept, 'remove_background', []]);
    }
    const batch = await user.start({ ...request, num_images: 2 });
    expect(batch.generations).toHaveLength(2);
    const [first] = batch.generations ?? [];
    await user.completed(first?.generation_id ?? '');
    const again = await user.call('POST', `/generations/${first?.generation_id}/rerun`);
    expect(again.status, JSON.stringify(again.body)).toBe(202);
    // The other door.
    const direct = (more: object) =>
      user.supabase.rpc('start_generation', { p_request: { ...request, ...more } });
    expect((await direct({})).error).toBeNull();
    expect((await direct({ model_id: MODEL, source_id: null })).error?.message).toMatch(/^prompt must be/);
  });

  test('is found by its title', async () => {
    const { body } = await get('/generations?q=cat');
    expect(body.generations).toHaveLength(1);
  });
});

test('with a source image and no operation the model’s edit or variation is meant', async () => {
  const { png } = await pictures();
  const { source_id } = await uploadSource(user, png, 'image/png');
  for (const [model_id, more, operation] of [
    [DEV, {}, 'variation'],
    [DEV, { operation: 'generate' }, 'generate'],
    ['black-forest-labs/flux-2-pro', {}, 'edit'],
  ] as const) {
    const { generation_id } = await user.start({ model_id, source_id, prompt: 'as a drawing', ...more });
    expect(await user.completed(generation_id)).toMatchObject({ operation });
  }
});

test('a negative prompt that was left out is answered as a style is: null', async () => {
  const { generation_id } = await user.start({
    model_id: DEV,
    prompt: 'a fox',
    style: 'anime',
    negative_prompt: 'ugly',
    model_version: 'f'.repeat(64),
  });
  const answer = await user.completed(generation_id);
  expect(answer).toMatchObject({ style: null, negative_prompt: null });
  expect(answer.adjustments).toMatchObject([
    { field: 'negative_prompt', requested: 'ugly', used: null },
    { field: 'style', requested: 'anime', used: null },
    { field: 'model_version', requested: 'f'.repeat(64), used: DEV },
  ]);
});

describe('where a stream goes on', () => {
  let id: string;
  beforeAll(async () => {
    id = (await user.start({ prompt: 'ended long ago' })).generation_id;
    await user.completed(id);
  });
  const open = (query: string, headers: Record<string, string> = {}): Promise<Answer> =>
    user.call('GET', `/events${query}`, undefined, { accept: 'text/event-stream', ...headers });

  test.each(['abc', '-1', '9'.repeat(20), '1795529400123000'])('since=%s is refused', async (since) => {
    expectProblem(await open(`?since=${since}`), 400, 'invalid_request', { field: 'since' });
  });

  test('a Last-Event-ID of another server misses no end', async () => {
    const stream = await LiveStream.open(user, { headers: { 'last-event-id': 'abc' } });
    await stream.hears('ready', ({ type }) => type === 'ready');
    expect(stream.about(id)).toMatchObject([{ status: 'completed' }]);
    stream.close();
  });
});
