import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  ConnectionError,
  QuotaExceededError,
  TimeoutError,
  UnavailableError,
} from '../../client/src/index.ts';
import { client, json, problem, STARTED, script } from './scripted.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PARAMS = { prompt: 'a', model_id: 'o/m' };

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** The outcome of a call whose pauses pass at once, and the pauses, in milliseconds. */
async function played<T>(call: Promise<T>, sent: { at: number }[]) {
  const outcome = call.then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error }),
  );
  await vi.runAllTimersAsync();
  const pauses = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? 0));
  return { ...(await outcome), pauses };
}

describe('what is sent again', () => {
  test('a start that the network ate, under one key and byte for byte the same', async () => {
    const { fetch, sent } = script(
      new TypeError('fetch failed'),
      problem(503, 'unavailable'),
      json(STARTED, 202),
    );
    const { value, pauses } = await played(client(fetch).start(PARAMS), sent);
    expect(value).toEqual(STARTED);
    // Half of 500 ms, then of 1,000 ms: full jitter with the middle drawn.
    expect(pauses).toEqual([250, 500]);
    const keys = sent.map(({ request }) => request.headers['idempotency-key']);
    expect(keys[0]).toMatch(UUID);
    expect(new Set(keys).size, 'all attempts carry one key').toBe(1);
    expect(sent.map(({ request }) => request.body)).toEqual(Array(3).fill(JSON.stringify(PARAMS)));
    expect(sent[0]).toMatchObject({
      url: 'https://pq.example/functions/v1/start-generation',
      request: {
        method: 'POST',
        headers: { authorization: 'Bearer token', 'content-type': 'application/json' },
      },
    });
  });

  test('each call has a key of its own, or the caller’s', async () => {
    const { fetch, sent } = script(json(STARTED, 202));
    const pq = client(fetch);
    await pq.start(PARAMS);
    await pq.start(PARAMS);
    await pq.start(PARAMS, { idempotencyKey: 'mine' });
    const keys = sent.map(({ request }) => request.headers['idempotency-key']);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe('mine');
  });

  test('each has a key of its own where there is no crypto too, as in React Native', async () => {
    vi.stubGlobal('crypto', undefined);
    vi.mocked(Math.random).mockRestore();
    const { fetch, sent } = script(json(STARTED, 202));
    await client(fetch).start(PARAMS);
    await client(fetch).start(PARAMS);
    const keys = sent.map(({ request }) => request.headers['idempotency-key'] as string);
    for (const key of keys) expect(key).toMatch(/^[\d.e-]{20,}$/);
    expect(keys[1]).not.toBe(keys[0]);
  });

  test.each([
    ['seconds', '7', 7_250],
    ['a date', () => new Date(Date.now() + 9_000).toUTCString(), 9_250],
  ])('Retry-After in %s is honoured, and a little more', async (_, value, pause) => {
    vi.setSystemTime('2026-01-01T00:00:00Z');
    const after = typeof value === 'string' ? value : value();
    const { fetch, sent } = script(
      problem(429, 'rate_limited', {}, { 'retry-after': after }),
      json(STARTED, 202),
    );
    const { value: started, pauses } = await played(client(fetch).start(PARAMS), sent);
    expect(started).toEqual(STARTED);
    expect(pauses).toEqual([pause]);
  });

  test('with a fresh token each time', async () => {
    const { fetch, sent } = script(problem(503, 'unavailable'), json(STARTED, 202));
    let asked = 0;
    const getToken = async () => `token ${++asked}`;
    await played(client(fetch, { getToken }).start(PARAMS), sent);
    expect(sent.map(({ request }) => request.headers.authorization)).toEqual([
      'Bearer token 1',
      'Bearer token 2',
    ]);
  });

  test('an answer that is no JSON, such as the sign-in page of a network', async () => {
    const { fetch, sent } = script(new Response('<html>'), json(STARTED, 202));
    expect((await played(client(fetch).start(PARAMS), sent)).value).toEqual(STARTED);
  });
});

describe('what is not', () => {
  test('more than maxRetries times', async () => {
    const { fetch, sent } = script(problem(503, 'unavailable'));
    const { error, pauses } = await played(client(fetch).start(PARAMS), sent);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(pauses).toEqual([250, 500, 1_000]);
    const never = script(new TypeError('fetch failed'));
    const { error: first } = await played(client(never.fetch, { maxRetries: 0 }).start(PARAMS), never.sent);
    expect(first).toBeInstanceOf(ConnectionError);
    expect((first as ConnectionError).cause).toBeInstanceOf(TypeError);
    expect(never.sent).toHaveLength(1);
  });

  test.each([400, 401, 403, 404, 409, 413, 422, 500])('a refusal with %i', async (status) => {
    const { fetch, sent } = script(problem(status, 'whatever'));
    await played(client(fetch).start(PARAMS), sent);
    expect(sent).toHaveLength(1);
  });

  test('a quota that is used up for hours', async () => {
    const { fetch, sent } = script(
      problem(429, 'quota_exceeded', { limit: 'images_per_day' }, { 'retry-after': '30000' }),
    );
    const { error } = await played(client(fetch).start(PARAMS), sent);
    expect(error).toBeInstanceOf(QuotaExceededError);
    expect(error).toMatchObject({ limit: 'images_per_day', retryAfter: 30_000 });
    expect(sent).toHaveLength(1);
  });

  test('what getToken throws', async () => {
    const { fetch, sent } = script(json(STARTED, 202));
    const failure = new Error('signed out');
    const getToken = () => Promise.reject(failure);
    expect((await played(client(fetch, { getToken }).start(PARAMS), sent)).error).toBe(failure);
    expect(sent).toEqual([]);
  });
});

describe('time and signals', () => {
  test('silence is a TimeoutError after timeoutMs, tried again like any lost connection', async () => {
    const { fetch, sent } = script('silence');
    const { error, pauses } = await played(
      client(fetch, { timeoutMs: 2_000, maxRetries: 1 }).get('g1'),
      sent,
    );
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      name: 'TimeoutError',
      message: 'No answer within 2000 ms. (https://pq.example/functions/v1/generations/g1)',
    });
    expect(pauses).toEqual([2_250]);
    expect(
      sent.every(({ request }) => request.signal.aborted),
      'the requests are let go',
    ).toBe(true);
  });

  test.each([
    ['during the request', script('silence')],
    ['during the pause', script(problem(503, 'unavailable'))],
  ])('abort %s ends the call at once with the signal’s reason', async (_, { fetch, sent }) => {
    const controller = new AbortController();
    const call = client(fetch).start(PARAMS, { signal: controller.signal });
    const outcome = call.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10);
    controller.abort();
    expect(await outcome).toMatchObject({ name: 'AbortError' });
    expect(sent).toHaveLength(1);
    expect(vi.getTimerCount(), 'no timer is left').toBe(0);
  });

  test('an aborted signal sends nothing; a signal without a reason, as React Native has it, is an AbortError', async () => {
    const { fetch, sent } = script(json(STARTED, 202));
    const mine = new Error('mine');
    const aborted = AbortSignal.abort(mine);
    await expect(client(fetch).start(PARAMS, { signal: aborted })).rejects.toBe(mine);
    const bare = { aborted: true, addEventListener() {}, removeEventListener() {} };
    await expect(client(fetch).start(PARAMS, { signal: bare })).rejects.toMatchObject({ name: 'AbortError' });
    expect(sent).toEqual([]);
  });
});
