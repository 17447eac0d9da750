import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { beforeEach, describe, expect, test } from 'vitest';
import { expectSlotsRight } from '../slots.ts';
import { Database, type Job, MODEL, refusal } from '../support.ts';

// What a user may write by hand gives nobody an image for nothing, no way round a quota, nothing of another's, and
// nothing that is stuck.
const db = await Database.open();

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.unstarted_generations where true`;
});

type Row = Record<string, unknown>;

const as = (user: string, text: string, values: (string | null)[] = []): Promise<Row[]> =>
  db.as('authenticated', user, async (sql) => [...(await sql.unsafe<Row[]>(text, values))]);
const insert = (user: string, id: string, more = ''): Promise<Row[]> =>
  as(
    user,
    `insert into public.image_generations (id, user_id, prompt, model) values ($1, $2, 'x', '${MODEL}') ${more}
      returning id`,
    [id, user],
  );
const usage = async (user: string) => {
  const [row] = await db.sql`select minute_requests, day_images, day_cost::float from private.usage
    where user_id = ${user}`;
  return { ...row };
};
const unstarted = () =>
  db.sql<{ generation_id: string; user_id: string; old: boolean }[]>`
    select generation_id, user_id, created_at < now() - interval '1 minute' as old from private.unstarted_generations`;
const lease = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
const fail = (job: Job) => db.service('fail_job', { ...lease(job), p_error_message: 'It broke.' });
const CANCEL = "update public.job_queue set status = 'cancelled', updated_at = now() where id = $1";

describe('a row that waits', () => {
  test('is pending as its job is, so that an app that cancels what is pending finds it', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    const text = `update public.image_generations set status = 'failed', error_message = 'Cancelled by user'
      where id = $1 and status = 'pending' returning status`;
    expect(await as(user, text, [generation_id])).toEqual([{ status: 'cancelled' }]);
    expect((await db.job(job_id)).status).toBe('cancelled');
    expect(await usage(user)).toMatchObject({ day_cost: 0 });
    await expectSlotsRight(db);
  });

  test('is queued in every answer, whichever word stands in the table', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await insert(user, randomUUID());
    await db.sql`insert into public.image_generations (user_id, prompt, status) values (${user}, 'old', 'queued')`;
    const list = (status: string) =>
      db.callAs<{ generations: Row[] }>(user, 'list_generations', { p_status: status });
    expect((await list('queued')).generations.map(({ status }) => status)).toEqual(Array(3).fill('queued'));
    expect(await db.callAs(user, 'get_generation', { p_generation_id: generation_id })).toMatchObject({
      status: 'queued',
    });
  });

  test('by a retry of the queue is pending again', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const job = await db.claimOne();
    await db.service('fail_job', { ...lease(job), p_error_message: 'It broke.', p_retry_in_seconds: 60 });
    expect(await db.generation(generation_id)).toMatchObject({ status: 'pending', retry_count: 1 });
  });
});

describe('the status of a job, as the library sets it', () => {
  test('of the job that stops a run is refused: the run would be paid', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await db.claimOne();
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    const { cancel_job_id } = await db.generation(generation_id);
    expect(await refusal(as(user, CANCEL, [cancel_job_id as string]))).toMatchObject({ sqlstate: 'PT403' });
  });

  test('of one whose image is made is a conflict', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    await db.sql`update public.image_generations set status = 'completed' where id = ${generation_id}`;
    expect(await refusal(as(user, CANCEL, [job_id]))).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
  });

  test.each(['payload', 'attempts', 'priority', 'scheduled_at', 'fair_key', 'lease'])(
    '%s of a job is not a user’s to change',
    async (column) => {
      const user = await db.createUser();
      const { job_id } = await db.start(user);
      const text = `update public.job_queue set ${column} = ${column} where id = $1`;
      expect((await refusal(as(user, text, [job_id]))).sqlstate).toBe('42501');
    },
  );
});

describe('an upsert', () => {
  test('of a row of one’s own that was started changes nothing of it', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const before = await db.generation(generation_id);
    expect(await insert(user, generation_id, 'on conflict (id) do nothing')).toEqual([]);
    expect(await db.generation(generation_id)).toEqual(before);
    await db.sql`update private.unstarted_generations set created_at = now() - interval '2 hours' where true`;
    await db.service('record_sweep', { p_stats: {} });
    expect(await db.generation(generation_id)).toEqual(before);
  });

  test('does not keep another’s row from its end', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const id = randomUUID();
    await insert(user, id);
    await db.sql`update private.unstarted_generations set created_at = now() - interval '2 hours' where true`;
    await insert(other, id, 'on conflict (id) do nothing');
    expect([...(await unstarted())]).toEqual([{ generation_id: id, user_id: user, old: true }]);
  });

  test('cannot set what an insert or an update may not', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const text = 'on conflict (id) do update set prompt = excluded.prompt';
    expect((await refusal(insert(user, generation_id, text))).sqlstate).toBe('42501');
  });
});

describe('quotas', () => {
  test('one that is inserted and deleted again leaves room for the next', async () => {
    const user = await db.createUser({ requests_per_minute: null });
    for (let n = 0; n < 101; n += 1) {
      const id = randomUUID();
      await insert(user, id);
      await as(user, 'delete from public.image_generations where id = $1', [id]);
    }
    expect(await unstarted()).toHaveLength(0);
  });

  test('one that is inserted and cancelled does so as well', async () => {
    const user = await db.createUser({ requests_per_minute: null });
    const id = randomUUID();
    await insert(user, id);
    await as(user, "update public.image_generations set status = 'cancelled' where id = $1", [id]);
    expect(await unstarted()).toHaveLength(0);
  });

  test('what was used of them outlives the profile', async () => {
    const user = await db.createUser({ images_per_day: 1 });
    await db.start(user);
    await as(user, 'delete from public.profiles where id = $1', [user]);
    await as(user, 'insert into public.profiles (id) values ($1)', [user]);
    expect(await refusal(db.start(user))).toMatchObject({ sqlstate: 'PT429', limit: 'images_per_day' });
  });

  test('an image that is deleted, cancelled or tried again is counted each time it is started', async () => {
    const user = await db.createUser({ images_per_day: 3 });
    const first = await db.start(user);
    await as(user, 'delete from public.image_generations where id = $1', [first.generation_id]);
    const second = await db.start(user);
    await fail(await db.claimOne());
    const again = "update public.image_generations set status = 'pending' where id = $1 returning status";
    expect(await as(user, again, [second.generation_id])).toEqual([{ status: 'pending' }]);
    await fail(await db.claimOne());
    expect(await refusal(as(user, again, [second.generation_id]))).toMatchObject({ limit: 'images_per_day' });
    expect(await refusal(db.start(user))).toMatchObject({ limit: 'images_per_day' });
  });

  test('slots are right after every statement of theirs', async () => {
    const user = await db.createUser();
    const ids = [];
    for (let n = 0; n < 8; n += 1) ids.push((await db.start(user)).generation_id);
    await db.claim(2);
    for (const id of ids.slice(0, 3))
      await as(user, 'delete from public.image_generations where id = $1', [id]);
    for (const id of ids.slice(3, 5))
      await as(user, "update public.image_generations set status = 'cancelled' where id = $1", [id]);
    await expectSlotsRight(db);
    expect(await db.claim(8), 'three wait, and nothing keeps them').toHaveLength(3);
  });
});

test('a failed one whose job is still at work is not tried again beside it', async () => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  await db.sql`update public.image_generations set status = 'failed', completed_at = now() where id = ${generation_id}`;
  const again = "update public.image_generations set status = 'pending' where id = $1";
  expect(await refusal(as(user, again, [generation_id]))).toMatchObject({
    sqlstate: 'PT409',
    code: 'conflict',
  });
});

test('a start and a deletion of the same row at once: neither waits for the other', async () => {
  const user = await db.createUser({ requests_per_minute: null, images_per_day: null });
  for (let n = 0; n < 20; n += 1) {
    const id = randomUUID();
    await insert(user, id);
    const [started, deleted] = await Promise.allSettled([
      db.callAs(user, 'start_inserted_generation', { p_generation_id: id }),
      as(user, 'delete from public.image_generations where id = $1 returning id', [id]),
    ]);
    expect(deleted).toMatchObject({ status: 'fulfilled', value: [{ id }] });
    if (started.status === 'rejected') expect(started.reason.code).toBe('PT404');
  }
  await expectSlotsRight(db);
});

test('a role of the project’s own that inherits the users’ rights is held to the same rules', async () => {
  const superuser = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
  await superuser.unsafe('create role patron in role authenticated; grant patron to postgres').simple();
  try {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    const patron = (text: string, values: string[]) =>
      db.sql.begin(async (sql) => {
        const claims = JSON.stringify({ role: 'patron', sub: user });
        await sql`select set_config('role', 'patron', true), set_config('request.jwt.claims', ${claims}, true)`;
        return sql.unsafe(text, values);
      });
    for (const text of [
      "update public.image_generations set status = 'completed' where id = $1",
      "update public.job_queue set status = 'completed' where generation_id = $1",
    ])
      expect(await refusal(patron(text, [generation_id])), text).toMatchObject({ sqlstate: 'PT403' });
    expect((await db.job(job_id)).status).toBe('pending');
  } finally {
    await superuser.unsafe('drop role patron');
    await superuser.end();
  }
});

test('a batch of which only the time of its end is set is refused', async () => {
  const user = await db.createUser();
  const { batch_id } = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
  for (const change of ['completed_at = now()', 'status = null'])
    expect(
      await refusal(
        as(user, `update public.batch_generations set ${change} where id = $1`, [batch_id ?? null]),
      ),
      change,
    ).toMatchObject({ sqlstate: 'PT403' });
});

test('a retry of one that waits for its second try already changes nothing', async () => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  const job = await db.claimOne();
  await db.service('fail_job', { ...lease(job), p_error_message: 'It broke.', p_retry_in_seconds: 60 });
  const before = await db.generation(generation_id);
  const text = `update public.image_generations set status = 'pending', error_message = null, retry_count = 0
    where id = $1 returning status, retry_count`;
  expect(await as(user, text, [generation_id])).toEqual([{ status: 'pending', retry_count: 1 }]);
  expect(await db.generation(generation_id)).toEqual(before);
});
