import sharp from 'sharp';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { md5 } from './support/files.ts';
import { drawing } from './support/pixels.ts';
import { stories } from './support/story.ts';

/** How much larger a picture gets, and what that costs before it is spent. */

const story = stories();

story('a factor shows its price, arrives, is told and taken over', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  const form = page.getByRole('form', { name: 'New picture' });
  const file = { name: 'hill.png', mimeType: 'image/png', buffer: await drawing() };
  await ada.choose('Real-ESRGAN');
  await page.getByLabel('Upload a picture').setInputFiles(file);
  await page.getByRole('img', { name: 'Picture to start from: hill.png' }).waitFor();
  expect(await form.getByRole('radio', { name: '4× · $0.0036' }).isChecked(), 'its usual one').toBe(true);
  await form.getByText('4 times as wide and as high: 2,560 × 1,536 pixels').waitFor();
  await form.getByText('$0.0036 in total').waitFor();
  await form.getByRole('radio', { name: '8× · $0.0144' }).check();
  await form.getByText('$0.0144 in total').waitFor();
  await form.getByRole('radio', { name: 'Other' }).check();
  const factor = form.getByRole('spinbutton', { name: 'Factor, 1 to 10' });
  await factor.fill('2.5');
  await factor.blur();
  expect(await factor.inputValue()).toBe('2.5');
  await form.getByText('2.5 times as wide and as high: 1,600 × 960 pixels').waitFor();
  await expectAccessible(page, 'a factor is typed');
  await form.getByRole('button', { name: 'Make picture' }).click();
  await ada.picture('hill.png').waitFor();
  const made = (await stack.simulator.predictions()).filter(
    ({ source }) => source?.digest === md5(file.buffer),
  );
  expect(made.map(({ prediction }) => (prediction.input as { scale: number }).scale)).toEqual([2.5]);

  await ada.picture('hill.png').click();
  const viewer = page.getByRole('dialog', { name: 'Picture' });
  await viewer.getByText('2.5×', { exact: true }).waitFor();
  await viewer.getByText('1600 × 960').waitFor();
  await page.keyboard.press('Escape');
  await page.reload();
  expect(await factor.inputValue(), 'after a reload').toBe('2.5');
  await form.getByRole('radio', { name: '2× · ' }).check();
  await ada.card('hill.png').getByRole('button', { name: 'Reuse settings' }).click();
  await expect.poll(() => factor.inputValue()).toBe('2.5');
  await form.locator('img[alt="Picture to start from: hill.png"]').waitFor();
  await form.getByText('1,600 × 960 pixels').waitFor();

  await ada.choose('FLUX.1 dev');
  await form.getByText('Kept for another model, and not sent with this one: the factor 2.5×.').waitFor();
});

story(
  'priced by its pixels, the size of the picture counts, and what is set aside is said',
  async (scene) => {
    const ada = await scene.member();
    const { page } = ada;
    const form = page.getByRole('form', { name: 'New picture' });
    await ada.choose('Topaz Image Upscale');
    const picture = sharp({ create: { width: 1_024, height: 1_024, channels: 3, background: 'teal' } });
    const buffer = await picture.png().toBuffer();
    await page
      .getByLabel('Upload a picture')
      .setInputFiles({ name: 'sea.png', mimeType: 'image/png', buffer });
    await form.getByRole('radio', { name: '2× · $0.0936' }).waitFor();
    // 0.08 and 36 megapixels at 0.0034.
    await form.getByRole('radio', { name: '6× · $0.20' }).check();
    await form.getByText('$0.20 in total').waitFor();
    await form.getByText('$2.04 is set aside until it is done').waitFor();
    expect(
      await form.getByRole('radio', { name: 'Other' }).count(),
      'the catalogue names all there are',
    ).toBe(0);
    await form.getByRole('radio', { name: '4× · $0.13' }).check();
    await form.getByRole('button', { name: 'Make picture' }).click();
    await ada.picture('sea.png').waitFor();
    const [row] = await scene.stack.sql<{ cost: string; scale: string }[]>`
    select cost_usd as cost, scale from public.image_generations where user_id = ${await ada.userId()}`;
    expect(Number(row?.scale)).toBe(4);
    expect(Number(row?.cost), 'as it was said').toBeCloseTo(0.08 + 16 * 0.0034, 6);
  },
);
