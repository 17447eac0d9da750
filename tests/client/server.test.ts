import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as bodyOf } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createServerClient,
  GenerationFailedError,
  InvalidOptionError,
  type ServerClientOptions,
  TimeoutError,
} from '../../client/src/server.ts';
import { COMPLETED, generation, STARTED } from './scripted.ts';

/** What `createServerClient` sends, over real connections; the answers are recorded ones. */

const USER = '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11';
const KEY = 'sb_secret_key-of-a-project';
const PARAMS = { prompt: 'a fox', model_id: 'o/m' };

interface Asked {
  call: string;
  authorization: string | undefined;
  idempotencyKey: unknown;
  body: unknown;
}

let asked: Asked[];
/** The next states of each generation; the last one stays. */
let states: Record<string, object[]>;
let started: object;
let server: http.Server;
let url: string;

beforeEach(async () => {
  asked = [];
  states = { g1: [generation('queued', 0), generation('processing', 10), COMPLETED] };
  started = STARTED;
  server = http.createServer(async (request, response) => {
    const body =
      request.method === 'POST' || request.method === 'PATCH'
        ? await bodyOf(request).catch(() => undefined)
        : undefined;
    const { authorization, 'idempotency-key': idempotencyKey } = request.headers;
    asked.push({ call: `${request.method} ${request.url}`, authorization, idempotencyKey, body });
    const [, id = ''] = /^\/generations\/(\w+)$/.exec(request.url ?? '') ?? [];
    const left = states[id] ?? [];
    const state = left.length > 1 ? left.shift() : left[0];
    const answers: Record<string, [number, unknown]> = {
      'POST /start-generation': [202, started],
      'POST /generations/g1/cancel': [200, { generation_id: 'g1', status: 'cancelled' }],
      'GET /models': [200, { models: [] }],
      [`GET /usage?user_id=${USER}`]: [200, { plan: { name: 'default' } }],
      [`GET /generations?status=failed&user_id=${USER}`]: [
        200,
        { generations: [COMPLETED], next_cursor: null },
      ],
      'PATCH /images': [200, { images: [{ id: 'i1' }] }],
      'PATCH /images/i1': [200, { id: 'i1' }],
      'DELETE /images/i1': [200, { id: 'i1', deleted: true }],
      'DELETE /generations/g1': [200, { id: 'g1', deleted: true }],
      'POST /generations/g1/rerun': [202, STARTED],
      [`POST /sources?user_id=${USER}`]: [201, { source_id: 's1' }],
    };
    const [status, answer] = answers[`${request.method} ${request.url}`] ?? [state ? 200 : 404, state ?? {}];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const pictures = (more: Partial<ServerClientOptions> = {}) =>
  createServerClient({ url, secretKey: KEY, polling: { minMs: 1, maxMs: 2 }, ...more });
const calls = () => asked.map(({ call }) => call);

describe('createServerClient', () => {
  test('submits in the name of a user, with the secret key', async () => {
    expect(await pictures().submit(PARAMS, { userId: USER, idempotencyKey: 'i1' })).toEqual(STARTED);
    expect(asked).toEqual([
      {
        call: 'POST /start-generation',
        authorization: `Bearer ${KEY}`,
        idempotencyKey: 'i1',
        body: { ...PARAMS, user_id: USER },
      },
    ]);
  });

  test('generates, and polls with the key', async () => {
    const seen: string[] = [];
    const onUpdate = ({ status }: { status: string }) => seen.push(status);
    const { images } = await pictures().generate(PARAMS, { userId: USER, onUpdate });
    expect(images).toEqual(COMPLETED.images);
    expect(seen).toEqual(['queued', 'processing', 'completed']);
    expect(calls()).toEqual(['POST /start-generation', ...Array(3).fill('GET /generations/g1')]);
    expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${KEY}`]));
    expect(asked[0]).toMatchObject({ idempotencyKey: expect.any(String), body: { user_id: USER } });
  });

  test('follows a batch by its ids', async () => {
    started = { ...STARTED, batch_id: 'b1', generations: [STARTED, { ...STARTED, generation_id: 'g2' }] };
    states.g2 = [{ ...COMPLETED, id: 'g2' }];
    const { generations } = await pictures().generate({ ...PARAMS, num_images: 2 }, { userId: USER });
    expect(generations.map(({ id }) => id)).toEqual(['g1', 'g2']);
    expect(calls().filter((call) => /\?|\/generations$/.test(call))).toEqual([]);
  });

  test('asks for the status, cancels, fetches the result, and lists the models', async () => {
    const server = pictures();
    expect(await server.status('g1')).toMatchObject({ generationId: 'g1', status: 'queued' });
    expect(await server.cancel('g1')).toEqual({ generation_id: 'g1', status: 'cancelled' });
    states.g1 = [generation('cancelled', 0)];
    await expect(server.result('g1')).rejects.toBeInstanceOf(GenerationFailedError);
    expect(await server.models()).toEqual([]);
    expect(
      asked.find(({ call }) => call === 'GET /models')?.authorization,
      'it needs no key',
    ).toBeUndefined();
  });

  test('lists, and reads the usage, of the user that is named', async () => {
    const server = pictures();
    const failed: string[] = [];
    for await (const { id } of server.list({ status: 'failed' }, { userId: USER })) failed.push(id);
    expect(failed).toEqual(['g1']);
    expect((await server.usage({ userId: USER })).plan.name).toBe('default');
    expect(await server.markImages(['i1'], { archived: true }, { userId: USER })).toEqual([{ id: 'i1' }]);
    expect(asked.at(-1)?.body).toEqual({ ids: ['i1'], archived: true, user_id: USER });
  });

  test('by its id makes again, marks and deletes, and names nobody', async () => {
    const server = pictures();
    expect(await server.rerun('g1', { seed: null }, { idempotencyKey: 'i2' })).toEqual(STARTED);
    expect(asked.at(-1)).toMatchObject({ idempotencyKey: 'i2', body: { seed: null } });
    expect(await server.markImage('i1', { is_favorite: true })).toEqual({ id: 'i1' });
    await server.deleteImage('i1');
    await server.deleteGeneration('g1');
    expect(calls().some((call) => call.includes(USER))).toBe(false);
    expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${KEY}`]));
  });

  test('uploads for the user that is named, by itself and within a start', async () => {
    const server = pictures();
    const file = new Blob(['a picture']);
    expect(await server.uploadSource(file, { userId: USER })).toEqual({ source_id: 's1' });
    await server.submit({ ...PARAMS, source_id: file }, { userId: USER });
    expect(calls().slice(1)).toEqual([`POST /sources?user_id=${USER}`, 'POST /start-generation']);
    expect(asked.at(-1)?.body).toEqual({ ...PARAMS, source_id: 's1', user_id: USER });
  });

  test('ends with its time', async () => {
    states.g1 = [generation('processing', 10)];
    const call = pictures({ maxWaitMs: 60_000 }).generate(PARAMS, { userId: USER, maxWaitMs: 50 });
    await expect(call).rejects.toBeInstanceOf(TimeoutError);
  });
});

describe('what is refused before anything is sent', () => {
  test.each([[undefined], [''], ['sb_secret_a b']])('the key %j', (secretKey) => {
    expect(() => pictures({ secretKey: secretKey as string })).toThrow(
      'The option secretKey must be the secret key of the Supabase project.',
    );
  });

  test.each([[undefined], [''], ['g1']])('the user %j', async (userId) => {
    const call = pictures().generate(PARAMS, { userId: userId as string });
    const wrong = { name: 'InvalidOptionError', option: 'userId' };
    await expect(call).rejects.toMatchObject(wrong);
    await expect(pictures().usage({ userId: userId as string })).rejects.toMatchObject(wrong);
    await expect(pictures().markImages([], {}, { userId: userId as string })).rejects.toMatchObject(wrong);
    expect(() => pictures().list({}, { userId: userId as string })).toThrow(InvalidOptionError);
    expect(asked).toEqual([]);
  });

  test('a URL that is none', () => {
    expect(() => pictures({ url: '' })).toThrow(
      'The option url must be the http(s) address of start-generation.',
    );
  });
});
