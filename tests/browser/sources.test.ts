import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { drop, md5, plain } from './support/files.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { drawing, painted } from './support/pixels.ts';
import { stories } from './support/story.ts';
import { translate } from './support/texts.ts';
import { PHONE } from './support/visitor.ts';

/** Several pictures to start from: chosen, put in order, sent, told, and taken over. */

const story = stories();
const MANY = 'Nano Banana';

const formOf = (page: Page) => page.getByRole('form', { name: 'New picture' });
const chosen = (page: Page) => page.getByRole('list', { name: 'Pictures to start from' });
const order = (page: Page) =>
  chosen(page)
    .getByRole('img')
    .evaluateAll((all) => all.map((one) => one.getAttribute('alt') ?? one.getAttribute('aria-label')));

story('several pictures, in the order of the prompt, arrive at the model', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  const form = formOf(page);
  await ada.make('A pond');
  await ada.picture('A pond').waitFor();
  await ada.choose(MANY);
  await form.getByText('You can also drop or paste up to 10 pictures here.').waitFor();
  const [red, blue] = [await plain('red.png', 'red'), await plain('blue.png', 'blue')];
  await page.getByLabel('Upload pictures').setInputFiles([red, blue]);
  await form.getByText('2 of 10').waitFor();

  await form.getByRole('button', { name: 'Choose from yours' }).click();
  const dialog = page.getByRole('dialog', { name: 'Choose from your pictures' });
  await dialog.getByRole('button', { name: 'A pond' }).click();
  await dialog.getByText('1 of 8 chosen').waitFor();
  await expectAccessible(page, 'pictures of one’s own are chosen');
  await dialog.getByRole('button', { name: 'Use 1 picture' }).click();
  await form.getByText('3 of 10').waitFor();
  expect(await order(page)).toEqual([
    'Picture 1 of 3: red.png',
    'Picture 2 of 3: blue.png',
    'Picture 3 of 3: A pond',
  ]);
  await expectAccessible(page, 'there are three pictures to start from');

  // By keyboard: the focus stays with what is moved.
  const forward = (n: number) => form.getByRole('button', { name: `Move picture ${n} forward` });
  await tabTo(page, forward(3));
  await page.keyboard.press('Enter');
  await expectFocus(forward(2), 'with the picture');
  await page.keyboard.press('Enter');
  await expectFocus(forward(1), 'with the picture, at the front');
  await page.keyboard.press('Enter');
  await tabTo(page, form.getByRole('button', { name: 'Move picture 1 back' }));
  await page.keyboard.press('Enter');
  await expectFocus(form.getByRole('button', { name: 'Move picture 2 back' }), 'with the picture');
  expect(await order(page)).toEqual([
    'Picture 1 of 3: red.png',
    'Picture 2 of 3: A pond',
    'Picture 3 of 3: blue.png',
  ]);

  // What stands in the form survives a reload, the uploads too.
  await page.reload();
  await form.getByText('3 of 10').waitFor();
  const first = chosen(page).locator('img[alt="Picture 1 of 3: red.png"]');
  const width = await first.evaluate((image: HTMLImageElement) =>
    image.decode().then(() => image.naturalWidth),
  );
  expect(width, 'read from the Storage').toBe(64);

  const prompt = 'The pond of the second picture';
  await ada.make(prompt);
  await ada.picture(prompt).waitFor();
  const own = md5(await painted(stack, 'A pond'));
  const sent = [md5(red.buffer), own, md5(blue.buffer)];
  const run = async (text: string) => (await stack.simulator.withPrompt(text))[0];
  expect((await run(prompt))?.sources.map(({ digest }) => digest)).toEqual(sent);
});

story('what it was made from is told, taken over, and kept for another model', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  const form = formOf(page);
  await ada.make('A pool');
  await ada.picture('A pool').waitFor();
  await ada.choose(MANY);
  await ada.card('A pool').getByRole('button', { name: 'Use as source' }).click();
  await form.getByText('1 of 10').waitFor();
  const [red, blue] = [await plain('red.png', 'red'), await plain('blue.png', 'blue')];
  await page.getByLabel('Upload pictures').setInputFiles([red, blue]);
  await form.getByText('3 of 10').waitFor();
  const prompt = 'The pool of the first picture';
  await ada.make(prompt);
  await ada.picture(prompt).waitFor();
  const sent = [md5(await painted(stack, 'A pool')), md5(red.buffer), md5(blue.buffer)];
  const run = async (text: string) => (await stack.simulator.withPrompt(text))[0];

  // In large it tells what it was made from, and its settings bring all of it back.
  await page.getByRole('button', { name: 'Remove picture 1' }).click();
  await form.getByText('2 of 10').waitFor();
  await ada.picture(prompt).click();
  const viewer = page.getByRole('dialog', { name: 'Picture' });
  const from = viewer.getByRole('region', { name: 'Made from' });
  await from.getByRole('img', { name: 'Picture 2 of 3: Uploaded picture' }).waitFor();
  await from.getByRole('button', { name: 'Picture 1 of 3: A pool' }).waitFor();
  await from.getByRole('img', { name: 'Picture 3 of 3: Uploaded picture' }).waitFor();
  await expectAccessible(page, 'a picture is looked at that was made from three');
  await viewer.getByRole('button', { name: 'Reuse settings' }).click();
  await form.getByText('3 of 10').waitFor();
  await ada.make('Once more, the pool');
  await ada.picture('Once more, the pool').waitFor();
  expect((await run('Once more, the pool'))?.sources.map(({ digest }) => digest)).toEqual(sent);

  // A model that takes one gets the first, and the rest is kept.
  await ada.choose('FLUX.1 dev');
  await form.getByText('Kept for another model, and not sent with this one: 2 more pictures.').waitFor();
  await ada.make('Of one pool');
  await ada.picture('Of one pool').waitFor();
  expect((await run('Of one pool'))?.sources.map(({ digest }) => digest)).toEqual(sent.slice(0, 1));
  await ada.choose('FLUX.1 schnell');
  await form.getByText('not sent with this one: the 3 pictures to start from.').waitFor();
  await expectAccessible(page, 'something is kept for another model');
  await ada.choose(MANY);
  await form.getByText('3 of 10').waitFor();
  await ada.choose('FLUX.1 dev');
  await form.getByRole('button', { name: 'Do not keep it' }).click();
  await ada.choose(MANY);
  await form.getByText('1 of 10').waitFor();
});

