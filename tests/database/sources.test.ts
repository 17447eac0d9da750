import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { Database, refusal } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

/** A generation of the user's, in some state, with or without its image. */
async function generation(user: string, status: string, path?: string): Promise<string> {
  const { generation_id } = await db.start(user);
  await db.sql`update public.image_generations set status = ${status} where id = ${generation_id}`;
  if (path) {
    await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
      values (${generation_id}, ${user}, ${path}, 'https://x.example/a.webp')`;
  }
  return generation_id;
}

describe('a generation of one’s own as the source', () => {
  test('the payload names its file, and no address that grows old', async () => {
    const user = await db.createUser();
    const source = await generation(user, 'completed', `${user}/a.webp`);
    const request = { operation: 'variation', source_generation_id: source, strength: 0.5 };
    const { job_id, generation_id } = await db.start(user, request);
    const { payload } = await db.job(job_id);
    expect(payload).toMatchObject({ ...request, source_path: `${user}/a.webp` });
    expect(payload).not.toHaveProperty('source_image_url');
    expect(await db.generation(generation_id)).toMatchObject({
      source_generation_id: source,
      source_image_url: null,
      operation: 'variation',
    });
  });

  test('a user who calls the database directly cannot name a file', async () => {
    const user = await db.createUser();
    const source = await generation(user, 'completed', `${user}/a.webp`);
    for (const named of [{}, { source_generation_id: source }])
      expect(
        await refusal(db.start(user, { ...named, source_path: `${randomUUID()}/a.webp` })),
      ).toMatchObject({ field: 'source_path' });
    const { job_id: second } = await db.start(user, { source_generation_id: source });
    expect((await db.job(second)).payload).toMatchObject({ source_path: `${user}/a.webp` });
  });

  test('another user’s and an unknown one are told apart from nothing', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const theirs = await generation(other, 'completed', `${other}/a.webp`);
    for (const id of [theirs, randomUUID()]) {
      expect(await refusal(db.start(user, { source_generation_id: id })), id).toMatchObject({
        sqlstate: 'PT404',
        code: 'not_found',
        message: 'There is no such source generation.',
      });
    }
  });

  test.each([
    ['queued', /no image yet/],
    ['processing', /no image yet/],
    ['downloading', /no image yet/],
    ['failed', /has no image: it is failed/],
    ['cancelled', /has no image: it is cancelled/],
    ['completed', /was deleted/],
  ])('%s and without an image: a sentence that says so', async (status, message) => {
    const user = await db.createUser();
    const source = await generation(user, status);
    const refused = await refusal(db.start(user, { source_generation_id: source }));
    expect(refused).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
    expect(refused.message).toMatch(message);
  });

  test('a refused source uses up neither quota nor key', async () => {
    const user = await db.createUser({ requests_per_minute: 2 });
    const source = await generation(user, 'pending');
    const request = { source_generation_id: source };
    await refusal(db.start(user, request, 'key'));
    await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
      values (${source}, ${user}, ${`${user}/a.webp`}, 'https://x.example/a.webp')`;
    expect((await db.start(user, request, 'key')).replayed).toBe(false);
  });

  test('not together with an address', async () => {
    const user = await db.createUser();
    const source = await generation(user, 'completed', `${user}/a.webp`);
    const both = { source_generation_id: source, source_image_url: 'https://example.com/a.png' };
    expect(await refusal(db.start(user, both))).toMatchObject({ sqlstate: 'PT422', code: 'invalid_request' });
  });
});
