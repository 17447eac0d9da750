import type { Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { md5, plain, stored } from './support/files.ts';
import { drawing } from './support/pixels.ts';
import { stories } from './support/story.ts';
import { translate } from './support/texts.ts';
import { PHONE, type Visitor } from './support/visitor.ts';

/** A part of a picture made anew: what is painted here is what arrives at the model, pixel for pixel. */

const story = stories();
/** Makes black anew, and takes a picture with a mask only. */
const BLACK = 'Ideogram 3.0 turbo';
/** Makes white anew, and takes a picture without a mask too. */
const WHITE = 'SDXL';
const [WIDTH, HEIGHT] = [640, 384];

const formOf = (page: Page) => page.getByRole('form', { name: 'New picture' });
const painterOf = (page: Page) => page.getByRole('dialog', { name: 'Paint a mask' });
const canvasOf = (page: Page) => painterOf(page).getByRole('img', { name: 'What is painted' });

async function withPicture(ada: Visitor, model: string): Promise<void> {
  await ada.choose(model);
  const file = { name: 'hill.png', mimeType: 'image/png', buffer: await drawing() };
  await ada.page.getByLabel('Upload a picture').setInputFiles(file);
  await ada.page.getByRole('img', { name: 'Picture to start from: hill.png' }).waitFor();
}

/** Where a place of the picture, from 0 to 1, is on the screen. */
async function place(canvas: Locator, x: number, y: number) {
  const box = await canvas.boundingBox();
  if (!box) throw new Error('the canvas is nowhere');
  return { x: box.x + box.width * x, y: box.y + box.height * y };
}

async function stroke(page: Page, from: [number, number], to: [number, number]): Promise<void> {
  const [start, end] = [await place(canvasOf(page), ...from), await place(canvasOf(page), ...to)];
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(end.x, end.y, { steps: 6 });
  await page.mouse.up();
}

/** What arrived as the mask: its grey, by pixel. */
async function arrived(ada: Visitor, prompt: string): Promise<(x: number, y: number) => number | undefined> {
  const [made] = await ada.stack.simulator.withPrompt(prompt);
  const files = await stored(ada.stack, 'source-images', await ada.userId());
  const mask = files.find((file) => md5(file) === made?.mask?.digest);
  expect(mask, 'the mask that the model has read is one of the uploads').toBeDefined();
  expect(made?.mask, 'as large as its picture').toMatchObject({ width: WIDTH, height: HEIGHT });
  const grey = await sharp(mask).toColourspace('b-w').raw().toBuffer();
  expect(new Set(grey), 'black and white alone').toEqual(new Set([0, 255]));
  return (x, y) => grey[Math.floor(y * HEIGHT) * WIDTH + Math.floor(x * WIDTH)];
}

story('painted, taken back, erased and inverted, it arrives as it was painted', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const form = formOf(page);
  await withPicture(ada, BLACK);
  await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('A red hill');
  await form.getByRole('button', { name: 'Make picture' }).click();
  await page.getByRole('alert').getByText('Paint one, upload one, or remove the picture.').waitFor();
  await form.getByText('In a file, black is made anew and white stays.').waitFor();

  await form.getByRole('button', { name: 'Paint a mask' }).click();
  const painter = painterOf(page);
  await canvasOf(page).waitFor();
  await painter.getByRole('button', { name: 'Use this mask' }).click();
  await painter.getByRole('alert').getByText('Paint over what is to be made anew.').waitFor();
  await stroke(page, [0.2, 0.5], [0.8, 0.5]);
  await stroke(page, [0.5, 0.1], [0.5, 0.1]);
  await page.keyboard.press('Control+z');
  await expectAccessible(page, 'a mask is painted');
  await painter.getByRole('radio', { name: 'Erase' }).check();
  await painter.getByRole('slider', { name: 'Brush size' }).fill('4');
  await stroke(page, [0.5, 0.3], [0.5, 0.7]);
  await painter.getByText(/^\d+ % is made anew$/).waitFor();
  await painter.getByRole('button', { name: 'Use this mask' }).click();
  await painter.waitFor({ state: 'detached' });
  await form.getByRole('img', { name: 'Mask: painted.png' }).waitFor();
  await expectAccessible(page, 'there is a mask');

  await ada.make('A red hill');
  await ada.picture('A red hill').waitFor();
  const pixel = await arrived(ada, 'A red hill');
  expect(pixel(0.3, 0.5), 'painted: black is made anew').toBe(0);
  expect(pixel(0.7, 0.5)).toBe(0);
  expect(pixel(0.5, 0.5), 'erased').toBe(255);
  expect(pixel(0.5, 0.1), 'taken back').toBe(255);
  expect(pixel(0.02, 0.02), 'never touched').toBe(255);

  // Gone on from where it was, and turned inside out.
  await form.getByRole('button', { name: 'Change the mask' }).click();
  await painter.getByText(/^\d+ % is made anew$/).waitFor();
  await painter.getByRole('button', { name: 'Invert' }).click();
  await painter.getByRole('button', { name: 'Use this mask' }).click();
  await painter.waitFor({ state: 'detached' });
  await ada.make('All but the hill');
  await ada.picture('All but the hill').waitFor();
  const rest = await arrived(ada, 'All but the hill');
  expect([rest(0.3, 0.5), rest(0.5, 0.5), rest(0.02, 0.02)]).toEqual([255, 0, 0]);
});

