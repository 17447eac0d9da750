import fs from 'node:fs/promises';
import { expect } from 'vitest';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import { expectAccessible } from './support/axe.ts';
import { Operator } from './support/operator.ts';
import { stories } from './support/story.ts';

/** What operators see: each number is the database's, each thing is found by its id, each view has an address. */

const story = stories();

story('the overview counts what waits and runs, by queue, and follows it', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  const bob = await TestUser.signUp(stack);
  await stack.sql`insert into private.plans (name, running_jobs) values ('single', 1)`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${bob.id}, 'single')`;
  await stack.simulator.fault('overview', { hold: 'run' });
  const first = await bob.start({ prompt: 'overview first' });
  await bob.start({ prompt: 'overview second' });
  const later = new Date(Date.now() + 3_600_000).toISOString();
  await bob.start({ prompt: 'overview later', scheduled_at: later });
  await stack.job(first.generation_id, 'running', ({ status }) => status === 'processing');

  const tiles = page.getByRole('list', { name: 'In numbers' });
  const tile = (name: string) => tiles.getByRole('listitem').filter({ hasText: new RegExp(`^${name}`) });
  for (const [name, number] of [
    ['Running', '1'],
    ['Blocked', '1'],
    ['Scheduled', '1'],
    ['Waiting', '2'],
  ] as const)
    await tile(name).getByText(number, { exact: true }).waitFor();
  const row = ada.row('generate-image').first();
  // Waiting, ready, blocked, scheduled, running.
  const cells = await row
    .getByRole('cell')
    .evaluateAll((all) => all.map((cell) => cell.querySelector('.cell')?.textContent));
  expect(cells.slice(0, 5)).toEqual(['2', '0', '1', '1', '1']);
  await expectAccessible(page, 'the queue is looked at');

  await row.getByRole('link', { name: '1' }).first().click();
  await ada.heading('Jobs').waitFor();
  expect(new URL(page.url()).hash).toBe('#/jobs?state=blocked&type=generate-image');
  await page.getByTitle(bob.id).waitFor();
  await page.reload();
  await ada.heading('Jobs').waitFor();
  expect(await page.getByLabel('State').inputValue(), 'the address keeps what is chosen').toBe('blocked');
  await page.getByLabel('State').selectOption('scheduled');
  await page.getByTitle(bob.id).waitFor();
  await page.getByLabel('User’s id').fill(ada.id);
  await page.keyboard.press('Enter');
  await page.getByText('No such job.').waitFor();
  expect(new URL(page.url()).hash).toContain(`user=${ada.id}`);
  await page.goBack();
  await ada.heading('Overview').waitFor();
});

story('what has ended is drawn over time, told in numbers, and rolled up', async (scene) => {
  const { stack } = scene;
  const bob = await TestUser.signUp(stack);
  await stack.simulator.fault('refused', { error: 'NSFW' });
  for (const prompt of ['a', 'b', 'c', 'refused'])
    await bob.ended((await bob.start({ prompt })).generation_id);
  // As if these jobs had ended some minutes ago, and the cron had run since.
  await stack.sql`update private.finished_jobs set completed_at = completed_at - interval '5 minutes' where fair_key = ${bob.id}`;
  await stack.sql`update private.roll_up set counted_until = now() - interval '10 minutes' where only_row`;
  await stack.sweep();
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await page.getByLabel('Queue', { exact: true }).selectOption('generate-image');
  const chart = page.getByRole('figure', { name: /^Ended/ });
  await chart.getByRole('img', { name: /completed: latest .* highest/ }).waitFor();
  await chart.getByText('As a table').click();
  const counted = await chart
    .getByRole('row')
    .evaluateAll((rows) =>
      rows
        .slice(1)
        .map((row) => [...row.querySelectorAll('td .cell')].map((cell) => Number(cell.textContent))),
    );
  const sum = (column: number) => counted.reduce((total, cells) => total + (cells[column] ?? 0), 0);
  const [ended] = await stack.sql`select
    coalesce(sum(completed), 0)::int as completed, coalesce(sum(failed), 0)::int as failed
    from private.ended_counts where seconds = 60 and job_type = 'generate-image'`;
  expect({ completed: sum(0), failed: sum(1) }).toEqual(ended);
  expect(sum(1), 'one has failed').toBeGreaterThanOrEqual(1);
  await expectAccessible(page, 'a chart is looked at as a table');
  const svg = chart.getByRole('img', { name: /Ended/ });
  await svg.hover();
  await chart
    .getByText(/^\d\d:\d\d:\d\d$/)
    .first()
    .waitFor();

  await page.getByRole('link', { name: 'Cron', exact: true }).click();
  await ada.heading('Cron').waitFor();
  await page.getByRole('region', { name: 'Runs' }).getByRole('row').nth(1).waitFor();
  await expectAccessible(page, 'the cron is looked at');
});

story('one generation’s whole story is on one page, and each of its ids leads there', async (scene) => {
  const { stack } = scene;
  const bob = await TestUser.signUp(stack);
  const prompt = 'A story with a prediction and a picture';
  const { generation_id: id } = await bob.start({ prompt, seed: 7 });
  const made = await bob.completed(id);
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  const [prediction] = await stack.sql`select id from private.predictions where generation_id = ${id}`;
  const jobs = await stack.jobs(id);
  for (const each of [id, made.images[0]?.id ?? '', jobs[0]?.id ?? '', prediction?.id as string]) {
    await page.getByRole('searchbox', { name: 'Find by any id' }).fill(each);
    await page.keyboard.press('Enter');
    await page
      .getByTitle(id)
      .or(page.getByText(id, { exact: true }))
      .first()
      .waitFor();
  }
  await ada.open(`generation/${id}`, 'Generation');
  await page.getByText(prompt).waitFor();
  for (const { job_type: type } of jobs)
    await page
      .getByRole('region', { name: `Job ${type}` })
      .first()
      .waitFor();
  await page
    .getByRole('region', { name: 'Predictions' })
    .getByRole('link', { name: String(prediction?.id) })
    .waitFor();
  const picture = page.getByRole('img', { name: 'What was made' });
  expect(
    await picture.evaluate(async (element: HTMLImageElement) => {
      await element.decode();
      return element.naturalWidth;
    }),
  ).toBeGreaterThan(0);
  await page.getByRole('region', { name: 'What happened' }).getByText('image stored').waitFor();
  await expectAccessible(page, 'a generation is looked at');

  await page.getByRole('searchbox', { name: 'Find by any id' }).fill('nothing-like-it');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing is known by').waitFor();
  await expectAccessible(page, 'nothing is found');
  ada.visitor.forgive(/404/);
  await ada.open('job/00000000-0000-4000-8000-000000000000', 'Job');
  await page.getByText(/There is no such job/).waitFor();
  expect(await page.getByText('The numbers are not up to date').count(), 'that is an answer').toBe(0);
});

story('users, models and the ledger show what somebody has used; a file has the same rows', async (scene) => {
  const { stack } = scene;
  const bob = await TestUser.signUp(stack);
  for (const prompt of ['one', 'two']) await bob.completed((await bob.start({ prompt })).generation_id);
  // As the cron does ten seconds later.
  await stack.sql`select private.roll_up_ended(20000, clock_timestamp())`;
  await stack.sweep();
  const ada = await Operator.arrive(scene);
  const { page } = ada;

  await page.getByRole('link', { name: 'Users', exact: true }).click();
  const user = ada.row(bob.id.slice(-8));
  await user.getByText('2 completed').waitFor();
  await expectAccessible(page, 'users are looked at');
  await user.getByRole('link', { name: 'Ledger' }).click();
  await ada.heading('Ledger').waitFor();
  await page.getByRole('row').nth(2).waitFor();
  expect(await page.getByRole('row').count(), 'a head and two predictions').toBe(3);
  await expectAccessible(page, 'the ledger is looked at');

  await page.getByRole('link', { name: 'Models', exact: true }).click();
  await page.getByLabel('Show').selectOption('used');
  await ada.row(MODEL).waitFor();

  await page.getByRole('link', { name: 'Analytics', exact: true }).click();
  await ada.heading('Analytics').waitFor();
  await page.getByLabel('User’s id').fill(bob.id);
  await page.keyboard.press('Enter');
  await page.getByRole('checkbox', { name: 'Model' }).check();
  await page.getByRole('region', { name: 'Rows' }).getByRole('row', { name: MODEL }).waitFor();
  await expectAccessible(page, 'what has ended is analysed');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as CSV' }).click(),
  ]);
  const lines = (await fs.readFile(await file.path(), 'utf8')).trim().split('\r\n');
  expect(lines[0]).toBe('day,model,status,generations,seconds,cost_usd');
  expect(lines.slice(1).map((line) => line.split(',').slice(1, 4))).toEqual([[MODEL, 'completed', '2']]);

  // More rows than a project gives in one answer.
  await stack.sql`insert into private.daily_users
    select ${bob.id}, private.today() - n % 20, 'many/models-' || n, 'completed', '', '', 1, 1, 0
    from generate_series(1, 1200) as n`;
  await page.reload();
  await page.getByText('The first 500 of 1,201: download the file for all.').waitFor();
});
