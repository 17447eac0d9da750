import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RATE_LIMITER } from '../../dev/stack/workers/rate-limiter.ts';

/** The module's own rules, on a clock that is moved; workers.test.ts runs it in workerd. */

interface RateLimiter {
  limit(options: { key: unknown }): Promise<{ success: boolean }>;
}
const { default: make } = (await import(`data:text/javascript,${encodeURIComponent(RATE_LIMITER)}`)) as {
  default: (env: { limit: number; period: number }) => RateLimiter;
};

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

const after = (ms: number) => vi.setSystemTime(Date.now() + ms);

test.each([10, 60])('a period of %s s begins with the first call of a key', async (period) => {
  const limiter = make({ limit: 2, period });
  const passes = async (key: string) => (await limiter.limit({ key })).success;
  expect([await passes('a'), await passes('a'), await passes('a')]).toEqual([true, true, false]);
  after(period * 1000 - 1);
  expect([await passes('a'), await passes('b')]).toEqual([false, true]);
  after(1);
  expect([await passes('a'), await passes('a'), await passes('a')]).toEqual([true, true, false]);
  expect([await passes('b'), await passes('b')]).toEqual([true, false]);
});

test('what Cloudflare refuses is refused', async () => {
  expect(() => make({ limit: 2, period: 30 })).toThrow('10 or 60');
  await expect(make({ limit: 2, period: 10 }).limit({ key: 7 })).rejects.toThrow('key must be a string');
});
