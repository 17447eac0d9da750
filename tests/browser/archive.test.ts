import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';
import { goDownTo } from './support/walk.ts';

/** Finding a picture by its words, and putting those aside that are not needed. */

const story = stories();

async function made(ada: Visitor, ...prompts: string[]) {
  for (const prompt of prompts) {
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
}

/** Generations that have come to nothing, the newest last. */
async function past(ada: Visitor, prompts: string[]) {
  const user_id = await ada.userId();
  for (const prompt of prompts) {
    const row = { user_id, prompt, status: 'failed', model: 'black-forest-labs/flux-schnell' };
    await ada.stack.sql`insert into public.image_generations ${ada.stack.sql(row)}`;
  }
}

const archived = async (ada: Visitor) => {
  const rows = await ada.stack.sql<{ prompt: string }[]>`
    select g.prompt from public.image_generations g join public.images i on i.generation_id = g.id
    where g.user_id = ${await ada.userId()} and i.archived_at is not null order by g.created_at`;
  return rows.map(({ prompt }) => prompt);
};

const archive = (ada: Visitor, prompt: string) =>
  ada.card(prompt).getByRole('button', { name: 'Archive', exact: true });

story('a text is looked for on the server, once the typing has paused', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await past(ada, ['A red fox in the snow', ...Array.from({ length: 30 }, (_, n) => `later ${n}`)]);
  await page.reload();
  await ada.card('later 29').waitFor();
  const queries: string[] = [];
  page.on('request', (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (pathname === '/generations') queries.push(searchParams.get('q') ?? '');
  });
  const search = page.getByRole('searchbox', { name: 'Search in your prompts' });
  await search.pressSequentially('red FOX');
  await ada.card('A red fox in the snow').waitFor();
  expect(await page.getByRole('article').count()).toBe(1);
  expect(queries, 'not letter by letter').toEqual(['red FOX']);
  await expectAccessible(page, 'a text is looked for');

  await search.fill('no such thing');
  await page.getByText('Nothing matches “no such thing”.').waitFor();
  await search.fill('LATER 1');
  await ada.card('later 19').waitFor();
  await page.getByRole('radio', { name: 'Finished' }).check();
  await page.getByText('Nothing matches “LATER 1”.').waitFor();
  await page.getByRole('radio', { name: 'Failed' }).check();
  await ada.card('later 19').waitFor();
  await goDownTo(page, ada.card('later 1'));
  const place = ada.card('later 1').locator('..');
  expect(await place.getAttribute('aria-setsize'), 'later 1, and 10 to 19').toBe('11');

  await made(ada, 'A new one');
  expect(await search.inputValue(), 'what is new is in sight').toBe('');
});

story('archived, undone, archived, and back from the archive', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await made(ada, 'A cliff', 'A cove');
  await archive(ada, 'A cove').click();
  await ada.card('A cove').waitFor({ state: 'detached' });
  await page.getByText('Picture archived.').waitFor();
  await stack.until('the server to know', async () => (await archived(ada)).length === 1);
  await page.getByRole('button', { name: 'Undo' }).click();
  await ada.picture('A cove').waitFor();
  await stack.until('the server to know', async () => (await archived(ada)).length === 0);

  await tabTo(page, archive(ada, 'A cove'));
  await page.keyboard.press('Enter');
  await expectFocus(page.getByRole('button', { name: 'Undo' }), 'on what takes it back');
  await page.keyboard.press('Escape');
  await expectFocus(ada.card('A cliff'), 'on the next one, where one goes on');
  await stack.until('the server to know', async () => (await archived(ada)).length === 1);
  await page.reload();
  await ada.picture('A cliff').waitFor();
  expect(await page.getByRole('article').count()).toBe(1);

  await page.getByRole('radio', { name: 'Archived' }).check();
  await ada.picture('A cove').waitFor();
  expect(await page.getByRole('article').count()).toBe(1);
  await expectAccessible(page, 'the archive is shown');
  await ada.card('A cove').getByRole('button', { name: 'Take out of the archive' }).click();
  await page.getByText('Nothing is archived.').waitFor();
  await stack.until('the server to know', async () => (await archived(ada)).length === 0);
  await page.getByRole('radio', { name: 'All' }).check();
  await ada.picture('A cove').waitFor();
});

story(
  'a refusal brings it back, and a deletion that was on offer goes through',
  async ({ member, stack }) => {
    const ada = await member();
    const { page } = ada;
    await made(ada, 'A bay', 'A cliff', 'A cove');
    await ada.card('A cove').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('Picture deleted.').waitFor();
    // At once after the first it would be the end of a double click.
    await page.clock.setFixedTime(Date.now() + 1_000);
    await archive(ada, 'A cliff').click();
    await page.getByText('Picture archived.').waitFor();
    await stack.until('the other one to be deleted', async () => (await ada.generations()).length === 2);
    await stack.until('the server to know', async () => (await archived(ada)).length === 1);

    ada.forgive(/404/);
    const problem = { code: 'not_found', detail: 'There is no such image.', status: 404 };
    await ada.context.route('**/images/*', (route) => route.fulfill({ status: 404, json: problem }));
    await page.clock.setFixedTime(Date.now() + 3_000);
    await archive(ada, 'A bay').click();
    await page.getByText('There is no such image.').waitFor();
    await ada.picture('A bay').waitFor();
  },
);

story('where all that the page has is archived, older ones are fetched', async ({ member, stack }) => {
  const ada = await member();
  await past(ada, ['The oldest one']);
  const user_id = await ada.userId();
  for (let n = 0; n < 24; n += 1) {
    const row = { user_id, prompt: `put aside ${n}`, status: 'completed' };
    const [{ id } = { id: '' }] = await stack.sql<{ id: string }[]>`
      insert into public.image_generations ${stack.sql(row)} returning id`;
    const image = {
      user_id,
      generation_id: id,
      storage_path: `${id}.webp`,
      public_url: `https://x.test/${id}`,
    };
    await stack.sql`insert into public.images ${stack.sql({ ...image, archived_at: new Date() })}`;
  }
  await ada.page.reload();
  await ada.card('The oldest one').waitFor();
  expect(await ada.page.getByRole('article').count()).toBe(1);
});
