import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type ClientOptions,
  ConnectionError,
  createClient,
  InvalidOptionError,
  type Logger,
  PictureQueueError,
  TimeoutError,
  type WaitOptions,
} from '../../client/src/index.ts';
import { COMPLETED, client, generation, json, problem, STARTED, script } from './scripted.ts';

/** What `createClient` says of its options, and what a lost connection says of its address. */

const refusal = (options: object): InvalidOptionError => {
  try {
    createClient(options as ClientOptions);
  } catch (error) {
    return error as InvalidOptionError;
  }
  return expect.unreachable(`it takes ${JSON.stringify(options)}`);
};
const getToken = () => null;

describe('a URL', () => {
  test.each([
    [undefined],
    [null],
    [''],
    ['localhost:8787'],
    ['/functions/v1'],
    ['ftp://pq.example'],
    ['https://'],
    ['https://pq.example/a b'],
    ['https://pq.example\n'],
    ['https://me:hidden@pq.example/v1'],
    ['https://pq.example/v1?apikey=hidden'],
    ['https://pq.example/v1#hidden'],
    [8787],
  ])('that is missing or none (%j) is asked for, and not repeated: it may hold a secret', (url) => {
    const error = refusal({ url, getToken });
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toBeInstanceOf(PictureQueueError);
    expect(error).toMatchObject({
      name: 'InvalidOptionError',
      code: 'invalid_option',
      option: 'url',
      message: 'The option url must be the http(s) address of start-generation.',
    });
  });

  test.each([
    ['https://pq.example'],
    ['HTTPS://pq.example/'],
    ['http://127.0.0.1:8787'],
    ['http://[::1]:8787/functions/v1/'],
    [new URL('https://pq.example/v1')],
  ])('%s is one', async (url) => {
    const { fetch, sent } = script(new TypeError('fetch failed'));
    const made = createClient({ url: url as string, getToken, fetch, maxRetries: 0, live: 'polling' });
    await expect(made.get('g1')).rejects.toBeInstanceOf(ConnectionError);
    expect(sent[0]?.url).toBe(`${String(url).replace(/\/$/, '')}/generations/g1`);
  });
});

test.each([[undefined], [null], ['a token']])('a token (%j) in place of its getter is refused', (token) => {
  const error = refusal({ url: 'https://pq.example', getToken: token });
  expect(error).toMatchObject({
    option: 'getToken',
    message: 'The option getToken must be a function that gives a token.',
  });
});

describe('headers of the app', () => {
  test('go with each request, and none takes the place of the client’s own', async () => {
    const { fetch, sent } = script(json(COMPLETED), json({ models: [] }));
    const own = { apikey: 'key', 'X-Trace': 't1', Authorization: 'Basic x', 'Idempotency-Key': 'i1' };
    const made = client(fetch, { headers: own });
    await made.get('g1');
    await made.models();
    await made.start({ prompt: 'a', model_id: 'o/m' }, { idempotencyKey: 'mine' });
    expect(sent[0]?.request.headers).toEqual({
      accept: 'application/json',
      apikey: 'key',
      'x-trace': 't1',
      authorization: 'Bearer token',
      'idempotency-key': 'i1',
    });
    expect(sent[1]?.request.headers.authorization, 'where the client sends none').toBe('Basic x');
    expect(sent[2]?.request.headers['idempotency-key']).toBe('mine');
  });

  test('go with the server-sent events', async () => {
    const { fetch, sent } = script(json({ generations: [], next_cursor: null }));
    const made = client(fetch, { headers: { apikey: 'key' }, live: 'sse' });
    const stop = made.subscribeAll(() => {});
    await expect.poll(() => sent.find(({ url }) => url.endsWith('/events'))).toBeDefined();
    stop();
    expect(sent.find(({ url }) => url.endsWith('/events'))?.request.headers).toEqual({
      accept: 'text/event-stream',
      apikey: 'key',
      authorization: 'Bearer token',
    });
  });
});

