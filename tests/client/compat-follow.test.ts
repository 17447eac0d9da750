import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type GenerationUpdate,
  subscribeToGeneration,
  subscribeToJob,
} from '../../client/src/compat/index.ts';
import { ROW, scripted } from './followed.ts';

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('with Realtime', () => {
  test('a message brings a poll at once, and polls become rare', async () => {
    const played = scripted({ ...ROW });
    const updates: GenerationUpdate[] = [];
    subscribeToGeneration(played.supabase, 'g1', (update) => updates.push(update));
    played.status('SUBSCRIBED');
    await settle();
    expect(played.asked).toEqual([
      [
        'postgres_changes',
        { event: 'UPDATE', schema: 'public', table: 'image_generations', filter: 'id=eq.g1' },
      ],
    ]);
    Object.assign(played.row, { status: 'processing', progress: 10 });
    played.message();
    await settle();
    const before = played.reads();
    await vi.advanceTimersByTimeAsync(14_000);
    expect(played.reads(), 'messages come: no polls meanwhile').toBe(before);
    Object.assign(played.row, { status: 'completed', progress: 100 });
    await vi.advanceTimersByTimeAsync(1_000); // its message was lost
    expect(updates.map(({ status }) => status)).toEqual(['queued', 'processing', 'completed']);
    expect(updates.at(-1)).toMatchObject({
      id: 'g1',
      generationId: 'g1',
      imageUrl: 'https://x.example/1.webp',
    });
    expect(played.removed, 'it has ended: the channel is given back').toEqual([played.channel]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a retry after the end', () => {
  test.each(['failed', 'cancelled'])(
    'of one that has %s is told, on a channel that is joined',
    async (end) => {
      const played = scripted({ ...ROW, status: 'processing', progress: 60 });
      const updates: string[] = [];
      const stop = subscribeToGeneration(played.supabase, 'g1', ({ status }) => updates.push(status));
      played.status('SUBSCRIBED');
      await settle();
      const change = (status: string, progress: number) => {
        Object.assign(played.row, { status, progress });
        played.message();
        return settle();
      };
      await change(end, 60);
      await change(end, 60); // Realtime may tell it twice
      const before = played.reads();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(played.reads(), 'no polls meanwhile').toBe(before);
      await change('pending', 0);
      await change('processing', 10);
      await change('completed', 100);
      expect(updates).toEqual(['processing', end, 'queued', 'processing', 'completed']);
      expect(played.removed).toEqual([played.channel]);
      stop();
    },
  );

  test('is not waited for on a channel that is not joined', async () => {
    const played = scripted({ ...ROW, status: 'failed' });
    subscribeToGeneration(played.supabase, 'g1', () => {});
    played.status('CHANNEL_ERROR');
    await settle();
    expect(played.removed).toEqual([played.channel]);
  });
});

describe('without Realtime', () => {
  test('one that was inserted and not started is pending, as its app wrote it', async () => {
    const played = scripted({ ...ROW, job_id: null });
    const updates: GenerationUpdate[] = [];
    const stop = subscribeToGeneration(played.supabase, 'g1', (update) => updates.push(update));
    await settle();
    Object.assign(played.row, { status: 'processing', progress: 10 });
    await vi.advanceTimersByTimeAsync(1_500);
    expect(updates.map(({ status }) => status)).toEqual(['pending', 'processing']);
    stop();
  });

  test.each(['CHANNEL_ERROR', 'TIMED_OUT', 'CLOSED', 'SUBSCRIBED, and silence', 'nothing at all'])(
    '%s: it polls every 1.5 seconds',
    async (status) => {
      const played = scripted({ ...ROW });
      const updates: GenerationUpdate[] = [];
      subscribeToGeneration(played.supabase, 'g1', (update) => updates.push(update));
      if (status !== 'nothing at all') played.status(status.split(',')[0] as string);
      await settle();
      const before = played.reads();
      await vi.advanceTimersByTimeAsync(6_000);
      expect(played.reads() - before).toBe(4);
      Object.assign(played.row, { status: 'failed', error_message: 'The model refused.' });
      await vi.advanceTimersByTimeAsync(1_500);
      expect(updates.at(-1)).toMatchObject({ status: 'failed', error: 'The model refused.' });
    },
  );

  test('a channel that cannot even be opened', async () => {
    const played = scripted({ ...ROW, status: 'completed' });
    played.supabase.channel = () => {
      throw new Error('no WebSocket');
    };
    const updates: GenerationUpdate[] = [];
    subscribeToGeneration(played.supabase, 'g1', (update) => updates.push(update));
    await settle();
    expect(updates.map(({ status }) => status)).toEqual(['completed']);
  });

  test('a poll that fails is repeated', async () => {
    const played = scripted({ ...ROW });
    const { from } = played.supabase;
    played.supabase.from = () => {
      played.supabase.from = from;
      throw new TypeError('fetch failed');
    };
    const updates: GenerationUpdate[] = [];
    const stop = subscribeToGeneration(played.supabase, 'g1', (update) => updates.push(update));
    await vi.advanceTimersByTimeAsync(1_500);
    expect(updates.map(({ status }) => status)).toEqual(['queued']);
    stop();
  });
});

test('a generation never goes backwards; a job that is tried again does', async () => {
  const played = scripted({ ...ROW, status: 'processing', progress: 10, updated_at: '1' });
  const updates: string[] = [];
  const jobs: string[] = [];
  const stop = subscribeToGeneration(played.supabase, 'g1', ({ status }) => updates.push(status));
  const stopJob = subscribeToJob(played.supabase, 'j1', ({ status }) => jobs.push(status));
  await settle();
  Object.assign(played.row, { status: 'pending', progress: 0, updated_at: '2' });
  await vi.advanceTimersByTimeAsync(3_000);
  expect(updates).toEqual(['processing']);
  expect(jobs).toEqual(['processing', 'pending']);
  stop();
  stopJob();
  const before = played.reads();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(played.reads()).toBe(before);
  expect(played.removed).toHaveLength(2);
});
