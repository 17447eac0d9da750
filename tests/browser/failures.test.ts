import { expect } from 'vitest';
import { letGo, stories } from './support/story.ts';

/** What the studio says when something is in the way, and how it goes on. */

const story = stories();

story('a model that fails is said, and retried', async ({ member, stack }) => {
  const prompt = 'A picture that the model dislikes';
  const ada = await member();
  await stack.simulator.fault(prompt, { error: 'NSFW' });
  const card = await ada.make(prompt);
  await card.getByText('Failed', { exact: true }).waitFor();
  const [row] = await stack.sql<{ error_message: string }[]>`
    select error_message from public.image_generations where prompt = ${prompt}`;
  await card.getByText(row?.error_message ?? 'a message in the database').waitFor();
  await ada.page.getByRole('radio', { name: 'Finished' }).check();
  await ada.page.getByText('No finished pictures yet.').waitFor();
  await ada.page.getByRole('radio', { name: 'Failed' }).check();

  await stack.simulator.faults([]);
  await card.getByRole('button', { name: 'Retry' }).click();
  await ada.page.getByRole('radio', { name: 'All' }).check();
  await ada.picture(prompt).waitFor();
});

story('over the plan’s limit: which, until when, and nothing is made', async ({ member, stack }) => {
  const ada = await member();
  const id = await ada.userId();
  await stack.sql`insert into private.plans (name, images_per_day) values ('one picture', 1)`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${id}, 'one picture')`;
  await ada.make('The only one today');
  await ada.picture('The only one today').waitFor();

  ada.forgive(/429 of .*\/start-generation/, /status of 429/);
  await ada.page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('One too many');
  await ada.page.getByRole('button', { name: 'Make picture' }).click();
  const alert = ada.page.getByRole('alert');
  await alert.getByText('You have made as many pictures as your plan allows in a day.').waitFor();
  const until = Date.parse((await alert.getByRole('time').getAttribute('datetime')) ?? '');
  expect(until, 'the time from which on it works again').toBeGreaterThan(Date.now());
  expect(until).toBeLessThanOrEqual(Date.now() + 86_400_000);
  expect((await ada.generations()).map(({ prompt }) => prompt)).toEqual(['The only one today']);

  await stack.sql`update private.user_plans set plan = 'default' where user_id = ${id}`;
  await ada.make('One too many');
  await ada.picture('One too many').waitFor();
  expect(await alert.count(), 'the notice goes with what it was about').toBe(0);
});

story('a wrong password is said; signing out leaves nothing for the next one', async ({ member, visit }) => {
  const ada = await member();
  await ada.page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('A secret');
  await ada.page.getByRole('button', { name: 'Sign out' }).click();
  await ada.page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  expect(await ada.page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain('A secret');
  await ada.page.reload();
  await ada.page.getByRole('heading', { name: 'Welcome back' }).waitFor();

  ada.forgive(/400 of .*\/auth\/v1\/token/, /status of 400/);
  await ada.page.getByLabel('Email').fill(ada.email);
  await ada.page.getByLabel('Password', { exact: true }).fill('not-the-password');
  await ada.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await ada.page.getByRole('alert').getByText('The email or the password is not right.').waitFor();
  await ada.signIn();

  const bob = await visit();
  bob.forgive(/42\d of .*\/auth\/v1\/signup/, /status of 42\d/);
  await bob.page.getByRole('button', { name: 'Create an account' }).click();
  await bob.page.getByLabel('Email').fill(ada.email);
  await bob.page.getByLabel('Password', { exact: true }).fill('another-password');
  await bob.page.getByRole('button', { name: 'Create account' }).click();
  await bob.page.getByRole('alert').getByText('There is an account with this email already.').waitFor();
});

story('a session that has ended is said; signing in again goes on where one was', async ({ member }) => {
  const ada = await member();
  await ada.make('Before the session ended');
  await ada.picture('Before the session ended').waitFor();
  // As after a long absence: what the browser keeps of the session is of no use any more.
  ada.forgive(/40[013] of /, /status of 40[013]/);
  await ada.page.evaluate(() => {
    const key = 'picture-queue:session';
    const session = JSON.parse(localStorage.getItem(key) ?? 'null');
    if (!session) throw new Error(`${key} is not in localStorage`);
    const expired = { ...session, expires_at: 1, refresh_token: 'revoked' };
    localStorage.setItem(key, JSON.stringify(expired));
  });
  await ada.page.reload();
  await ada.page.getByRole('status').filter({ hasText: 'You have been signed out' }).waitFor();
  await ada.signIn();
  await ada.picture('Before the session ended').waitFor();
});

// Clocks differ, and keys are rotated: there is another token to be had.
story('a token that the server refuses is renewed, and what was asked for is done', async ({ member }) => {
  const ada = await member();
  ada.forgive(/401 of /, /status of 401/);
  await ada.context.route('**/start-generation', (route) => route.fulfill({ status: 401, json: {} }), {
    times: 1,
  });
  await ada.make('With the second token');
  await ada.picture('With the second token').waitFor();
  expect((await ada.generations()).length).toBe(1);
});

story('a session whose tokens the server refuses, one after the other, ends', async ({ member }) => {
  const ada = await member();
  // Telling the server that one leaves is refused too; and leaving may meet a renewal that is under way.
  ada.forgive(
    /40[13] of /,
    /status of 40[13]/,
    /WebSocket connection to .* failed/,
    /grant_type=refresh_token/,
  );
  await ada.context.route('**/generations?*', (route) => route.fulfill({ status: 401, json: {} }));
  await ada.page.reload();
  await ada.page.getByRole('status').filter({ hasText: 'You have been signed out' }).waitFor();
  await ada.context.unroute('**/generations?*');
  await ada.signIn();
});

story('a token that is none is renewed too', async ({ member }) => {
  const ada = await member();
  await ada.make('Before the token was spoilt');
  await ada.picture('Before the token was spoilt').waitFor();
  ada.forgive(/40[13] of /, /status of 40[13]/, /WebSocket connection to .* failed/);
  await ada.page.evaluate(() => {
    const key = 'picture-queue:session';
    const session = JSON.parse(localStorage.getItem(key) ?? 'null');
    if (!session) throw new Error(`${key} is not in localStorage`);
    localStorage.setItem(key, JSON.stringify({ ...session, access_token: 'not.a.token' }));
  });
  await ada.page.reload();
  await ada.picture('Before the token was spoilt').waitFor();
});

story('offline is said; what was finished meanwhile appears on coming back', async ({ member, stack }) => {
  const prompt = 'Made while the train was in the tunnel';
  const ada = await member();
  await stack.simulator.fault(prompt, { hold: 'run' });
  const card = await ada.make(prompt);
  await card.getByText('Painting').waitFor();

  ada.forgive(/ERR_INTERNET_DISCONNECTED/, /WebSocket connection to .* failed/);
  await ada.context.setOffline(true);
  await ada.page.getByRole('status').filter({ hasText: 'You are offline' }).waitFor();
  expect(await ada.page.getByRole('button', { name: 'Make picture' }).isDisabled()).toBe(true);
  await letGo(stack);
  await stack.until('the picture to be done without its page', async () =>
    (await ada.generations()).some(({ status }) => status === 'completed'),
  );
  expect(await ada.picture(prompt).count(), 'the page cannot know').toBe(0);

  await ada.context.setOffline(false);
  await ada.picture(prompt).waitFor();
  await ada.page.getByRole('status').filter({ hasText: 'You are offline' }).waitFor({ state: 'detached' });
});

story('a server that is away is said, and found again', async ({ member }) => {
  const ada = await member();
  const url = new URL('/generations*', ada.page.url()).href;
  await ada.context.route(url, (route) => route.abort('connectionrefused'));
  ada.forgive(/ERR_CONNECTION_REFUSED/);
  await ada.page.reload();
  await ada.page.getByRole('alert').getByText('The server is not answering').waitFor();
  await ada.context.unroute(url);
  await ada.page.getByRole('button', { name: 'Try again' }).click();
  await ada.page.getByRole('alert').waitFor({ state: 'detached' });
  await ada.page.getByRole('heading', { name: 'Your first picture is a sentence away' }).waitFor();
});