story('a mask is turned round for another model, told, and taken over', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const form = formOf(page);
  const painter = painterOf(page);
  await withPicture(ada, BLACK);
  await form.getByRole('button', { name: 'Paint a mask' }).click();
  await canvasOf(page).waitFor();
  await stroke(page, [0.2, 0.5], [0.4, 0.5]);
  await painter.getByRole('button', { name: 'Use this mask' }).click();
  await painter.waitFor({ state: 'detached' });
  await ada.make('A red barn');
  await ada.picture('A red barn').waitFor();
  const places = async (prompt: string) => {
    const pixel = await arrived(ada, prompt);
    return [pixel(0.3, 0.5), pixel(0.5, 0.5), pixel(0.02, 0.02)];
  };
  expect(await places('A red barn')).toEqual([0, 255, 255]);

  // Another model reads the colours the other way round.
  await ada.choose(WHITE);
  await form.getByText('With this model, white is made anew.').waitFor();
  await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('The barn in white');
  await form.getByRole('button', { name: 'Make picture' }).click();
  await page.getByRole('alert').getByText('Turn it round first.').waitFor();
  await form.getByRole('button', { name: 'Turn the mask round' }).click();
  await form.getByText('With this model, white is made anew.').waitFor({ state: 'detached' });
  await ada.make('The barn in white');
  await ada.picture('The barn in white').waitFor();
  expect(await places('The barn in white')).toEqual([255, 0, 0]);

  // It is told, taken over, and kept aside.
  await ada.picture('A red barn').click();
  const viewer = page.getByRole('dialog', { name: 'Picture' });
  await viewer
    .getByRole('region', { name: 'Made from' })
    .getByRole('img', { name: /^Mask: / })
    .waitFor();
  await viewer.getByRole('button', { name: 'Reuse settings' }).click();
  await form.getByRole('img', { name: 'Mask: Uploaded picture' }).waitFor();
  await page.reload();
  await form.locator('img[alt="Mask: Uploaded picture"]').waitFor();
  await ada.choose('FLUX.1 dev');
  await form.getByText('not sent with this one: the mask.').waitFor();
  await ada.choose(BLACK);
  await ada.make('A red barn again');
  await ada.picture('A red barn again').waitFor();
  expect(await places('A red barn again')).toEqual([0, 255, 255]);
});

