import { expect, test } from 'vitest';
import { Database } from './support.ts';

/** Where a small version of an image is. */

const db = await Database.open();

const STORED = 'https://x.example/storage/v1/object/public/generated-images/u/a.webp';
const SMALL =
  'https://x.example/storage/v1/render/image/public/generated-images/u/a.webp?width=512&resize=contain';

test.each([
  ['a project without the transformation', STORED, 'webp', 1024, null, STORED],
  ['an image that is wider', STORED, 'webp', 1024, 512, SMALL],
  ['one that is as wide', STORED, 'webp', 512, 512, STORED],
  ['one whose size is not known', STORED, 'webp', null, 512, STORED],
  ['a drawing, which is small at any size', STORED, 'svg', 1024, 512, STORED],
  ['an animation, of which one frame would be left', STORED, 'gif', 1024, 512, STORED],
  ['one that is stored elsewhere', 'https://y.example/a.png', 'png', 1024, 512, 'https://y.example/a.png'],
] as const)('of %s', async (_, url, format, imageWidth, width, expected) => {
  const [row] = await db.sql`select private.thumbnail_url(
    ${url}, ${format}, ${imageWidth}::int, ${width}::int) as url`;
  expect(row?.url).toBe(expected);
});

test('the width has the bounds of the transformation', async () => {
  for (const width of [15, 2501]) {
    await expect(
      db.sql`update private.settings set thumbnail_width = ${width} where only_row`,
    ).rejects.toMatchObject({
      code: '23514',
    });
  }
});
