import { expect } from 'vitest';
import { drawing } from './support/pixels.ts';
import { letGo, stories } from './support/story.ts';
import { translate } from './support/texts.ts';
import { PHONE } from './support/visitor.ts';

/** The studio in the hands of browsers that change it: they translate, zoom, or take something away. */

const story = stories();

const translated = {
  before: (context: { addInitScript(script: () => void): Promise<unknown> }) =>
    context.addInitScript(translate),
};

story(
  'a page that the browser translates goes on living, from signing up to leaving',
  async ({ member, stack }) => {
    const ada = await member(translated);
    const { page } = ada;
    const prompt = page.getByRole('textbox', { name: 'Prompt', exact: true });
    expect(await page.locator('font').count(), 'it is translated').toBeGreaterThan(10);

    // Words that change, come and go: a stage after the other, a failure, a cancelling.
    await stack.simulator.faults([
      { match: { prompt: 'translated and refused' }, fault: { error: 'NSFW' } },
      { match: { prompt: 'and held' }, fault: { hold: 'run' } },
    ]);
    await ada.make('translated');
    await ada.picture('translated').waitFor();
    const failed = await ada.make('translated and refused');
    await failed.getByText('Failed', { exact: true }).waitFor();
    await failed.getByRole('button', { name: 'Retry' }).click();
    await page.getByText('Trying again.').waitFor();
    const held = await ada.make('translated and held');
    await held.getByText('Painting').waitFor();
    await held.getByRole('button', { name: 'Cancel' }).click();
    await held.getByText('Cancelled').waitFor();
    const again = await ada.make('translated and held again');
    await again.getByText('Painting').waitFor();
    await letGo(stack);
    await ada.picture('translated and held again').waitFor();

    // The form: notices, numbers, lists, dialogs.
    await prompt.fill('');
    await page.getByRole('button', { name: 'Make picture' }).click();
    await page.getByRole('alert').getByText('Describe the picture first.').waitFor();
    await prompt.fill('x'.repeat(3_990));
    await page.getByText('3,990 of 4,000 characters').waitFor();
    await prompt.fill('x'.repeat(4_001));
    await page.getByText('4,001 of 4,000 characters').waitFor();
    await page.getByRole('radio', { name: 'Several prompts' }).check();
    await page.getByRole('textbox', { name: 'Prompt 1' }).fill('one');
    await page.getByRole('textbox', { name: 'Prompt 2' }).fill('two');
    await page.getByRole('button', { name: 'Make 2 pictures' }).waitFor();
    await page.getByRole('button', { name: 'Add a prompt' }).click();
    await page.getByRole('button', { name: 'Remove prompt 3' }).click();
    await page.getByRole('radio', { name: 'One prompt' }).check();
    await page.getByRole('button', { name: /^Model / }).click();
    await page.getByRole('searchbox', { name: 'Search models' }).fill('nothing like it');
    await page.getByText('No model matches “nothing like it”.').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await ada.choose('FLUX.1 dev');
    const file = { name: 'IMG_0001.HEIC', mimeType: '', buffer: await drawing() };
    await page.getByLabel('Upload a picture').setInputFiles(file);
    await page.getByRole('img', { name: 'Picture to start from: IMG_0001.HEIC' }).waitFor();
    await page.getByRole('button', { name: 'Remove the picture to start from' }).click();

    // What is shown in large, filtered, and gone.
    await ada.picture('translated').click();
    const dialog = page.getByRole('dialog', { name: 'Picture' });
    await dialog.getByRole('button', { name: 'Older picture' }).waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Escape');
    for (const filter of ['In progress', 'Finished', 'Failed', 'All'])
      await page.getByRole('radio', { name: filter }).check();
    ada.forgive(/ERR_INTERNET_DISCONNECTED/, /WebSocket connection to .* failed/);
    await ada.context.setOffline(true);
    await page.getByText('You are offline').waitFor();
    await ada.context.setOffline(false);
    await page.getByText('You are offline').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  },
);

story('where a page has broken all the same, it says so and can be shown anew', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await page.getByRole('button', { name: 'Make picture' }).click();
  const alert = page.getByRole('alert');
  await alert.getByText('Describe the picture first.').waitFor();
  ada.forgive(/NotFoundError|not a child of this node/);
  // Something else than React takes the notice away; writing takes it away once more.
  await alert.evaluate((element) => element.remove());
  await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('a fox');
  await page.getByRole('alert').getByText('Something went wrong on this page').waitFor();
  await page.getByRole('button', { name: 'Show it again' }).click();
  await ada.make('a fox');
  await ada.picture('a fox').waitFor();
});

story('on a phone no field has letters so small that the page is zoomed into it', async ({ visit }) => {
  const ada = await visit({ viewport: PHONE, isMobile: true, hasTouch: true });
  const { page } = ada;
  const seen = new Set<string>();
  const expectLarge = async () => {
    const fields = await page.locator('input, textarea, select').evaluateAll((all) =>
      all.map((field) => {
        const name = field.getAttribute('type') ?? field.nodeName.toLowerCase();
        return { name, px: Number.parseFloat(getComputedStyle(field).fontSize) };
      }),
    );
    for (const { name } of fields) seen.add(name);
    expect(fields.filter(({ px }) => px < 16)).toEqual([]);
  };
  await page.getByRole('button', { name: 'Create an account' }).waitFor();
  await expectLarge();
  await ada.signUp();
  await ada.choose('FLUX 1.1 pro');
  await page.getByText('Advanced settings').click();
  await page.getByRole('radio', { name: 'Custom' }).check();
  await page.getByRole('radio', { name: 'Several prompts' }).check();
  await expectLarge();
  await page.getByRole('button', { name: /^Model / }).click();
  await page.getByRole('searchbox', { name: 'Search models' }).waitFor();
  await expectLarge();
  await page.getByRole('button', { name: 'Close' }).click();
  await ada.choose('Recraft V3');
  await expectLarge();
  expect([...seen]).toEqual(
    expect.arrayContaining(['email', 'password', 'textarea', 'number', 'search', 'select']),
  );
});
