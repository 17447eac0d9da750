import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import * as compat from '../../client/src/compat/index.ts';
import { ROW, scripted } from './followed.ts';
import { wire } from './wire.ts';

/** What becomes of a following when its callback throws, its row goes, or no read succeeds. */

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a callback that throws', () => {
  const thrown: unknown[] = [];
  beforeEach(() => {
    thrown.length = 0;
    // As a fresh task that throws is reported: not to vitest, which would fail the test.
    const { setTimeout: plain } = globalThis;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((task: () => void, ms?: number) =>
      plain(() => {
        try {
          task();
        } catch (error) {
          thrown.push(error);
        }
      }, ms)) as typeof setTimeout);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.each([
    ['subscribeToGeneration', 'g1', ['queued', 'processing', 'completed']],
    ['subscribeToGenerationUpdates', 'g1', ['queued', 'processing', 'completed']],
    ['subscribeToJob', 'j1', ['pending', 'processing', 'completed']],
  ] as const)('%s goes on, reports each error as uncaught, and ends', async (name, id, statuses) => {
    const played = scripted({ ...ROW });
    const seen: string[] = [];
    const subscribe = Reflect.get(compat, name) as typeof compat.subscribeToJob;
    subscribe(played.supabase, id, (update) => {
      seen.push(update.status);
      throw new Error(update.status);
    });
    await settle();
    for (const status of ['processing', 'completed']) {
      Object.assign(played.row, { status });
      await vi.advanceTimersByTimeAsync(1_500);
    }
    await vi.advanceTimersByTimeAsync(10);
    expect(seen).toEqual(statuses);
    expect(thrown).toEqual(statuses.map((status) => new Error(status)));
    expect(played.removed, 'the channel is given back').toEqual([played.channel]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('subscribeToUserJobs tells the other jobs', async () => {
    const jobs = ['j1', 'j2'].map((id) => ({ id, status: 'pending', created_at: '2026-11-29T00:00:00Z' }));
    const seen: string[] = [];
    const stop = compat.subscribeToUserJobs(wire(() => ({ body: jobs })).supabase, 'u1', ({ id }) => {
      seen.push(id);
      throw new Error(id);
    });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(seen).toEqual(['j1', 'j2']);
    expect(thrown).toHaveLength(2);
    stop();
  });
});

describe('what cannot be read any more', () => {
  const MINUTES = 60_000;
  const GONE = 'It was deleted.';
  const UNREAD = 'It could not be read for 10 minutes.';

  test('a generation that is deleted has failed', async () => {
    const played = scripted({ ...ROW });
    const updates: unknown[] = [];
    compat.subscribeToGenerationUpdates(played.supabase, 'g1', (update) => updates.push(update));
    await settle();
    played.isGone = true;
    await vi.advanceTimersByTimeAsync(1_500);
    expect(updates).toEqual([
      { generationId: 'g1', status: 'queued', progress: 0 },
      { generationId: 'g1', status: 'failed', progress: 0, error: GONE },
    ]);
    expect(played.removed).toEqual([played.channel]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each(['isGone', 'isDown'] as const)(
    'one that never could (%s) has failed after ten minutes',
    async (how) => {
      const played = scripted({ ...ROW });
      played[how] = true;
      const updates: unknown[] = [];
      compat.subscribeToGenerationUpdates(played.supabase, 'g1', (update) => updates.push(update));
      await vi.advanceTimersByTimeAsync(9 * MINUTES);
      expect(updates).toEqual([]);
      await vi.advanceTimersByTimeAsync(2 * MINUTES);
      expect(updates).toEqual([{ generationId: 'g1', status: 'failed', progress: 0, error: UNREAD }]);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('an outage of nine minutes is none', async () => {
    const played = scripted({ ...ROW });
    const updates: compat.GenerationUpdate[] = [];
    compat.subscribeToGeneration(played.supabase, 'g1', (update) => updates.push(update));
    for (const status of ['processing', 'completed']) {
      played.isDown = true;
      await vi.advanceTimersByTimeAsync(9 * MINUTES);
      played.isDown = false;
      Object.assign(played.row, { status });
      await vi.advanceTimersByTimeAsync(1_500);
    }
    expect(updates.map(({ status }) => status)).toEqual(['queued', 'processing', 'completed']);
  });

  test('a job that is deleted has failed', async () => {
    const played = scripted({ ...ROW, id: 'j1' });
    const jobs: unknown[] = [];
    compat.subscribeToJob(played.supabase, 'j1', (job) => jobs.push(job));
    await settle();
    played.isGone = true;
    await vi.advanceTimersByTimeAsync(1_500);
    const error_message = GONE;
    expect(jobs).toMatchObject([{ status: 'pending' }, { id: 'j1', status: 'failed', error_message }]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
