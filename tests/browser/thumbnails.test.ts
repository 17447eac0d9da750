import { expect } from 'vitest';
import { expectShown, painted } from './support/pixels.ts';
import { stories } from './support/story.ts';

/** Small where it is shown small: a grid of pictures is not a download of all of them. */

const story = stories();

const SMALL = /\/storage\/v1\/render\/image\/public\//;

story('a card has the small version, and in large it is the picture itself', async ({ member, stack }) => {
  const ada = await member();
  await ada.make('A jetty');
  await ada.picture('A jetty').waitFor();
  await expectShown(ada.picture('A jetty'), await painted(stack, 'A jetty'), 'small');
  const whole = ada.asked.filter((call) => call.includes('/storage/v1/object/public/'));
  expect(whole, 'the picture itself has not been asked for').toEqual([]);
  await ada.picture('A jetty').click();
  const dialog = ada.page.getByRole('dialog', { name: 'Picture' });
  await expectShown(dialog.getByRole('img', { name: 'A jetty' }), await painted(stack, 'A jetty'));
});

story('where the small version does not load, the card has the picture itself', async ({ member, stack }) => {
  const ada = await member();
  ada.forgive(/ERR_FAILED/);
  await ada.context.route(SMALL, (route) => route.abort());
  await ada.make('A pier');
  await ada.picture('A pier').waitFor();
  await expectShown(ada.picture('A pier'), await painted(stack, 'A pier'));
  await ada.page.reload();
  await expectShown(ada.picture('A pier'), await painted(stack, 'A pier'));
});
