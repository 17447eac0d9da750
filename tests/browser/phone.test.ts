import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { stories } from './support/story.ts';

/** In one hand: what is needed is in reach, and the page goes where something happens. */

const story = stories();

/** A phone with the bars of its browser. */
const LOW = { viewport: { width: 390, height: 664 }, isMobile: true, hasTouch: true };

/** Taps where it is; nothing is scrolled to. */
async function tap(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  const place = await inSight(page, target);
  expect(place, `in sight without scrolling: ${target}`).toBeDefined();
  if (place) await page.touchscreen.tap(place.x, place.y);
}

/** Its middle, if all of it is on the screen and nothing lies over that. */
async function inSight(page: Page, target: Locator): Promise<{ x: number; y: number } | undefined> {
  const box = await target.boundingBox();
  if (!box) return undefined;
  const { width, height } = LOW.viewport;
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const isInside = box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height;
  const element = await target.elementHandle();
  const isFree = await page.evaluate(
    ({ element, at }) => {
      const hit = document.elementFromPoint(at.x, at.y);
      return hit !== null && element !== null && (element.contains(hit) || hit.contains(element));
    },
    { element, at },
  );
  return isInside && isFree ? at : undefined;
}

const comesInSight = (page: Page, target: Locator, what: string) =>
  expect
    .poll(async () => Boolean(await inSight(page, target)), { message: what, timeout: 10_000 })
    .toBe(true);

story('from signing up to the first picture without scrolling', async ({ visit, stack }) => {
  const prompt = 'A lighthouse at dawn';
  const ada = await visit(LOW);
  const { page } = ada;
  const { keyboard } = page;
  await tap(page, page.getByRole('button', { name: 'Create an account' }));
  await page.getByRole('heading', { name: 'Create your account' }).waitFor();
  await tap(page, page.getByLabel('Email'));
  await keyboard.type(ada.email);
  await tap(page, page.getByLabel('Password', { exact: true }));
  await keyboard.type(ada.password);
  await tap(page, page.getByRole('button', { name: 'Create account' }));

  const box = page.getByRole('textbox', { name: 'Prompt', exact: true });
  await tap(page, box);
  await keyboard.type(prompt);
  const price = page.getByText('$0.003 in total');
  expect(await inSight(page, price), 'what it costs').toBeDefined();
  await stack.simulator.fault(prompt, { hold: 'run' });
  await tap(page, page.getByRole('button', { name: 'Make picture' }));
  const card = ada.card(prompt);
  await card.getByRole('progressbar').waitFor();
  await comesInSight(page, card.getByRole('progressbar'), 'the page goes to what is being made');
  await comesInSight(page, card.getByRole('button', { name: 'Cancel' }), 'it can be cancelled');
  expect(await page.evaluate(() => document.activeElement?.tagName), 'no keyboard over it').toBe('ARTICLE');
  await stack.until('it to be let go', async () => (await stack.simulator.release()).released > 0);
  const picture = ada.picture(prompt);
  await picture.waitFor();
  expect(await inSight(page, picture), 'the picture where one looks').toBeDefined();

  // And on to the second one.
  await tap(page, page.getByRole('button', { name: 'New picture' }));
  await comesInSight(page, box, 'the form');
  await keyboard.press('Control+A');
  await keyboard.type('The same at dusk');
  await tap(page, page.getByRole('button', { name: 'Make picture' }));
  await comesInSight(page, ada.picture('The same at dusk'), 'the second picture');
});

story('the button stays in reach while the form is scrolled', async ({ member }) => {
  const ada = await member(LOW);
  const { page } = ada;
  await page.getByText('Advanced settings').click();
  const make = page.getByRole('button', { name: 'Make picture' });
  for (const target of [
    page.getByRole('textbox', { name: 'Prompt', exact: true }),
    page.getByLabel('Seed'),
  ]) {
    await target.first().scrollIntoViewIfNeeded();
    expect(await inSight(page, make), `at ${target}`).toBeDefined();
  }
  const { y = 0, height = 0 } = (await make.boundingBox()) ?? {};
  expect(y + height, 'at the lower end').toBeGreaterThan(LOW.viewport.height / 2);
});

story('nothing to press lies under the notch or the bar at the lower end', async ({ member }) => {
  const ada = await member(LOW);
  const { page } = ada;
  const insets = { top: 47, bottom: 34, left: 20, right: 20 };
  const screen = await ada.context.newCDPSession(page);
  await screen.send('Emulation.setSafeAreaInsetsOverride', { insets });
  const { width, height } = LOW.viewport;
  const expectFree = async (what: string) => {
    const lost = await page.locator('a, button, input, textarea').evaluateAll(
      (all, free) =>
        all
          .map((element) => ({ name: element.outerHTML.slice(0, 120), box: element.getBoundingClientRect() }))
          .filter(({ box }) => box.width > 1 && box.bottom > 0 && box.top < innerHeight)
          .filter(({ box }) => box.left < free.left || box.right > free.right || box.top < free.top)
          .map(({ name }) => name),
      { left: insets.left, right: width - insets.right, top: insets.top },
    );
    expect(lost, what).toEqual([]);
  };
  await page.getByRole('button', { name: 'Make picture' }).waitFor();
  await expectFree('the form');
  const { y = 0, height: high = 0 } =
    (await page.getByRole('button', { name: 'Make picture' }).boundingBox()) ?? {};
  expect(y + high, 'above the bar').toBeLessThanOrEqual(height - insets.bottom);
  await page.getByRole('button', { name: /^Model / }).click();
  const dialog = await page.getByRole('dialog').boundingBox();
  expect(dialog?.y, 'below the notch').toBeGreaterThanOrEqual(insets.top);
  expect((dialog?.y ?? 0) + (dialog?.height ?? 0)).toBeLessThanOrEqual(height - insets.bottom);
});

