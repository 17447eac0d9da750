import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import { stories } from './support/story.ts';
import { PHONE, type Visitor } from './support/visitor.ts';

/** What costs something says how much, and is not set off by a press that was meant for something else. */

const story = stories();

const middle = async (target: Locator): Promise<[number, number]> => {
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox();
  if (!box) throw new Error(`${target} is nowhere`);
  return [box.x + box.width / 2, box.y + box.height / 2];
};

const spent = async (ada: Visitor) => (await ada.generations()).length;

story('with a finger too, everything that spends shows its price', async ({ member, stack }) => {
  const ada = await member({ viewport: PHONE, isMobile: true, hasTouch: true });
  const { page } = ada;
  await stack.simulator.fault('that fails', { error: 'NSFW' });
  await ada.make('A cup');
  await ada.picture('A cup').waitFor();
  const failed = await ada.make('A cup that fails');
  await failed.getByRole('button', { name: 'Retry' }).waitFor();
  await ada.choose('FLUX.1 dev');
  await page.getByRole('form', { name: 'New picture' }).getByText('$0.025 in total').waitFor();

  const onCard = ['Variation', 'Upscale', 'Remove background'].map((name) =>
    ada.card('A cup').getByRole('button', { name }),
  );
  await failed.getByRole('button', { name: 'Retry' }).getByText(/\$\d/).waitFor();
  // The card below that one is drawn as soon as it is near the screen.
  await page.evaluate(() => scrollTo({ top: document.body.scrollHeight, behavior: 'instant' }));
  for (const button of onCard) await button.getByText(/\$\d/).waitFor();
  await ada.picture('A cup').tap();
  const dialog = page.getByRole('dialog');
  for (const name of ['Variation', 'Upscale', 'Remove background'])
    await dialog.getByRole('button', { name }).getByText(/\$\d/).waitFor();
});

story('the second press of two that lands on another card, moved there, starts nothing', async (scene) => {
  const ada = await scene.member();
  for (const prompt of ['A bowl', 'A cup']) {
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
  const variation = ada.card('A bowl').getByRole('button', { name: 'Variation' });
  const at = await middle(variation);
  // However slow this machine is: for the page both come at once.
  await ada.page.clock.setFixedTime(Date.now());
  await ada.page.mouse.click(...at);
  // The new card has come in front of all, and another one is under the pointer.
  await ada.card('A bowl').nth(1).waitFor();
  await ada.page.mouse.click(...(await middle(ada.card('A cup').getByRole('button', { name: 'Variation' }))));
  await ada.picture('A bowl').nth(1).waitFor();
  expect(await spent(ada)).toBe(3);

  await ada.page.clock.setFixedTime(Date.now() + 1_000);
  await ada.card('A cup').getByRole('button', { name: 'Variation' }).click();
  await ada.picture('A cup').nth(1).waitFor();
  expect(await spent(ada), 'a second later it is another press').toBe(4);
});

story('a second press on Cancel is not one on Retry', async ({ member, stack }) => {
  const ada = await member();
  await stack.simulator.fault('A plate', { hold: 'run' });
  const card = await ada.make('A plate');
  const retry = card.getByRole('button', { name: 'Retry' });
  // As soon as it is there, in the place of Cancel.
  const pressed = card.evaluate(
    (element) =>
      new Promise<void>((resolve) => {
        const observer = new MutationObserver(() => {
          const button = [...element.querySelectorAll('button')].find((one) =>
            /^Retry/.test(one.textContent ?? ''),
          );
          if (!button) return;
          observer.disconnect();
          button.click();
          resolve();
        });
        observer.observe(element, { childList: true, subtree: true });
      }),
  );
  await card.getByRole('button', { name: 'Cancel' }).click();
  await pressed;
  await expect.poll(() => retry.isEnabled(), { message: 'after a moment it can be pressed' }).toBe(true);
  expect(await spent(ada)).toBe(1);
  await stack.simulator.faults([]);
  await retry.click();
  await ada.picture('A plate').waitFor();
  expect(await spent(ada)).toBe(2);
});

story('several prompts that are all empty have no price', async ({ member }) => {
  const { page } = await member();
  const form = page.getByRole('form', { name: 'New picture' });
  await form.getByText('$0.003 in total').waitFor();
  await form.getByRole('radio', { name: 'Several prompts' }).check();
  await form.getByText(/in total/).waitFor({ state: 'detached' });
  await form.getByRole('textbox', { name: 'Prompt 1' }).fill('A cup');
  await form.getByText('$0.003 in total').waitFor();
});
