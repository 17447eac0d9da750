import { expect } from 'vitest';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import { expectAccessible } from './support/axe.ts';
import { Operator } from './support/operator.ts';
import { stories } from './support/story.ts';

/** What operators do from the dashboard: it changes the database, is written down with its reason, and can be undone. */

const story = stories();

story('the queue is paused, waits, and is resumed by Undo; all of it is in the audit', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await page.getByRole('button', { name: 'Pause the queue' }).click();
  await expectAccessible(page, 'an action is confirmed');
  await ada.confirm('Pause', 'The provider moves');
  await page.getByText('The queue is paused.', { exact: true }).waitFor();
  expect(await ada.audited()).toMatchObject({ action: 'pause', reason: 'The provider moves', actor: ada.id });
  await ada.condition('The queue is paused').waitFor();

  const bob = await TestUser.signUp(stack);
  const { generation_id: id } = await bob.start({ prompt: 'waits for the queue' });
  await stack.processJobs();
  expect(await bob.get(id), 'what is asked for waits').toMatchObject({ status: 'queued' });

  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('It is as it was before.').waitFor();
  expect(await ada.audited()).toMatchObject({ action: 'pause', reason: 'Undone at once' });
  await page.getByRole('button', { name: 'Pause the queue' }).waitFor();
  await stack.processJobs();
  await bob.completed(id);

  await page.getByRole('link', { name: 'Audit', exact: true }).click();
  await ada.row('The provider moves').getByText('undone by no.').waitFor();
  await ada.row('Undone at once').getByText('undoes no.').waitFor();
  await expectAccessible(page, 'the audit is read');
});

story('without a reason nothing is done, and a refusal is said in the dialog', async (scene) => {
  const ada = await Operator.arrive(scene);
  const { page, visitor } = ada;
  await page.getByRole('button', { name: 'Pause the queue' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
  expect(
    await dialog.getByLabel('Reason').evaluate((field: HTMLTextAreaElement) => field.validity.valueMissing),
  ).toBe(true);
  visitor.forgive(/422/);
  await dialog.getByLabel('Reason').fill('   ');
  await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
  await dialog
    .getByRole('alert')
    .getByText(/p_reason must be/)
    .waitFor();
  await dialog.getByRole('button', { name: 'Back' }).click();
  await dialog.waitFor({ state: 'detached' });
  const [hold] = await scene.stack
    .sql`select all_paused, to_jsonb(paused_types) as paused_types from private.provider_pause`;
  expect(hold).toEqual({ all_paused: false, paused_types: [] });
});

story('a running job is looked at, with its lease, and cancelled', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await stack.simulator.fault('to be cancelled', { hold: 'run' });
  const bob = await TestUser.signUp(stack);
  const { generation_id: id } = await bob.start({ prompt: 'to be cancelled' });
  const job = await stack.job(id, 'awaiting its prediction', ({ prediction_id }) => prediction_id !== null);
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  const row = page.getByRole('row').filter({ has: page.getByTitle(job.id) });
  await row.waitFor();
  const left = row
    .getByRole('cell')
    .filter({ hasText: /^Lease/ })
    .getByRole('time');
  const first = await left.textContent();
  await stack.until('the lease to be counted down', async () => (await left.textContent()) !== first);
  await expectAccessible(page, 'a job is running');

  await page.getByRole('button', { name: `Cancel job ${job.id}` }).click();
  await ada.confirm('Cancel the job', 'Its user has asked');
  expect(await ada.audited()).toMatchObject({ action: 'cancel_job', target: job.id });
  expect((await bob.ended(id)).status).toBe('cancelled');
  await row.waitFor({ state: 'detached' });
  expect(await page.getByRole('button', { name: 'Undo' }).count(), 'it cannot be undone').toBe(0);
});

story('dead letters: one is requeued, then many; the answer says how many', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await stack.simulator.fault('dead letter', { error: 'NSFW' });
  const bob = await TestUser.signUp(stack);
  const ids: string[] = [];
  for (const which of ['one', 'two', 'three']) {
    const { generation_id: id } = await bob.start({ prompt: `dead letter ${which}` });
    expect((await bob.ended(id)).status).toBe('failed');
    ids.push(id);
  }
  await stack.simulator.faults([]);
  const [one = ''] = ids;
  const job = await stack.job(one, 'failed', ({ status }) => status === 'failed');
  await ada.open(`jobs?state=failed&user=${bob.id}`, 'Jobs');
  await page
    .getByRole('button', { name: /^Requeue job/ })
    .nth(2)
    .waitFor();
  await expectAccessible(page, 'there are dead letters');

  await page.getByTitle(job.id).click();
  await ada.heading('Job').waitFor();
  await page.getByRole('region', { name: 'Errors' }).getByRole('row').nth(1).waitFor();
  await expectAccessible(page, 'a job is looked at');
  await page.getByRole('button', { name: 'Requeue the job' }).click();
  await ada.confirm('Requeue the job', 'The model was mended');
  expect(await ada.audited()).toMatchObject({ action: 'requeue_job', target: job.id });
  await stack.processJobs();
  await bob.completed(one);

  await page.goBack();
  await ada.heading('Jobs').waitFor();
  await page.getByRole('button', { name: 'Requeue many' }).click();
  const dialog = page.getByRole('dialog');
  expect(await dialog.getByLabel('User’s id').inputValue(), 'the filters are taken over').toBe(bob.id);
  await expectAccessible(page, 'many are requeued');
  await ada.confirm('Requeue them', 'The model was mended');
  await page.getByText('2 jobs in the queue again.').waitFor();
  expect(await ada.audited()).toMatchObject({ action: 'requeue_jobs', reason: 'The model was mended' });
  await stack.processJobs();
  for (const id of ids) await bob.completed(id);
  await page.getByText('No such job.').waitFor();
});

