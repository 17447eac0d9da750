import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { subscribeToUserJobs } from '../../client/src/compat/index.ts';
import { type Sent, wire } from './wire.ts';

/** What subscribeToUserJobs tells of a user who has more jobs than are read at once. */

interface Job {
  id: string;
  status: string;
  created_at: string;
  updated_at: string;
}

const START = Date.parse('2026-11-29T00:00:00Z');
const at = (second: number) => new Date(START + second * 1_000).toISOString();
const job = (second: number, status: string): Job => ({
  id: `j${second}`,
  status,
  created_at: at(second),
  updated_at: at(second),
});

let jobs: Job[];
let told: string[];
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

/** The rows that PostgREST gives for the filters in use. */
function rows({ path }: Sent): Job[] {
  const query = new URLSearchParams(path.split('?')[1]);
  const words = (name: string) => query.get(name)?.slice('in.('.length, -1).split(',');
  const [ids, statuses] = [words('id'), words('status')];
  return jobs
    .filter(({ id, status }) => (ids?.includes(id) ?? true) && (statuses?.includes(status) ?? true))
    .toSorted((a, b) => b.created_at.localeCompare(a.created_at))
    .slice(0, Number(query.get('limit') ?? jobs.length));
}

function subscribe(first: Job[]) {
  jobs = first;
  const played = wire((sent) => ({ body: rows(sent) }));
  stop = subscribeToUserJobs(played.supabase, 'u1', ({ id, status }) => told.push(`${id} ${status}`));
  return played;
}

async function change(id: string, status: string) {
  jobs = jobs.map((one) => (one.id === id ? { ...one, status, updated_at: at(1_000) } : one));
  await poll();
}
const poll = () => vi.advanceTimersByTimeAsync(1_500);
const many = (status: string) => Array.from({ length: 60 }, (_, second) => job(second, status));

test('tells at first what is open, and nothing of what has ended before', async () => {
  const played = subscribe([job(0, 'completed'), job(1, 'failed'), job(2, 'pending'), job(3, 'processing')]);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(['j2 pending', 'j3 processing']);
  await change('j3', 'completed');
  jobs.push(job(4, 'completed'));
  await poll();
  expect(told.slice(2), 'an end, and one that began and ended between two polls').toEqual([
    'j3 completed',
    'j4 completed',
  ]);
  expect(played.sent.length, 'with one request each').toBe(3);
  await change('j1', 'pending');
  expect(told.slice(4), 'an old one that is tried again').toEqual(['j1 pending']);
});

test('tells what becomes of an open job, however many are younger', async () => {
  subscribe([job(-1, 'pending'), ...many('completed')]);
  await vi.advanceTimersByTimeAsync(0);
  await change('j-1', 'processing');
  await change('j-1', 'completed');
  await poll();
  expect(told).toEqual(['j-1 pending', 'j-1 processing', 'j-1 completed']);
});

test('does not tell an old end that a deletion brings among the newest', async () => {
  subscribe(many('completed'));
  await vi.advanceTimersByTimeAsync(0);
  jobs.splice(-5);
  await poll();
  expect(told).toEqual([]);
});
