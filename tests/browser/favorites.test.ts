import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** The pictures that somebody likes best. */

const story = stories();

async function made(ada: Visitor, ...prompts: string[]) {
  for (const prompt of prompts) {
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
}

const heart = (ada: Visitor, prompt: string) =>
  ada.card(prompt).getByRole('button', { name: 'Favourite', exact: true });
const isPressed = async (ada: Visitor, prompt: string) =>
  (await heart(ada, prompt).getAttribute('aria-pressed')) === 'true';

const favorites = async (ada: Visitor) => {
  const rows = await ada.stack.sql<{ prompt: string }[]>`
    select g.prompt from public.image_generations g join public.images i on i.generation_id = g.id
    where g.user_id = ${await ada.userId()} and i.is_favorite order by g.created_at`;
  return rows.map(({ prompt }) => prompt);
};

story('a favourite is one at once, on the server, and after a reload', async ({ member, stack }) => {
  const ada = await member();
  await made(ada, 'A fern', 'A moss');
  let go = () => {};
  const mayGo = new Promise<void>((resolve) => (go = resolve));
  await ada.context.route('**/images/*', async (route) => {
    await mayGo;
    await route.continue();
  });
  await heart(ada, 'A fern').click();
  await expect.poll(() => isPressed(ada, 'A fern'), { message: 'before the server has answered' }).toBe(true);
  expect(await favorites(ada)).toEqual([]);
  go();
  await stack.until('the server to know', async () => (await favorites(ada)).length > 0);
  await ada.page.reload();
  await ada.picture('A fern').waitFor();
  expect([await isPressed(ada, 'A fern'), await isPressed(ada, 'A moss')]).toEqual([true, false]);

  await ada.picture('A moss').click();
  const dialog = ada.page.getByRole('dialog', { name: 'Picture' });
  await dialog.getByRole('button', { name: 'Favourite', exact: true }).click();
  await ada.page.keyboard.press('Escape');
  await expect.poll(() => isPressed(ada, 'A moss')).toBe(true);
  await stack.until('both', async () => (await favorites(ada)).length === 2);
});

story('what the server refuses is undone, and why is said', async ({ member }) => {
  const ada = await member();
  await made(ada, 'A fern');
  ada.forgive(/404/);
  const problem = { code: 'not_found', detail: 'There is no such image.', status: 404 };
  await ada.context.route('**/images/*', (route) => route.fulfill({ status: 404, json: problem }));
  await heart(ada, 'A fern').click();
  await ada.page.getByText('There is no such image.').waitFor();
  expect(await isPressed(ada, 'A fern')).toBe(false);
});

story('the favourites are asked for, older ones than the page shows too', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await made(ada, 'A fern', 'A moss');
  await heart(ada, 'A fern').click();
  await stack.until('the server to know', async () => (await favorites(ada)).length > 0);
  const user_id = await ada.userId();
  for (let n = 0; n < 30; n += 1) {
    const row = { user_id, prompt: `later ${n}`, status: 'failed', model: 'black-forest-labs/flux-schnell' };
    await stack.sql`insert into public.image_generations ${stack.sql(row)}`;
  }
  await page.reload();
  await ada.card('later 29').waitFor();
  expect(await ada.card('A fern').count()).toBe(0);
  await page.getByRole('radio', { name: 'Favourites' }).check();
  await ada.picture('A fern').waitFor();
  expect(await page.getByRole('article').count(), 'and no others').toBe(1);
  await expectAccessible(page, 'favourites are shown');

  // Set elsewhere, while the page shows it without.
  await stack.sql`update public.images set is_favorite = true where user_id = ${user_id}`;
  await page.getByRole('radio', { name: 'All' }).check();
  await page.getByRole('radio', { name: 'Favourites' }).check();
  await ada.picture('A moss').waitFor();

  await tabTo(page, heart(ada, 'A moss'));
  await page.keyboard.press('Enter');
  await ada.card('A moss').waitFor({ state: 'detached' });
  await expectFocus(ada.card('A fern'), 'on the next one, since its own card has gone');
  await heart(ada, 'A fern').click();
  await page.getByText('No favourites yet.').waitFor();
  await stack.until('the server to know', async () => (await favorites(ada)).length === 0);
});
