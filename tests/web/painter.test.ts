import sharp from 'sharp';
import { expect, test } from 'vitest';
import {
  type Bitmap,
  bitmapFor,
  drawLine,
  invert,
  packed,
  share,
  unpack,
} from '../../web/src/painter/bitmap.ts';
import { maskPng } from '../../web/src/painter/png.ts';

/** A mask as it is painted, and as it is stored. */

const at = (bitmap: Bitmap, x: number, y: number) => bitmap.pixels[y * bitmap.width + x];
const rows = ({ width, height, pixels }: Bitmap) =>
  Array.from({ length: height }, (_, y) => pixels.slice(y * width, (y + 1) * width).join(''));

test('a line has round ends and a hard edge, and stays on the picture', () => {
  const bitmap = bitmapFor(9, 5);
  drawLine(bitmap, { x: 2.5, y: 2.5 }, { x: 6.5, y: 2.5 }, 1.5, 1);
  expect(rows(bitmap)).toEqual(['000000000', '011111110', '011111110', '011111110', '000000000']);
  const area = drawLine(bitmap, { x: -20, y: -20 }, { x: 4, y: 1 }, 3, 0);
  expect(area).toEqual({ left: 0, top: 0, right: 8, bottom: 5 });
  expect(at(bitmap, 4, 1)).toBe(0);
  expect(() => drawLine(bitmap, { x: 100, y: 100 }, { x: 200, y: 200 }, 3, 1)).not.toThrow();
});

test('a point is a dot, a thin line has no gaps', () => {
  const bitmap = bitmapFor(64, 64);
  drawLine(bitmap, { x: 10.5, y: 10.5 }, { x: 10.5, y: 10.5 }, 0.5, 1);
  expect(share(bitmap)).toBe(1 / 4096);
  drawLine(bitmap, { x: 0, y: 0 }, { x: 64, y: 37 }, 1, 1);
  for (let x = 0; x < 64; x += 1) expect(at(bitmap, x, Math.floor((x * 37) / 64))).toBe(1);
});

test('what is inverted, and what is taken back', () => {
  const bitmap = bitmapFor(13, 7);
  drawLine(bitmap, { x: 3, y: 3 }, { x: 9, y: 5 }, 2, 1);
  const before = rows(bitmap);
  const kept = packed(bitmap);
  const painted = share(bitmap);
  invert(bitmap);
  expect(share(bitmap)).toBeCloseTo(1 - painted, 9);
  unpack(bitmap, kept);
  expect(rows(bitmap)).toEqual(before);
});

test.each([
  ['white', 255, 0],
  ['black', 0, 255],
] as const)(
  'the file of a model that makes %s anew: as large as its picture',
  async (paints, painted, rest) => {
    const bitmap = bitmapFor(40, 30);
    drawLine(bitmap, { x: 10, y: 10 }, { x: 20, y: 20 }, 4, 1);
    const file = Buffer.from(await (await maskPng(bitmap, 40, 30, paints)).arrayBuffer());
    expect(await sharp(file).metadata()).toMatchObject({
      format: 'png',
      width: 40,
      height: 30,
      space: 'b-w',
    });
    const grey = await sharp(file).toColourspace('b-w').raw().toBuffer();
    const wanted = Buffer.from(bitmap.pixels.map((pixel) => (pixel ? painted : rest)));
    expect(grey.equals(wanted), 'its pixels, in their order').toBe(true);
  },
);

test('a picture of many pixels is painted on in fewer, and its mask has all of them', async () => {
  const bitmap = bitmapFor(6_000, 3_000);
  expect([bitmap.width, bitmap.height]).toEqual([2_048, 1_024]);
  bitmap.pixels.fill(1, 0, bitmap.pixels.length / 2);
  const file = Buffer.from(await (await maskPng(bitmap, 6_000, 3_000, 'white')).arrayBuffer());
  const grey = await sharp(file).toColourspace('b-w').raw().toBuffer();
  expect(grey.length).toBe(6_000 * 3_000);
  expect([grey[0], grey[1_499 * 6_000 + 5_999], grey[1_500 * 6_000], grey.at(-1)]).toEqual([255, 255, 0, 0]);
});
