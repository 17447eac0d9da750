import { expect } from 'vitest';
import { drawing, expectShown, painted } from './support/pixels.ts';
import { stories, UNHURRIED } from './support/story.ts';

/** What people come to the studio for. */

const story = stories();

story('a prompt becomes a picture before one’s eyes, and is still there after a reload', async (scene) => {
  const prompt = 'A red fox in fresh snow, morning light';
  const ada = await scene.member();
  await ada.page.getByRole('heading', { name: 'Your first picture is a sentence away' }).waitFor();
  await scene.stack.simulator.fault(prompt, UNHURRIED);
  const progress = await ada.noteProgress();
  const card = await ada.make(prompt);
  await card.getByRole('progressbar').waitFor();

  const picture = ada.picture(prompt);
  await picture.waitFor();
  const seen = progress().filter((percent) => percent > 0 && percent < 100);
  expect(new Set(seen).size, `the progress moves: ${progress()}`).toBeGreaterThanOrEqual(2);
  expect(seen, 'and never back').toEqual(seen.toSorted((a, b) => a - b));
  await ada.page
    .getByRole('log', { name: 'Progress' })
    .filter({ hasText: `“${prompt}” is done` })
    .waitFor();
  await expectShown(picture, await painted(scene.stack, prompt), 'small');

  await ada.page.reload();
  await expectShown(ada.picture(prompt), await painted(scene.stack, prompt), 'small');
  expect(await ada.page.getByRole('article').count(), 'the history has it once').toBe(1);
});

story('a picture is cancelled while it is being made, and retried', async ({ member, stack }) => {
  const prompt = 'An old observatory under the Milky Way';
  const ada = await member();
  await stack.simulator.fault(prompt, { hold: 'run' });
  const card = await ada.make(prompt);
  await card.getByText('Painting').waitFor();
  await card.getByRole('button', { name: 'Cancel' }).click();
  await card.getByText('Cancelled').waitFor();
  await stack.until('the prediction to be cancelled at the provider', async () => {
    const [one] = await stack.simulator.withPrompt(prompt);
    return one?.status === 'canceled';
  });
  expect(await ada.page.title(), 'nothing is being made any more').toBe('Picture Queue');

  await stack.simulator.faults([]);
  await card.getByRole('button', { name: 'Retry' }).click();
  await ada.picture(prompt).waitFor();
  expect((await ada.generations()).map(({ status }) => status)).toEqual(['cancelled', 'completed']);
});

story('three of one prompt are three pictures', async ({ member, stack }) => {
  const prompt = 'Paper boats on a pond, watercolour';
  const ada = await member();
  const form = ada.page.getByRole('form', { name: 'New picture' });
  await form.getByRole('button', { name: 'One more' }).click();
  await form.getByRole('button', { name: 'One more' }).click();
  expect(await form.getByRole('spinbutton', { name: 'Number of pictures' }).inputValue()).toBe('3');
  await form.getByText('$0.009 in total').waitFor();
  await ada.make(prompt);
  await ada.picture(prompt).nth(2).waitFor();
  expect(await ada.card(prompt).count()).toBe(3);
  const sources = await ada.picture(prompt).evaluateAll((all) => all.map((one) => one.getAttribute('src')));
  expect(new Set(sources).size, 'three different files').toBe(3);
  const [row] = await stack.sql`select count(*)::int as batches, max(total_count)::int as images
    from public.batch_generations where user_id = ${await ada.userId()}`;
  expect(row).toEqual({ batches: 1, images: 3 });
});

story('several prompts are a picture of each', async ({ member }) => {
  const prompts = ['A blue door', 'A green door', 'A yellow door'];
  const ada = await member();
  const form = ada.page.getByRole('form', { name: 'New picture' });
  await form.getByRole('radio', { name: 'Several prompts' }).check();
  await form.getByRole('button', { name: 'Add a prompt' }).click();
  for (const [index, prompt] of prompts.entries()) {
    await form.getByRole('textbox', { name: `Prompt ${index + 1}` }).fill(prompt);
  }
  await form.getByRole('button', { name: 'Make 3 pictures' }).click();
  for (const prompt of prompts) await ada.picture(prompt).waitFor();
  expect((await ada.generations()).map(({ prompt }) => prompt).sort()).toEqual(prompts.toSorted());
});

story('an uploaded picture becomes a variation, and that one another', async ({ member, stack }) => {
  const prompt = 'The same harbour in winter';
  const ada = await member();
  await ada.choose('FLUX.1 dev');
  await ada.page.getByLabel('Upload a picture').setInputFiles({
    name: 'harbour.png',
    mimeType: 'image/png',
    buffer: await drawing(),
  });
  const source = ada.page.getByRole('img', { name: 'Picture to start from: harbour.png' });
  await source.waitFor();
  expect(await source.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(640);
  const card = await ada.make(prompt);
  await ada.picture(prompt).waitFor();
  const [first] = await stack.simulator.withPrompt(prompt);
  expect(first?.source, 'the model has got the uploaded picture').toMatchObject({ width: 640, height: 384 });

  await card.getByRole('button', { name: 'Variation' }).click();
  await ada.page.getByRole('status').filter({ hasText: 'A variation is on its way.' }).waitFor();
  await ada.picture(prompt).nth(1).waitFor();
  const made = await stack.simulator.withPrompt(prompt);
  expect(made).toHaveLength(2);
  expect(
    made.map(({ source: from }) => from?.digest),
    'the second is made of the first',
  ).not.toEqual([made[0]?.source?.digest, made[0]?.source?.digest]);
});

story('a picture is looked at in large, and the one before it', async ({ member, stack }) => {
  const ada = await member();
  for (const prompt of ['The older one', 'The newer one']) {
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
  await ada.picture('The newer one').click();
  const dialog = ada.page.getByRole('dialog', { name: 'Picture' });
  await expectShown(
    dialog.getByRole('img', { name: 'The newer one' }),
    await painted(stack, 'The newer one'),
  );
  await ada.page.keyboard.press('ArrowRight');
  await expectShown(
    dialog.getByRole('img', { name: 'The older one' }),
    await painted(stack, 'The older one'),
  );
  const downloads = ada.page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Download' }).click();
  const file = await downloads;
  expect(file.suggestedFilename()).toBe('the-older-one.webp');
  await ada.page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

story(
  'models are compared before anything is spent: by price, by speed, by what they can do',
  async (scene) => {
    const ada = await scene.member();
    const { page } = ada;
    await page.getByRole('button', { name: /^Model .*\$0.003 a picture · about \d+ s/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Choose a model' });
    const facts = dialog.getByRole('region', { name: 'From a prompt' }).locator('.facts');
    const numbers = async (pattern: RegExp) =>
      (await facts.allTextContents()).flatMap((text) => Number(pattern.exec(text)?.[1] ?? Number.NaN));
    const prices = () => numbers(/\$([\d.]+) a picture/);
    const times = () => numbers(/about (\d+) s/);
    const rising = (all: number[]) => all.toSorted((a, b) => a - b);
    expect(await prices(), 'as they are, they are not in this order').not.toEqual(rising(await prices()));
    await dialog.getByRole('radio', { name: 'Price' }).check();
    expect(await prices()).toEqual(rising(await prices()));
    expect(await times()).not.toEqual(rising(await times()));
    await dialog.getByRole('radio', { name: 'Speed' }).check();
    expect(await times()).toEqual(rising(await times()));
    await dialog.getByRole('searchbox').fill('negative prompt');
    await dialog.getByRole('button', { name: 'SDXL', exact: true }).click();
    await page.getByRole('button', { name: /^Model SDXL / }).waitFor();
  },
);
