import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { drawing } from './support/pixels.ts';
import { stories } from './support/story.ts';

/** What is there for those who see little, hear the page read out, or cannot bear things that move. */

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
  await page.getByRole('img', { name: 'Source: harbour.png' }).waitFor();
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
  await ada.make('Something right');
  await log.filter({ hasText: '“Something right” is done' }).waitFor();
  expect(said).toContain('“Something right” is being painted');
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
