import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as compat from '../../client/src/compat/index.ts';
import {
  ConflictError,
  ForbiddenError,
  InvalidRequestError,
  NotFoundError,
  TimeoutError,
  UnknownModelError,
} from '../../client/src/index.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';

/** The original's functions, on the official supabase-js, against the whole system. */

let stack: TestStack;
let user: TestUser;
let supabase: SupabaseClient;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  supabase = user.supabase;
});
afterAll(async () => {
  await supabase?.removeAllChannels();
  await stack?.stop();
});

function service() {
  const { supabaseUrl, serviceRoleKey } = stack.addresses;
  return createClient(supabaseUrl, serviceRoleKey, { auth: { persistSession: false } });
}

const params = (prompt: string) => ({ prompt, model_id: MODEL });
const ORDER = ['queued', 'processing', 'downloading', 'completed'];

function expectForward(statuses: string[]) {
  expect(statuses).toEqual(statuses.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)));
  expect(new Set(statuses).size, `each once: ${statuses}`).toBe(statuses.length);
}

describe('generations', () => {
  test('generateImageWithUpdates tells its way to the picture', async () => {
    const updates: compat.GenerationUpdate[] = [];
    const ended = Promise.withResolvers<compat.GenerationUpdate>();
    const started = await compat.generateImageWithUpdates(supabase, params('a kite'), (update) => {
      updates.push(update);
      if (update.status === 'completed') ended.resolve(update);
    });
    expect(Object.keys(started).toSorted()).toEqual(['generationId', 'jobId', 'unsubscribe']);
    const last = await ended.promise;
    expect(last).toMatchObject({
      id: started.generationId,
      generationId: started.generationId,
      progress: 100,
    });
    expect((await fetch(last.imageUrl ?? '')).headers.get('content-type')).toBe('image/webp');
    expectForward(updates.map(({ status }) => status));
    started.unsubscribe();
  });

  test('generateWithRealtime: the same under its other name, until it is unsubscribed from', async () => {
    const first = Promise.withResolvers<void>();
    let updates = 0;
    await stack.simulator.fault('a held kite', { hold: 'run' });
    const started = await compat.generateWithRealtime(supabase, params('a held kite'), () => {
      updates += 1;
      first.resolve();
    });
    expect(Object.keys(started).toSorted()).toEqual(['generationId', 'jobId', 'unsubscribe']);
    await first.promise;
    started.unsubscribe();
    const before = updates;
    await user.reaches(started.generationId, 'processing');
    await stack.simulator.release();
    await user.completed(started.generationId);
    expect(updates).toBe(before);
    expect(supabase.getChannels(), 'the channel is given back').toEqual([]);
  });

  test('pollGenerationUntilComplete resolves with the end, whichever it is', async () => {
    await stack.simulator.fault('a torn kite', { error: 'E005' });
    const { generationId } = await compat.startImageGeneration(supabase, params('a torn kite'));
    const statuses: string[] = [];
    const last = await compat.pollGenerationUntilComplete(supabase, generationId, {
      intervalMs: 50,
      maxAttempts: 400,
      onUpdate: ({ status }) => statuses.push(status),
    });
    expect(last).toMatchObject({ status: 'failed', error: last.error_message });
    expect(last.error).toMatch(/\.$/);
    expect(statuses.at(-1)).toBe('failed');
  });

  test('it ends on a cancelled generation as well', async () => {
    await stack.simulator.fault('a lost kite', { hold: 'run' });
    const { generationId } = await compat.startImageGeneration(supabase, params('a lost kite'));
    await user.reaches(generationId, 'processing');
    const ended = compat.pollGenerationUntilComplete(supabase, generationId, { intervalMs: 20 });
    await compat.cancelGeneration(supabase, generationId);
    expect(await ended).toMatchObject({ status: 'cancelled' });
    expect(await compat.getGenerationStatus(supabase, generationId)).toMatchObject({
      status: 'failed',
      error: 'Cancelled by user',
    });
  });

  test('it gives up after maxAttempts, and says so for what does not exist', async () => {
    const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
    const later = { ...params('tomorrow'), scheduled_at };
    const { generationId, jobId } = await compat.startImageGeneration(supabase, later);
    const options = { intervalMs: 1, maxAttempts: 2 };
    const waiting = compat.pollGenerationUntilComplete(supabase, generationId, options);
    await expect(waiting).rejects.toBeInstanceOf(TimeoutError);
    await expect(compat.pollJobUntilComplete(supabase, jobId, options)).rejects.toBeInstanceOf(TimeoutError);
    const nobody = compat.pollGenerationUntilComplete(supabase, crypto.randomUUID(), options);
    await expect(nobody).rejects.toBeInstanceOf(NotFoundError);
  });

  test('after configure() no function needs the client', async () => {
    compat.configure(supabase);
    const ended = Promise.withResolvers<compat.GenerationProgress>();
    const { generationId, unsubscribe } = await compat.generateWithRealtime(
      params('a free kite'),
      (progress) => {
        if (progress.status === 'completed') ended.resolve(progress);
      },
    );
    const { imageUrl } = await ended.promise;
    unsubscribe();
    expect(await compat.getGenerationImage(generationId)).toMatchObject({ public_url: imageUrl });
    expect(await compat.checkCanGenerate(user.id), 'the project has no limits of its own').toEqual({
      canGenerate: true,
    });
  });

  test('a refusal is the error of its code', async () => {
    const empty = compat.startImageGeneration(supabase, params(' '));
    await expect(empty).rejects.toBeInstanceOf(InvalidRequestError);
    await expect(empty).rejects.toMatchObject({ field: 'prompt', requestId: expect.stringMatching(/-/) });
  });
});