story('what the server would refuse is refused at once, in a sentence', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const form = formOf(page);
  await ada.choose(MANY);
  const zone = page.locator('.dropzone');
  const text = { name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no picture at all') };
  await drop(zone, [text, await plain('red.png', 'red')]);
  await page.getByRole('alert').getByText('“notes.png” is not a PNG, JPEG or WebP picture.').waitFor();
  await form.getByText('1 of 10').waitFor();

  const large = { name: 'large.png', mimeType: 'image/png', buffer: Buffer.alloc(10 * 1024 * 1024 + 1) };
  await page.getByLabel('Upload pictures').setInputFiles(large);
  await page.getByRole('alert').getByText('“large.png” is larger than 10 MB.').waitFor();
  expect(
    ada.asked.filter((one) => one === 'POST /sources'),
    'nothing of it was sent',
  ).toHaveLength(1);

  const colours = Array.from({ length: 11 }, (_, n) => plain(`${n}.png`, `rgb(${n * 20}, 80, 80)`));
  await page.getByLabel('Upload pictures').setInputFiles(await Promise.all(colours));
  await page.getByRole('alert').getByText('This model takes 10 pictures at most: 2 were left out.').waitFor();
  await form.getByText('10 of 10').waitFor();
  await form.getByText('This model takes no more. Remove one to add another one.').waitFor();
  expect(await page.getByLabel('Upload pictures').isDisabled()).toBe(true);
  await form.getByRole('button', { name: 'Remove picture 10' }).click();
  await expectFocus(form.getByRole('button', { name: 'Remove picture 9' }), 'on the next one');
  await form.getByText('9 of 10').waitFor();
});

story('another file takes the place of one that is still on its way', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await ada.choose('FLUX.1 dev');
  let isFirst = true;
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await ada.context.route('**/sources', async (route) => {
    const waits = isFirst;
    isFirst = false;
    if (waits) await held;
    await route.continue().catch(() => {});
  });
  await page.getByLabel('Upload a picture').setInputFiles(await plain('red.png', 'red'));
  await page.getByRole('img', { name: 'Being uploaded: red.png' }).waitFor();
  await page.getByLabel('Upload a picture').setInputFiles(await plain('blue.png', 'blue'));
  await page.getByRole('img', { name: 'Picture to start from: blue.png' }).waitFor();
  expect(await page.getByRole('alert').count(), 'nothing is wrong').toBe(0);
  letGo();
  await page.getByRole('button', { name: 'Remove the picture to start from' }).click();
  await page.getByText('You can also drop or paste a picture here.').waitFor();
});

story('on a phone, on a page that the browser translates, pictures are put in order too', async (scene) => {
  const before = (context: { addInitScript(script: () => void): Promise<unknown> }) =>
    context.addInitScript(translate);
  const ada = await scene.member({ viewport: PHONE, isMobile: true, hasTouch: true, before });
  const { page } = ada;
  const form = formOf(page);
  await ada.choose(MANY);
  await page
    .getByLabel('Upload pictures')
    .setInputFiles([
      await plain('red.png', 'red'),
      { name: 'hill.png', mimeType: 'image/png', buffer: await drawing() },
    ]);
  await form.getByText('2 of 10').waitFor();
  await form.getByRole('button', { name: 'Move picture 2 forward' }).tap();
  expect(await order(page)).toEqual(['Picture 1 of 2: hill.png', 'Picture 2 of 2: red.png']);
  await form.getByRole('button', { name: 'Remove picture 1' }).tap();
  await form.getByText('1 of 10').waitFor();
  await form.getByRole('button', { name: 'Remove picture 1' }).tap();
  await form.getByText('You can also drop or paste up to 10 pictures here.').waitFor();
});
