import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { Operator } from './support/operator.ts';
import { stories } from './support/story.ts';
import { PHONE } from './support/visitor.ts';

/** Alerts on the dashboard: what is open, a rule that is changed and back, and a receiver from its adding to its end. */

const story = stories();

story('an open alert is seen from every page, and its rule is changed and back', async (scene) => {
  const { stack } = scene;
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  await page.getByRole('link', { name: 'Alerts', exact: true }).click();
  await ada.heading('Alerts').waitFor();
  const open = page.getByRole('region', { name: 'Open' });
  await open.getByText('Nothing is wrong.').waitFor();
  await stack.sql`update private.alerts set is_open = true, opened_at = now() - interval '20 minutes', value = 71,
    detail = '71 jobs are ready.' where rule = 'queue_depth'`;
  const alert = open.getByRole('row').filter({ hasText: 'queue_depth' });
  await alert.waitFor();
  for (const text of [
    'Jobs pile up',
    'warning',
    '20 min',
    '71',
    'over 50',
    '71 jobs are ready.',
    'runbook/queue-depth.md',
  ])
    expect(await alert.textContent(), 'what is open is told').toContain(text);
  await expectAccessible(page, 'an alert is open');

  const rule = async () =>
    (await stack.sql`select threshold::int, is_on from private.alert_rules where name = 'queue_depth'`)[0];
  await page.getByRole('button', { name: 'Change the rule queue_depth' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Threshold').fill('200');
  await expectAccessible(page, 'a rule is changed');
  await ada.confirm('Change the rule', 'A campaign begins');
  await page.getByText('The rule is changed.').waitFor();
  expect(await rule()).toEqual({ threshold: 200, is_on: true });
  expect(await ada.audited()).toMatchObject({
    action: 'set_alert_rule',
    target: 'queue_depth',
    reason: 'A campaign begins',
    actor: ada.id,
  });
  await alert.getByText('over 200').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('It is as it was before.').waitFor();
  expect(await rule()).toEqual({ threshold: 50, is_on: true });

  await page.getByRole('link', { name: 'Audit', exact: true }).click();
  await ada.row('A campaign begins').getByText('threshold: 50 → 200').waitFor();
  const link = page.getByRole('link', { name: 'Alerts', exact: true });
  await link.getByText('1', { exact: true }).waitFor();
  await stack.sql`update private.alerts set is_open = false where rule = 'queue_depth'`;
});

story(
  'on a phone a receiver is added, changed, tested and deleted; its address is never shown',
  async (scene) => {
    const { stack } = scene;
    const ada = await Operator.arrive(scene, { viewport: PHONE, isMobile: true, hasTouch: true });
    const { page } = ada;
    await stack.sql`update private.alerts set is_open = true, opened_at = now(), value = 3, detail = '3 are stuck.'
      where rule = 'stuck_jobs'`;
    await ada.open('alerts', 'Alerts');
    await page.getByText('docs/operations/runbook/stuck-jobs.md').waitFor();
    await page.getByRole('button', { name: 'Add a receiver' }).tap();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('ops-slack');
    await dialog.getByLabel('Address').fill('https://hooks.example.com/services/not-shown');
    await dialog.getByLabel('Kind').selectOption('email');
    await dialog.getByLabel('Body').fill('to: ops');
    await dialog.getByLabel('Reason').fill('We moved to Slack');
    await expectAccessible(page, 'a receiver of e-mail is added on a phone');
    await dialog.getByRole('button', { name: 'Add the receiver' }).tap();
    await dialog
      .getByRole('alert')
      .getByText(/^The body must be JSON/)
      .waitFor();
    await dialog.getByLabel('Kind').selectOption('slack');
    expect(await dialog.getByLabel('Body').count(), 'Slack has no body').toBe(0);
    await ada.confirm('Add the receiver', 'We moved to Slack');
    const receivers = page.getByRole('region', { name: 'Receivers' });
    await receivers.getByText('hooks.example.com').waitFor();
    expect(await ada.audited()).toMatchObject({ action: 'set_alert_receiver', target: 'ops-slack' });
    await expectAccessible(page, 'there is a receiver, on a phone');

    await page.getByRole('button', { name: 'Change ops-slack' }).tap();
    await dialog.getByLabel('Gets').selectOption('critical');
    await ada.confirm('Change the receiver', 'Too many');
    await receivers.getByText('critical ones').waitFor();
    const [kept] =
      await stack.sql`select url, least_severity from private.alert_receivers where name = 'ops-slack'`;
    expect(kept, 'an empty address leaves what is').toEqual({
      url: 'https://hooks.example.com/services/not-shown',
      least_severity: 'critical',
    });

    await page.getByRole('button', { name: 'Test ops-slack' }).tap();
    await ada.confirm('Send a test', 'Does it arrive?');
    await page.getByRole('region', { name: 'Notices' }).getByText('ops-slack').waitFor();
    expect(await ada.audited()).toMatchObject({ action: 'test_alert_receiver', target: 'ops-slack' });
    expect(await page.content(), 'the address is the secret of a webhook').not.toContain('not-shown');

    await page.getByRole('button', { name: 'Delete ops-slack' }).tap();
    await ada.confirm('Delete the receiver', 'We left Slack');
    await receivers.getByText('Nobody is told').waitFor();
    expect(await ada.audited()).toMatchObject({ action: 'delete_alert_receiver', target: 'ops-slack' });
  },
);