describe('jobs', () => {
  test('enqueueJob, getJob, pollJobUntilComplete, getUserJobs', async () => {
    const own = await TestUser.signUp(stack);
    const enqueue = (prompt: string, more = {}) =>
      compat.enqueueJob(own.supabase, { jobType: 'generate-image', payload: params(prompt), ...more });
    const id = await enqueue('by job');
    expect(await compat.getJob(own.supabase, id)).toMatchObject({ id, job_type: 'generate-image' });
    await stack.processJobs();
    const seen: string[] = [];
    const job = await compat.pollJobUntilComplete(own.supabase, id, {
      intervalMs: 50,
      maxAttempts: 400,
      onUpdate: ({ status }) => seen.push(status),
    });
    expect(job).toMatchObject({ id, status: 'completed', created_by: own.id });
    expect(seen.at(-1)).toBe('completed');
    await own.completed(job.generation_id ?? '');

    const tomorrow = new Date(Date.now() + 86_400_000);
    const late = await enqueue('later', { scheduledAt: tomorrow });
    const [newest, ...older] = await compat.getUserJobs(own.supabase);
    expect(newest).toMatchObject({ id: late, status: 'pending' });
    expect(Date.parse(newest?.scheduled_at ?? '')).toBe(tomorrow.getTime());
    expect(older.map((one) => one.id)).toContain(id);
    const pending = await compat.getUserJobs(own.supabase, { status: 'pending', limit: 5 });
    expect(pending.map((one) => one.id)).toEqual([late]);
    expect(await compat.getUserJobs(own.supabase, { limit: 1, offset: 1 })).toEqual(older.slice(0, 1));
    expect(await compat.getJob(supabase, id), 'another user’s job').toBeNull();
  });

  test('the service enqueues what it likes, for whom it likes', async () => {
    const options = { jobType: 'own-type', payload: { user_id: user.id }, priority: 3, maxAttempts: 2 };
    const id = await compat.enqueueJob(service(), options);
    expect(await compat.getJob(supabase, id)).toMatchObject({
      job_type: 'own-type',
      priority: 3,
      max_attempts: 2,
      created_by: user.id,
    });
  });

  test('enqueueJob is refused with the error of the database’s code', async () => {
    const payload = { prompt: 'x', model_id: 'no/such' };
    const refused = compat.enqueueJob(supabase, { jobType: 'generate-image', payload });
    await expect(refused).rejects.toBeInstanceOf(UnknownModelError);
    await expect(refused).rejects.toMatchObject({ status: 404, message: expect.stringMatching(/\.$/) });
  });

  test('cancelJob ends the generation, once', async () => {
    await stack.simulator.fault('to be cancelled', { hold: 'run' });
    const { generationId, jobId } = await compat.startImageGeneration(supabase, params('to be cancelled'));
    await user.reaches(generationId, 'processing');
    await compat.cancelJob(supabase, jobId);
    expect((await user.get(generationId)).status).toBe('cancelled');
    await stack.processJobs();
    await stack.until('the cancel to reach the provider', async () => {
      const [prediction] = await stack.simulator.predictions(jobId);
      return prediction?.status === 'canceled';
    });
    const done = await compat.startImageGeneration(supabase, params('done'));
    await user.completed(done.generationId);
    await expect(compat.cancelJob(supabase, done.jobId)).rejects.toBeInstanceOf(ConflictError);
    await expect(compat.cancelJob(supabase, crypto.randomUUID())).rejects.toBeInstanceOf(NotFoundError);
  });

  test('cancelJob ends a job without a generation while it waits', async () => {
    const id = await compat.enqueueJob(service(), { jobType: 'own-type', payload: { user_id: user.id } });
    await expect(compat.cancelJob(supabase, id), 'its user may not').rejects.toBeInstanceOf(ForbiddenError);
    await compat.cancelJob(service(), id);
    expect(await compat.getJob(service(), id)).toMatchObject({ status: 'cancelled' });
    await expect(compat.cancelJob(service(), id)).rejects.toBeInstanceOf(ConflictError);
    const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
    const { generationId, jobId } = await compat.startImageGeneration(supabase, {
      ...params('x'),
      scheduled_at,
    });
    await compat.cancelJob(service(), jobId);
    expect((await user.get(generationId)).status, 'a generation goes with its job').toBe('cancelled');
  });

  test('subscribeToJob and subscribeToUserJobs see it through', async () => {
    const own = await TestUser.signUp(stack);
    await stack.simulator.fault('followed', { hold: 'run' });
    const { jobId } = await compat.startImageGeneration(own.supabase, params('followed'));
    const first = Promise.withResolvers<void>();
    const one = Promise.withResolvers<void>();
    const all = Promise.withResolvers<void>();
    const done = (job: compat.JobQueueRow, resolve: () => void) => {
      if (job.id === jobId && job.status === 'completed') resolve();
    };
    const stops = [
      compat.subscribeToJob(own.supabase, jobId, (job) => done(job, one.resolve)),
      compat.subscribeToUserJobs(own.supabase, own.id, (job) => {
        first.resolve();
        done(job, all.resolve);
      }),
    ];
    await first.promise;
    await stack.simulator.release();
    await Promise.all([one.promise, all.promise]);
    for (const stop of stops) stop();
  });

  test('getQueueStats and getRecentFailedJobs: one’s own, and the service’s all', async () => {
    const own = await TestUser.signUp(stack);
    await stack.simulator.fault('counted, torn', { error: 'E005' });
    const torn = await compat.startImageGeneration(own.supabase, params('counted, torn'));
    await own.reaches(torn.generationId, 'failed');
    const whole = await compat.startImageGeneration(own.supabase, params('counted, whole'));
    await own.completed(whole.generationId);

    const stats = await compat.getQueueStats(own.supabase, 'generate-image');
    expect(stats).toMatchObject({ total: 2, pending: 0, processing: 0, completed: 1, failed: 1 });
    expect(stats.avgDurationSeconds).toBeGreaterThanOrEqual(0);
    expect(await compat.getQueueStats(own.supabase, 'no-such-type')).toMatchObject({
      total: 0,
      avgDurationSeconds: 0,
    });
    const failed = await compat.getRecentFailedJobs(own.supabase);
    expect(failed.map(({ id }) => id)).toEqual([torn.jobId]);

    expect((await compat.getQueueStats(service())).total).toBeGreaterThan(stats.total);
    expect((await compat.getRecentFailedJobs(service(), 1)).map(({ id }) => id)).toEqual([torn.jobId]);
  });
});
