import { beforeEach, describe, expect, test } from 'vitest';
import { call, Database, MODEL, type Role, refusal, type Started } from './support.ts';

// What a server of the app's does with the secret key for one of its users: as that user, and nobody else may.

const db = await Database.open();
beforeEach(() => db.clear());

const start = (user: string | null, more: Record<string, unknown> = {}) =>
  db.service<Started>('start_generation', {
    p_request: { prompt: 'a lighthouse', model_id: MODEL },
    p_user_id: user,
    ...more,
  });
const usage = async (user: string) => {
  const [row] = await db.sql`
    select minute_requests, day_images, day_cost::float from private.usage where user_id = ${user}`;
  return row;
};

/** A generation of the user's, and its image. */
async function imageOf(user: string) {
  const { generation_id } = await db.start(user);
  const [image] = await db.sql<{ id: string }[]>`
    insert into public.images (generation_id, user_id, storage_path, public_url)
    values (${generation_id}, ${user}, ${`${user}/${generation_id}.webp`}, ${`https://x.test/${generation_id}`})
    returning id`;
  return { id: image?.id ?? '', generation_id };
}

/** Functions that act as the owner of the row whose id they get, and those that act as the user who is named. */
const BY_GENERATION = [
  'get_generation',
  'kept_request',
  'cancel_generation',
  'retry_generation',
  'delete_generation',
];
const BY_IMAGE: [string, Record<string, unknown>][] = [
  ['mark_image', { p_marks: { archived: true } }],
  ['delete_image', {}],
];
const BY_USER: [string, Record<string, unknown>][] = [
  ['list_generations', {}],
  ['user_usage', {}],
  ['mark_images', { p_image_ids: ['00000000-0000-4000-8000-000000000000'], p_marks: { archived: true } }],
];

describe('a start for a user', () => {
  test('is that user’s own: row, job, plan, quotas and money', async () => {
    const user = await db.createUser({ images_per_day: 1 });
    const { generation_id, job_id } = await start(user);
    expect((await db.generation(generation_id)).user_id).toBe(user);
    expect(await db.job(job_id)).toMatchObject({ created_by: user, payload: { user_id: user } });
    expect(await db.callAs(user, 'get_generation', { p_generation_id: generation_id })).toMatchObject({
      status: 'queued',
    });
    expect(await usage(user)).toMatchObject({ minute_requests: 1, day_images: 1 });
    expect(await refusal(start(user))).toMatchObject({ code: 'quota_exceeded', limit: 'images_per_day' });
  });

  test('has the user’s idempotency keys, whoever sent them', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const key = { p_idempotency_key: 'nightly', p_request_hash: 'h' };
    const first = await start(user, key);
    expect(await start(user, key)).toMatchObject({ replayed: true, generation_id: first.generation_id });
    const own = await db.start(user, {}, 'nightly', 'h');
    expect(own).toMatchObject({ replayed: true, generation_id: first.generation_id });
    expect(await start(other, key)).toMatchObject({ replayed: false });
  });

  test('has no priority that the user’s plan does not have', async () => {
    const user = await db.createUser({ priorities: ['normal'] });
    const p_request = { prompt: 'a lighthouse', model_id: MODEL, priority: 'high' };
    expect(await refusal(start(user, { p_request }))).toMatchObject({ sqlstate: 'PT403', code: 'forbidden' });
  });

  test('of a suspended account, or of none, is refused', async () => {
    const user = await db.createUser();
    await db.sql`update auth.users set banned_until = now() + interval '1 day' where id = ${user}`;
    for (const nobody of [user, '00000000-0000-4000-8000-000000000000'])
      expect(await refusal(start(nobody))).toMatchObject({ code: 'forbidden' });
  });

  test('starts from the user’s own images alone', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const { generation_id } = await db.start(other);
    const p_request = { prompt: 'x', model_id: MODEL, source_generation_id: generation_id };
    expect(await refusal(start(user, { p_request }))).toMatchObject({ code: 'not_found' });
  });

  test('without a user is nobody’s', async () => {
    expect((await refusal(start(null))).sqlstate).toBe('42501');
  });
});

describe('the owner’s part', () => {
  const of = (name: string, id: string) => db.service<Record<string, unknown>>(name, { p_generation_id: id });

  test('is taken to read, to cancel and to try again', async () => {
    const user = await db.createUser({ requests_per_minute: null });
    const { generation_id, job_id } = await start(user);
    expect(await of('get_generation', generation_id)).toMatchObject({ id: generation_id, status: 'queued' });
    expect(await of('cancel_generation', generation_id)).toMatchObject({ status: 'cancelled' });
    expect((await db.job(job_id)).status).toBe('cancelled');
    const failed = await start(user);
    const job = await db.claimOne();
    await db.service('fail_job', { p_job_id: job.id, p_lease: job.lease, p_error_message: 'no luck' });
    expect((await db.generation(failed.generation_id)).status).toBe('failed');
    const before = await usage(user);
    expect(await of('retry_generation', failed.generation_id)).toMatchObject({ status: 'queued' });
    expect((await usage(user))?.day_images).toBe(before?.day_images + 1);
  });

  test('is taken to make again: what was asked, and whose it is', async () => {
    const user = await db.createUser();
    const { generation_id } = await start(user);
    const own = await db.callAs(user, 'kept_request', { p_generation_id: generation_id });
    expect(own).not.toHaveProperty('user_id');
    const kept = await of('kept_request', generation_id);
    expect(kept).toEqual({ ...(own as object), user_id: user });
    const p_request = { prompt: 'a lighthouse', model_id: MODEL, parent_id: generation_id };
    const again = await start(user, { p_request });
    expect(await db.generation(again.generation_id)).toMatchObject({
      user_id: user,
      parent_id: generation_id,
    });
  });

  test('is taken to mark and to delete', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const image = await imageOf(user);
    const theirs = await imageOf(other);
    const p_marks = { is_favorite: true };
    expect(await db.service('mark_image', { p_image_id: image.id, p_marks })).toMatchObject(p_marks);
    const p_image_ids = [image.id, theirs.id];
    expect(await db.service('mark_images', { p_image_ids, p_marks, p_user_id: user })).toMatchObject({
      images: [{ id: image.id }],
    });
    await db.service('delete_image', { p_image_id: image.id });
    await of('delete_generation', image.generation_id);
    const left = await db.sql`select id, is_favorite from public.images where id in ${db.sql(p_image_ids)}`;
    expect([...left]).toEqual([{ id: theirs.id, is_favorite: false }]);
    expect([
      ...(await db.sql`select id from public.image_generations where id = ${image.generation_id}`),
    ]).toEqual([]);
  });

  test('of what there is not, nobody has', async () => {
    const nothing = '00000000-0000-4000-8000-000000000000';
    for (const name of BY_GENERATION)
      expect(await refusal(of(name, nothing)), name).toMatchObject({ code: 'not_found' });
    for (const [name, more] of BY_IMAGE)
      expect(await refusal(db.service(name, { p_image_id: nothing, ...more })), name).toMatchObject({
        code: 'not_found',
      });
  });
});

describe('lists and usage', () => {
  test('are those of the user that is named', async () => {
    const [user, other] = [await db.createUser({ images_per_day: 7 }), await db.createUser()];
    const { generation_id } = await start(user);
    await start(other);
    const page = await db.service<{ generations: { id: string }[] }>('list_generations', { p_user_id: user });
    expect(page.generations.map(({ id }) => id)).toEqual([generation_id]);
    expect(await db.service('user_usage', { p_user_id: user })).toEqual(
      await db.callAs(user, 'user_usage', {}),
    );
  });

  test('without a user are nobody’s', async () => {
    for (const [name, more] of BY_USER)
      expect((await refusal(db.service(name, more))).sqlstate, name).toBe('42501');
  });
});

test.each<Role>(['anon', 'authenticated'])('%s may name no user, not even itself', async (role) => {
  const user = await db.createUser();
  const other = await db.createUser();
  for (const named of [user, other]) {
    const forged = db.as(role, role === 'anon' ? null : user, (sql) =>
      call(sql, 'start_generation', {
        p_request: { prompt: 'a lighthouse', model_id: MODEL },
        p_user_id: named,
      }),
    );
    expect((await refusal(forged)).sqlstate).toBe('42501');
  }
  for (const [name, more] of BY_USER)
    for (const p_user_id of [user, other]) {
      const asked = db.as(role, role === 'anon' ? null : user, (sql) =>
        call(sql, name, { ...more, p_user_id }),
      );
      expect((await refusal(asked)).sqlstate, name).toBe('42501');
    }
  for (const name of ['act_as', 'act_as_owner', 'act_as_owner_of_image'])
    expect(
      (await refusal(db.as(role, user, (sql) => sql.unsafe(`select private.${name}('${other}')`)))).sqlstate,
    ).toBe('42501');
  expect([
    ...(await db.sql`select id from public.image_generations where user_id in (${user}, ${other})`),
  ]).toEqual([]);
});

test('another user’s generation and image are out of reach for a user', async () => {
  const [user, other] = [await db.createUser(), await db.createUser()];
  const { id, generation_id } = await imageOf(other);
  for (const name of BY_GENERATION)
    expect(await refusal(db.callAs(user, name, { p_generation_id: generation_id })), name).toMatchObject({
      code: 'not_found',
    });
  for (const [name, more] of BY_IMAGE)
    expect(await refusal(db.callAs(user, name, { p_image_id: id, ...more })), name).toMatchObject({
      code: 'not_found',
    });
});

test('the transaction goes on as the user’s, and the next one does not', async () => {
  const user = await db.createUser();
  const who = (sql: { unsafe: (text: string) => PromiseLike<unknown> }) =>
    sql.unsafe('select current_user::text as role, auth.uid()::text as id') as Promise<[object]>;
  const inside = await db.as('service_role', null, async (sql) => {
    await call(sql, 'start_generation', {
      p_request: { prompt: 'a lighthouse', model_id: MODEL },
      p_user_id: user,
    });
    return who(sql);
  });
  expect(inside[0]).toEqual({ role: 'authenticated', id: user });
  expect((await db.as('service_role', null, who))[0]).toEqual({ role: 'service_role', id: null });
});
