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

  test('of what there is not, nobody has', async () => {
    for (const name of ['get_generation', 'cancel_generation', 'retry_generation'])
      expect(await refusal(of(name, '00000000-0000-4000-8000-000000000000')), name).toMatchObject({
        code: 'not_found',
      });
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
  for (const name of ['act_as', 'act_as_owner'])
    expect(
      (await refusal(db.as(role, user, (sql) => sql.unsafe(`select private.${name}('${other}')`)))).sqlstate,
    ).toBe('42501');
  expect([
    ...(await db.sql`select id from public.image_generations where user_id in (${user}, ${other})`),
  ]).toEqual([]);
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
