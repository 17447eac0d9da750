import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type * as Compat from '../../client/src/compat/index.ts';
import { type Answer, row, type Sent, STARTED, wire } from './wire.ts';

/** What the original's apps rely on besides a picture: names, spellings, defaults, shapes. */

/** A module of its own for each test: what another test has configured is none of its business. */
let compat: typeof Compat;
beforeEach(async () => {
  vi.resetModules();
  compat = await import('../../client/src/compat/index.ts');
});
afterEach(() => vi.useRealTimers());

const PARAMS = { prompt: 'A beautiful sunset', model_id: 'black-forest-labs/flux-schnell' };

/** One generation, one image and one job, in the state that the test gives them. */
const project = (state: { generation?: object; image?: object; job?: object }) => {
  const one = (value: object | undefined): Answer => ({ body: value ? [value] : [] });
  return wire(({ path }: Sent) => {
    if (path.startsWith('/functions/v1/start-generation')) return { status: 202, body: STARTED };
    if (path.startsWith('/rest/v1/image_generations')) return one(state.generation);
    if (path.startsWith('/rest/v1/images')) return one(state.image);
    if (path.startsWith('/rest/v1/job_queue')) return one(state.job);
    return { body: path.startsWith('/rest/v1/rpc/') ? null : [] };
  });
};

test('every name of the original is there', () => {
  const names = [
    ...['enqueueJob', 'getJob', 'getUserJobs', 'cancelJob', 'getQueueStats', 'getRecentFailedJobs'],
    ...['subscribeToJob', 'subscribeToUserJobs', 'startImageGeneration', 'subscribeToGeneration'],
    ...['generateImageWithUpdates', 'pollJobUntilComplete', 'pollGenerationUntilComplete'],
    ...['generateImageAsync', 'subscribeToGenerationUpdates', 'generateWithRealtime'],
    ...['getGenerationStatus', 'cancelGeneration', 'getGenerationImage', 'checkCanGenerate'],
  ];
  expect(names.filter((name) => typeof Reflect.get(compat, name) !== 'function')).toEqual([]);
  expect(Object.keys(compat).toSorted()).toEqual([...names, 'configure'].toSorted());
});

describe('both spellings', () => {
  /** Each function, as it is called behind the client, or without it. */
  const CALLS: Record<string, unknown[]> = {
    enqueueJob: [{ jobType: 'generate-image', payload: PARAMS }],
    getJob: ['j1'],
    getUserJobs: [{ status: 'pending' }],
    cancelJob: ['j1'],
    getQueueStats: ['generate-image'],
    getRecentFailedJobs: [],
    startImageGeneration: [PARAMS],
    generateImageAsync: [PARAMS],
    pollJobUntilComplete: ['j1'],
    pollGenerationUntilComplete: ['g1'],
    getGenerationStatus: ['g1'],
    cancelGeneration: ['g1'],
    getGenerationImage: ['g1'],
    checkCanGenerate: ['u1'],
  };
  const state = {
    generation: row({ status: 'completed' }),
    image: { id: 'i1', public_url: 'https://x.example/1.webp' },
    job: { id: 'j1', status: 'completed', generation_id: 'g1' },
  };

  test.each(Object.entries(CALLS))('%s', async (name, args) => {
    const call = Reflect.get(compat, name) as (...args: unknown[]) => Promise<unknown>;
    const first = project(state);
    const answer = await call(first.supabase, ...args);
    const configured = project(state);
    compat.configure(configured.supabase);
    expect(await call(...args)).toEqual(answer);
    expect(configured.sent).toEqual(first.sent);
    expect(first.sent.length).toBeGreaterThan(0);
  });

  test.each([
    ['generateWithRealtime', [PARAMS]],
    ['generateImageWithUpdates', [PARAMS]],
    ['subscribeToGeneration', ['g1']],
    ['subscribeToGenerationUpdates', ['g1']],
    ['subscribeToJob', ['j1']],
    ['subscribeToUserJobs', ['u1']],
  ])('%s', async (name, args) => {
    const call = Reflect.get(compat, name) as (...args: unknown[]) => unknown;
    const open = { ...state, job: { ...state.job, status: 'pending' } };
    const [first, configured] = [project(open), project(open)];
    compat.configure(configured.supabase);
    const seen = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()] as const;
    const started = await call(first.supabase, ...args, seen[0].resolve);
    await call(...args, seen[1].resolve);
    expect(await seen[1].promise).toEqual(await seen[0].promise);
    const stop = typeof started === 'function' ? started : Reflect.get(started as object, 'unsubscribe');
    expect(stop).toBeTypeOf('function');
  });

  test('with the client first, the configured one is left alone', async () => {
    const [first, configured] = [project(state), project(state)];
    compat.configure(configured.supabase);
    await compat.getJob(first.supabase, 'j1');
    expect([first.sent.length, configured.sent.length]).toEqual([1, 0]);
  });

  test('with neither, a sentence says what is missing', () => {
    expect(() => compat.getJob('j1')).toThrow(/call configure\(supabase\) once/);
  });
});

