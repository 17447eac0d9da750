import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { expectAccessible } from './support/axe.ts';
import { expectFocus, tabTo } from './support/keys.ts';
import { stories } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** A user's account: what it has used, its password, its sessions and its end. */

const story = stories();

async function openAccount(page: Page) {
  await page.getByRole('button', { name: 'Your account' }).click();
  const dialog = page.getByRole('dialog', { name: 'Your account' });
  await dialog.waitFor();
  return dialog;
}

const passwordOf = (ada: Visitor, password: string) => Object.assign(ada, { password });

story('plan and usage are shown, and the page is accessible with all of it open', async ({ member }) => {
  const ada = await member();
  await ada.make('A quay');
  await ada.picture('A quay').waitFor();
  const dialog = await openAccount(ada.page);
  await dialog.getByText(ada.email).waitFor();
  const fact = (term: string) => dialog.locator('.plan > div', { hasText: term }).locator('dd').textContent();
  expect(await fact('Pictures today')).toMatch(/^1( of \d+)?$/);
  expect(await fact('Spent today')).toContain('$0.003');
  await dialog.getByText('Delete your account').click();
  await expectAccessible(ada.page, 'the account is looked at');
});

story('by keyboard: a password is changed by who knows the present one', async ({ member }) => {
  const ada = await member();
  const { page } = ada;
  const next = 'a-new-password';
  await tabTo(page, page.getByRole('button', { name: 'Your account' }));
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Your account' });
  await tabTo(page, dialog.getByLabel('Current password', { exact: true }));
  await page.keyboard.type('not-the-password');
  await tabTo(page, dialog.getByLabel('New password', { exact: true }));
  await page.keyboard.type(next);
  ada.forgive(/400/);
  await page.keyboard.press('Enter');
  await dialog.getByRole('alert').getByText('That is not your current password.').waitFor();
  await dialog.getByLabel('Current password', { exact: true }).fill(ada.password);
  await page.keyboard.press('Enter');
  await dialog.getByText('Your password has been changed.').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await expectFocus(page.getByRole('button', { name: 'Your account' }), 'back where it was opened');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await passwordOf(ada, next).signIn();
});

story('signing out everywhere ends the session of another device', async ({ member, visit }) => {
  const ada = await member();
  const phone = await visit({ email: ada.email });
  await phone.signIn();
  const dialog = await openAccount(ada.page);
  await dialog.getByRole('button', { name: 'Sign out on all devices' }).click();
  await ada.page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  const sessions = await ada.stack.sql`select from auth.sessions where user_id = ${await ada.userId()}`;
  expect(sessions, 'sessions that are left').toHaveLength(0);
});

story('an account is deleted by who types its address, with all its pictures', async ({ member, stack }) => {
  const ada = await member();
  const bob = await member();
  const { page } = ada;
  await ada.make('A pier');
  await ada.picture('A pier').waitFor();
  await bob.make('A dune');
  await bob.picture('A dune').waitFor();
  const id = await ada.userId();
  const dialog = await openAccount(page);
  await dialog.getByText('Delete your account').click();
  const remove = dialog.getByRole('button', { name: 'Delete my account' });
  const field = dialog.getByLabel('Your email address, to confirm');
  await remove.click();
  await dialog.getByText(`Type ${ada.email} to delete this account.`).waitFor();
  await field.fill(bob.email);
  await remove.click();
  expect(
    ada.asked.filter((call) => call.includes('/rpc/')),
    'nothing has been asked for',
  ).toEqual([]);
  await field.fill(` ${ada.email.toUpperCase()} `);
  // Its session went with it, which signing out is told.
  ada.forgive(/40[134] of .*\/logout/, /status of 40[134]/);
  await remove.click();
  await page.getByText('Your account and your pictures have been deleted.').waitFor();
  const rows = await stack.sql`
    select id from auth.users where id = ${id} union all select id from public.profiles where id = ${id}
    union all select id from public.image_generations where user_id = ${id}`;
  expect([...rows]).toEqual([]);
  await stack.until('the file to go', async () => {
    await stack.sql`update private.removed_objects set due_at = now() where due_at > now()`;
    await stack.sweep();
    return (await stack.sql`select from storage.objects where position(${id} in name) > 0`).length === 0;
  });
  ada.forgive(/400/);
  await page.getByLabel('Email').fill(ada.email);
  await page.getByLabel('Password', { exact: true }).fill(ada.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('The email or the password is not right.').waitFor();
  expect(await bob.generations(), 'of others nothing').toHaveLength(1);
});