story('a user’s plan is changed to one that was just added, and back in the audit', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  const bob = await TestUser.signUp(stack);
  const name = `plan-${bob.id.slice(-8)}`;
  await page.getByRole('link', { name: 'Plans', exact: true }).click();
  await page.getByRole('button', { name: 'Add a plan' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Images a day').fill('7');
  await dialog.getByRole('checkbox', { name: 'high' }).uncheck();
  await expectAccessible(page, 'a plan is added');
  await ada.confirm('Add the plan', 'For a trial');
  await ada.row(name).getByText('low, normal', { exact: true }).waitFor();
  const [plan] =
    await stack.sql`select images_per_day, requests_per_minute, to_jsonb(priorities) as priorities from private.plans where name = ${name}`;
  expect(plan).toEqual({ images_per_day: 7, requests_per_minute: null, priorities: ['low', 'normal'] });

  await page.getByRole('searchbox', { name: 'Find by any id' }).fill(bob.id);
  await page.keyboard.press('Enter');
  await ada.heading('Users').waitFor();
  await page.getByRole('button', { name: /^Change plan: / }).click();
  await dialog.getByLabel('Plan').selectOption(name);
  await ada.confirm('Change the plan', 'A trial');
  await ada.row(bob.id.slice(-8)).getByRole('cell', { name }).waitFor();
  const planOf = async () =>
    (await stack.sql`select plan from private.user_plans where user_id = ${bob.id}`).map(
      ({ plan: one }) => one,
    );
  expect(await planOf()).toEqual([name]);

  const { id } = await ada.audited();
  await ada.open(`audit?target=${bob.id}`, 'Audit');
  await page.getByRole('button', { name: `Undo no. ${id}` }).click();
  await ada.confirm('Undo it', 'The trial is over');
  await ada.row('The trial is over').waitFor();
  expect(await planOf(), 'the plan default again').toEqual([]);

  await page.getByRole('link', { name: 'Plans', exact: true }).click();
  await page.getByRole('button', { name: `Delete the plan ${name}` }).click();
  await ada.confirm('Delete the plan', 'The trial is over');
  await ada.row(name).waitFor({ state: 'detached' });
});

story('a model is switched off, and its jobs are paused and resumed', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await page.getByRole('searchbox', { name: 'Find by any id' }).fill(MODEL);
  await page.keyboard.press('Enter');
  await ada.heading('Models').waitFor();
  await expectAccessible(page, 'a model is looked at');
  await page.getByRole('button', { name: `Switch off: ${MODEL}` }).click();
  await ada.confirm('Switch off', 'Too dear');
  await ada.row(MODEL).getByText('off', { exact: true }).waitFor();
  const isActive = async () =>
    (await stack.sql`select is_active from public.models where replicate_id = ${MODEL}`)[0]?.is_active;
  expect(await isActive()).toBe(false);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('button', { name: `Switch off: ${MODEL}` }).waitFor();
  expect(await isActive()).toBe(true);

  await page.getByRole('button', { name: `Pause ${MODEL}` }).click();
  await ada.confirm('Pause', 'It makes everything green');
  await ada.row(MODEL).getByText('paused', { exact: true }).waitFor();
  const paused = async () =>
    (await stack.sql`select to_jsonb(paused_models) as paused_models from private.provider_pause`)[0]
      ?.paused_models;
  expect(await paused()).toEqual([MODEL]);
  await page.getByRole('button', { name: `Resume ${MODEL}` }).click();
  await ada.confirm('Resume', 'Mended');
  await page.getByRole('button', { name: `Pause ${MODEL}` }).waitFor();
  expect(await paused()).toEqual([]);
});

