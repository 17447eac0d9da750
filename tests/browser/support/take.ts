import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';

const FOLDER = fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url));
const MOST_BYTES = 150_000;

/** A screenshot for docs/: of what is in sight, once all pictures in it are there. */
export async function take(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await page.evaluate(async () => {
    const pictures = [...document.images].filter((image) => {
      const { top, bottom } = image.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    });
    await Promise.all(pictures.map((image) => image.decode()));
    // What has just been opened is drawn by now.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
  });
  const file = path.join(FOLDER, `${name}.webp`);
  const { size } = await sharp(await page.screenshot())
    .webp({ quality: 82, effort: 6 })
    .toFile(file);
  if (size > MOST_BYTES)
    throw new Error(`${file} has ${size} bytes; more than ${MOST_BYTES} is too heavy for a page of docs`);
  process.stdout.write(`${path.relative(process.cwd(), file)} (${Math.round(size / 1_000)} KB)\n`);
}
