import { expect } from 'vitest';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';

/** Without a mouse: the focus is always to be seen, never lost, and everything can be reached. */

const story = stories();

story('signing up, choosing a model, making a picture, looking at it, leaving', async ({ visit }) => {
  const prompt = 'A paper kite above the dunes';
  const ada = await visit();
  const { page } = ada;
  const keys = page.keyboard;
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await tabTo(page, page.getByRole('button', { name: 'Create an account' }));
  await keys.press('Enter');
  await page.getByRole('heading', { name: 'Create your account' }).waitFor();
  // What was pressed has gone with its form: from the top, or from behind.
  await tabTo(page, page.getByLabel('Email'));
  await keys.type(ada.email);
  await tabTo(page, page.getByLabel('Password', { exact: true }));
  await keys.type(ada.password);
  await keys.press('Enter');
  await page.getByRole('button', { name: 'Sign out' }).waitFor();

  const modelButton = page.getByRole('button', { name: /^Model / });
  await tabTo(page, modelButton);
  await keys.press('Enter');
  const models = page.getByRole('dialog', { name: 'Choose a model' });
  await tabTo(page, models.getByRole('searchbox'));
  await keys.type('krea');
  await models.getByText('1 models').waitFor({ state: 'attached' });
  await keys.press('Enter');
  await tabTo(page, models.getByRole('button', { name: 'FLUX.1 Krea dev' }));
  await keys.press('Enter');
  await models.waitFor({ state: 'detached' });
  await expectFocus(modelButton, 'back where the dialog was opened');
  await page.getByRole('button', { name: /^Model FLUX.1 Krea dev/ }).waitFor();
  await keys.press('Enter');
  await keys.press('Escape');
  await models.waitFor({ state: 'detached' });
  await expectFocus(modelButton, 'back after Escape too');

  await tabTo(page, page.getByRole('textbox', { name: 'Prompt', exact: true }), 'Shift+Tab');
  await keys.type(prompt);
  await keys.press('Control+Enter');
  const picture = ada.card(prompt).getByRole('button', { name: prompt });
  await picture.waitFor();
  expect(await ada.generations(), 'Enter in the search has sent nothing').toHaveLength(1);
  await expectFocus(page.getByRole('textbox', { name: 'Prompt', exact: true }), 'still in the prompt');

  await tabTo(page, picture);
  await keys.press('Enter');
  const viewer = page.getByRole('dialog', { name: 'Picture' });
  const close = viewer.getByRole('button', { name: 'Close' });
  await expectFocus(close, 'in the dialog');
  await tabTo(page, viewer.getByRole('button', { name: 'Use as source' }));
  await tabTo(page, close);
  await keys.press('Escape');
  await viewer.waitFor({ state: 'detached' });
  await expectFocus(picture, 'back on the picture');

  await tabTo(page, page.getByRole('button', { name: 'Sign out' }), 'Shift+Tab');
  await keys.press('Enter');
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
});

story('cancelling and retrying, past the form by its skip link', async ({ member, stack }) => {
  const prompt = 'A bell tower in the fog';
  const ada = await member();
  const { page } = ada;
  await stack.simulator.fault(prompt, { hold: 'run' });
  const card = await ada.make(prompt);
  await card.getByText('Painting').waitFor();
  await page.reload();
  await card.getByText('Painting').waitFor();

  const skip = page.getByRole('link', { name: 'Skip to your pictures' });
  await tabTo(page, skip);
  await page.keyboard.press('Enter');
  const cancel = card.getByRole('button', { name: 'Cancel' });
  await tabTo(page, cancel);
  await page.keyboard.press('Enter');
  await card.getByText('Cancelled').waitFor();
  await expectFocus(card, 'with the card, since its button has gone');

  await stack.simulator.faults([]);
  await tabTo(page, card.getByRole('button', { name: 'Retry' }));
  await page.keyboard.press('Enter');
  await ada.picture(prompt).waitFor();
});

story('the settings that are not text: arrows and the space bar', async ({ member, stack }) => {
  const prompt = 'A long table under the trees';
  const ada = await member();
  const { page } = ada;
  const keys = page.keyboard;
  const prompts = page.getByRole('textbox', { name: 'Prompt', exact: true });
  await tabTo(page, prompts);
  await keys.type(prompt);
  await tabTo(page, page.getByRole('radio', { name: 'Auto' }));
  for (let step = 0; step < 3; step += 1) await keys.press('ArrowRight');
  expect(await page.getByRole('radio', { name: '16:9', exact: true }).isChecked()).toBe(true);
  await tabTo(page, page.getByRole('button', { name: 'One more' }));
  await keys.press('Space');
  await tabTo(page, page.locator('summary'));
  await keys.press('Enter');
  await tabTo(page, page.getByLabel('Seed'));
  await keys.type('41');
  await tabTo(page, page.getByRole('button', { name: 'Make 2 pictures' }));
  await keys.press('Enter');
  await ada.picture(prompt).nth(1).waitFor();
  const made = await stack.simulator.withPrompt(prompt);
  const inputs = made.map(({ prediction }) => prediction.input as { seed: number; aspect_ratio: string });
  expect(inputs.map(({ seed }) => seed).sort()).toEqual([41, 42]);
  expect(inputs.map((input) => input.aspect_ratio)).toEqual(['16:9', '16:9']);
});
