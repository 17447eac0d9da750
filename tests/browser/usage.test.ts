import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** What is used of the plan is in sight, and what it does not allow is said before it is asked for. */

const story = stories();

async function plan(ada: Visitor, name: string, images_per_day: number) {
  await ada.stack.sql`insert into private.plans ${ada.stack.sql({ name, images_per_day })}`;
  await ada.stack.sql`insert into private.user_plans (user_id, plan) values (${await ada.userId()}, ${name})`;
  await ada.page.reload();
}

const limit = (page: Page) => page.getByRole('status').filter({ hasText: 'Limit reached' });

story('it counts with each picture, and says when there are no more', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await plan(ada, 'two pictures', 2);
  await page.getByText('0 of 2 pictures today · $0.00', { exact: true }).waitFor();
  await ada.make('A quay');
  await ada.picture('A quay').waitFor();
  await page.getByText('1 of 2 pictures today · $0.003', { exact: true }).waitFor();
  expect(await limit(page).count()).toBe(0);

  await page.getByRole('button', { name: 'One more' }).click();
  await limit(page).getByText('Your plan has 1 picture left today.').waitFor();
  await page.getByRole('button', { name: 'One fewer' }).click();
  await limit(page).waitFor({ state: 'detached' });

  await ada.card('A quay').getByRole('button', { name: 'Run again' }).click();
  await page.getByText('2 of 2 pictures today · $0.006', { exact: true }).waitFor();
  await limit(page).getByText('You have made as many pictures as your plan allows in a day.').waitFor();
  const until = Date.parse((await limit(page).getByRole('time').getAttribute('datetime')) ?? '');
  expect(until, 'when it starts again').toBeGreaterThan(Date.now());
  await ada.picture('A quay').nth(1).waitFor();
  await expectAccessible(page, 'the plan is used up');
});

story('a hidden page does not ask, and asks when it is looked at again', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  await plan(ada, 'nine pictures', 9);
  await page.getByText('0 of 9 pictures today').waitFor();
  const look = (state: 'hidden' | 'visible') =>
    page.evaluate((now) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await look('hidden');
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));

  const other = await ada.tab();
  await ada.make('A quay', other);
  await other.getByText('1 of 9 pictures today').waitFor();
  await ada.picture('A quay').waitFor();
  expect(asked, 'it follows what is made, and does not count').not.toContain('/usage');
  await look('visible');
  await page.getByText('1 of 9 pictures today').waitFor();
});
