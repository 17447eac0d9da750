import type { Route } from 'playwright-core';
import { expect } from 'vitest';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** One gesture spends once: however often it is pressed, whatever becomes of the answer. */

const story = stories();

const STARTS = '**/start-generation';
const UPDATES = /ERR_FAILED|ERR_CONNECTION_RESET/;

const prompts = async (visitor: Visitor) => (await visitor.generations()).map(({ prompt }) => prompt);
type Tab = Pick<Visitor, 'page'>;
const box = ({ page }: Tab) => page.getByRole('textbox', { name: 'Prompt', exact: true });
const make = ({ page }: Tab) => page.getByRole('button', { name: /^(Make |Starting)/ });

/** Lets starts through to the server, and keeps the keys that they came with; `answer` decides what comes back. */
async function starts(visitor: Visitor, answer: (route: Route, nth: number) => Promise<void>) {
  const keys: string[] = [];
  await visitor.context.route(STARTS, async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    keys.push(route.request().headers()['idempotency-key'] ?? 'none');
    await answer(route, keys.length);
  });
  return keys;
}

/** A picture that is done, with all that can be made of it. */
async function done(visitor: Visitor, prompt: string) {
  await visitor.make(prompt);
  await visitor.picture(prompt).waitFor();
  return visitor.card(prompt);
}

story(
  'a double click, a key that is held, and a click on top of it make one picture',
  async ({ member, stack }) => {
    const ada = await member();
    const { keyboard } = ada.page;

    await box(ada).fill('by a double click');
    await make(ada).dblclick();
    await ada.picture('by a double click').waitFor();

    await box(ada).fill('by a held key and a click');
    await box(ada).focus();
    await keyboard.down('Control');
    // Without letting go in between: the keyboard repeats it.
    for (let press = 0; press < 6; press += 1) await keyboard.down('Enter');
    await make(ada).click();
    await keyboard.up('Enter');
    await keyboard.up('Control');
    await ada.picture('by a held key and a click').waitFor();

    await box(ada).fill('by Enter on the button');
    await make(ada).focus();
    for (let press = 0; press < 6; press += 1) await keyboard.down('Enter');
    await keyboard.up('Enter');
    await ada.picture('by Enter on the button').waitFor();

    expect(await prompts(ada)).toEqual([
      'by a double click',
      'by a held key and a click',
      'by Enter on the button',
    ]);
    for (const prompt of await prompts(ada)) expect(await stack.simulator.withPrompt(prompt)).toHaveLength(1);
  },
);

story('the same asked for in two tabs at once is one picture', async ({ member, stack }) => {
  const ada = await member();
  const page = await ada.context.newPage();
  await page.goto(ada.page.url());
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  let go = () => {};
  const bothAsked = new Promise<void>((resolve) => (go = resolve));
  const keys = await starts(ada, async (route, nth) => {
    if (nth === 2) go();
    await bothAsked;
    await route.continue();
  });
  for (const tab of [ada, { page }]) {
    await box(tab).fill('in two tabs');
    await make(tab).click();
  }
  await ada.picture('in two tabs').waitFor();
  expect(new Set(keys).size, 'keys').toBe(1);
  expect(await prompts(ada)).toEqual(['in two tabs']);
  expect(await stack.simulator.withPrompt('in two tabs')).toHaveLength(1);
});

story('while the server is slow the button says so and takes no other press', async ({ member }) => {
  const ada = await member();
  let go = () => {};
  const mayGo = new Promise<void>((resolve) => (go = resolve));
  const keys = await starts(ada, async (route) => {
    await mayGo;
    await route.continue();
  });
  await box(ada).fill('by a slow server');
  await make(ada).click();
  const busy = ada.page.getByRole('button', { name: 'Starting' });
  await busy.waitFor();
  expect(await busy.getAttribute('aria-disabled')).toBe('true');
  for (let press = 0; press < 3; press += 1) await busy.click({ force: true });
  await box(ada).press('Control+Enter');
  go();
  await ada.picture('by a slow server').waitFor();
  expect([keys.length, await prompts(ada)]).toEqual([1, ['by a slow server']]);
});