describe('what comes back', () => {
  test('a start gives both ids, and sends what the app gave', async () => {
    const { supabase, sent } = project({ generation: row() });
    const started = await compat.generateWithRealtime(supabase, PARAMS, () => {});
    started.unsubscribe();
    expect(started).toEqual({ generationId: 'g1', jobId: 'j1', unsubscribe: expect.any(Function) });
    expect(sent[0]).toEqual({ method: 'POST', path: '/functions/v1/start-generation', body: PARAMS });
  });

  test('a progress has the original’s members, and the picture when it is completed', async () => {
    const { supabase } = project({
      generation: row({ status: 'completed', progress: 100 }),
      image: { public_url: 'https://x.example/1.webp' },
    });
    expect(await compat.getGenerationStatus(supabase, 'g1')).toEqual({
      generationId: 'g1',
      status: 'completed',
      progress: 100,
      imageUrl: 'https://x.example/1.webp',
    });
    expect(await compat.getGenerationStatus(project({}).supabase, 'g1')).toBeNull();
  });

  test('a cancelled generation has failed, as the original had it; its row says cancelled', async () => {
    const { supabase } = project({ generation: row({ status: 'cancelled', progress: 10 }) });
    const told = { generationId: 'g1', status: 'failed', progress: 10, error: 'Cancelled by user' };
    expect(await compat.getGenerationStatus(supabase, 'g1')).toEqual(told);
    const followed = Promise.withResolvers<unknown>();
    compat.subscribeToGenerationUpdates(supabase, 'g1', followed.resolve);
    expect(await followed.promise).toEqual(told);
    expect(await compat.pollGenerationUntilComplete(supabase, 'g1')).toMatchObject({ status: 'cancelled' });
  });

  test('nothing completed took 0 seconds; all of a user’s jobs and failures are given', async () => {
    const played = project({});
    expect(await compat.getQueueStats(played.supabase)).toMatchObject({ avgDurationSeconds: 0, total: 0 });
    await compat.getUserJobs(played.supabase);
    await compat.getUserJobs(played.supabase, { limit: 5 });
    await compat.getUserJobs(played.supabase, { offset: 20 });
    await compat.getRecentFailedJobs(played.supabase);
    expect(played.lines().slice(1)).toEqual([
      'GET /rest/v1/job_queue?select=*&order=created_at.desc',
      'GET /rest/v1/job_queue?select=*&order=created_at.desc&limit=5',
      'GET /rest/v1/job_queue?select=*&order=created_at.desc&offset=20&limit=10',
      'GET /rest/v1/failed_jobs_recent?select=*&order=completed_at.desc',
    ]);
  });

  test.each([
    ['pollGenerationUntilComplete', 120, {}],
    ['pollGenerationUntilComplete', 120, { maxAttempts: undefined, intervalMs: undefined }],
    ['pollJobUntilComplete', 60, {}],
    ['pollJobUntilComplete', 60, { maxAttempts: undefined, intervalMs: undefined }],
  ])('%s gives up after %i polls, two seconds apart, with %o', async (name, polls, options) => {
    vi.useFakeTimers();
    const played = project({ generation: row(), job: { id: 'j1', status: 'pending' } });
    const poll = Reflect.get(compat, name) as (...args: unknown[]) => Promise<unknown>;
    const ended = poll(played.supabase, 'x', options).catch((error: Error) => error);
    await vi.advanceTimersByTimeAsync(2_000 * polls);
    expect(await ended).toMatchObject({ code: 'timeout' });
    expect(played.sent).toHaveLength(polls);
  });

  test('cancelling calls the function of the database', async () => {
    const played = project({ job: { id: 'j1', generation_id: 'g1' } });
    await compat.cancelGeneration(played.supabase, 'g1');
    await compat.cancelJob(played.supabase, 'j1');
    const cancel = {
      method: 'POST',
      path: '/rest/v1/rpc/cancel_generation',
      body: { p_generation_id: 'g1' },
    };
    expect(played.sent.filter(({ method }) => method === 'POST')).toEqual([cancel, cancel]);
  });

  test.each([
    ['retry_after=17 limit=images_per_day', { retryAfter: 17, limit: 'images_per_day', field: undefined }],
    ['retry_after=17 ', { retryAfter: 17, limit: undefined, field: undefined }],
    ['field=prompt', { retryAfter: undefined, limit: undefined, field: 'prompt' }],
    [null, { retryAfter: undefined, limit: undefined, field: undefined }],
  ])('a refusal of the database with the hint %j is told in its members', async (hint, members) => {
    const body = { code: 'PT429', details: 'quota_exceeded', message: 'That was the last one.', hint };
    const refused = wire(() => ({ status: 429, body })).supabase;
    const payload = { prompt: 'x', model_id: 'o/m' };
    const error = await compat.enqueueJob(refused, { jobType: 'generate-image', payload }).catch((e) => e);
    expect({ ...error }).toMatchObject({ name: 'QuotaExceededError', status: 429, ...members });
  });

  test.each([
    ['is cancelled by its row, if it waits', [{ id: 'j1' }], undefined],
    ['that does not wait is refused', [], { name: 'ConflictError', status: 409 }],
  ])('a job without a generation %s', async (_, changed, refused) => {
    const played = wire(({ method }: Sent) => ({
      body: method === 'PATCH' ? changed : [{ id: 'j1', generation_id: null }],
    }));
    const error = await compat.cancelJob(played.supabase, 'j1').catch((thrown: unknown) => thrown);
    if (refused) expect(error).toMatchObject(refused);
    else expect(error).toBeUndefined();
    expect(played.sent.slice(1)).toEqual([
      {
        method: 'PATCH',
        path: '/rest/v1/job_queue?id=eq.j1&status=eq.pending&select=id',
        body: { status: 'cancelled' },
      },
    ]);
  });

  test.each([
    [{ body: { can_generate: false, limit_reason: 'daily' } }, { canGenerate: false, reason: 'daily' }],
    [{ body: { can_generate: true, limit_reason: null } }, { canGenerate: true }],
    [{ status: 404, body: { code: 'PGRST202', message: 'no such function' } }, { canGenerate: true }],
  ])('checkCanGenerate asks the project’s own function: %o', async (answer, told) => {
    expect(await compat.checkCanGenerate(wire(() => answer).supabase, 'u1')).toEqual(told);
  });
});
