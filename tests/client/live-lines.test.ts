import { describe, expect, test, vi } from 'vitest';
import { UnauthorizedError } from '../../client/src/index.ts';
import { clientOf, passUntil, setScene, until } from './live/play.ts';

/** The live transports on lines, behind proxies and with tokens that are bad. */

const scene = setScene();

describe('a line that is dead', () => {
  test('a WebSocket that is told something all the time is pinged all the same: the server counts on it', async () => {
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    const [first] = scene.server.of('websocket');
    for (let second = 0; second < 30; second += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      scene.server.change('g1', 'processing', 30 + second);
      await until('it is told', () => scene.updates.at(-1)?.progress === 30 + second);
    }
    await until('pings', () => (first?.heard.length ?? 0) >= 2);
    expect(scene.server.attempts).toHaveLength(1);
    stop();
    await scene.expectQuiet();
  });

  test('a WebSocket that does not answer a ping is given up after 10 s, and opened anew', async () => {
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    const [first] = scene.server.of('websocket');
    await passUntil('it asks', () => first?.heard.length === 1, 1_000);
    expect(first?.heard).toEqual(['ping']);
    scene.server.answersPings = false;
    await passUntil('it asks again', () => first?.heard.length === 2, 1_000);
    scene.server.answersPings = true;
    const after = await passUntil('it is opened anew', () => scene.server.attempts.length === 2);
    expect(after).toBeGreaterThan(9_000);
    expect(after).toBeLessThan(12_000);
    stop();
    await scene.expectQuiet();
  });

  test('a stream that is silent for 40 s is given up, a heartbeat each 15 s keeps it', async () => {
    const stop = await scene.following(clientOf(scene.server, { live: 'sse' }), 'sse');
    const [first] = scene.server.of('sse');
    for (let beat = 0; beat < 4; beat += 1) {
      await vi.advanceTimersByTimeAsync(15_000);
      first?.send(': still here');
      scene.server.change('g1', 'processing', 30 + beat);
      await until('the beat has come', () => scene.updates.at(-1)?.progress === 30 + beat);
    }
    expect(scene.server.attempts, 'it stands').toHaveLength(1);
    const after = await passUntil('it is opened anew', () => scene.server.attempts.length === 2);
    expect(after).toBeGreaterThan(39_000);
    expect(after).toBeLessThan(42_000);
    stop();
    await scene.expectQuiet();
  });

  test.each([
    ['the page is visible again', 'visibilitychange'],
    ['the device is online again', 'online'],
  ])('when %s, it is checked at once, and so is how things stand', async (_, event) => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    vi.stubGlobal('document', page);
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    const [first] = scene.server.of('websocket');
    scene.server.answersPings = false;
    scene.server.change('g1', 'downloading', 90, { lost: true });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(scene.updates.at(-1)?.status).toBe('processing');
    page.dispatchEvent(new Event(event));
    await until('a look tells what has happened', () => scene.updates.at(-1)?.status === 'downloading');
    await until('the connection is asked', () => first?.heard.at(-1) === 'ping');
    const after = await passUntil('and, dead, opened anew', () => scene.server.attempts.length === 2);
    expect(after).toBeLessThan(12_000);
    stop();
    await scene.expectQuiet();
  });

  test('a page that is hidden does not ask', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    vi.stubGlobal('document', page);
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    const looks = scene.server.requests.length;
    page.visibilityState = 'hidden';
    page.dispatchEvent(new Event('visibilitychange'));
    scene.server.change('g1', 'downloading', 90);
    await until('it is told all the same', () => scene.updates.at(-1)?.status === 'downloading');
    expect([scene.server.of('websocket')[0]?.heard, scene.server.requests.length]).toEqual([[], looks]);
    stop();
    await scene.expectQuiet();
  });
});

