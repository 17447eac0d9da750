import { expect } from 'vitest';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** A picture is deleted, and until it is too late it is not. */

const story = stories();

async function made(ada: Visitor, ...prompts: string[]) {
  for (const prompt of prompts) {
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
}

const prompts = async (ada: Visitor) => (await ada.generations()).map(({ prompt }) => prompt);
const deletions = (ada: Visitor) => ada.asked.filter((call) => call.startsWith('DELETE '));
const remove = (ada: Visitor, prompt: string) =>
  ada.card(prompt).getByRole('button', { name: 'Delete' }).click();

story('deleted by mistake, it is undone before anything is sent', async ({ member }) => {
  const ada = await member();
  await made(ada, 'A mill', 'A well');
  await remove(ada, 'A well');
  await ada.card('A well').waitFor({ state: 'detached' });
  await ada.page.getByRole('button', { name: 'Undo' }).click();
  await ada.picture('A well').waitFor();
  await ada.page.getByText('Picture deleted.').waitFor({ state: 'detached' });
  expect(deletions(ada)).toEqual([]);
  expect(await prompts(ada)).toEqual(['A mill', 'A well']);
});

story('two deleted one after the other go together, once the offer has gone', async ({ member, stack }) => {
  const ada = await member();
  await made(ada, 'A bridge', 'A mill', 'A well');
  await remove(ada, 'A well');
  await ada.page.getByText('Picture deleted.').waitFor();
  // At once after the first it would be the end of a double click.
  await ada.page.clock.setFixedTime(Date.now() + 1_000);
  await remove(ada, 'A mill');
  await ada.page.getByText('2 pictures deleted.').waitFor();
  await ada.page.getByText('2 pictures deleted.').waitFor({ state: 'detached' });
  await stack.until('both to be deleted', async () => (await prompts(ada)).length === 1);
  expect(await prompts(ada)).toEqual(['A bridge']);
  expect(deletions(ada)).toHaveLength(2);
  await ada.page.reload();
  await ada.picture('A bridge').waitFor();
  expect(await ada.page.getByRole('article').count()).toBe(1);
});

story('a double click deletes one', async ({ member }) => {
  const ada = await member();
  await made(ada, 'A bridge', 'A mill', 'A well');
  const box = await ada.card('A well').getByRole('button', { name: 'Delete' }).boundingBox();
  if (!box) throw new Error('there is nothing to click on');
  const at = [box.x + box.width / 2, box.y + box.height / 2] as const;
  // However slow this machine is: for the page both come at once.
  await ada.page.clock.setFixedTime(Date.now());
  await ada.page.mouse.click(...at);
  await ada.card('A well').waitFor({ state: 'detached' });
  // The next card stands there now.
  const under = await ada.card('A mill').getByRole('button', { name: 'Delete' }).boundingBox();
  expect(Math.hypot((under?.x ?? 0) - box.x, (under?.y ?? 0) - box.y), 'the same place').toBeLessThan(20);
  await ada.page.mouse.click(...at);
  await ada.page.getByText('Picture deleted.').waitFor();
  expect(await ada.card('A mill').count()).toBe(1);
});

story('who leaves the page has it deleted', async ({ member, stack }) => {
  const ada = await member();
  await made(ada, 'A mill', 'A well');
  await remove(ada, 'A well');
  await ada.page.getByRole('button', { name: 'Undo' }).waitFor();
  await ada.page.goto('about:blank');
  await stack.until('it to be deleted', async () => (await prompts(ada)).length === 1);
  expect(await prompts(ada)).toEqual(['A mill']);

  await ada.page.goto(stack.addresses.startGenerationUrl);
  await remove(ada, 'A mill');
  await ada.page.getByRole('button', { name: 'Undo' }).waitFor();
  await ada.page.getByRole('button', { name: 'Sign out' }).click();
  await stack.until('signing out to do the same', async () => (await prompts(ada)).length === 0);
  expect(await ada.page.getByRole('button', { name: 'Undo' }).count(), 'it is too late').toBe(0);
});

story('what could not be deleted is there again, and why is said', async ({ member }) => {
  const ada = await member();
  await made(ada, 'A mill');
  ada.forgive(/50\d of /, /status of 50\d/);
  const problem = { code: 'unavailable', detail: 'The database does not answer.', status: 503 };
  await ada.context.route('**/generations/*', (route) =>
    route.request().method() === 'DELETE' ? route.fulfill({ status: 503, json: problem }) : route.continue(),
  );
  await remove(ada, 'A mill');
  await ada.card('A mill').waitFor({ state: 'detached' });
  const told = ada.page.getByText('The database does not answer.');
  await told.waitFor();
  await ada.picture('A mill').waitFor();

  // Of a page that is only hidden, too.
  await remove(ada, 'A mill');
  await ada.card('A mill').waitFor({ state: 'detached' });
  await ada.page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await told.waitFor();
  await ada.picture('A mill').waitFor();
});

story('by keyboard: deleted, undone by the next press, and deleted in large', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await made(ada, 'A vane', 'A mill', 'A well');
  const undo = page.getByRole('button', { name: 'Undo' });
  await tabTo(page, ada.card('A well').getByRole('button', { name: 'Delete' }));
  await page.keyboard.press('Enter');
  await expectFocus(undo, 'on what takes it back');
  await page.keyboard.press('Enter');
  await ada.picture('A well').waitFor();
  await expectFocus(ada.card('A well'), 'on what is back');

  await tabTo(page, ada.card('A well').getByRole('button', { name: 'Delete' }));
  await page.keyboard.press('Enter');
  await expectFocus(undo, 'there again');
  await page.keyboard.press('Escape');
  await expectFocus(ada.card('A mill'), 'on the next card, where one goes on');
  await undo.waitFor({ state: 'detached' });
  await expect.poll(() => prompts(ada)).toEqual(['A vane', 'A mill']);

  await ada.picture('A mill').click();
  const dialog = page.getByRole('dialog', { name: 'Picture' });
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await dialog.getByRole('img', { name: 'A vane' }).waitFor();
  await dialog.getByRole('button', { name: 'Undo' }).click();
  await page.keyboard.press('Escape');
  await ada.picture('A mill').waitFor();
});
