import { expect } from 'vitest';
import { letGo, stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';
import { goDownTo } from './support/walk.ts';

/** What the page says is so: no finished card without its image, no filter that knows less than the server. */

const story = stories();

/** In each of their sizes. */
const IMAGES = /\/storage\/v1\/(object|render\/image)\/public\/generated-images\//;

/** Generations that are written as they have come to be, the newest first; of an earlier day if nothing else is said. */
async function past(
  ada: Visitor,
  all: { prompt: string; status: string; model?: null }[],
  since = Date.UTC(2026, 0, 1),
): Promise<void> {
  const user_id = await ada.userId();
  const model = 'black-forest-labs/flux-schnell';
  for (const [index, one] of all.entries()) {
    const at = new Date(since + (all.length - index) * 60_000);
    await ada.stack.sql`insert into public.image_generations ${ada.stack.sql({
      model,
      ...one,
      user_id,
      created_at: at,
      completed_at: at,
    })}`;
  }
}

story('a picture is finished on the page once its image is there', async ({ member, stack }) => {
  const prompt = 'A kingfisher above the water';
  const ada = await member();
  let asked = 0;
  let go = () => {};
  const mayGo = new Promise<void>((resolve) => (go = resolve));
  await ada.context.route(IMAGES, async (route) => {
    asked += 1;
    await mayGo;
    // It has gone on by itself if the routing has ended.
    await route.continue().catch(() => {});
  });
  const card = await ada.make(prompt);
  await stack.until('the page to know that it is done, and to ask for the image', async () => asked > 0);
  await card.getByText('Saving').waitFor();
  expect(await card.getByRole('button', { name: prompt }).count(), 'no place without a picture').toBe(0);
  const log = ada.page.getByRole('log', { name: 'Progress' });
  expect(await log.textContent(), 'nor is it said').not.toContain('is done');
  expect(await ada.page.title()).toBe('(1) Picture Queue');

  // As it is when it comes into the page.
  const appears = await card.evaluateHandle((element) => {
    const width = new Promise<number>((resolve) => {
      const look = () => {
        const image = element.querySelector<HTMLImageElement>('.picture img:not(.behind)');
        if (image) resolve(image.naturalWidth);
      };
      new MutationObserver(look).observe(element, { childList: true, subtree: true });
    });
    return { width };
  });
  // While requests are routed the browser has no cache.
  await ada.context.unroute(IMAGES);
  go();
  expect(await appears.evaluate(({ width }) => width), 'width of the image').toBeGreaterThan(0);
  await log.filter({ hasText: `“${prompt}” is done` }).waitFor();
});

story('a picture that does not load can be loaded again', async ({ member }) => {
  const prompt = 'A heron in the reeds';
  const ada = await member();
  ada.forgive(/ERR_FAILED/);
  await ada.context.route(IMAGES, (route) => route.abort());
  const card = await ada.make(prompt);
  await card.getByText('The picture did not load').waitFor();
  await ada.context.unroute(IMAGES);
  await card.getByRole('button', { name: 'Load again' }).click();
  await ada.picture(prompt).waitFor();
});

story('a filter asks the server, for what is not on the page too', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await past(ada, [
    ...Array.from({ length: 30 }, (_, index) => ({ prompt: `finished ${index}`, status: 'completed' })),
    // As an app of earlier days may have left it.
    { prompt: 'failed long ago', status: 'failed', model: null },
    { prompt: 'cancelled before that', status: 'cancelled' },
    ...Array.from({ length: 30 }, (_, index) => ({ prompt: `failed ${index}`, status: 'failed' })),
  ]);
  const queries: string[] = [];
  page.on('request', (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (pathname === '/generations') queries.push(searchParams.get('status') ?? 'any');
  });
  await page.reload();
  const cards = page.getByRole('article');
  await ada.card('finished 0').waitFor();
  expect(await ada.card('failed long ago').count(), 'it is not on the first page').toBe(0);

  await page.getByRole('radio', { name: 'Failed' }).check();
  await ada.card('failed long ago').waitFor();
  expect(queries).toEqual(expect.arrayContaining(['failed', 'cancelled']));
  const names = await cards.locator('.card-prompt').allTextContents();
  expect(names.slice(0, 3), 'in their order').toEqual([
    'failed long ago',
    'cancelled before that',
    'failed 0',
  ]);
  // They come by themselves, or by the button that was there.
  await goDownTo(page, ada.card('failed 29'));
  await page.getByText('That is all: 32 pictures.').waitFor();
  expect(await page.getByRole('button', { name: 'Show older pictures' }).count()).toBe(0);

  await page.getByRole('radio', { name: 'In progress' }).check();
  await page.getByText('Nothing is in progress.').waitFor();
  await page.getByRole('radio', { name: 'Finished' }).check();
  await ada.card('finished 0').waitFor();
  await page.getByRole('radio', { name: 'All' }).check();
  await ada.card('finished 0').waitFor();
  expect((await cards.locator('.card-prompt').allTextContents())[0]).toBe('finished 0');
});

