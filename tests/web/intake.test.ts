import sharp from 'sharp';
import { expect, test } from 'vitest';
import { judged, LARGEST_BYTES, misfitOf, refusalOf } from '../../web/src/composer/intake.ts';

/** What the server would refuse is refused before it is sent, in a sentence. */

const file = (bytes: Uint8Array<ArrayBuffer> | string, name: string) => new File([bytes], name);
const picture = (format: 'png' | 'jpeg' | 'webp') =>
  sharp({ create: { width: 2, height: 2, channels: 3, background: 'teal' } })
    .toFormat(format)
    .toBuffer();

test.each(['png', 'jpeg', 'webp'] as const)(
  'a %s is taken, whatever its name and type say',
  async (format) => {
    expect(await refusalOf(file(new Uint8Array(await picture(format)), 'IMG_0001.HEIC'))).toBeUndefined();
  },
);

test.each([
  ['', 'empty.png', '“empty.png” is empty.'],
  ['GIF89a, and more', 'a.gif', '“a.gif” is not a PNG, JPEG or WebP picture.'],
  ['RIFF????WAVE', 'a.webp', '“a.webp” is not a PNG, JPEG or WebP picture.'],
])('%j is not', async (bytes, name, why) => {
  expect(await refusalOf(file(bytes, name))).toBe(why);
});

test('10 MiB are taken, a byte more is not', async () => {
  const large = new Uint8Array(LARGEST_BYTES + 1);
  large.set(new Uint8Array(await picture('png')));
  expect(await refusalOf(file(large.subarray(0, LARGEST_BYTES), 'a.png'))).toBeUndefined();
  expect(await refusalOf(file(large, 'a.png'))).toBe('“a.png” is larger than 10 MB.');
});

test('of too many files as many are taken as there is room for, and it is said', async () => {
  const png = new Uint8Array(await picture('png'));
  const files = [1, 2, 3, 4].map((n) => file(png, `${n}.png`));
  const bad = file('text', 'notes.txt');
  const { taken, why } = await judged([bad, ...files], 2, 10);
  expect(taken.map(({ name }) => name)).toEqual(['1.png', '2.png']);
  expect(why).toEqual([
    '“notes.txt” is not a PNG, JPEG or WebP picture.',
    'This model takes 10 pictures at most: 2 were left out.',
  ]);
  expect((await judged(files, -1, 1)).taken).toEqual([]);
});

test('a mask is as large as its picture, where both are known', () => {
  const size = { width: 640, height: 384 };
  expect(misfitOf(size, size)).toBeUndefined();
  expect(misfitOf(size, {})).toBeUndefined();
  expect(misfitOf({ width: 64, height: 64 }, size)).toMatch(/64 × 64 pixels, and the picture 640 × 384/);
});
