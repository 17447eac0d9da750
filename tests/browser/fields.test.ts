import { expect } from 'vitest';
import { stories } from './support/story.ts';
import { PHONE } from './support/visitor.ts';

/** Typing numbers, closing what is open, and the colours around the page. */

const story = stories();

story('a number can be typed: an empty field is empty until it is left', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const form = page.getByRole('form', { name: 'New picture' });
  const number = form.getByRole('spinbutton', { name: 'Number of pictures' });
  await form.getByRole('textbox', { name: 'Prompt', exact: true }).fill('a boat');
  await number.click();
  await page.keyboard.press('End');
  await page.keyboard.press('Backspace');
  expect(await number.inputValue()).toBe('');
  await form.getByRole('button', { name: 'Make picture' }).waitFor();
  await page.keyboard.type('5');
  expect(await number.inputValue()).toBe('5');
  await form.getByRole('button', { name: 'Make 5 pictures' }).waitFor();
  await form.getByText('$0.015 in total').waitFor();
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Tab');
  expect(await number.inputValue(), 'left empty it is what it was').toBe('5');
  await number.fill('50');
  await form.getByText('At most 10', { exact: true }).waitFor();
  await number.fill('0');
  await form.getByText('At least 1', { exact: true }).waitFor();
  await number.fill('50');
  await number.blur();
  expect(await number.inputValue()).toBe('10');
  await form.getByText('At most 10', { exact: true }).waitFor({ state: 'detached' });

  await ada.choose('FLUX 1.1 pro');
  await form.getByRole('radio', { name: 'Custom' }).check();
  const width = form.getByRole('spinbutton', { name: 'Width' });
  await width.fill('');
  await width.pressSequentially('800');
  expect(await width.inputValue()).toBe('800');
  await width.blur();
  expect(await width.inputValue()).toBe('800');
  await width.fill('3');
  await width.blur();
  expect(Number(await width.inputValue()), 'the least that the model takes').toBeGreaterThan(16);
});

story('Escape closes every dialog, also where the browser does not do it itself', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await ada.make('A lamp');
  await ada.picture('A lamp').waitFor();
  await ada.choose('FLUX.1 dev');
  const openers = [
    page.getByRole('button', { name: /^Model / }),
    page.getByRole('button', { name: 'Choose one of yours' }),
    ada.picture('A lamp'),
  ];
  for (const opener of openers) {
    await opener.click();
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    // To a script's event no browser listens; the focus is nowhere, as in WebKit after a click on a button.
    await page.evaluate(() => {
      (document.activeElement as HTMLElement | null)?.blur();
      const key = { key: 'Escape', bubbles: true, cancelable: true };
      document.body.dispatchEvent(new KeyboardEvent('keydown', key));
    });
    await dialog.waitFor({ state: 'detached' });
    await opener.click();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  }
});

story('the bar around the page has the colour of its theme, chosen or the system’s', async ({ visit }) => {
  const ada = await visit({ viewport: PHONE, colorScheme: 'light' });
  const { page } = ada;
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  /** The colour that a browser takes, and that of the page. */
  const colours = () =>
    page.evaluate(() => {
      const bars = [...document.querySelectorAll<HTMLMetaElement>('meta[name=theme-color]')];
      const bar = document.createElement('p');
      bar.style.color = bars.find(({ media }) => matchMedia(media).matches)?.content ?? '';
      document.body.append(bar);
      const { color } = getComputedStyle(bar);
      bar.remove();
      return [color, getComputedStyle(document.body).backgroundColor];
    });
  const expectSame = async (what: string) => {
    const [bar, paper] = await colours();
    expect(bar, what).toBe(paper);
    return bar;
  };
  const light = await expectSame('as the system');
  await page.getByRole('button', { name: 'Switch to dark theme' }).click();
  const dark = await expectSame('chosen against it');
  expect(dark).not.toBe(light);
  await page.reload();
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  expect(await expectSame('after a reload')).toBe(dark);
  await page.getByRole('button', { name: 'Switch to light theme' }).click();
  expect(await expectSame('back with the system')).toBe(light);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await expectSame('which changes')).toBe(dark);
});
