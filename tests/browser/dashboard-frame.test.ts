import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { account, giveRole, Operator } from './support/operator.ts';
import { stories } from './support/story.ts';
import { translate } from './support/texts.ts';
import { PHONE } from './support/visitor.ts';

/** The frame of the operators' dashboard: who comes in, how it keeps up to date, and where one can go. */

const story = stories();

story('it is at /dashboard alone, under the same headers as the studio', async ({ stack }) => {
  const { startGenerationUrl: url } = stack.addresses;
  const [page, studio] = await Promise.all([fetch(`${url}/dashboard`), fetch(url)]);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(await page.text()).toContain('<title>Dashboard');
  for (const name of ['content-security-policy', 'x-frame-options', 'referrer-policy'])
    expect(page.headers.get(name), name).toBe(studio.headers.get(name));
  const slash = await fetch(`${url}/dashboard/`, { redirect: 'manual' });
  expect([slash.status, slash.headers.get('location')]).toEqual([307, '/dashboard']);
});

story('signed out it asks for an account, and nothing of the database', async ({ visit }) => {
  const ada = await visit();
  const { page } = ada;
  await page.goto(`${page.url()}dashboard`);
  await page.getByRole('heading', { name: 'Sign in to the dashboard' }).waitFor();
  await expectAccessible(page, 'somebody may sign in to the dashboard');
  ada.forgive(/400/);
  await page.getByLabel('Email').fill('nobody@example.com');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('The email or the password is not right.').waitFor();
  expect(ada.asked.filter((one) => one.includes('/rpc/'))).toEqual([]);
});

story('a user without the role is refused in a sentence with the way out, which works', async (scene) => {
  const eve = await Operator.arrive(scene, { role: 'none' });
  const { page, visitor } = eve;
  visitor.forgive(/403/);
  await eve.heading('This account may not use the dashboard').waitFor();
  await expectAccessible(page, 'an account is refused');
  expect(await page.getByRole('navigation').count(), 'nothing of the dashboard is shown').toBe(0);
  const statement = (await page.locator('pre').textContent()) ?? '';

  await page.getByRole('button', { name: 'Check again' }).click();
  await page.getByText('Checked again: the account does not have the role yet.').waitFor();
  // What the page says is what helps.
  await scene.stack.sql.unsafe(statement);
  await page.getByRole('button', { name: 'Check again' }).click();
  await eve.heading('Overview').waitFor();

  await scene.stack
    .sql`update auth.users set raw_app_meta_data = raw_app_meta_data - 'role' where id = ${eve.id}`;
  await eve.heading('This account may not use the dashboard').waitFor();
});

/** A minute of theirs is over as soon as a test says so. */
const clocked = {
  before: (context: { clock: { install(): Promise<void> } }) => context.clock.install(),
};
const MINUTE_MS = 60_000;