story(
  'an answer that is lost: pressing again, also after a reload, starts nothing more',
  async ({ member, stack }) => {
    const ada = await member();
    ada.forgive(UPDATES);
    let lost = true;
    const keys = await starts(ada, async (route) => {
      // The server has it, and the line breaks before it can say so.
      const answer = await route.fetch();
      if (lost) await route.abort('connectionreset');
      else await route.fulfill({ response: answer });
    });
    await box(ada).fill('by a line that breaks');
    await make(ada).click();
    const alert = ada.page.getByRole('alert');
    await alert.getByText('No connection').waitFor();
    const sent = keys.length;
    expect(sent, 'the client itself has tried again').toBeGreaterThan(1);
    await make(ada).click();
    await stack.until('it is sent again', async () => keys.length > sent);
    await alert.getByText('No connection').waitFor();

    await ada.page.reload();
    await make(ada).waitFor();
    lost = false;
    await make(ada).click();
    await stack.until('the start to be answered', async () =>
      (await make(ada).textContent())?.startsWith('Make '),
    );
    await ada.picture('by a line that breaks').waitFor();
    expect(new Set(keys).size, 'one key for all attempts').toBe(1);
    expect(await prompts(ada)).toEqual(['by a line that breaks']);
    expect(await stack.simulator.withPrompt('by a line that breaks')).toHaveLength(1);

    // Once it is known what came of it, the next press is another picture.
    await ada.page.waitForTimeout(1_100);
    await make(ada).click();
    await ada.picture('by a line that breaks').nth(1).waitFor();
    expect(await prompts(ada)).toHaveLength(2);
    expect(new Set(keys).size).toBe(2);
  },
);

story('a refusal is an answer: the next attempt is a new one', async ({ member }) => {
  const ada = await member();
  ada.forgive(/429 of .*\/start-generation/, /status of 429/);
  const refusal = {
    status: 429,
    body: '{"code":"quota_exceeded","detail":"No.","status":429,"retry_after":3600}',
  };
  const headers = { 'retry-after': '3600', 'content-type': 'application/problem+json' };
  const keys = await starts(ada, (route, nth) =>
    nth === 1 ? route.fulfill({ ...refusal, headers }) : route.continue(),
  );
  await box(ada).fill('at the second attempt');
  await make(ada).click();
  await ada.page.getByRole('alert').getByText('Limit reached').waitFor();
  await make(ada).click();
  await ada.picture('at the second attempt').waitFor();
  expect(new Set(keys).size).toBe(2);
});

story(
  'what is made of a picture is made once: variation, upscaling, background, retry',
  async ({ member, stack }) => {
    const ada = await member();
    const { page } = ada;
    const card = await done(ada, 'a vase');
    const count = async () => (await ada.generations()).length;
    for (const name of ['Variation', 'Upscale', 'Remove background']) {
      const before = await count();
      await card.getByRole('button', { name }).first().dblclick();
      await stack.until(`${name} to be started`, async () => (await count()) > before);
      await stack.until('all to be done', async () =>
        (await ada.generations()).every(({ status }) => status === 'completed'),
      );
      expect(await count(), name).toBe(before + 1);
    }

    // The same in large, by a key that is held.
    await ada.card('a vase').last().getByRole('img', { name: 'a vase' }).click();
    const before = await count();
    await page.getByRole('dialog').getByRole('button', { name: 'Upscale' }).focus();
    for (let press = 0; press < 8; press += 1) await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    await stack.until('it to be started', async () => (await count()) > before);
    await stack.until('all to be done', async () =>
      (await ada.generations()).every(({ status }) => status === 'completed'),
    );
    expect(await count()).toBe(before + 1);
    await page.keyboard.press('Escape');

    await stack.simulator.fault('a broken vase', { error: 'NSFW' });
    const failed = await ada.make('a broken vase');
    const retry = failed.getByRole('button', { name: 'Retry' });
    await retry.waitFor();
    await stack.simulator.faults([]);
    await retry.dblclick();
    await ada.picture('a broken vase').waitFor();
    expect((await prompts(ada)).filter((prompt) => prompt === 'a broken vase')).toHaveLength(2);
  },
);
