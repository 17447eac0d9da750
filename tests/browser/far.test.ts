import { expect } from 'vitest';
import { fill } from '../../bench/studio/seed.ts';
import { stories } from './support/story.ts';

/** What the page does not draw, or does not know, is there when it is wanted. */

const story = stories();

story('rows that take the place of higher ones fill the screen', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await ada.make('A harbour');
  await ada.picture('A harbour').waitFor();
  await fill(stack, await ada.userId(), 16);
  await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('A quay');
  const count = page.getByRole('spinbutton', { name: 'Number of pictures' });
  await count.fill('8');
  await count.blur();
  await page.getByRole('button', { name: 'Make 8 pictures' }).click();
  const batch = page.getByRole('region', { name: '8 pictures, started together' });
  await batch.getByRole('img', { name: 'A quay' }).nth(7).waitFor();
  // Without the batch, whose row was much higher.
  await page.getByRole('radio', { name: 'Finished' }).check();
  await batch.waitFor({ state: 'detached' });
  await stack.until('cards down to the end of the screen', () =>
    page.evaluate(() => {
      const empty = [...document.querySelectorAll('.feed > .grid > .space')];
      return empty.every((one) => {
        const { top, bottom } = one.getBoundingClientRect();
        return bottom <= 0 || top >= innerHeight;
      });
    }),
  );
});

story('older pictures than the page knows can be chosen to start from', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await ada.make('A harbour');
  await ada.picture('A harbour').waitFor();
  await fill(stack, await ada.userId(), 60);
  await page.reload();
  await ada.picture('A harbour').waitFor();
  await ada.choose('FLUX.1 dev');
  await page.getByRole('button', { name: 'Choose one of yours' }).click();
  const dialog = page.getByRole('dialog', { name: 'Choose one of your pictures' });
  const older = dialog.getByRole('button', { name: 'Show older pictures' });
  await stack.until('the last page', async () => {
    if (await older.isVisible()) await older.click({ timeout: 1_000 }).catch(() => {});
    return !(await older.isVisible());
  });
  const names = await dialog.getByRole('img').evaluateAll((all) => all.map((one) => one.getAttribute('alt')));
  expect(new Set(names).size, 'each of them once').toBe(60);
  expect(names).toHaveLength(60);
  await dialog.getByRole('img', { name: 'A harbour, number 59', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('img', { name: 'A harbour, number 59' }).first().waitFor();
});
