import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type Generation,
  GenerationFailedError,
  NotFoundError,
  type Progress,
  UnavailableError,
} from '../../client/src/index.ts';
import { toProgress } from '../../client/src/progress.ts';
import { subscription } from '../../client/src/subscription.ts';
import type { Emit, Transport } from '../../client/src/transport.ts';
import { COMPLETED, client, generation, IMAGE, json, problem, STARTED, script } from './scripted.ts';

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

const brief = (updates: Progress[]) => updates.map(({ status, progress }) => `${status} ${progress}`);

async function settled<T>(promise: Promise<T>): Promise<T> {
  const kept = promise.catch(() => {});
  await vi.runAllTimersAsync();
  await kept;
  return promise;
}

describe('generate', () => {
  test('tells each change once, and gives the picture', async () => {
    const { fetch, sent } = script(
      json(STARTED, 202),
      json(generation('queued', 0, { queue_position: 2, estimated_seconds: 9 })),
      json(generation('processing', 10, { estimated_seconds: 5 })),
      json(generation('processing', 10, { estimated_seconds: 5 })),
      json(generation('downloading', 90)),
      json(COMPLETED),
    );
    const updates: Progress[] = [];
    const result = await settled(
      client(fetch).generate(PARAMS, { onUpdate: (update) => updates.push(update) }),
    );
    expect(brief(updates)).toEqual(['queued 0', 'processing 10', 'downloading 90', 'completed 100']);
    expect(updates[0]).toEqual({
      generationId: 'g1',
      status: 'queued',
      progress: 0,
      queuePosition: 2,
      estimatedSeconds: 9,
    });
    expect(updates.at(-1)).toMatchObject({ imageUrl: IMAGE.url });
    expect(result).toEqual({ generation: COMPLETED, generations: [COMPLETED], images: [IMAGE] });
    expect(sent).toHaveLength(6);
  });

  test('what is tried again does not go backwards, and only the first end counts', async () => {
    const { fetch } = script(
      json(STARTED, 202),
      json(generation('downloading', 90)),
      json(generation('queued', 0)),
      json(generation('processing', 10)),
      json(generation('downloading', 90)),
      json(COMPLETED),
      json(generation('failed', 0)),
    );
    const updates: Progress[] = [];
    await settled(client(fetch).generate(PARAMS, { onUpdate: (update) => updates.push(update) }));
    expect(brief(updates)).toEqual(['queued 0', 'downloading 90', 'completed 100']);
  });

  test('a failure is a GenerationFailedError with its code and its sentence', async () => {
    const error = { code: 'content_refused', message: 'The model refused.' };
    const { fetch } = script(json(STARTED, 202), json(generation('failed', 10, { error })));
    const updates: Progress[] = [];
    const failed = settled(client(fetch).generate(PARAMS, { onUpdate: (update) => updates.push(update) }));
    await expect(failed).rejects.toMatchObject({ name: 'GenerationFailedError', ...error });
    expect(updates.at(-1)).toMatchObject({ status: 'failed', error });
  });

  test('a cancelled one too', async () => {
    const { fetch } = script(json(STARTED, 202), json(generation('cancelled', 0)));
    const failed = settled(client(fetch).generate(PARAMS));
    await expect(failed).rejects.toBeInstanceOf(GenerationFailedError);
    await expect(failed).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('abort ends the waiting', async () => {
    const { fetch, sent } = script(json(STARTED, 202), json(generation('queued', 0)));
    const controller = new AbortController();
    const call = client(fetch).generate(PARAMS, { signal: controller.signal });
    const outcome = call.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10_000);
    controller.abort();
    expect(await outcome).toMatchObject({ name: 'AbortError' });
    const before = sent.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent.length, 'nothing is asked any more').toBe(before);
  });
});

