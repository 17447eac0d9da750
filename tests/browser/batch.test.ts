import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { stories } from './support/story.ts';

/** Pictures that were started together stay together. */

const story = stories();

story('a batch is one group, with its own progress, and is cancelled together', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await ada.make('Before it');
  await ada.picture('Before it').waitFor();
  await stack.simulator.fault('tram', { hold: 'run' });
  await page.getByRole('radio', { name: 'Several prompts' }).check();
  await page.getByRole('textbox', { name: 'Prompt 1' }).fill('A bus');
  await page.getByRole('textbox', { name: 'Prompt 2' }).fill('A tram');
  await page.getByRole('button', { name: 'Add a prompt' }).click();
  await page.getByRole('textbox', { name: 'Prompt 3' }).fill('A tram at night');
  await page.getByRole('button', { name: 'Make 3 pictures' }).click();
  const batch = page.getByRole('region', { name: '3 pictures, started together' });
  await batch.getByText('1 of 3 done').waitFor();
  expect(await batch.getByRole('article').count()).toBe(3);
  expect(await batch.getByRole('article', { name: 'Before it' }).count()).toBe(0);
  await batch.getByText('Painting').nth(1).waitFor();
  await expectAccessible(page, 'a batch is being made');
  const bar = batch.getByRole('progressbar', { name: '3 pictures, started together' });
  const percent = Number(await bar.getAttribute('aria-valuenow'));
  expect(percent, 'a third of it, and what the others have').toBeGreaterThanOrEqual(33);
  expect(percent).toBeLessThan(100);

  await batch.getByRole('button', { name: 'Cancel all 2' }).click();
  await batch.getByText('1 of 3 done · 2 cancelled').waitFor();
  expect(await batch.getByRole('button', { name: /^Cancel/ }).count()).toBe(0);
  const statuses = (await ada.generations()).map(({ status }) => status).sort();
  expect(statuses).toEqual(['cancelled', 'cancelled', 'completed', 'completed']);

  // With its others gone one is by itself.
  await ada.card('A tram').getByRole('button', { name: 'Dismiss' }).click();
  await page.getByRole('region', { name: '2 pictures, started together' }).waitFor();
  // At once after the first it would be the end of a double click.
  await page.clock.setFixedTime(Date.now() + 1_000);
  await ada.card('A tram at night').getByRole('button', { name: 'Dismiss' }).click();
  await page.getByRole('region', { name: /started together/ }).waitFor({ state: 'detached' });
  await ada.picture('A bus').waitFor();
});

story('under a filter each stands by itself', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await page.getByRole('button', { name: 'One more' }).click();
  await ada.make('A kiosk');
  const batch = page.getByRole('region', { name: '2 pictures, started together' });
  await batch.getByText('All done').waitFor();
  await batch.getByRole('button', { name: 'Favourite' }).first().click();
  await page.getByRole('radio', { name: 'Finished' }).check();
  await batch.waitFor({ state: 'detached' });
  expect(await ada.card('A kiosk').count()).toBe(2);
  await page.getByRole('radio', { name: 'Favourites' }).check();
  await expect.poll(() => ada.card('A kiosk').count()).toBe(1);
  // One that is deleted goes from there as well.
  await ada.card('A kiosk').getByRole('button', { name: 'Delete' }).click();
  await page.getByText(/^No favourites yet/).waitFor();
});