story('what is older than the page is live under a filter too', async ({ member, stack }) => {
  const prompt = 'A pond that takes its time';
  const ada = await member();
  const { page } = ada;
  await stack.simulator.fault(prompt, { hold: 'run' });
  await ada.make(prompt);
  const later = Array.from({ length: 30 }, (_, n) => ({ prompt: `later ${n}`, status: 'completed' }));
  await past(ada, later, Date.now() + 3_600_000);
  await page.reload();
  await ada.card('later 0').waitFor();
  expect(await ada.card(prompt).count()).toBe(0);
  await page.getByRole('radio', { name: 'In progress' }).check();
  await ada.card(prompt).getByText('Painting').waitFor();
  await letGo(stack);
  await page.getByText('Nothing is in progress.').waitFor();
});

story('a filter that could not ask says so, and asks again', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const finished = Array.from({ length: 30 }, (_, index) => ({
    prompt: `finished ${index}`,
    status: 'completed',
  }));
  await past(ada, [...finished, { prompt: 'failed long ago', status: 'failed' }]);
  await page.reload();
  await ada.card('finished 0').waitFor();
  ada.forgive(/ERR_CONNECTION_REFUSED/);
  const asked = (url: URL) => url.pathname === '/generations' && url.searchParams.has('status');
  await ada.context.route(asked, (route) => route.abort('connectionrefused'));
  await page.getByRole('radio', { name: 'Failed' }).check();
  await page.getByRole('alert').getByText('The server could not be reached.').waitFor();
  expect(await page.getByText('Nothing has failed.').count(), 'that is not known').toBe(0);
  await ada.context.unroute(asked);
  await page.getByRole('button', { name: 'Try again' }).click();
  await ada.card('failed long ago').waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
});

story('what is said while a dialog is open is said in it', async ({ member, stack }) => {
  const ada = await member({ permissions: ['clipboard-read', 'clipboard-write'] });
  const { page } = ada;
  await ada.make('A jug');
  await ada.picture('A jug').click();
  const dialog = page.getByRole('dialog', { name: 'Picture' });
  await dialog.getByRole('button', { name: 'Copy link' }).click();
  const message = dialog.getByRole('status').getByText('Link copied.');
  await message.waitFor();
  const onTop = await message.evaluate((element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    return hit !== null && (element.contains(hit) || hit.contains(element));
  });
  expect(onTop, 'nothing lies over it').toBe(true);

  const log = dialog.getByRole('log', { name: 'Progress' });
  await stack.simulator.fault('A jug', { hold: 'run' });
  await dialog.getByRole('button', { name: 'Variation' }).click();
  await log.filter({ hasText: '“A jug” is being painted' }).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  const said = await page.getByRole('log', { name: 'Progress' }).textContent();
  expect(said, 'and not once more when it closes').not.toContain('is being painted');
  await ada.card('A jug').getByRole('button', { name: 'Cancel' }).click();
});

story('what has failed can be dismissed, and is gone', async ({ member, stack }) => {
  const prompt = 'A picture that the model dislikes';
  const ada = await member();
  await stack.simulator.fault(prompt, { error: 'NSFW' });
  const card = await ada.make(prompt);
  await card.getByRole('button', { name: 'Dismiss' }).click();
  await card.waitFor({ state: 'detached' });
  await ada.page.getByText('Dismissed.').waitFor();
  await ada.page.reload();
  await stack.until('it to be deleted', async () => (await ada.generations()).length === 0);
  await ada.page.reload();
  await ada.page.getByRole('heading', { name: 'Your first picture is a sentence away' }).waitFor();
});

story('what has failed is edited: prompt and settings are back in the form', async ({ member, stack }) => {
  const prompt = 'A castle that the model dislikes';
  const ada = await member();
  const { page } = ada;
  const form = page.getByRole('form', { name: 'New picture' });
  await ada.choose('FLUX.1 dev');
  await page.getByText('Advanced settings').click();
  await form.getByLabel('Seed', { exact: true }).fill('41');
  await form.getByRole('slider', { name: 'Steps' }).fill('20');
  await form.getByRole('radio', { name: '16:9' }).check();
  await stack.simulator.fault(prompt, { error: 'NSFW' });
  const card = await ada.make(prompt);
  await card.getByText('Failed', { exact: true }).waitFor();

  await ada.choose('FLUX.1 schnell');
  await form.getByLabel('Seed', { exact: true }).fill('');
  await form.getByRole('radio', { name: 'Auto' }).check();
  await form.getByRole('textbox', { name: 'Prompt', exact: true }).fill('Something else');
  await card.getByRole('button', { name: 'Edit' }).click();
  await page.getByText('The prompt and its settings are back in the form.').waitFor();
  await page.getByRole('button', { name: /^Model FLUX.1 dev/ }).waitFor();
  expect(await form.getByRole('textbox', { name: 'Prompt', exact: true }).inputValue()).toBe(prompt);
  expect(await form.getByLabel('Seed', { exact: true }).inputValue()).toBe('41');
  expect(await form.getByRole('slider', { name: 'Steps' }).inputValue()).toBe('20');
  expect(await form.getByRole('radio', { name: '16:9' }).isChecked()).toBe(true);
  await stack.simulator.faults([]);
  await ada.make('A castle that the model likes');
  await ada.picture('A castle that the model likes').waitFor();
  const [made] = await stack.simulator.withPrompt('A castle that the model likes');
  expect(made?.prediction.input).toMatchObject({ seed: 41, num_inference_steps: 20, aspect_ratio: '16:9' });
});
