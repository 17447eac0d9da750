import { beforeEach, expect, test } from 'vitest';
import { Database, refusal } from './support.ts';

// What no prompt may have in it: the operators' list in private.refused_words.
const db = await Database.open();

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.refused_words where true`;
});

const refuse = (word: string, more: { is_pattern?: boolean; message?: string } = {}) =>
  db.sql`insert into private.refused_words ${db.sql({ word, ...more })}`;
const FLAGGED = { code: 'content_flagged' };

test.each([
  ['gun', 'a GUN on a table', true],
  ['gun', 'a shotgun, begun', false],
  ['gun', 'gun', true],
  ['hand grenade', 'a Hand Grenade!', true],
  ['c++', 'the c++ logo', true],
  ['c++', 'the ccc logo', false],
  ['a.b', 'axb', false],
  ['пушка', 'большая ПУШКА', true],
])('the word %s in "%s": refused is %s', async (word, prompt, is) => {
  await refuse(word);
  const user = await db.createUser();
  if (is) expect(await refusal(db.start(user, { prompt }))).toMatchObject(FLAGGED);
  else expect(await db.start(user, { prompt })).toHaveProperty('generation_id');
});

test('a pattern is a regular expression, and its message is what the user reads', async () => {
  await refuse('blood(y|ied)?', { is_pattern: true, message: 'Nothing bloody here.' });
  await refuse('knife');
  const user = await db.createUser();
  expect(await refusal(db.start(user, { prompt: 'Bloodied knife' }))).toMatchObject({
    ...FLAGGED,
    message: 'Nothing bloody here.',
  });
});

test('one prompt of a batch refuses all of it, and nothing of it counts', async () => {
  await refuse('gun');
  const user = await db.createUser({ requests_per_minute: 1 });
  const items = [{ prompt: 'a flower' }, { prompt: 'a gun' }];
  expect(await refusal(db.start(user, { items, prompt: undefined }))).toMatchObject(FLAGGED);
  expect(await db.start(user, { prompt: 'a flower' })).toHaveProperty('generation_id');
});

test('an empty list is none', async () => {
  await refuse('gun');
  await db.sql`delete from private.refused_words where word = 'gun'`;
  const [row] = await db.sql`select refused_prompts from private.settings`;
  expect(row?.refused_prompts).toBeNull();
  expect(await db.start(await db.createUser(), { prompt: 'a gun' })).toHaveProperty('generation_id');
});

test.each([
  ['(', 'cannot be read'],
  ['.*', 'fits every prompt'],
  ['(a)\\1', 'back reference'],
])('the pattern %s is not taken in', async (word, why) => {
  await expect(refuse(word, { is_pattern: true })).rejects.toThrow(why);
  expect(await db.sql`select from private.refused_words`).toHaveLength(0);
});

test('users do not see the list', async () => {
  const user = await db.createUser();
  await expect(
    db.as('authenticated', user, (sql) => sql`select * from private.refused_words`),
  ).rejects.toThrow('permission denied');
});

test('a retry is a start: a word that was added since refuses it', async () => {
  const user = await db.createUser();
  const { job_id, generation_id } = await db.start(user, { items: [{ prompt: 'two grenades' }] });
  const job = await db.claimOne();
  expect(job.id).toBe(job_id);
  await db.sql`update public.job_queue set max_attempts = 1 where id = ${job.id}`;
  await db.service('fail_job', { p_job_id: job.id, p_lease: job.lease, p_error_message: 'Broken.' });
  expect((await db.generation(generation_id)).status).toBe('failed');
  await refuse('grenades');
  const retry = () => db.callAs(user, 'retry_generation', { p_generation_id: generation_id });
  expect(await refusal(retry())).toMatchObject(FLAGGED);
  await db.sql`delete from private.refused_words where true`;
  await retry();
});