story('with a finger and with a pen, on a phone; clearing takes all of it', async ({ member }) => {
  const before = (context: { addInitScript(script: () => void): Promise<unknown> }) =>
    context.addInitScript(translate);
  const ada = await member({ viewport: PHONE, isMobile: true, hasTouch: true, before });
  const { page } = ada;
  await withPicture(ada, WHITE);
  await formOf(page).getByRole('button', { name: 'Paint a mask' }).tap();
  const painter = painterOf(page);
  await canvasOf(page).waitFor();
  await painter.getByText('Nothing is painted yet').waitFor();
  const input = await ada.context.newCDPSession(page);
  const finger = async (at: [number, number], to: [number, number]) => {
    const [start, end] = [await place(canvasOf(page), ...at), await place(canvasOf(page), ...to)];
    await input.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [start] });
    await input.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [end] });
    await input.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  };
  await finger([0.1, 0.2], [0.1, 0.8]);
  await painter.getByText(/^\d+ % is made anew$/).waitFor();
  await painter.getByRole('button', { name: 'Clear' }).click();
  await painter.getByText('Nothing is painted yet').waitFor();
  await finger([0.2, 0.5], [0.4, 0.5]);
  const pen = async (type: 'mousePressed' | 'mouseMoved' | 'mouseReleased', x: number, y: number) => {
    const at = await place(canvasOf(page), x, y);
    await input.send('Input.dispatchMouseEvent', {
      type,
      ...at,
      button: 'left',
      buttons: type === 'mouseReleased' ? 0 : 1,
      clickCount: 1,
      pointerType: 'pen',
    });
  };
  await pen('mousePressed', 0.7, 0.5);
  await pen('mouseMoved', 0.8, 0.5);
  await pen('mouseReleased', 0.8, 0.5);
  // Beside a pen a hand that rests on the screen does not paint.
  await finger([0.5, 0.05], [0.6, 0.05]);
  const { y = 0, height = 0 } =
    (await painter.getByRole('button', { name: 'Use this mask' }).boundingBox()) ?? {};
  expect(y + height, 'the button is on the screen').toBeLessThanOrEqual(PHONE.height);
  await painter.getByRole('button', { name: 'Use this mask' }).click();
  await painter.waitFor({ state: 'detached' });
  await ada.make('A valley');
  await ada.picture('A valley').waitFor();
  const pixel = await arrived(ada, 'A valley');
  expect([pixel(0.3, 0.5), pixel(0.75, 0.5)], 'white is made anew').toEqual([255, 255]);
  expect([pixel(0.1, 0.5), pixel(0.55, 0.05)], 'cleared; a hand').toEqual([0, 0]);
});

story(
  'without painting, by keyboard: the file of a mask, as large as its picture',
  async ({ member, stack }) => {
    const ada = await member();
    const { page } = ada;
    const form = formOf(page);
    await withPicture(ada, WHITE);
    await page.getByLabel('Upload a mask').setInputFiles(await plain('small.png', 'white', 64, 64));
    await page
      .getByRole('alert')
      .getByText('The mask has 64 × 64 pixels, and the picture 640 × 384. A mask is as large as its picture.')
      .waitFor();
    const mask = await plain('half.png', 'white', WIDTH, HEIGHT);
    await page.getByLabel('Upload a mask').setInputFiles(mask);
    await form.getByRole('img', { name: 'Mask: half.png' }).waitFor();
    await ada.make('A lake');
    await ada.picture('A lake').waitFor();
    const [made] = await stack.simulator.withPrompt('A lake');
    expect(made?.mask?.digest, 'as it was uploaded').toBe(md5(mask.buffer));

    await form.getByRole('button', { name: 'Remove the mask' }).click();
    await form.getByRole('button', { name: 'Paint a mask' }).waitFor();
    // Of another picture it is none: it is kept, and that is said.
    await page.getByLabel('Upload a mask').setInputFiles(mask);
    await form.getByRole('img', { name: 'Mask: half.png' }).waitFor();
    await page.getByLabel('Upload a picture').setInputFiles(await plain('red.png', 'red'));
    await form.getByText('The mask is of another picture. It is kept, and not sent.').waitFor();
  },
);

story('the painter is loaded when it is asked for; where it cannot be, that is said', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await withPicture(ada, WHITE);
  expect(
    ada.asked.filter((one) => /Painter/.test(one)),
    'not with the page',
  ).toEqual([]);
  ada.forgive(/Painter/, /ERR_FAILED/);
  await ada.context.route('**/MaskPainter-*', (route) => route.abort());
  await formOf(page).getByRole('button', { name: 'Paint a mask' }).click();
  await page.getByRole('alert').getByText('The painter could not be loaded.').waitFor();
});