story('a hidden page asks nothing; shown again it asks at once', async (scene) => {
  const ada = await Operator.arrive(scene, clocked);
  const { page } = ada;
  await scene.stack.until('it to go on asking', async () => ada.asked('admin_overview') >= 3);
  const look = (state: 'hidden' | 'visible') =>
    page.evaluate((now) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await look('hidden');
  // What was on its way comes to its end.
  await page.waitForLoadState('networkidle');
  const before = ada.visitor.asked.length;
  const overviews = ada.asked('admin_overview');
  await page.clock.runFor(MINUTE_MS);
  expect(ada.visitor.asked.slice(before), 'asked while nobody looks').toEqual([]);
  await look('visible');
  await scene.stack.until('it to ask at once', async () => ada.asked('admin_overview') > overviews);
  await page.clock.runFor(MINUTE_MS);
  await scene.stack.until('it to go on', async () => ada.asked('admin_overview') > overviews + 1);
});

story('it can be held, and goes on', async (scene) => {
  const ada = await Operator.arrive(scene, clocked);
  const { page } = ada;
  await page.getByRole('button', { name: 'Hold' }).click();
  await page.getByText('Paused', { exact: true }).waitFor();
  await page.waitForLoadState('networkidle');
  const before = ada.asked('admin_overview');
  await page.clock.runFor(MINUTE_MS);
  expect(ada.asked('admin_overview'), 'asked while it is held').toBe(before);
  // Another page is still filled, once.
  await page.getByRole('link', { name: 'Audit', exact: true }).click();
  await page.getByText('Nobody has done anything yet.').or(page.getByRole('table')).waitFor();
  await page.getByRole('button', { name: 'Go on' }).click();
  await scene.stack.until('it to ask again', async () => ada.asked('admin_overview') > before);
});

story(
  'while the database does not answer it says so and waits longer each time, then catches up',
  async (scene) => {
    const ada = await Operator.arrive(scene);
    const { page, visitor } = ada;
    const { stack } = scene;
    visitor.forgive(/503/);
    const refused: number[] = [];
    page.on('response', (answer) => answer.status() === 503 && refused.push(Date.now()));
    const alert = page.getByRole('alert').getByText('The numbers are not up to date');
    try {
      await stack.supabase.fault(
        { path: 'rpc/admin_overview' },
        { status: 503, body: 'upstream connect error' },
      );
      await alert.waitFor();
      await page.getByText('Not up to date', { exact: true }).waitFor();
      expect(await page.getByRole('table').count(), 'what is known stays').toBeGreaterThan(0);
      await stack.until('it to be tried three times', async () => refused.length >= 3);
      const [first = 0, second = 0, third = 0] = refused;
      expect(third - second, 'the second pause over the first').toBeGreaterThan((second - first) * 1.3);
      await expectAccessible(page, 'the database does not answer');
    } finally {
      await stack.supabase.heal();
    }
    await page.getByRole('button', { name: 'Try now' }).click();
    await alert.waitFor({ state: 'detached' });
    await page.getByText('Live', { exact: true }).waitFor();
  },
);

story('by keyboard: past the navigation, to another page, into an action and out of it', async (scene) => {
  const ada = await Operator.arrive(scene);
  const { page } = ada;
  const { keyboard } = page;
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await tabTo(page, page.getByRole('button', { name: 'Skip to the page' }));
  await keyboard.press('Enter');
  await expectFocus(ada.heading('Overview'), 'past the navigation');
  await tabTo(page, page.getByRole('button', { name: 'Pause the queue' }));
  await keyboard.press('Enter');
  await expectFocus(page.getByLabel('Reason'), 'in the dialog');
  await keyboard.press('Escape');
  await expectFocus(page.getByRole('button', { name: 'Pause the queue' }), 'back where it was');
  await tabTo(page, page.getByRole('link', { name: 'Jobs', exact: true }), 'Shift+Tab');
  await keyboard.press('Enter');
  await expectFocus(ada.heading('Jobs'), 'at the head of the other page');
  expect(await page.title()).toBe('Jobs · Dashboard · Picture Queue');
});

story('an unknown page, and one that breaks, say so and lead on', async (scene) => {
  const ada = await Operator.arrive(scene);
  const { page, visitor } = ada;
  await page.goto(`${ada.url}#/nowhere`);
  await ada.heading('There is no such page').waitFor();
  await page.getByRole('link', { name: 'To the overview' }).click();
  await ada.heading('Overview').waitFor();

  visitor.forgive(/TypeError|Cannot read|undefined/);
  await page.route('**/rest/v1/rpc/admin_models', (route) => route.fulfill({ json: { models: [{}] } }));
  await page.getByRole('link', { name: 'Models', exact: true }).click();
  await page.getByText('Something went wrong on this page').waitFor();
  await page.unroute('**/rest/v1/rpc/admin_models');
  await page.getByRole('button', { name: 'Show it again' }).click();
  await ada.heading('Models').waitFor();
});

story('a page that the browser translates goes on living', async (scene) => {
  const ada = await Operator.arrive(scene, { before: (context) => context.addInitScript(translate) });
  const { page } = ada;
  expect(await page.locator('font').count(), 'it is translated').toBeGreaterThan(10);
  const before = ada.asked('admin_overview');
  await scene.stack.until('the numbers to come anew', async () => ada.asked('admin_overview') > before + 1);
  for (const [name, heading = name] of [
    ['Alerts'],
    ['Jobs'],
    ['Users'],
    ['Plans', 'Plans and budget'],
    ['Models'],
    ['Ledger'],
    ['Analytics'],
    ['Cron'],
    ['Audit'],
  ] as const) {
    await page.getByRole('link', { name, exact: true }).first().click();
    await ada.heading(heading).waitFor();
  }
  await page.getByRole('button', { name: 'Hold' }).click();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to the dashboard' }).waitFor();
});

story('on a phone everything is there, and no field zooms the page', async (scene) => {
  const ada = await Operator.arrive(scene, { viewport: PHONE, isMobile: true, hasTouch: true });
  const { page } = ada;
  await page.getByRole('link', { name: 'Audit', exact: true }).tap();
  await ada.heading('Audit').waitFor();
  const sizes = await page
    .locator('input, select, textarea')
    .evaluateAll((all) => all.map((field) => Number.parseFloat(getComputedStyle(field).fontSize)));
  expect(Math.min(...sizes), 'px of the smallest letters in a field').toBeGreaterThanOrEqual(16);
});

story('the session is the studio’s: who is signed in there is signed in here', async (scene) => {
  const own = await account(scene.stack);
  await giveRole(scene.stack, own.email);
  const ada = await scene.visit({ email: own.email });
  await ada.signIn();
  await ada.page.goto(`${scene.stack.addresses.startGenerationUrl}/dashboard`);
  await ada.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
});
