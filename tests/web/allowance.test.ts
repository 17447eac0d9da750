import { expect, test } from 'vitest';
import type { Usage } from '../../client/src/openapi.ts';
import { excessOf, leftParts, usedLine } from '../../web/src/composer/allowance.ts';

const RESET = '2026-11-25T00:00:00+00:00';

/** Of a plan with 500 pictures and 5 dollars a day. */
const usage = (images: number | null, money: number | null) =>
  ({
    plan: { images_per_day: images === null ? null : 500 },
    images: { used: 12, left: images, resets_at: RESET },
    money: { used: 0.04, left: money, resets_at: RESET },
    spent_usd: { today: 0.04, this_month: 1 },
  }) as Usage;

test('what is used, of a plan with a limit and of one without', () => {
  expect(usedLine(usage(488, 4.96))).toBe('12 of 500 pictures today · $0.04');
  expect(usedLine(usage(null, 4.96))).toBe('12 pictures today · $0.04');
});

test('what is left, in few words', () => {
  expect(leftParts(usage(488, 4.96))).toEqual(['488 left today', '$0.04 of $5.00']);
  expect(leftParts(usage(null, null))).toEqual(['12 made today', '$0.04 spent']);
});

test('too many pictures, and pictures that are too dear', () => {
  const until = new Date(RESET);
  expect(excessOf(usage(3, 5), 3, 0.3)).toBeUndefined();
  expect(excessOf(usage(3, 5), 4, 0.3)).toEqual({ text: 'Your plan has 3 pictures left today.', until });
  expect(excessOf(usage(0, 5), 1, 0.1)?.text).toMatch(/as many pictures as your plan allows/);
  expect(excessOf(usage(null, 0.05), 2, 0.06)).toEqual({ text: 'Your plan has $0.05 left today.', until });
  expect(excessOf(usage(null, 0), 1, 0.1)?.text).toMatch(/spent as much as your plan allows/);
  expect(excessOf(usage(null, null), 10, 99), 'no limit').toBeUndefined();
  expect(excessOf(usage(5, 0.01), 1, undefined), 'a price that is not known').toBeUndefined();
});
