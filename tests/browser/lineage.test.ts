import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** The same once more, and what came from what. */

const story = stories();

const settings = async (ada: Visitor) =>
  ada.stack.sql<{ id: string; seed: string; parent_id: string | null }[]>`
    select id, seed, parent_id from public.image_generations
    where user_id = ${await ada.userId()} order by created_at, id`;

async function made(ada: Visitor, prompt: string) {
  await ada.make(prompt);
  await ada.picture(prompt).waitFor();
}

story('the same is run again with another seed, for a price, once by a double click', async (scene) => {
  const ada = await scene.member();
  await ada.choose('FLUX.1 dev');
  await ada.page.getByText('Advanced settings').click();
  await ada.page.getByRole('slider', { name: 'Steps' }).fill('20');
  await made(ada, 'A loft');
  const again = ada.card('A loft').getByRole('button', { name: 'Run again · $0.025' });
  await again.dblclick();
  await ada.page.getByText('Another one is on its way.').waitFor();
  await ada.picture('A loft').nth(1).waitFor();
  const predictions = await scene.stack.simulator.withPrompt('A loft');
  const inputs = predictions.map(({ prediction }) => prediction.input as Record<string, unknown>);
  expect(inputs.map((input) => input.num_inference_steps)).toEqual([20, 20]);
  const [first, second, ...more] = await settings(ada);
  expect(more).toEqual([]);
  expect(second?.parent_id).toBe(first?.id);
  expect(second?.seed, 'another seed').not.toBe(first?.seed);
});

story('what is run again and refused says why', async ({ member }) => {
  const ada = await member();
  await made(ada, 'A hut');
  ada.forgive(/4\d\d of /, /status of 4\d\d/);
  const problem = { status: 429, code: 'quota_exceeded', limit: 'images_per_day', retry_after: 3_600 };
  await ada.context.route('**/rerun', (route) =>
    route.fulfill({ status: 429, json: { ...problem, detail: 'Used up.' } }),
  );
  await ada.card('A hut').getByRole('button', { name: 'Run again' }).click();
  await ada.page.getByText('You have made as many pictures as your plan allows in a day.').waitFor();
  expect(await ada.generations()).toHaveLength(1);
});

story('the settings of a picture have the seed that was used', async ({ member }) => {
  const ada = await member();
  await made(ada, 'A barn');
  await ada.card('A barn').getByRole('button', { name: 'Reuse settings' }).click();
  await ada.page.getByText('Advanced settings').click();
  const [one] = await settings(ada);
  expect(one?.seed).toBeTruthy();
  const field = ada.page.getByLabel('Seed', { exact: true });
  await expect.poll(() => field.inputValue()).toBe(String(one?.seed));
});

story('from a picture to the one that it came from, not on the page any more, and back', async (scene) => {
  const ada = await scene.member();
  const { page } = ada;
  await made(ada, 'A mill');
  const user_id = await ada.userId();
  for (let n = 0; n < 30; n += 1) {
    const row = { user_id, prompt: `later ${n}`, status: 'failed', model: 'black-forest-labs/flux-schnell' };
    await scene.stack.sql`insert into public.image_generations ${scene.stack.sql(row)}`;
  }
  await ada.card('A mill').getByRole('button', { name: 'Run again' }).click();
  await ada.picture('A mill').first().waitFor();
  await page.reload();
  await ada.card('later 29').waitFor();
  await ada.picture('A mill').waitFor();
  expect(await ada.card('A mill').count(), 'the first one is not on the page').toBe(1);

  const dialog = page.getByRole('dialog', { name: 'Picture' });
  const [first, second] = (await settings(ada)).filter(({ seed }) => seed !== null);
  await tabTo(page, ada.card('A mill').getByRole('button', { name: 'From an earlier picture' }));
  await page.keyboard.press('Enter');
  await dialog.getByText(String(first?.seed)).waitFor();
  const child = dialog.getByRole('button', { name: 'Made from this: A mill' });
  await child.waitFor();
  await expectAccessible(page, 'a picture is looked at that another one came from');
  await tabTo(page, child);
  await page.keyboard.press('Enter');
  await dialog.getByText(String(second?.seed)).waitFor();
  await expectFocus(dialog.getByText('A mill', { exact: true }), 'on the picture, since its button has gone');
  await dialog.getByRole('button', { name: 'From “A mill”' }).click();
  await dialog.getByText(String(first?.seed)).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });

  await scene.stack.sql`delete from public.image_generations where id = ${first?.id ?? ''}`;
  // Looking at it has brought the older ones onto the page.
  await page.reload();
  await ada.card('A mill').getByRole('button', { name: 'From an earlier picture' }).click();
  ada.forgive(/404/);
  await page.getByText('That picture has been deleted.').waitFor();
});
