import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

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
  await withMany(ada);
  const cards = page.getByRole('article');
  expect(await cards.count(), 'not before the end is near').toBe(24);
  const pages = () => ada.asked.filter((call) => call === 'GET /generations').length;
  const end = page.getByText(`That is all: ${MANY} pictures.`);
  await expect
    .poll(
      async () => {
        await page.mouse.wheel(0, 3_000);
        return cards.count();
      },
      { message: 'all of them, by scrolling alone', timeout: 20_000 },
    )
    .toBe(MANY);
  await end.waitFor();
  expect(await page.getByRole('button', { name: 'Show older pictures' }).count()).toBe(0);
  const asked = pages();
  await page.mouse.wheel(0, -30_000);
  await page.mouse.wheel(0, 30_000);
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
  await ada.card('number 40').waitFor();
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
  await ada.card('number 40').waitFor();
  expect(tries()).toBeGreaterThan(2);
});

story('far ones are their prompt alone, and whole where one looks', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await withMany(ada);
  const whole = () => page.locator(':not(.far) > article').evaluateAll((all) => all.length);
  const parts = (prompt: string) => ada.card(prompt).getByRole('button').count();
  await expect.poll(whole, { message: 'few are whole' }).toBeLessThan(20);
  expect(await parts('number 23'), 'a far one').toBe(0);
  expect(await ada.card('number 23').textContent(), 'its prompt can be found').toBe('number 23');
  const before = await ada.card('number 0').boundingBox();

  await ada.card('number 23').scrollIntoViewIfNeeded();
  await ada.card('number 23').getByRole('button', { name: 'Dismiss' }).waitFor();
  await expect.poll(() => parts('number 0'), { message: 'the first one is far now' }).toBe(0);
  const height = async () => (await ada.card('number 0').boundingBox())?.height ?? 0;
  expect(Math.abs((await height()) - (before?.height ?? 0)), 'it keeps its place').toBeLessThan(2);

  // What has the focus stays, wherever the page is scrolled to.
  await page.evaluate(() => scrollTo(0, 0));
  await ada.card('number 0').getByRole('button', { name: 'Edit' }).focus();
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await expect.poll(() => parts('number 2'), { message: 'the one beside it is far' }).toBe(0);
  await expectFocus(ada.card('number 0').getByRole('button', { name: 'Edit' }), 'kept');
  await tabTo(page, ada.card('number 0').getByRole('button', { name: 'Dismiss' }));
});

story('what arrives while one looks at older ones does not move them', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await withMany(ada);
  const one = ada.card('number 20');
  await one.scrollIntoViewIfNeeded();
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
  await ada.card('C').waitFor({ state: 'attached' });
  await expect
    .poll(async () => Math.abs((await place()) - before), { message: 'how far it moved' })
    .toBeLessThan(3);
  await page.evaluate(() => scrollTo(0, 0));
  await ada.picture('C').waitFor();
});
