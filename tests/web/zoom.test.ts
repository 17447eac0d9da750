import { expect, test } from 'vitest';
import { fullScale, moved, WHOLE, zoomed } from '../../web/src/feed/zoom.ts';

const FRAME = { width: 400, height: 200 };

/** Where a point of the picture, told from its middle in the size in which it fits, is seen. */
const seen = ({ scale, x }: typeof WHOLE, at: number) => at * scale + x;

test('what is under the pointer stays there', () => {
  const once = zoomed(WHOLE, 2, { x: 100, y: 50 }, FRAME, 4);
  expect(seen(once, 100)).toBe(100);
  const twice = zoomed(once, 1.5, { x: -40, y: 0 }, FRAME, 4);
  expect(seen(twice, (-40 - once.x) / once.scale)).toBeCloseTo(-40);
});

test('never smaller than the whole, and beyond the full size', () => {
  expect(zoomed({ scale: 1.2, x: 30, y: 0 }, 0.1, { x: 0, y: 0 }, FRAME, 4)).toEqual(WHOLE);
  const most = zoomed(WHOLE, 1_000, { x: 0, y: 0 }, FRAME, 4).scale;
  expect(most).toBeGreaterThan(4);
  expect(zoomed(WHOLE, 10_000, { x: 0, y: 0 }, FRAME, 4).scale, 'it ends somewhere').toBe(most);
});

test('no further than to its edges', () => {
  const large = zoomed(WHOLE, 2, { x: 0, y: 0 }, FRAME, 4);
  expect(moved(large, 1_000, -1_000, FRAME)).toEqual({ scale: 2, x: 200, y: -100 });
  expect(moved(WHOLE, 50, 50, FRAME), 'the whole stands still').toEqual(WHOLE);
});

test('a picture that is shown in its full size already is not made smaller', () => {
  expect(fullScale({ width: 1_024, height: 512 }, FRAME)).toBe(2.56);
  expect(fullScale({ width: 64, height: 32 }, FRAME)).toBe(1);
  expect(fullScale({ width: 64, height: 32 }, { width: 0, height: 0 }), 'before it is laid out').toBe(1);
});
