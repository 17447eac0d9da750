import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';
import type { Engine } from './support/browser.ts';
import { card, Person, picture } from './support/person.ts';
import { button, role, type Target, text } from './support/target.ts';

/** The main stories of the studio, in any engine. tests/browser has all of them, in Chromium. */

const GENERATION_MS = '300';

/** @param start a browser of this engine */
export function stories(start: () => Promise<Engine>): void {
  let stack: TestStack;
  let engine: Engine;
  beforeAll(async () => {
    [stack, engine] = await Promise.all([
      TestStack.start({ env: { SIMULATOR_GENERATION_MS: GENERATION_MS } }),
      start(),
    ]);
  });
  afterAll(async () => {
    await engine?.stop();
    await stack?.stop();
  });

  /** A test about somebody who has signed up. What their page complains of fails it, too. */
  const story = (name: string, tell: (ada: Person) => Promise<void>) =>
    test(name, async () => {
      const ada = await Person.arrive(await engine.visit(), stack);
      try {
        await ada.signUp();
        await tell(ada);
        expect(await ada.errors(), 'what the page complains of').toEqual([]);
      } catch (error) {
        throw await withEvidence(error, ada);
      } finally {
        await ada.browser.close();
      }
    });

  story('a prompt becomes a picture before one’s eyes, and is still there after a reload', async (ada) => {
    const prompt = 'A red fox in fresh snow';
    await stack.simulator.fault(prompt, { hold: 'run' });
    await ada.fill(role('textbox', 'Prompt'), prompt);
    await ada.click(button(/^Make /));
    await ada.sees(role('progressbar', undefined, card(prompt)));
    await stack.until('the prediction to be let go', async () => {
      const { released } = await stack.simulator.release();
      return released > 0;
    });
    const [width, height] = await ada.sizeOf(picture(prompt));
    expect(Math.min(width, height), 'a thumbnail, and no dot').toBeGreaterThan(100);
    await ada.open();
    expect(await ada.sizeOf(picture(prompt))).toEqual([width, height]);
    expect(await ada.prompts()).toEqual([prompt]);
  });

  story('the same is run again', async (ada) => {
    await ada.make('A loft');
    await ada.click(button(/^Run again/, card('A loft')));
    await ada.sees(picture('A loft'), 2);
    expect(await ada.prompts()).toEqual(['A loft', 'A loft']);
  });

  story('what is deleted is taken back, and is gone once the page has been left', async (ada) => {
    await ada.make('A mill');
    await ada.make('A well');
    await ada.click(button('Delete', card('A well')));
    await ada.seesNo(card('A well'));
    await ada.click(button('Undo'));
    await ada.sees(picture('A well'));
    expect(await ada.prompts()).toEqual(['A mill', 'A well']);

    await ada.click(button('Delete', card('A well')));
    await ada.sees(button('Undo'));
    await ada.browser.open('about:blank');
    await stack.until('it to be deleted', async () => (await ada.prompts()).length === 1);
    await ada.open();
    await ada.sees(picture('A mill'));
  });

  story('Escape closes every dialog', async (ada) => {
    await ada.make('A lamp');
    const dialog = role('dialog');
    const closes = async (opener: Target) => {
      await ada.click(opener);
      await ada.sees(dialog);
      await ada.press('Escape');
      await ada.seesNo(dialog);
    };
    await closes(button(/^Model /));
    await ada.click(button(/^Model /));
    await ada.fill(role('searchbox', 'Search models', dialog), 'FLUX.1 dev');
    await ada.click(button('FLUX.1 dev', dialog));
    await ada.seesNo(dialog);
    await closes(button('Choose one of yours'));
    await closes(picture('A lamp'));
  });

  story('a number can be typed', async (ada) => {
    const number = role('spinbutton', 'Number of pictures');
    await ada.fill(role('textbox', 'Prompt'), 'A boat');
    await ada.click(number);
    await ada.press('End');
    await ada.press('Backspace');
    expect(await ada.value(number), 'an empty field is empty until it is left').toBe('');
    await ada.type('5');
    expect(await ada.value(number)).toBe('5');
    await ada.sees(button('Make 5 pictures'));
    await ada.sees(text('$0.015 in total'));
    await ada.press('Backspace');
    await ada.press('Tab');
    expect(await ada.value(number), 'left empty it is what it was').toBe('5');
  });

  story('a picture is looked at in large, and the one before it', async (ada) => {
    await ada.make('The older one');
    await ada.make('The newer one');
    await ada.click(picture('The newer one'));
    const dialog = role('dialog', 'Picture');
    const inLarge = (prompt: string) => ada.sizeOf(role('img', prompt, dialog));
    expect(Math.min(...(await inLarge('The newer one'))), 'no thumbnail').toBeGreaterThan(512);
    await ada.press('ArrowRight');
    expect(Math.min(...(await inLarge('The older one')))).toBeGreaterThan(512);
    await ada.click(button('Close', dialog));
    await ada.seesNo(dialog);
  });
}

async function withEvidence(error: unknown, { browser, stack }: Person): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'engine-failed-'));
  const file = path.join(dir, 'page.png');
  const shown = await browser.picture().then(
    async (png) => fs.writeFile(file, png).then(() => file),
    (reason) => `no picture: ${reason}`,
  );
  error.message += `\n\nThe page when it failed: ${shown}\nThe stack's last lines:\n${stack.lastLines()}`;
  return error;
}
