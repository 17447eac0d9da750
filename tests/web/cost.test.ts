import { expect, test } from 'vitest';
import { priceFor, scalesOf } from '../../web/src/composer/cost.ts';
import { model } from './models.ts';

/** The same cases as tests/database/prices.test.ts has of the database's own sum: the two must not drift apart. */

const bySecond = model({
  price: { usd_per_image: 0.01, usd_per_second: 0.001 },
  supports: { scale: { min: 1, max: 8, default: 2 } },
});
const bySize = model({
  defaults: { width: null, height: null, num_inference_steps: null, guidance_scale: null, strength: null },
  price: { usd_per_image: 0.084, usd_per_megapixel: 0.004 },
  supports: { scale: { min: 1, max: 6, default: 2 }, scales: [2, 4, 6] },
});

test.each([
  [undefined, 0.01],
  [5, 0.0625],
  [10, 0.16],
  [1, 0.01],
])('by the second, %s times as large: %d', (scale, price) => {
  expect(priceFor(bySecond, scale)?.reserved).toBeCloseTo(price, 9);
  expect(priceFor(bySecond, scale)?.expected).toBeCloseTo(price, 9);
});

test.each([
  [undefined, 0.08 + 64 * 0.004],
  [3, 0.08 + 144 * 0.004],
  [1.5, 0.08 + 64 * 0.004],
  [10, 0.08 + 576 * 0.004],
])('by the megapixel, of an unknown size, %s times as large: %d is set aside', (scale, price) => {
  expect(priceFor(bySize, scale)?.reserved).toBeCloseTo(price, 9);
});

test('of a known size it costs what it gets; of an upload the server sets aside what it does not know', () => {
  const pixels = 1_000 * 800;
  const price = 0.08 + 7 * 0.004;
  const own = priceFor(bySize, 3, [{ pixels, isOwn: true }]);
  expect(own?.expected).toBeCloseTo(price, 9);
  expect(own?.reserved).toBeCloseTo(price, 9);
  const upload = priceFor(bySize, 3, [{ pixels }]);
  expect(upload?.expected).toBeCloseTo(price, 9);
  expect(upload?.reserved).toBeCloseTo(0.08 + 144 * 0.004, 9);
});

test('pictures to start from that are billed by the megapixel, each rounded up, up to what the model counts', () => {
  const edits = model({
    price: { usd_per_image: 0.03, usd_per_source_megapixel: 0.015, max_source_megapixels: 4 },
  });
  const million = 1_000_000;
  expect(priceFor(edits)?.reserved).toBeCloseTo(0.03, 9);
  const own = [million, 1.5 * million, 9 * million].map((pixels) => ({ pixels, isOwn: true }));
  expect(priceFor(edits, undefined, own)?.reserved).toBeCloseTo(0.03 + (1 + 2 + 4) * 0.015, 9);
  const others = priceFor(edits, undefined, [{ pixels: million }, {}]);
  expect(others?.expected).toBeCloseTo(0.03 + (1 + 4) * 0.015, 9);
  expect(others?.reserved).toBeCloseTo(0.03 + (4 + 4) * 0.015, 9);
});

test('by the image, and where no factor can be chosen, it is the same', () => {
  const flat = model({ price: { usd_per_image: 0.05 }, supports: { scale: { min: 1, max: 4, default: 2 } } });
  expect(priceFor(flat, 4)?.reserved).toBe(0.05);
  expect(priceFor(model(), 9)?.reserved).toBe(0.003);
  expect(priceFor(model({ price: null }), 2)).toBeUndefined();
});

test('the factors are the catalogue’s: its choices, or the usual ones within its range', () => {
  expect(scalesOf(model())).toEqual([]);
  expect(scalesOf(bySize, 3)).toEqual([2, 4, 6]);
  expect(scalesOf(bySecond)).toEqual([1, 2, 3, 4, 6, 8]);
  expect(scalesOf(bySecond, 2.5)).toEqual([1, 2, 2.5, 3, 4, 6, 8]);
  expect(scalesOf(bySecond, 9)).not.toContain(9);
});
