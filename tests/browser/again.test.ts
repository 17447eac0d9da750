import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** What is made once more is seen, and is made from what it says. */

const story = stories();

async function made(ada: Visitor, prompt: string): Promise<Locator> {
  await ada.make(prompt);
  await ada.picture(prompt).waitFor();
  return ada.card(prompt);
}

story('under a filter or a search, what was started from a card is shown', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  const card = await made(ada, 'A mill');
  await made(ada, 'A barn');
  const all = page.getByRole('radio', { name: 'All', exact: true });
  const search = page.getByRole('searchbox', { name: 'Search in your prompts' });
  await stack.simulator.fault('A mill', { hold: 'run' });

  await page.getByRole('radio', { name: 'Finished' }).check();
  await card.getByRole('button', { name: 'Run again' }).click();
  await ada.card('A mill').getByRole('progressbar').waitFor();
  expect(await all.isChecked(), 'the filter is over').toBe(true);
  await stack.until('it to be let go', async () => (await stack.simulator.release()).released > 0);
  await ada.picture('A mill').nth(1).waitFor();

  await search.fill('barn');
  await card.first().waitFor({ state: 'detached' });
  await ada.card('A barn').getByRole('button', { name: 'Variation' }).click();
  await ada.card('A mill').first().waitFor();
  expect(await search.inputValue(), 'the search is over').toBe('');
  await ada.picture('A barn').nth(1).waitFor();
  expect(await ada.generations()).toHaveLength(4);
});

story('what it was made from is gone: nothing is made from something else', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  const card = await made(ada, 'A quay');
  await card.getByRole('button', { name: 'Variation' }).click();
  await ada.picture('A quay').nth(1).waitFor();
  const [first] = await ada.generations();
  await stack.sql`delete from public.image_generations where id = ${first?.id ?? ''}`;
  await page.reload();
  await ada.picture('A quay').waitFor();
  ada.forgive(/40\d of /, /status of 40\d/);
  await card.getByRole('button', { name: 'Run again' }).click();
  await page.getByText('The picture it was made from has been deleted.').waitFor();

  await card.getByRole('button', { name: 'Reuse settings' }).click();
  const form = page.getByRole('form', { name: 'New picture' });
  await form.getByText('Not all that it was made from is still there.').waitFor();
  const make = form.getByRole('button', { name: /^Make picture/ });
  await make.click();
  await form.getByText('Something is missing').waitFor();
  await page.reload();
  await make.click();
  await form.getByText('Something is missing').waitFor();
  expect(await ada.generations(), 'nothing was started').toHaveLength(1);

  await form.getByRole('button', { name: 'Do without it' }).click();
  await make.click();
  await ada.picture('A quay').nth(1).waitFor();
});

story('a picture tells how it was made, and what of it was adjusted', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await made(ada, 'A loft');
  const reason = 'the value was brought into the limits of the model';
  const adjustments = [{ field: 'num_inference_steps', requested: 60, used: 4, reason }];
  await stack.sql`
    update public.image_generations set adjustments = ${stack.sql.json(adjustments)}, guidance_scale = 3.5
    where user_id = ${await ada.userId()}`;
  await page.reload();
  await ada.picture('A loft').click();
  const dialog = page.getByRole('dialog', { name: 'Picture' });
  await dialog.getByText('Steps: 60 → 4', { exact: true }).waitFor();
  await dialog.getByText(reason).waitFor();
  await dialog.getByRole('definition').filter({ hasText: '3.5' }).waitFor();
});
