import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as bodyOf } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createServerClient,
  GenerationFailedError,
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
    const body = request.method === 'POST' ? await bodyOf(request).catch(() => undefined) : undefined;
    const { authorization, 'idempotency-key': idempotencyKey } = request.headers;
    asked.push({ call: `${request.method} ${request.url}`, authorization, idempotencyKey, body });
    const [, id = ''] = /^\/generations\/(\w+)$/.exec(request.url ?? '') ?? [];
    const left = states[id] ?? [];
    const state = left.length > 1 ? left.shift() : left[0];
    const answers: Record<string, [number, unknown]> = {
      'POST /start-generation': [202, started],
      'POST /generations/g1/cancel': [200, { generation_id: 'g1', status: 'cancelled' }],
      'GET /models': [200, { models: [] }],
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

  test('follows a batch by its ids, for a list is a user’s', async () => {
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
    await expect(call).rejects.toMatchObject({ name: 'InvalidOptionError', option: 'userId' });
    expect(asked).toEqual([]);
  });

  test('a URL that is none', () => {
    expect(() => pictures({ url: '' })).toThrow(
      'The option url must be the http(s) address of start-generation.',
    );
  });
});