story('the budget is set, warns when it is nearly spent, and is taken away again', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  const bob = await TestUser.signUp(stack);
  await bob.completed((await bob.start({ prompt: 'costs something' })).generation_id);
  await page.getByRole('link', { name: 'Plans', exact: true }).click();
  await page.getByRole('button', { name: 'Change the budget' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('US dollars a day').fill('0.0001');
  await ada.confirm('Change the budget', 'A test of the limit');
  const [settings] =
    await stack.sql`select budget_per_day_usd::float as day, budget_per_month_usd as month from private.settings`;
  expect(settings).toEqual({ day: 0.0001, month: null });
  await page.getByRole('meter', { name: 'Spent today' }).waitFor();
  await expectAccessible(page, 'there is a budget');

  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await ada.condition('The budget is spent').waitFor();
  await page.getByRole('link', { name: 'Plans', exact: true }).click();
  await page.getByRole('button', { name: 'Change the budget' }).click();
  expect(await dialog.getByLabel('US dollars a day').inputValue()).toBe('0.0001');
  await dialog.getByLabel('US dollars a day').fill('');
  await ada.confirm('Change the budget', 'It was a test');
  await page.getByRole('meter', { name: 'Spent today' }).waitFor({ state: 'detached' });
  expect(await ada.audited()).toMatchObject({ action: 'set_budget', reason: 'It was a test' });
});

story('the provider’s pause is shown with its reason, and ended', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await stack.sql`update private.provider_pause set until = now() + interval '1 hour', since = now(), reason = 'account', code = 402`;
  await ada.condition('Nothing is created at the provider').waitFor();
  await page.getByText(/It refuses this account/).waitFor();
  await expectAccessible(page, 'the provider is paused');
  const listed = await page.getByRole('list', { name: 'What needs attention' }).getByRole('listitem').count();
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await ada.heading('Jobs').waitFor();
  const told = page.getByRole('navigation', { name: 'Pages' }).getByText(String(listed), { exact: true });
  await told.waitFor();
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page.getByRole('button', { name: 'Try now' }).click();
  await ada.confirm('Try now', 'The bill is paid');
  expect(await ada.audited()).toMatchObject({ action: 'resume', target: 'provider' });
  await ada.condition('Nothing is created at the provider').waitFor({ state: 'detached' });
});