describe('a logger', () => {
  const noted = () => {
    const lines: string[] = [];
    const take = (level: string) => (line: string) => {
      lines.push(`${level} ${line}`);
    };
    return { lines, logger: { debug: take('debug'), warn: take('warn') } };
  };
  const url = 'https://pq.example/functions/v1/generations';

  test('is told of each attempt, without tokens, queries and prompts', async () => {
    const { lines, logger } = noted();
    const { fetch } = script(
      new TypeError('fetch failed'),
      json({ generations: [], next_cursor: null }),
      problem(404, 'not_found'),
    );
    const made = client(fetch, { logger, getToken: () => 'hidden' });
    await made
      .list({ q: 'hidden' } as object)
      .pages()
      [Symbol.asyncIterator]()
      .next();
    await made.start({ prompt: 'hidden', model_id: 'o/m' }).catch(() => {});
    expect(lines).toEqual([
      `warn picture-queue: GET ${url}: ConnectionError: The server could not be reached. (${url})`,
      `debug picture-queue: GET ${url}: answered`,
      'warn picture-queue: POST https://pq.example/functions/v1/start-generation: NotFoundError: It is not_found.',
    ]);
  });

  test('is told nothing of what its user has ended', async () => {
    const { lines, logger } = noted();
    const controller = new AbortController();
    const call = client(script('silence').fetch, { logger }).get('g1', { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(lines).toEqual([]);
  });

  test('that fails, or has no such level, ends no call', async () => {
    const fail = () => {
      throw new Error('the disk is full');
    };
    for (const logger of [{ debug: fail, warn: fail }, {}]) {
      const { fetch } = script(problem(503, 'unavailable'), json(STARTED, 202));
      const made = client(fetch, { logger: logger as Logger });
      expect(await made.start({ prompt: 'a', model_id: 'o/m' })).toEqual(STARTED);
    }
  });
});

describe('the time of a whole wait', () => {
  const PARAMS = { prompt: 'a', model_id: 'o/m' };
  const running = () => script(json(STARTED, 202), json(generation('processing', 10)));
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each<[string, Partial<ClientOptions>, WaitOptions]>([
    ['the client’s', { maxWaitMs: 5_000 }, {}],
    ['a call’s own', { maxWaitMs: 60_000 }, { maxWaitMs: 5_000 }],
  ])('%s ends with a TimeoutError, and leaves no timer', async (_, options, more) => {
    const { fetch } = running();
    const outcome = client(fetch, options)
      .generate(PARAMS, more)
      .catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome).toBeInstanceOf(TimeoutError);
    expect(await outcome).toMatchObject({
      message: 'No image within 5000 ms. (https://pq.example/functions/v1)',
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('counts the start as well, and a wait by an id', async () => {
    const slow = client(script('silence').fetch, { maxWaitMs: 2_000 });
    const outcomes = [slow.generate(PARAMS), slow.wait('g1')].map((call) => call.catch((error) => error));
    await vi.advanceTimersByTimeAsync(2_000);
    for (const error of await Promise.all(outcomes)) expect(error).toBeInstanceOf(TimeoutError);
  });

  test.each([new Error('mine'), 'mine', '', 0, null])(
    'is no limit where none is set, and the signal still ends the call with its reason: %j',
    async (reason) => {
      const { fetch } = running();
      const controller = new AbortController();
      const outcome = client(fetch)
        .generate(PARAMS, { signal: controller.signal })
        .catch((error: unknown) => ({ error }));
      await vi.advanceTimersByTimeAsync(3_600_000);
      controller.abort(reason);
      expect(await outcome).toEqual({ error: reason });
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('that is longer than a timer can be is no shorter one', async () => {
    const { fetch, sent } = script(json(generation('processing', 10)));
    const controller = new AbortController();
    const call = client(fetch).wait('g1', { maxWaitMs: 2 ** 31, signal: controller.signal });
    const ended = expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent.length).toBeGreaterThan(1);
    controller.abort();
    await ended;
  });
});

describe('an error of the connection says which address it was, without its query', () => {
  const url = 'https://pq.example/functions/v1/generations';
  const failed = (step: Parameters<typeof script>[0]) =>
    client(script(step).fetch, { maxRetries: 0, timeoutMs: 10 })
      .list({ cursor: 'hidden' })
      .pages()
      [Symbol.asyncIterator]()
      .next()
      .then(
        () => expect.unreachable('it should fail'),
        (error: unknown) => error,
      );

  test.each<[string, Parameters<typeof script>[0], string]>([
    ['nobody answers', new TypeError('fetch failed'), 'The server could not be reached.'],
    ['something else answers', new Response('<html>'), 'The server could not be understood.'],
    ['no answer comes', 'silence', 'No answer within 10 ms.'],
  ])('%s', async (_, step, sentence) => {
    const error = await failed(step);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ url, message: `${sentence} (${url})` });
    expect(Object.hasOwn(error as Error, 'cause'), 'only where there is one').toBe(step !== 'silence');
  });
});
