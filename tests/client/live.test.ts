import { describe, expect, test, vi } from 'vitest';
import { WebSocket as Ws } from 'ws';
import {
  type ClientOptions,
  GenerationFailedError,
  NotFoundError,
  type Progress,
} from '../../client/src/index.ts';
import { brief, clientOf, passUntil, setScene, until } from './live/play.ts';
import type { Kind } from './live/server.ts';

/** The live transports over real sockets, on a clock that the tests move. */

const PARAMS = { prompt: 'a', model_id: 'o/m' };
const scene = setScene();

const KINDS: [string, Kind, Partial<ClientOptions>][] = [
  ['the platform’s WebSocket', 'websocket', {}],
  ['the WebSocket of ws', 'websocket', { WebSocket: Ws }],
  ['server-sent events', 'sse', { live: 'sse' }],
];

describe.each(KINDS)('by %s', (_, kind, options) => {
  test('a generation is told as it happens, with one request for the start and one for the pictures', async () => {
    const result = clientOf(scene.server, options).generate(PARAMS, { onUpdate: scene.note });
    await scene.standing(kind);
    for (const [status, progress] of [
      ['processing', 10],
      ['processing', 45],
      ['downloading', 90],
      ['completed', 100],
    ] as const) {
      scene.server.change('g1', status, progress);
      await until(`${status} is told`, () => scene.updates.at(-1)?.progress === progress);
    }
    expect((await result).images).toHaveLength(1);
    expect(brief(scene.updates)).toEqual([
      'queued 0',
      'processing 10',
      'processing 45',
      'downloading 90',
      'completed 100',
    ]);
    expect(scene.updates.at(-1)).toMatchObject({ imageUrl: 'https://pq.example/g1.webp' });
    expect(scene.server.requests).toEqual(['POST /start-generation', 'GET /generations/g1']);
    expect(scene.server.attempts).toEqual([{ kind, token: 'token', since: null }]);
    await scene.expectQuiet();
  });

  test('all who follow something share one connection', async () => {
    const client = clientOf(scene.server, options);
    scene.server.change('g1', 'queued', 0);
    scene.server.change('g2', 'queued', 0);
    const stops = ['g1', 'g2', 'g1'].map((id) => client.subscribe(id, scene.note));
    stops.push(client.subscribeAll(scene.note));
    await scene.standing(kind);
    await until('all are told', () => scene.updates.length === 5);
    scene.updates = [];
    scene.server.change('g1', 'processing', 10);
    await until('it is told to three', () => scene.updates.length === 3);
    expect(scene.server.attempts).toHaveLength(1);
    for (const stop of stops) stop();
    await scene.expectQuiet();
  });

  test('after a loss it is opened anew, goes on from the last message, and what was missed is told', async () => {
    const stop = await scene.following(clientOf(scene.server, options), kind);
    const [first] = scene.server.of(kind);
    first?.close();
    scene.server.change('g1', 'downloading', 90);
    await passUntil(
      'it is back',
      () => scene.server.of(kind).length === 1 && scene.server.of(kind)[0] !== first,
    );
    await until('what was missed is told', () => scene.updates.at(-1)?.status === 'downloading');
    expect(scene.server.attempts).toHaveLength(2);
    expect(Number(scene.server.attempts[1]?.since)).toBeGreaterThanOrEqual(1_010);
    stop();
    await scene.expectQuiet();
  });

  test('each connection has a fresh token', async () => {
    let number = 0;
    const client = clientOf(scene.server, { ...options, getToken: async () => `token${++number}` });
    const stop = client.subscribeAll(scene.note);
    await scene.standing(kind);
    scene.server.of(kind)[0]?.close(kind === 'websocket' ? 4401 : 1000);
    await passUntil(
      'it is back',
      () => scene.server.attempts.length === 2 && scene.server.of(kind).length === 1,
    );
    const [before, after] = scene.server.attempts.map(({ token }) => token);
    expect(after).not.toBe(before);
    stop();
    await scene.expectQuiet();
  });

  test('a lost message is made up for by a look', async () => {
    const stop = await scene.following(clientOf(scene.server, options), kind);
    const looks = scene.server.requests.length;
    scene.server.change('g1', 'downloading', 90, { lost: true });
    const after = await passUntil('it is noticed', () => scene.updates.at(-1)?.status === 'downloading', 500);
    expect(after).toBeGreaterThan(20_000);
    expect(after).toBeLessThan(40_000);
    expect(scene.server.requests.length - looks).toBe(1);
    stop();
    await scene.expectQuiet();
  });

  test('a picture is never told without its URL: where a message lacks it, a look comes first', async () => {
    const client = clientOf(scene.server, options);
    for (const id of ['g1', 'g2']) scene.server.change(id, 'processing', 10);
    const all: Progress[] = [];
    const stop = client.subscribeAll((update) => all.push(update));
    client.subscribe('g1', scene.note);
    const waiting = client.wait('g2', { onUpdate: scene.note });
    await scene.standing(kind);
    await until('both are told', () => scene.updates.length >= 2 && all.length >= 2);
    for (const id of ['g1', 'g2']) scene.server.change(id, 'completed', 100, { bare: true });
    const done = (updates: Progress[]) => updates.filter(({ status }) => status === 'completed');
    // The clock moves little: no look of the usual ones is due.
    const after = await passUntil('both ends are told', () => done(scene.updates).length === 2, 10);
    expect(after).toBeLessThan(3_000);
    await passUntil('and to who follows all', () => done(all).length === 2, 10);
    for (const { imageUrl } of [...done(scene.updates), ...done(all)]) expect(imageUrl).toMatch(/^https:/);
    expect((await waiting).images).toHaveLength(1);
    stop();
    await scene.expectQuiet();
  });

  test('what a server sends before it has a connection opened anew is no error', async () => {
    const stop = await scene.following(clientOf(scene.server, options), kind);
    const [first] = scene.server.of(kind);
    first?.send(JSON.stringify({ type: 'resume', seq: 1_020 }));
    first?.close(kind === 'websocket' ? 1001 : 1000);
    await until('it has ended', () => scene.server.of(kind).length === 0);
    scene.server.change('g1', 'downloading', 90);
    await passUntil('it is back', () => scene.server.attempts.length === 2);
    await until('nothing was missed', () => scene.updates.at(-1)?.status === 'downloading');
    expect(scene.server.attempts[1]?.since).toBe('1020');
    stop();
    await scene.expectQuiet();
  });

  test('a failure and a cancelling are told', async () => {
    const client = clientOf(scene.server, options);
    const failing = client.generate(PARAMS, { onUpdate: scene.note });
    const failed = expect(failing).rejects.toBeInstanceOf(GenerationFailedError);
    await scene.standing(kind);
    const error = { code: 'content_refused', message: 'The model refused.' };
    scene.server.change('g1', 'failed', 10, { error });
    await failed;
    expect(scene.updates.at(-1)).toMatchObject({ status: 'failed', error });

    const cancelled = client.generate(PARAMS, { onUpdate: scene.note });
    const ends = expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    await until('it has started', () => scene.server.states.has('g2'));
    await client.cancel('g2');
    await ends;
    expect(scene.server.attempts, 'the connection was still there').toHaveLength(1);
    await scene.expectQuiet();
  });

  test('who throws at an update hears of it, and nobody else is disturbed', async () => {
    const client = clientOf(scene.server, options);
    const mine = new Error('mine');
    const errors: unknown[] = [];
    const throwing = ({ progress }: Progress) => {
      if (progress > 10) throw mine;
    };
    scene.server.change('g1', 'processing', 10);
    client.subscribe('g1', throwing, { onError: (error) => errors.push(error) });
    const stop = await scene.following(client, kind);
    await until('the error is told', () => errors.length === 1);
    expect(errors).toEqual([mine]);
    scene.server.change('g1', 'downloading', 90);
    await until('the other one hears on', () => scene.updates.at(-1)?.status === 'downloading');
    expect(scene.server.attempts).toHaveLength(1);
    stop();
    await scene.expectQuiet();
  });

  test('old and repeated messages, and those of a later scene.server, change nothing', async () => {
    const stop = await scene.following(clientOf(scene.server, options), kind);
    const [connection] = scene.server.of(kind);
    const old = scene.server.message('g1');
    scene.server.change('g1', 'downloading', 90);
    connection?.send(old);
    for (const strange of ['{"type":"news","seq":1}', '{"seq":5}', '[]', '"x"']) connection?.send(strange);
    connection?.send(old);
    scene.server.change('g1', 'completed', 100);
    await until('the end is told', () => scene.updates.at(-1)?.status === 'completed');
    expect(brief(scene.updates)).toEqual([
      'processing 10',
      'processing 20',
      'downloading 90',
      'completed 100',
    ]);
    stop();
    await scene.expectQuiet();
  });

  test.each(['while it connects', 'while it stands', 'while it is lost'])('abort %s', async (when) => {
    if (when === 'while it connects') scene.server.manners[kind] = 'hang';
    const controller = new AbortController();
    const call = clientOf(scene.server, options).generate(PARAMS, {
      signal: controller.signal,
      onUpdate: scene.note,
    });
    const ends = expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await until('it tries to connect', () => scene.server.attempts.length > 0);
    if (when !== 'while it connects') await scene.standing(kind);
    if (when === 'while it is lost') {
      scene.server.manners[kind] = 503;
      scene.server.of(kind)[0]?.close();
      await until('it is lost', () => scene.server.connections.size === 0);
    }
    controller.abort();
    await ends;
    await scene.expectQuiet();
    const before = [scene.server.attempts.length, scene.server.requests.length];
    await vi.advanceTimersByTimeAsync(120_000);
    expect([scene.server.attempts.length, scene.server.requests.length], 'nothing is asked any more').toEqual(
      before,
    );
  });
});

