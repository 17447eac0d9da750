import fs from 'node:fs/promises';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { Operator } from './support/operator.ts';
import { stories } from './support/story.ts';

/** A file of the analytics has all that is chosen, says how far it is, and can be cancelled. */

const story = stories();

story('a file has every day and every user, and not only what the page shows', async (scene) => {
  const { stack } = scene;
  // 300 users on each of 20 days, in two kinds: 12,000 rows, more than a page shows, a project answers or a call gives.
  await stack.sql`insert into private.daily_users
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, private.today() - d, 'a/model', s, '',
      case s when 'completed' then '' else 'x' end, 2, 1, 0.5
    from generate_series(1, 300) as n, generate_series(1, 20) as d, unnest('{completed,failed}'::text[]) as s`;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await ada.open('analytics?by=day.status.user', 'Analytics');
  const button = page.getByRole('button', { name: 'Download as CSV' });
  await page.getByText(/^The rows of all users over more than one day are in the file\./).waitFor();

  // The second page of the file is held back, so that it can be looked at.
  let calls = 0;
  let go = () => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  await page.route('**/rpc/admin_export', async (route) => {
    calls += 1;
    if (calls === 2) await held;
    await route.continue();
  });
  await button.click();
  await page.getByRole('progressbar', { name: 'Download' }).waitFor();
  await page.getByText(/^[1-9][\d,]* rows, day \d+ of 30$/).waitFor();
  await expectAccessible(page, 'a file is made');
  const cancel = page.getByRole('button', { name: 'Cancel the download' });
  expect(
    await cancel.evaluate((element) => element === document.activeElement),
    'the focus is on what came in place of the button',
  ).toBe(true);
  await page.keyboard.press('Enter');
  await page.getByText('The download is cancelled. No file was saved.').first().waitFor();
  await button.waitFor();
  go();

  const [file] = await Promise.all([page.waitForEvent('download'), button.click()]);
  const lines = (await fs.readFile(await file.path(), 'utf8')).trim().split('\r\n');
  expect(lines[0]).toBe('day,status,user_id,generations,seconds,cost_usd');
  const cells = lines.slice(1).map((line) => line.split(','));
  const [all] = await stack.sql`select count(*)::int as rows, sum(generations)::int as generations
    from private.daily_users`;
  expect(cells, 'each row of every day and user').toHaveLength(all?.rows as number);
  expect(new Set(cells.map((row) => row.slice(0, 3).join())).size, 'each once').toBe(cells.length);
  expect(cells.reduce((sum, row) => sum + Number(row[3]), 0)).toBe(all?.generations);
  await page
    .getByText(/^The file is saved, with 12,\d\d\d rows\.$/)
    .first()
    .waitFor();

  // What is refused is said, and nothing is saved.
  ada.visitor.forgive(/422/);
  await page.route('**/rpc/admin_export', (route) =>
    route.fulfill({ status: 422, body: '{"code":"PT422","message":"p_from must be a day up to p_to."}' }),
  );
  await button.click();
  await page.getByText('No file was saved. p_from must be a day up to p_to.').first().waitFor();
});
