import { beforeEach, describe, expect, test } from 'vitest';
import { Database, refusal } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

const count = async (table: string) => (await db.sql.unsafe(`select from ${table}`)).length;

describe('an idempotency key', () => {
  test('gives the first answer again and starts nothing', async () => {
    const user = await db.createUser();
    const first = await db.start(user, {}, 'key', 'hash');
    expect(await db.start(user, {}, 'key', 'hash')).toEqual({ ...first, replayed: true });
    expect([await count('public.job_queue'), await count('public.image_generations')]).toEqual([1, 1]);
    const [usage] = await db.sql`select minute_requests from private.usage where user_id = ${user}`;
    expect(usage?.minute_requests, 'and uses no quota').toBe(1);
  });

  test('in 20 parallel calls starts one image', async () => {
    const user = await db.createUser();
    const answers = await Promise.all(Array.from({ length: 20 }, () => db.start(user, {}, 'key', 'hash')));
    expect(new Set(answers.map((answer) => answer.generation_id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.replayed).length).toBe(1);
    expect(await count('public.job_queue')).toBe(1);
  });

  test('is refused for another request, with a hash or without', async () => {
    const user = await db.createUser();
    await db.start(user, {}, 'key', 'hash');
    await db.start(user, {}, 'plain');
    const mismatch = { sqlstate: 'PT422', code: 'idempotency_mismatch' };
    expect(await refusal(db.start(user, {}, 'key', 'other'))).toMatchObject(mismatch);
    expect(await refusal(db.start(user, { seed: 1 }, 'plain'))).toMatchObject(mismatch);
  });

  test('belongs to its user, and is free again after 24 hours', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const first = await db.start(user, {}, 'key', 'hash');
    expect((await db.start(other, {}, 'key', 'other')).replayed).toBe(false);
    await db.sql`update private.idempotency_keys set created_at = now() - interval '24 hours 1 second'`;
    const later = await db.start(user, {}, 'key', 'new');
    expect(later.replayed).toBe(false);
    expect(later.generation_id).not.toBe(first.generation_id);
  });

  test('is not used up by a refused request', async () => {
    const user = await db.createUser();
    await refusal(db.start(user, { prompt: '' }, 'key', 'hash'));
    expect((await db.start(user, {}, 'key', 'hash')).replayed).toBe(false);
  });
});

describe('quota', () => {
  test('is exact under 50 parallel requests and says when to come back', async () => {
    const user = await db.createUser({ requests_per_minute: 10 });
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => db.start(user)));
    expect(answers.filter((answer) => answer.status === 'fulfilled').length).toBe(10);
    expect([await count('public.job_queue'), await count('public.image_generations')]).toEqual([10, 10]);
    const refused = await refusal(db.start(user));
    expect(refused).toMatchObject({
      sqlstate: 'PT429',
      code: 'quota_exceeded',
      limit: 'requests_per_minute',
      message: 'You can send 10 requests a minute.',
    });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect(refused.retryAfter).toBeLessThanOrEqual(60);

    await db.sql`update private.usage set minute_started_at = minute_started_at - interval '1 minute'`;
    expect((await db.start(user)).status, 'the next minute is a new one').toBe('queued');
    expect((await db.start(await db.createUser())).status, 'others are not concerned').toBe('queued');
  });

  test('of images a day counts each image of a batch', async () => {
    const user = await db.createUser({ images_per_day: 5 });
    const batch = (images: number) => db.start(user, { items: Array(images).fill({ prompt: 'x' }) });
    await batch(4);
    const refused = await refusal(batch(2));
    expect(refused).toMatchObject({
      sqlstate: 'PT429',
      code: 'quota_exceeded',
      limit: 'images_per_day',
      message: 'You can make 5 images a day.',
    });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect(refused.retryAfter).toBeLessThanOrEqual(86_400);
    await batch(1);
    expect(await refusal(batch(1)), 'the refused batch had not been counted').toMatchObject({
      sqlstate: 'PT429',
    });
    await db.sql`update private.usage set day = day - 1`;
    expect((await batch(1)).status).toBe('queued');
  });

  test('null is no limit', async () => {
    const limited = await db.createUser({ requests_per_minute: 3, images_per_day: 30 });
    const free = await db.createUser({ requests_per_minute: null, images_per_day: null });
    const batches = (user: string) =>
      Promise.allSettled(
        Array.from({ length: 80 }, () => db.start(user, { items: Array(10).fill({ prompt: 'x' }) })),
      );
    const accepted = async (user: string) =>
      (await batches(user)).filter((answer) => answer.status === 'fulfilled').length;
    expect(await accepted(limited), 'the same requests meet a limit where there is one').toBe(3);
    expect(await accepted(free), 'more than the default plan allows in a minute and in a day').toBe(80);
  });

  test('a plan says which priorities its users may ask for', async () => {
    const [user, calm] = [await db.createUser(), await db.createUser({ priorities: ['low', 'normal'] })];
    expect((await db.job((await db.start(user, { priority: 'high' })).job_id)).priority).toBe(10);
    expect(await refusal(db.start(calm, { priority: 'high' }))).toMatchObject({
      sqlstate: 'PT403',
      code: 'forbidden',
    });
  });
});
