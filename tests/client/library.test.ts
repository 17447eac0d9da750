import { describe, expect, test } from 'vitest';
import { InvalidOptionError, NotFoundError } from '../../client/src/index.ts';
import { createLibrary } from '../../client/src/library.ts';
import { createServerClient } from '../../client/src/server.ts';
import { json, problem, STARTED, script } from './scripted.ts';

/** What the library sends, and what it makes of answers; tests/client/stack-library.test.ts has the real ones. */

const library = (fetch: ReturnType<typeof script>['fetch']) =>
  createLibrary({ url: 'https://pq.example/functions/v1/', getToken: () => 'token', fetch });
const calls = ({ sent }: ReturnType<typeof script>) =>
  sent.map(({ url, request }) => `${request.method} ${url.replace('https://pq.example/functions/v1', '')}`);

test.each<[string, (mine: ReturnType<typeof library>) => Promise<unknown>, string, unknown]>([
  ['rerun', (mine) => mine.rerun('g/1'), 'POST /generations/g%2F1/rerun', {}],
  ['retry', (mine) => mine.retry('g1'), 'POST /generations/g1/retry', undefined],
  ['usage', (mine) => mine.usage(), 'GET /usage', undefined],
  ['markImage', (mine) => mine.markImage('i1', { archived: true }), 'PATCH /images/i1', { archived: true }],
  [
    'markImages',
    (mine) => mine.markImages(['i1', 'i2'], { is_favorite: true }),
    'PATCH /images',
    { ids: ['i1', 'i2'], is_favorite: true },
  ],
  ['deleteGeneration', (mine) => mine.deleteGeneration('g1'), 'DELETE /generations/g1', undefined],
  ['deleteImage', (mine) => mine.deleteImage('i1'), 'DELETE /images/i1', undefined],
])('%s asks the server, as the user', async (_, use, call, body) => {
  const answers = script(json({ images: [] }));
  await use(library(answers.fetch));
  expect(calls(answers)).toEqual([call]);
  const [{ request } = { request: undefined }] = answers.sent;
  expect(request?.headers.authorization).toBe('Bearer token');
  expect(request?.body === undefined ? undefined : JSON.parse(request.body)).toEqual(body);
});

describe('a rerun', () => {
  test('that is sent again is the same one', async () => {
    const answers = script(new Error('reset'), problem(503, 'unavailable'), json(STARTED, 202));
    await library(answers.fetch).rerun('g1', { prompt: 'a hare', seed: null });
    const keys = answers.sent.map(({ request }) => request.headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(answers.sent.map(({ request }) => request.body)).toEqual(
      Array(3).fill('{"prompt":"a hare","seed":null}'),
    );
  });

  test('has a key of its own each time, or the caller’s', async () => {
    const answers = script(json(STARTED, 202));
    const mine = library(answers.fetch);
    await mine.rerun('g1');
    await mine.rerun('g1');
    await mine.rerun('g1', {}, { idempotencyKey: 'k1' });
    const keys = answers.sent.map(({ request }) => request.headers['idempotency-key']);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe('k1');
  });

  test('takes a file as its source, and uploads it first', async () => {
    const answers = script(json({ source_id: 's1' }, 201), json(STARTED, 202));
    await library(answers.fetch).rerun('g1', { source_id: new Blob(['x']) });
    expect(calls(answers)).toEqual(['POST /sources', 'POST /generations/g1/rerun']);
    expect(answers.sent[1]?.request.body).toBe('{"source_id":"s1"}');
  });
});

describe('deleting', () => {
  test.each(['deleteGeneration', 'deleteImage'] as const)('%s: what has gone is gone', async (name) => {
    // The answer to the first attempt is lost; the second one finds nothing.
    const answers = script(new Error('reset'), problem(404, 'not_found'));
    expect(await library(answers.fetch)[name]('x1')).toBeUndefined();
    expect(answers.sent).toHaveLength(2);
  });

  test('what is refused for another reason is said', async () => {
    const answers = script(problem(401, 'unauthorized'));
    await expect(library(answers.fetch).deleteImage('i1')).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

test('what is not there is said, where something was to be made of it', async () => {
  const answers = script(problem(404, 'not_found'));
  await expect(library(answers.fetch).rerun('g1')).rejects.toBeInstanceOf(NotFoundError);
});

test('an aborted call is not sent again', async () => {
  const controller = new AbortController();
  const answers = script(() => {
    controller.abort();
    throw new Error('aborted');
  });
  const call = library(answers.fetch).usage({ signal: controller.signal });
  await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  expect(answers.sent).toHaveLength(1);
});

test('a server tries again with its key', async () => {
  const answers = script(json({ id: 'g1', status: 'queued' }, 202));
  const server = createServerClient({
    url: 'https://pq.example',
    secretKey: 'sb_secret_x',
    fetch: answers.fetch,
  });
  expect(await server.retry('g1')).toMatchObject({ status: 'queued' });
  expect(answers.sent[0]?.request.headers.authorization).toBe('Bearer sb_secret_x');
});

test('an option that is unusable is named', () => {
  expect(() => createLibrary({ url: '', getToken: () => null })).toThrow(InvalidOptionError);
});