describe('all of the user’s generations', () => {
  test.each(['auto', 'polling'] as const)('those that are started elsewhere too, by %s', async (live) => {
    scene.server.change('g1', 'completed', 100);
    scene.server.change('g2', 'processing', 10);
    const ends = new AbortController();
    const client = clientOf(scene.server, { live });
    const read: string[] = [];
    const reading = (async () => {
      for await (const { generationId, status } of client.subscribeAll(undefined, { signal: ends.signal })) {
        read.push(`${generationId} ${status}`);
      }
    })();
    await until('what goes on is told', () => read.length === 1);
    if (live === 'auto') await scene.standing('websocket');
    scene.server.change('g3', 'queued', 0);
    await passUntil('a new one is told', () => read.length === 2);
    scene.server.change('g2', 'completed', 100);
    scene.server.change('g4', 'completed', 100);
    await passUntil('ends are told', () => read.length === 4);
    expect(read.slice(0, 2)).toEqual(['g2 processing', 'g3 queued']);
    expect(read.slice(2).toSorted(), 'but not what had ended before').toEqual([
      'g2 completed',
      'g4 completed',
    ]);
    ends.abort();
    await reading;
    await scene.expectQuiet();
  });

  test('with nothing under way, hardly anything is asked', async () => {
    const stop = clientOf(scene.server).subscribeAll(scene.note);
    await scene.standing('websocket');
    await until('one look', () => scene.server.requests.length === 1);
    await passUntil('four minutes pass', () => Date.now() > scene.startedAt + 200_000, 5_000);
    expect(scene.server.requests).toHaveLength(1);
    stop();
    await scene.expectQuiet();
  });
});

describe('one that is no more, or not the user’s', () => {
  test('is a NotFoundError', async () => {
    const errors: unknown[] = [];
    clientOf(scene.server).subscribe('g9', scene.note, { onError: (error) => errors.push(error) });
    await until('the error is told', () => errors.length === 1);
    expect(errors[0]).toBeInstanceOf(NotFoundError);
    await scene.expectQuiet();
  });

  test('one that has ended is told once, and that is all', async () => {
    scene.server.change('g1', 'completed', 100);
    const read: Progress[] = [];
    for await (const update of clientOf(scene.server).subscribe('g1')) read.push(update);
    expect(brief(read)).toEqual(['completed 100']);
    expect((await clientOf(scene.server).wait('g1')).images).toHaveLength(1);
    await scene.expectQuiet();
  });
});
