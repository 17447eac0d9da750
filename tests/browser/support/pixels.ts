import type { Locator } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { TestStack } from '../../e2e/support/stack.ts';
import { until } from '../../e2e/support/until.ts';

/** Cells on each side of the grid by which pictures are compared. */
const CELLS = 8;
/** Mean difference of a colour's 256 steps: what resizing and rounded corners make, and what another picture does. */
const MOST_FOR_THE_SAME = 8;
const LEAST_FOR_ANOTHER = 20;

/** The mean colours of a picture's cells, row by row. */
async function colours(file: Buffer): Promise<number[]> {
  const cells = sharp(file).removeAlpha().resize(CELLS, CELLS, { fit: 'fill', kernel: 'cubic' });
  return [...(await cells.raw().toBuffer())];
}

const difference = (a: number[], b: number[]) =>
  a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;

const plain = (all: number[]) => {
  const mean = [0, 1, 2].map((channel) => {
    const own = all.filter((_, index) => index % 3 === channel);
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
  return all.map((_, index) => mean[index % 3] ?? 0);
};

/** A PNG of 640 × 384 pixels to upload, with something to see in it. */
export function drawing(): Promise<Buffer> {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="384"><rect width="640" height="384" fill="#7fb2d9"/><circle cx="470" cy="110" r="60" fill="#f4d35e"/><path d="M0 384 220 150 420 384Z" fill="#335c4a"/></svg>';
  return sharp(Buffer.from(svg)).png().toBuffer();
}

/** The file that the simulator painted for a prompt; it must have painted one only. */
export async function painted(stack: TestStack, prompt: string): Promise<Buffer> {
  const made = await stack.simulator.withPrompt(prompt);
  expect(made, `predictions of “${prompt}”`).toHaveLength(1);
  const [url] = [made[0]?.prediction.output].flat();
  const answer = await fetch(String(url));
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

/** As wide as thumbnails are: private.settings.thumbnail_width of this stack. */
const THUMBNAIL = 512;

/**
 * What is on the screen where the image is must be that file: its size, and its colours all over.
 *
 * @param how `small`: in the size of thumbnails
 */
export async function expectShown(image: Locator, file: Buffer, how?: 'small'): Promise<void> {
  const natural = await image.evaluate(async (element: HTMLImageElement) => {
    await element.decode();
    return [element.naturalWidth, element.naturalHeight];
  });
  const { width = 0, height = 0 } = await sharp(file).metadata();
  const scale = how ? Math.min(1, THUMBNAIL / width) : 1;
  const size = [Math.round(width * scale), Math.round(height * scale)];
  expect(natural, 'the size of the picture on the page').toEqual(size);

  const made = await colours(file);
  expect(difference(made, plain(made)), 'a plain picture would prove nothing').toBeGreaterThan(
    LEAST_FOR_ANOTHER,
  );
  await until(
    'the picture to be on the screen as it was made',
    async () => difference(await colours(await image.screenshot()), made) < MOST_FOR_THE_SAME,
    async () => `it differs by ${difference(await colours(await image.screenshot()), made)} steps`,
  );
}