story('a finger to the side goes from picture to picture, up and down it does not', async ({ member }) => {
  const ada = await member(LOW);
  const { page } = ada;
  for (const prompt of ['The older one', 'The newer one']) {
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
  await ada.picture('The newer one').tap();
  const dialog = page.getByRole('dialog', { name: 'Picture' });
  const newer = dialog.getByRole('img', { name: 'The newer one' });
  const older = dialog.getByRole('img', { name: 'The older one' });
  await newer.waitFor();
  const fingers = await ada.context.newCDPSession(page);
  const drag = async (x: number, y: number) => {
    const box = await dialog.getByRole('img').boundingBox();
    const [fromX, fromY] = [(box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 2];
    const touch = (type: 'touchStart' | 'touchMove', part: number) =>
      fingers.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: [{ x: fromX + x * part, y: fromY + y * part }],
      });
    await touch('touchStart', 0);
    for (const part of [0.25, 0.5, 0.75, 1]) await touch('touchMove', part);
    await fingers.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  };
  await drag(-120, 10);
  await older.waitFor();
  await drag(120, -10);
  await newer.waitFor();
  await drag(-30, 0);
  // The one that counts comes after the one that must not.
  await drag(-120, 0);
  await older.waitFor();
  await drag(-120, 0);
  await dialog
    .getByRole('button', { name: 'Older picture' })
    .and(page.locator('[aria-disabled=true]'))
    .waitFor();
  await drag(60, -150);
  const isMoved = () => dialog.locator('.viewer').evaluate((element) => element.scrollTop > 0);
  await expect.poll(isMoved, { message: 'the page under the finger' }).toBe(true);
  expect(await older.count()).toBe(1);
});

story('the button to the form covers nothing that can be pressed', async ({ member }) => {
  const ada = await member(LOW);
  const { page } = ada;
  await ada.make('A jetty');
  await ada.picture('A jetty').waitFor();
  const bar = page.locator('.to-composer');
  const card = ada.card('A jetty');
  // The one above the others on the card stands where the bar begins.
  await card.getByRole('button', { name: 'Download' }).evaluate((element) => {
    const { bottom } = element.getBoundingClientRect();
    scrollBy({ top: bottom - innerHeight + 20, behavior: 'instant' });
  });
  await bar.waitFor();
  const over = await bar.boundingBox();
  expect([over?.x, over?.width], 'it is a bar, from edge to edge').toEqual([0, LOW.viewport.width]);
  expect((over?.y ?? 0) + (over?.height ?? 0), 'at the lower end').toBe(LOW.viewport.height);
  const ground = await bar.evaluate((element) => getComputedStyle(element).backgroundColor);
  expect(ground, 'nothing shows through').toMatch(/^rgb\(/);
  await page.evaluate(() => scrollTo({ top: document.body.scrollHeight, behavior: 'instant' }));
  for (const button of await card.getByRole('group').getByRole('button').all())
    expect(await inSight(page, button), `free at the end of the page: ${button}`).toBeDefined();
});

story('what is left of the plan is in sight among the pictures too', async ({ member, stack }) => {
  const ada = await member(LOW);
  const { page } = ada;
  const plan = { name: 'seven pictures', images_per_day: 7, money_per_day: 5 };
  await stack.sql`insert into private.plans ${stack.sql(plan)}`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${await ada.userId()}, ${plan.name})`;
  await page.reload();
  await ada.make('A pier');
  await ada.picture('A pier').waitFor();
  const header = page.getByRole('banner').first();
  await comesInSight(page, header.getByText('6 left today', { exact: true }), 'the pictures that are left');
  await comesInSight(page, header.getByText('$0.003 of $5.00', { exact: true }), 'the money');
  for (const width of [390, 320]) {
    await page.setViewportSize({ ...LOW.viewport, width });
    const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect(isWide, `nothing beyond the edge at ${width} pixels`).toBe(false);
    const [left, tools] = [header.locator('.left'), header.locator('.header-tools')];
    const [one, other] = [await left.boundingBox(), await tools.boundingBox()];
    expect((one?.x ?? 0) + (one?.width ?? 0), 'beside the buttons').toBeLessThanOrEqual(other?.x ?? 0);
    expect((other?.x ?? 0) + (other?.width ?? 0), 'the edge of the page').toBeLessThanOrEqual(width - 12);
  }
});