describe('a way that does not get through', () => {
  test.each([403, 'hang', 'slam'] as const)(
    'a WebSocket that is met with %s: server-sent events',
    async (manner) => {
      scene.server.manners.websocket = manner;
      scene.server.change('g1', 'processing', 10);
      const stop = clientOf(scene.server).subscribe('g1', scene.note);
      await passUntil('it is connected by sse', () => scene.server.of('sse').length === 1);
      scene.server.change('g1', 'downloading', 90);
      await until('it is told', () => scene.updates.at(-1)?.status === 'downloading');
      expect(scene.server.attempts.map(({ kind }) => kind)).toEqual(['websocket', 'sse']);
      stop();
      await scene.expectQuiet();
    },
  );

  test.each(['buffer', 'hang', 404] as const)(
    'and a stream that a proxy meets with %s: polling',
    async (manner) => {
      scene.server.manners.websocket = 403;
      scene.server.manners.sse = manner;
      scene.server.change('g1', 'processing', 10);
      const stop = clientOf(scene.server).subscribe('g1', scene.note);
      await until('it is told by a look', () => scene.updates.length === 1);
      await passUntil('both are tried', () => scene.server.attempts.length === 2);
      scene.server.change('g1', 'downloading', 90);
      await passUntil('it is told by a look', () => scene.updates.at(-1)?.status === 'downloading');
      const rest = await passUntil(
        'the first way is tried again',
        () => scene.server.attempts.length === 3,
        500,
      );
      expect(rest).toBeLessThan(30_000);
      scene.server.manners.websocket = 'open';
      await passUntil('and works at last', () => scene.server.of('websocket').length === 1, 1_000);
      stop();
      await scene.expectQuiet();
    },
  );

  test('a device that was offline is connected at once when it is online again', async () => {
    const device = new EventTarget();
    vi.stubGlobal('addEventListener', device.addEventListener.bind(device));
    vi.stubGlobal('removeEventListener', device.removeEventListener.bind(device));
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    scene.server.manners.websocket = scene.server.manners.sse = 503;
    scene.server.of('websocket')[0]?.close();
    await passUntil('all ways have been tried', () => scene.server.attempts.at(-1)?.kind === 'sse');
    const attempts = scene.server.attempts.length;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(scene.server.attempts, 'it rests').toHaveLength(attempts);
    scene.server.manners.websocket = 'open';
    device.dispatchEvent(new Event('online'));
    // The clock stands still.
    await scene.standing('websocket');
    stop();
    await scene.expectQuiet();
  });

  test('what has worked is tried three times before another way', async () => {
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    scene.server.manners.websocket = 503;
    scene.server.of('websocket')[0]?.close(1011);
    await passUntil('it is connected by sse', () => scene.server.of('sse').length === 1);
    const kinds = scene.server.attempts.map(({ kind }) => kind);
    expect(kinds).toEqual(['websocket', 'websocket', 'websocket', 'sse']);
    stop();
    await scene.expectQuiet();
  });

  test('a server that is away: looks go on, and it is found again', async () => {
    const stop = await scene.following(clientOf(scene.server), 'websocket');
    scene.server.manners.websocket = 503;
    scene.server.manners.sse = 503;
    scene.server.of('websocket')[0]?.close();
    await passUntil('all ways have been tried', () => scene.server.attempts.at(-1)?.kind === 'sse');
    scene.server.change('g1', 'downloading', 90);
    await passUntil('a look tells it', () => scene.updates.at(-1)?.status === 'downloading');
    scene.server.manners.websocket = 'open';
    await passUntil('it is found again', () => scene.server.of('websocket').length === 1, 500);
    stop();
    await scene.expectQuiet();
  });

  test.each([
    ['the platform has neither', {}, { WebSocket: undefined, Response: class {} }],
    ['connections end with their request', {}, { navigator: { userAgent: 'Cloudflare-Workers' } }],
    ['polling is asked for', { live: 'polling' as const }, {}],
  ])('nothing is tried where %s', async (_, options, globals) => {
    for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
    scene.server.change('g1', 'processing', 10);
    const stop = clientOf(scene.server, options).subscribe('g1', scene.note);
    await until('it is told', () => scene.updates.length === 1);
    scene.server.change('g1', 'completed', 100);
    await passUntil('the end is told', () => scene.updates.length === 2);
    expect(scene.server.attempts).toEqual([]);
    stop();
    await scene.expectQuiet();
  });
});

describe('tokens', () => {
  test('401, and then a fresh one', async () => {
    scene.server.tokens = ['fresh'];
    let asked = 0;
    const getToken = async () => (++asked > 1 ? 'fresh' : 'stale');
    scene.server.change('g1', 'processing', 10);
    const client = clientOf(scene.server, { getToken });
    // The first question for a token is that of the connection.
    const stop = client.subscribeAll(scene.note);
    await passUntil('it is connected', () => scene.server.connections.size === 1);
    expect(scene.server.attempts[0]).toMatchObject({ token: 'stale' });
    expect(scene.server.attempts.at(-1)).toMatchObject({ token: 'fresh' });
    stop();
    await scene.expectQuiet();
  });

  test('whose token is never accepted hears an UnauthorizedError', async () => {
    scene.server.tokens = [];
    const errors: unknown[] = [];
    clientOf(scene.server).subscribe('g1', scene.note, { onError: (error) => errors.push(error) });
    await passUntil('the error is told', () => errors.length === 1);
    expect(errors[0]).toBeInstanceOf(UnauthorizedError);
    await scene.expectQuiet();
  });

  test('a token that never comes holds nothing up for good', async () => {
    const stop = clientOf(scene.server, {
      getToken: () => new Promise(() => {}),
      timeoutMs: 1_000,
      maxRetries: 0,
    });
    const controller = new AbortController();
    const call = stop.wait('g1', { signal: controller.signal });
    const ends = expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await vi.advanceTimersByTimeAsync(30_000);
    controller.abort();
    await ends;
    await scene.expectQuiet();
  });
});
