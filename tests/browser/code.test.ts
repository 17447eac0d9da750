import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** How a picture was made, taken further: into the form, into a shell, into a program. */

const story = stories();
const run = promisify(execFile);
const CLIENT = fileURLToPath(new URL('../../client/src/index.ts', import.meta.url));
/** With what shells and programs may stumble over. */
const PROMPT = `It's "a fox" $HOME \`ls\` \\ and
a second line`;

const tokenOf = (ada: Visitor) =>
  ada.page.evaluate(() => {
    const session = JSON.parse(localStorage.getItem('picture-queue:session') ?? '{}');
    return String(session.access_token);
  });

async function copied(ada: Visitor, name: string): Promise<string> {
  await ada.page.getByRole('dialog').getByRole('button', { name }).click();
  await ada.page.getByRole('dialog').getByText('copied, without a token.').waitFor();
  return ada.page.evaluate(() => navigator.clipboard.readText());
}

story('copied as cURL and as TypeScript, it makes the same without the studio', async ({ member, stack }) => {
  const ada = await member({ permissions: ['clipboard-read', 'clipboard-write'] });
  await ada.page.getByText('Advanced settings').click();
  await ada.page.getByLabel('Seed', { exact: true }).fill('7');
  await ada.page.getByRole('textbox', { name: 'Prompt', exact: true }).fill(PROMPT);
  await ada.page.getByRole('button', { name: /^Make / }).click();
  await ada.page.getByRole('article').getByRole('img').first().click();
  const token = await tokenOf(ada);
  expect(token).toMatch(/^ey/);
  const env = { ...process.env, PICTURE_QUEUE_TOKEN: token };

  const curl = await copied(ada, 'Copy as cURL');
  expect(curl).not.toContain(token);
  const { stdout } = await run('sh', ['-c', curl], { env });
  expect(JSON.parse(stdout)).toMatchObject({ status: 'queued' });

  const program = await copied(ada, 'Copy as TypeScript');
  expect(program).not.toContain(token);
  const file = path.join(await fs.mkdtemp(path.join(os.tmpdir(), 'studio-copied-')), 'copied.mts');
  await fs.writeFile(file, program.replace("'picture-queue'", JSON.stringify(CLIENT)));
  const ran = await run(process.execPath, [file], { env });
  expect(ran.stdout).toMatch(/^http/);

  const made = await stack.simulator.withPrompt(PROMPT);
  const inputs = made.map(({ prediction }) => JSON.stringify(prediction.input));
  expect(inputs.length).toBeGreaterThanOrEqual(2);
  await stack.until('all three to be asked of the model', async () => {
    return (await stack.simulator.withPrompt(PROMPT)).length === 3;
  });
  expect(new Set(inputs).size, 'the same, its seed too').toBe(1);
});

story('the settings of a picture are used again', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  const form = page.getByRole('form', { name: 'New picture' });
  await ada.choose('FLUX.1 dev');
  await form.getByRole('radio', { name: '3:2' }).check();
  await ada.make('A lake');
  await ada.picture('A lake').waitFor();
  // What it was made from comes along.
  await ada.card('A lake').getByRole('button', { name: 'Variation' }).click();
  await ada.picture('A lake').nth(1).waitFor();
  await ada.choose('FLUX.1 schnell');
  await form.getByRole('textbox', { name: 'Prompt', exact: true }).fill('');
  await form.getByRole('radio', { name: 'Auto' }).check();

  await ada.picture('A lake').nth(1).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reuse settings' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await form.getByRole('textbox', { name: 'Prompt', exact: true }).inputValue()).toBe('A lake');
  await page.getByRole('button', { name: /^Model FLUX.1 dev/ }).waitFor();
  expect(await form.getByRole('radio', { name: '3:2' }).isChecked()).toBe(true);

  await ada.card('A lake').first().getByRole('button', { name: 'Reuse settings' }).click();
  await form.getByRole('img', { name: 'Picture to start from: A lake' }).waitFor();
  await ada.make('The same lake');
  await ada.picture('The same lake').waitFor();
  const [again] = await stack.simulator.withPrompt('The same lake');
  expect(again?.source, 'from the first one').toBeTruthy();
});

story('a picture is looked at in its full size', async ({ member }) => {
  const ada = await member();
  await ada.make('A leaf');
  await ada.picture('A leaf').click();
  const dialog = ada.page.getByRole('dialog', { name: 'Picture' });
  const image = dialog.getByRole('img', { name: 'A leaf' });
  const size = () =>
    image.evaluate((one: HTMLImageElement) => [
      Math.round(one.getBoundingClientRect().width),
      one.naturalWidth,
    ]);
  await image.evaluate((one: HTMLImageElement) => one.decode());
  const [fitted, natural = 0] = await size();
  expect(fitted).toBeLessThan(natural);
  await dialog.getByRole('button', { name: 'Full size' }).click();
  expect((await size())[0]).toBe(natural);
  await dialog.getByRole('button', { name: 'Whole picture' }).click();
  expect((await size())[0]).toBe(fitted);
});
