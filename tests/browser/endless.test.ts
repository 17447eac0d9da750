import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';
import { goDownTo, isAtEnd, walk } from './support/walk.ts';

/** Many pictures: those that are older come by themselves, and of all of them the page holds few. */

const story = stories();

/** More than two pages of them. */
const MANY = 60;

/** One real picture, and many that have failed long ago. */
async function withMany(ada: Visitor) {
  const user_id = await ada.userId();
  const model = 'black-forest-labs/flux-schnell';
  const rows = Array.from({ length: MANY }, (_, index) => {
    const at = new Date(Date.UTC(2026, 0, 1) - index * 60_000);
    return { user_id, model, prompt: `number ${index}`, status: 'failed', created_at: at, completed_at: at };
  });
  await ada.stack.sql`insert into public.image_generations ${ada.stack.sql(rows)}`;
  await ada.page.reload();
  await ada.card('number 0').waitFor();
}

story('older ones come as the end of the page comes near, until there are no more', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const pages = () => ada.asked.filter((call) => call === 'GET /generations').length;
  const cursors: string[] = [];
  page.on('request', (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (pathname === '/generations') cursors.push(searchParams.get('cursor') ?? '');
  });
  await withMany(ada);
  expect(cursors.filter(Boolean), 'not before the end is near').toEqual([]);
  const end = page.getByText(`That is all: ${MANY} pictures.`);
  const down = await walk(page, 400, async () => (await end.isVisible()) && isAtEnd(page));
  expect(down, 'all of them, in their order').toEqual(Array.from({ length: MANY }, (_, n) => `number ${n}`));
  expect(await page.getByRole('button', { name: 'Show older pictures' }).count()).toBe(0);
  const asked = pages();
  const up = await walk(page, -400, () => page.evaluate(() => scrollY === 0));
  expect(up, 'all of them again, on the way back').toEqual(down);
  await end.scrollIntoViewIfNeeded();
  expect(pages(), 'nothing more is asked for').toBe(asked);
  await expectAccessible(page, 'all of many pictures are there');
});

story('by keyboard: the button fetches them, and the focus stays', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  // Without an observer nothing comes by itself, as in a page that is read out.
  await page.addInitScript(() => {
    IntersectionObserver.prototype.observe = () => {};
  });
  await withMany(ada);
  const more = page.getByRole('button', { name: 'Show older pictures' });
  await more.focus();
  await page.keyboard.press('Enter');
  await ada.card('number 25').waitFor();
  await expectFocus(more, 'still on the button');
  await page.keyboard.press('Enter');
  await page.getByText(`That is all: ${MANY} pictures.`).waitFor();
});

story('a fetch that fails waits to be asked for again', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await withMany(ada);
  ada.forgive(/ERR_FAILED/);
  await ada.context.route(/\/generations\?.*cursor=/, (route) => route.abort());
  await page.getByRole('button', { name: 'Show older pictures' }).scrollIntoViewIfNeeded();
  const again = page.getByRole('button', { name: 'Try again' }).last();
  await again.waitFor();
  const tries = () => ada.asked.filter((call) => call === 'GET /generations').length;
  await ada.context.unroute(/\/generations\?.*cursor=/);
  await again.click();
  await ada.card('number 25').waitFor();
  expect(tries()).toBeGreaterThan(2);
});

story('far ones are places alone, and what has the focus stays', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await withMany(ada);
  const cards = page.getByRole('article');
  expect(await cards.count(), 'few are there').toBeLessThan(20);
  const place = page.locator('[aria-posinset]').first();
  expect(await place.getAttribute('aria-posinset')).toBe('1');
  expect(await place.getAttribute('aria-setsize'), 'how many there are is not known').toBe('-1');
  const height = await page.evaluate(() => document.documentElement.scrollHeight);

  await ada.card('number 0').getByRole('button', { name: 'Edit' }).focus();
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await expect.poll(() => ada.card('number 8').count(), { message: 'one in between' }).toBe(0);
  await expectFocus(ada.card('number 0').getByRole('button', { name: 'Edit' }), 'kept');
  expect(await ada.card('number 0').getAttribute('id'), 'as itself').toBe(
    await page.evaluate(() => document.activeElement?.closest('article')?.id),
  );
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  // From card to card, as if all of them were there.
  for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    await tabTo(page, ada.card(`number ${n}`).getByRole('button', { name: 'Dismiss' }));
  await expect.poll(() => cards.count(), { message: 'still few' }).toBeLessThan(24);
  await page.evaluate(() => scrollTo(0, 0));
  const now = await page.evaluate(() => document.documentElement.scrollHeight);
  expect(now, 'the places have the height of the cards').toBeGreaterThanOrEqual(height - 3);
});

story('what arrives while one looks at older ones does not move them', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await withMany(ada);
  const one = ada.card('number 20');
  await goDownTo(page, one);
  await one.getByRole('button', { name: 'Dismiss' }).waitFor();
  const place = () => one.evaluate((card) => Math.round(card.getBoundingClientRect().y));
  // Once the cards around it are whole.
  let before = Number.NaN;
  await expect
    .poll(
      async () => {
        const last = before;
        before = await place();
        return last === before;
      },
      { message: 'it stands still', interval: 200 },
    )
    .toBe(true);
  const other = await ada.tab();
  // A whole row of them, one after the other, so that each card goes down by one.
  for (const prompt of ['A', 'B', 'C']) await ada.make(prompt, other);
  await ada.picture('C', other).waitFor();
  await expect
    .poll(() => one.locator('..').getAttribute('aria-posinset'), { message: 'three more are before it' })
    .toBe('24');
  await expect
    .poll(async () => Math.abs((await place()) - before), { message: 'how far it moved' })
    .toBeLessThan(3);
  await page.evaluate(() => scrollTo(0, 0));
  await ada.picture('C').waitFor();
});
