import { expect, test, vi } from 'vitest';
import { cronMatches, startCron } from '../../dev/stack/workers/cron.ts';

const TUESDAY = new Date('2026-11-24T09:30:00Z'); // Cloudflare's weekday 3

test.each([
  ['* * * * *', true],
  ['30 9 * * *', true],
  ['31 9 * * *', false],
  ['*/15 * * * *', true],
  ['*/7 * * * *', false],
  ['10,30 8-10 * * *', true],
  ['0-29 * * * *', false],
  ['30/10 * * * *', true],
  ['* * 24 11 3', true],
  ['* * * * 2', false],
  ['* * *', false],
])('%s', (cron, expected) => {
  expect(cronMatches(cron, TUESDAY)).toBe(expected);
});

test('fires at each full minute, with that minute', () => {
  vi.useFakeTimers({ now: new Date('2026-11-24T09:30:41.500Z') });
  const fired: string[] = [];
  const cron = startCron([{ worker: 'jobs', crons: ['* * * * *', '0 0 1 1 *'] }], (worker, _, time) =>
    fired.push(`${worker} ${time.toISOString()}`),
  );
  vi.advanceTimersByTime(18_499);
  expect(fired).toEqual([]);
  vi.advanceTimersByTime(60_002);
  expect(fired).toEqual(['jobs 2026-11-24T09:31:00.000Z', 'jobs 2026-11-24T09:32:00.000Z']);
  cron.stop();
  vi.advanceTimersByTime(600_000);
  expect(fired).toHaveLength(2);
  vi.useRealTimers();
});