describe('polling', () => {
  test('the intervals grow to their limit, and begin anew at a change', async () => {
    const { fetch, sent } = script((one) =>
      json(one.at < start + 30_000 ? generation('queued', 0) : generation('processing', 10)),
    );
    const start = Date.now();
    const stop = client(fetch).subscribe('g1', () => {});
    await vi.advanceTimersByTimeAsync(60_000);
    stop();
    const pauses = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? 0));
    expect(pauses.slice(0, 9)).toEqual([500, 700, 980, 1_372, 1_921, 2_690, 3_765, 5_000, 5_000]);
    const change = sent.findIndex(({ at }) => at >= start + 30_000);
    expect(pauses.slice(change, change + 2)).toEqual([500, 700]);
  });

  test('it polls on through an outage, for giveUpAfterMs', async () => {
    const { fetch } = script((one) =>
      one.at < start + 100_000 ? problem(one.at % 2 ? 500 : 503, 'whatever') : json(COMPLETED),
    );
    const start = Date.now();
    const updates: Progress[] = [];
    const pq = client(fetch, { maxRetries: 0 });
    pq.subscribe('g1', (update) => updates.push(update));
    await vi.advanceTimersByTimeAsync(110_000);
    expect(brief(updates)).toEqual(['completed 100']);

    const errors: unknown[] = [];
    const gone = client(script(problem(503, 'unavailable')).fetch, { polling: { giveUpAfterMs: 20_000 } });
    gone.subscribe('g1', () => {}, { onError: (error) => errors.push(error) });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(errors).toEqual([expect.any(UnavailableError)]);
  });

  test('after a long sleep the network may need a moment', async () => {
    const woken = () => Date.now() > start + 3_600_000;
    const { fetch } = script((one) => {
      if (!woken()) return json(generation('queued', 0));
      return one.at < start + 3_620_000 ? problem(503, 'unavailable') : json(COMPLETED);
    });
    const start = Date.now();
    const updates: Progress[] = [];
    client(fetch, { maxRetries: 0 }).subscribe('g1', (update) => updates.push(update));
    await vi.advanceTimersByTimeAsync(1_000);
    vi.setSystemTime(start + 3_601_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(brief(updates)).toEqual(['queued 0', 'completed 100']);
  });

  test('a page that becomes visible again is brought up to date at once', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    vi.stubGlobal('document', page);
    const { fetch, sent } = script(json(generation('queued', 0)));
    const stop = client(fetch).subscribe('g1', () => {});
    await vi.advanceTimersByTimeAsync(20_000);
    const hidden = sent.length;
    expect(hidden, 'it goes on while hidden').toBeGreaterThan(5);
    page.dispatchEvent(new Event('visibilitychange'));
    await vi.advanceTimersByTimeAsync(0);
    expect(sent).toHaveLength(hidden);
    page.visibilityState = 'visible';
    page.dispatchEvent(new Event('visibilitychange'));
    await vi.advanceTimersByTimeAsync(0);
    expect(sent).toHaveLength(hidden + 1);
    stop();
  });
});

describe('subscribe', () => {
  const steps = () =>
    script(json(generation('queued', 0)), json(generation('processing', 10)), json(COMPLETED));

  test('by callback, until it is unsubscribed from', async () => {
    const { fetch, sent } = steps();
    const updates: Progress[] = [];
    const stop = client(fetch).subscribe('g1', (update) => {
      updates.push(update);
      if (update.status === 'processing') stop();
    });
    await vi.runAllTimersAsync();
    expect(brief(updates)).toEqual(['queued 0', 'processing 10']);
    expect(sent).toHaveLength(2);
  });

  test('by for await, until it has ended', async () => {
    const { fetch } = steps();
    const updates: Progress[] = [];
    const reading = (async () => {
      for await (const update of client(fetch).subscribe('g1')) updates.push(update);
    })();
    await settled(reading);
    expect(brief(updates)).toEqual(['queued 0', 'processing 10', 'completed 100']);
  });

  test('break, the signal and the call end the reading', async () => {
    const { fetch, sent } = script(json(generation('queued', 0)));
    const pq = client(fetch);
    const controller = new AbortController();
    const called = pq.subscribe('g1');
    const read = async (updates: AsyncIterable<Progress>, leave: boolean) => {
      for await (const _ of updates) if (leave) break;
      return 'ended';
    };
    const readers = [
      read(pq.subscribe('g1'), true),
      read(pq.subscribe('g1', undefined, { signal: controller.signal }), false),
      read(called, false),
    ];
    await vi.advanceTimersByTimeAsync(5_000);
    controller.abort();
    called();
    expect(await Promise.all(readers)).toEqual(['ended', 'ended', 'ended']);
    const before = sent.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toHaveLength(before);
  });

  test('a state that comes after the end of the subscription is not emitted', async () => {
    let emit: Emit = () => {};
    const slow: Transport = {
      follow: (_, given) => {
        emit = given;
        return new Promise(() => {});
      },
      pollNow() {},
    };
    const state = (status: string) => toProgress(generation(status, 0) as unknown as Generation);
    const updates: Progress[] = [];
    const stop = subscription(slow, { ids: ['g1'] }, (update) => updates.push(update));
    emit(state('queued'));
    stop();
    emit(state('processing'));
    expect(brief(updates)).toEqual(['queued 0']);
  });

  test('what is not retryable reaches onError, or the reader', async () => {
    const { fetch } = script(problem(404, 'not_found'));
    const errors: unknown[] = [];
    client(fetch).subscribe('g1', () => {}, { onError: (error) => errors.push(error) });
    const reading = (async () => {
      for await (const _ of client(fetch).subscribe('g1'));
    })();
    await expect(settled(reading)).rejects.toBeInstanceOf(NotFoundError);
    expect(errors).toEqual([expect.any(NotFoundError)]);
  });
});
