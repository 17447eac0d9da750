import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { drawing } from './support/pixels.ts';
import { stories } from './support/story.ts';

/**
 * The studio for those who see little, hear the page read out, cannot bear things that move, or have no mouse:
 * then the focus is always to be seen, never lost, and everything can be reached.
 */

const story = stories();

story('accessible while signed out', async ({ visit }) => {
  const { page } = await visit();
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await expectAccessible(page, 'somebody may sign in');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByRole('heading', { name: 'Create your account' }).waitFor();
  await expectAccessible(page, 'an account is made');
});

story('accessible before anything is made', async ({ member }) => {
  const { page } = await member();
  await page.getByRole('heading', { name: 'Your first picture is a sentence away' }).waitFor();
  await expectAccessible(page, 'there is no picture yet');
  await page.getByText('Advanced settings').click();
  await page.getByRole('radio', { name: 'Several prompts' }).check();
  await expectAccessible(page, 'everything of the form is open');
  await page.getByRole('button', { name: /^Model / }).click();
  await page.getByRole('dialog', { name: 'Choose a model' }).waitFor();
  await expectAccessible(page, 'a model is chosen');
});

story('accessible while a picture is made, and with it', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await stack.simulator.fault('street', { hold: 'run' });
  const card = await ada.make('A quiet street in the rain');
  await card.getByText('Painting').waitFor();
  await expectAccessible(page, 'a picture is being made');
  const bar = card.getByRole('progressbar', { name: /A quiet street in the rain/ });
  expect(await bar.count(), 'the bar says what it is about').toBe(1);

  await stack.simulator.faults([]);
  await ada.make('Bread on a wooden table');
  await ada.picture('Bread on a wooden table').click();
  await page.getByRole('dialog', { name: 'Picture' }).waitFor();
  await expectAccessible(page, 'a picture is looked at');
  await page.keyboard.press('Escape');
  await expectAccessible(page, 'there is a picture');
  await ada.card('Bread on a wooden table').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Undo' }).focus();
  await expectAccessible(page, 'it can be undone');
  expect(await page.getByRole('button', { name: 'Undo' }).count(), 'as long as the focus is there').toBe(1);
});

story('accessible when something is in the way', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await stack.simulator.fault('wrong', { error: 'NSFW' });
  const card = await ada.make('Something wrong');
  await card.getByText('Failed', { exact: true }).waitFor();
  await ada.choose('FLUX.1 dev');
  const file = { name: 'harbour.png', mimeType: 'image/png', buffer: await drawing() };
  await page.getByLabel('Upload a picture').setInputFiles(file);
  await page.getByRole('img', { name: 'Picture to start from: harbour.png' }).waitFor();
  await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('');
  await page.getByRole('button', { name: 'Make picture' }).click();
  await page.getByRole('alert').getByText('Describe the picture first.').waitFor();
  await expectAccessible(page, 'one has failed and the next one is not described');

  ada.forgive(/ERR_INTERNET_DISCONNECTED/, /WebSocket connection to .* failed/);
  await ada.context.setOffline(true);
  await page.getByText('You are offline').waitFor();
  await expectAccessible(page, 'there is no network');
});

story('what happens is read out', async ({ member, stack }) => {
  const ada = await member();
  const log = ada.page.getByRole('log', { name: 'Progress' });
  const said: string[] = [];
  await ada.page.exposeFunction('noteSaid', (text: string) => said.push(text));
  await log.evaluate((element) => {
    const { noteSaid } = window as unknown as { noteSaid: (text: string) => void };
    new MutationObserver(() => noteSaid(element.textContent ?? '')).observe(element, {
      subtree: true,
      childList: true,
      characterData: true,
    });
  });
  await stack.simulator.fault('wrong', { error: 'NSFW' });
  await ada.make('Something wrong');
  await log.filter({ hasText: '“Something wrong” has failed' }).waitFor();
  await stack.simulator.fault('right', { hold: 'run' });
  await ada.make('Something right');
  await log.filter({ hasText: '“Something right” is being painted' }).waitFor();
  await stack.until('the painted picture to be let go', async () => {
    // Those of other tests may be held as well.
    await stack.simulator.release();
    const [one] = await stack.simulator.withPrompt('Something right');
    return one?.status === 'succeeded';
  });
  await log.filter({ hasText: '“Something right” is done' }).waitFor();
  expect(said, 'one after the other').toContain('“Something right” is being painted');
  expect(await log.getAttribute('aria-live'), 'without cutting off what is being read').toBe('polite');
});

for (const [reducedMotion, says] of [
  ['reduce', 'nothing moves for those who do not want it'],
  ['no-preference', 'and for the others something does'],
] as const) {
  story(`${says}, while a picture is made`, async ({ member, stack }) => {
    const ada = await member({ reducedMotion });
    await stack.simulator.fault('clock', { hold: 'run' });
    const card = await ada.make('A clock without hands');
    await card.getByText('Painting').waitFor();
    const moving = await ada.page.evaluate(() =>
      document
        .getAnimations()
        .filter(
          ({ playState, effect }) => playState === 'running' && Number(effect?.getTiming().duration) > 50,
        )
        .map((one) => `${(one as CSSAnimation).animationName ?? (one as CSSTransition).transitionProperty}`),
    );
    if (reducedMotion === 'reduce') expect(moving).toEqual([]);
    else expect(moving, 'or else the other test would prove nothing').not.toEqual([]);
  });
}

story(
  'by keyboard: signing up, choosing a model, making a picture, looking at it, leaving',
  async ({ visit }) => {
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
    await models.getByText('1 model').waitFor({ state: 'attached' });
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
  },
);

story('by keyboard: cancelling and retrying, past the form by its skip link', async ({ member, stack }) => {
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
  const retry = card.getByRole('button', { name: 'Retry' });
  await tabTo(page, retry);
  await expect.poll(() => retry.isEnabled(), { message: 'a moment later than Cancel' }).toBe(true);
  await page.keyboard.press('Enter');
  await ada.picture(prompt).waitFor();
});

story('by keyboard: settings that are not text, with arrows and the space bar', async ({ member, stack }) => {
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
