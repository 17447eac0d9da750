import { describe, expect, test } from 'vitest';
import { NotFoundError } from '../../client/src/index.ts';
import { createLibrary } from '../../client/src/library.ts';
import { verifyWebhook } from '../../client/src/webhooks.ts';
import { client, json, problem, script } from './scripted.ts';

/** What a caller gets wrong is said in a sentence, and never read as something else. */

const URL_OF_API = 'https://pq.example/functions/v1';
const library = (fetch: ReturnType<typeof script>['fetch']) =>
  createLibrary({ url: URL_OF_API, getToken: () => 'token', fetch });

describe('an id that is missing is nobody’s, and no list is asked for in its place', () => {
  const server = script(problem(404, 'not_found'));
  const mine = client(server.fetch);
  const shelf = library(server.fetch);
  test.each<[string, (id: string) => Promise<unknown>]>([
    ['get', mine.get],
    ['status', mine.status],
    ['cancel', mine.cancel],
    ['rerun', shelf.rerun],
    ['retry', shelf.retry],
    ['markImage', (id) => shelf.markImage(id, { archived: true })],
  ])('%s', async (_, call) => {
    for (const id of ['', undefined, null] as string[]) {
      await expect(call(id)).rejects.toBeInstanceOf(NotFoundError);
      expect(server.sent.at(-1)?.url).toMatch(/\/(generations|images)\/0\b/);
    }
  });
});

test('a filter that is null is none', async () => {
  const { fetch, sent } = script(json({ generations: [], next_cursor: null }));
  const list = client(fetch).list({ status: null, q: 'fox' } as object);
  await list.pages()[Symbol.asyncIterator]().next();
  expect(sent[0]?.url).toBe(`${URL_OF_API}/generations?q=fox`);
});

test('an answer that says nothing is told with whom it came from', async () => {
  const { fetch } = script(json({ message: 'no Route matched' }, 404));
  const lost = client(fetch).get('g1');
  await expect(lost).rejects.toBeInstanceOf(NotFoundError);
  await expect(lost).rejects.toThrow(`${URL_OF_API}/generations/g1 answered 404.`);
});

test('a rerun takes files wherever a start does', async () => {
  const answers = script(
    json({ source_id: 's1' }, 201),
    json({ source_id: 's2' }, 201),
    json({ source_id: 's3' }, 201),
    json({}, 202),
  );
  const changes = {
    source_id: new Blob(['x']),
    sources: [new Blob(['y']), { source_generation_id: 'g0' }],
    mask: new Blob(['z']),
  };
  await library(answers.fetch).rerun('g1', changes);
  expect(JSON.parse(answers.sent[3]?.request.body)).toEqual({
    source_id: 's1',
    sources: ['s2', { source_generation_id: 'g0' }],
    mask: 's3',
  });
});

test.each([undefined, null, { body: '{}' }])(
  'a webhook without headers (%j) is asked for',
  async (request) => {
    await expect(verifyWebhook(request as never, 'whsec_AAAA')).rejects.toMatchObject({
      name: 'InvalidOptionError',
      option: 'request',
    });
  },
);
