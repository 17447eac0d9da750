import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** A picture is looked at as closely as one likes. */

const story = stories();

const PHONE = { viewport: { width: 390, height: 664 }, isMobile: true, hasTouch: true };

async function opened(ada: Visitor, prompt: string) {
  await ada.make(prompt);
  await ada.picture(prompt).click();
  const dialog = ada.page.getByRole('dialog', { name: 'Picture' });
  const image = dialog.getByRole('img', { name: prompt });
  await image.evaluate((one: HTMLImageElement) => one.decode());
  return { dialog, image };
}

const box = (image: Locator) =>
  image.evaluate((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return { x, y, width, height };
  });
const widthOf = async (image: Locator) => Math.round((await box(image)).width);

story('by keys, beyond the full size, moved by the arrows, and back to the whole', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const { dialog, image } = await opened(ada, 'A leaf');
  const whole = await widthOf(image);
  const full = await image.evaluate((one: HTMLImageElement) => one.naturalWidth);
  for (let n = 0; n < 4; n += 1) await page.keyboard.press('+');
  await expect.poll(() => widthOf(image)).toBeGreaterThan(full);
  await expectAccessible(page, 'a picture is looked at closely');
  const before = await box(image);
  await page.keyboard.press('ArrowRight');
  await expect.poll(async () => (await box(image)).x, { message: 'it is moved' }).toBeLessThan(before.x);
  expect(await dialog.getByRole('img', { name: 'A leaf' }).count(), 'it is the same picture').toBe(1);
  await page.keyboard.press('-');
  await expect.poll(async () => (await box(image)).width).toBeLessThan(before.width);
  await page.keyboard.press('0');
  await expect.poll(() => widthOf(image)).toBe(whole);
});

story('by the wheel, where the pointer is; dragged no further than to its edge', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const { dialog, image } = await opened(ada, 'A leaf');
  const before = await box(image);
  const corner = { x: before.x + 10, y: before.y + 10 };
  await page.mouse.move(corner.x, corner.y);
  await page.mouse.wheel(0, -400);
  await expect.poll(() => widthOf(image)).toBeGreaterThan(before.width * 1.5);
  const near = await box(image);
  expect(Math.abs(near.x - before.x), 'the corner stays under the pointer').toBeLessThan(20);
  await page.mouse.move(before.x + 100, before.y + 100);
  await page.mouse.down();
  await page.mouse.move(before.x + 400, before.y + 400, { steps: 4 });
  await page.mouse.up();
  await expect.poll(async () => Math.round((await box(image)).x - before.x), { message: 'its edge' }).toBe(0);
  await image.dblclick({ position: { x: 120, y: 120 } });
  await expect.poll(() => widthOf(image)).toBe(Math.round(before.width));
  await dialog.getByRole('button', { name: 'Zoom in' }).click();
  await expect.poll(() => widthOf(image)).toBe(Math.round(before.width * 1.5));
  await dialog.getByRole('button', { name: 'Whole picture' }).click();
  await expect.poll(() => widthOf(image)).toBe(Math.round(before.width));
});

story('by fingers: pinched, moved, tapped twice; to the side only the whole one goes', async ({ member }) => {
  const ada = await member(PHONE);
  const { page } = ada;
  await ada.make('The older one');
  await ada.picture('The older one').waitFor();
  const { dialog, image } = await opened(ada, 'The newer one');
  const whole = await box(image);
  const middle = { x: whole.x + whole.width / 2, y: whole.y + whole.height / 2 };
  const fingers = await ada.context.newCDPSession(page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...touchPoints: { x: number; y: number }[]) =>
    fingers.send('Input.dispatchTouchEvent', { type, touchPoints });
  const pair = (apart: number) => [
    { x: middle.x - apart, y: middle.y },
    { x: middle.x + apart, y: middle.y },
  ];
  const drag = async (x: number) => {
    await touch('touchStart', middle);
    for (const part of [0.25, 0.5, 0.75, 1])
      await touch('touchMove', { x: middle.x + x * part, y: middle.y });
    await touch('touchEnd');
  };

  await touch('touchStart', ...pair(30));
  for (const apart of [45, 60, 75, 90]) await touch('touchMove', ...pair(apart));
  await touch('touchEnd');
  await expect
    .poll(() => widthOf(image), { message: 'three times as far apart' })
    .toBe(Math.round(whole.width * 3));
  expect(await page.evaluate(() => visualViewport?.scale), 'the page itself is as it was').toBe(1);
  const before = await box(image);
  await drag(-100);
  await expect.poll(async () => Math.round((await box(image)).x - before.x)).toBe(-100);
  expect(await image.count(), 'moved, not turned').toBe(1);

  const tapTwice = async () => {
    for (let n = 0; n < 2; n += 1) {
      await touch('touchStart', middle);
      await touch('touchEnd');
    }
  };
  await tapTwice();
  await expect.poll(() => widthOf(image), { message: 'the whole again' }).toBe(Math.round(whole.width));
  await drag(-120);
  await dialog.getByRole('img', { name: 'The older one' }).waitFor();
});

story('until a picture is loaded it is there as its thumbnail, in its place', async ({ member }) => {
  const ada = await member();
  let go = () => {};
  const mayGo = new Promise<void>((resolve) => {
    go = resolve;
  });
  await ada.make('A leaf');
  await ada.picture('A leaf').waitFor();
  await ada.context.route('**/storage/v1/object/public/**', async (route) => {
    await mayGo;
    await route.continue();
  });
  await ada.picture('A leaf').click();
  const dialog = ada.page.getByRole('dialog', { name: 'Picture' });
  const early = dialog.locator('.viewer-inside img[alt=""]');
  await early.waitFor();
  const width = await early.evaluate(async (one: HTMLImageElement) => {
    await one.decode();
    return one.naturalWidth;
  });
  expect(width, 'the small version').toBe(512);
  const image = dialog.getByRole('img', { name: 'A leaf' });
  const before = await box(image);
  go();
  await early.waitFor({ state: 'detached' });
  expect(await box(image), 'nothing has moved').toEqual(before);
});

story('one that was made from it and is deleted goes from there as well', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await ada.make('A mill');
  await ada.picture('A mill').waitFor();
  await ada.card('A mill').getByRole('button', { name: 'Run again' }).click();
  await ada.picture('A mill').nth(1).waitFor();
  const dialog = page.getByRole('dialog', { name: 'Picture' });
  const made = dialog.getByRole('button', { name: 'Made from this: A mill' });
  await page.reload();
  await ada.picture('A mill').nth(1).click();
  await made.click();
  await dialog.getByRole('button', { name: 'From “A mill”' }).waitFor();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Picture deleted.').waitFor();
  await dialog.getByRole('button', { name: 'From “A mill”' }).waitFor({ state: 'detached' });
  await dialog.getByRole('button', { name: 'Copy as cURL' }).waitFor();
  expect(await made.count(), 'it is gone').toBe(0);
  // Undone it is back.
  await page.getByRole('button', { name: 'Undo' }).click();
  await made.waitFor();
});
