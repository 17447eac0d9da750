import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { stopped } from '../stopped.ts';
import { Database, type Job, MODEL } from '../support.ts';

// What a user does to a row while a step, or the cron, is half-way with the same one: neither waits for the other. Each
// test stops one of them by a lock that a third transaction holds, until the other has come as far as it can.
const db = await Database.open();
beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.unstarted_generations where true`;
});

const remove = (user: string, id: string) => () =>
  db.as('authenticated', user, (sql) => sql`delete from public.image_generations where id = ${id}`);
const set = (user: string, id: string, status: string) => () =>
  db.as(
    'authenticated',
    user,
    (sql) => sql`update public.image_generations set status = ${status} where id = ${id}`,
  );

test.each(['delete', 'cancelled', 'the batch'])(
  '%s of a cancelled run, whose cost is being settled',
  async (way) => {
    const user = await db.createUser();
    const started = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
    const [job] = await db.claim(1);
    const id = job?.generation_id as string;
    await db.service('record_prediction', {
      p_job_id: job?.id,
      p_lease: job?.lease,
      p_prediction_id: 'p1',
      p_wait_seconds: 60,
    });
    await db.callAs(user, 'cancel_generation', { p_generation_id: id });
    const settle = () => db.sql`select private.note_end('p1', 'canceled', null)`;
    const change =
      way === 'delete'
        ? remove(user, id)
        : way === 'cancelled'
          ? set(user, id, 'cancelled')
          : () =>
              db.as(
                'authenticated',
                user,
                (sql) => sql`delete from public.batch_generations where id = ${started.batch_id}`,
              );
    // The user’s statement waits for the usage; then the settling step takes the generation.
    await stopped(db, (sql) => sql`select 1 from private.usage where user_id = ${user} for update`, [
      change,
      settle,
    ]);
  },
);

async function unstarted(user: string): Promise<string> {
  const id = randomUUID();
  await db.as(
    'authenticated',
    user,
    (sql) =>
      sql`insert into public.image_generations (id, user_id, prompt, model) values (${id}, ${user}, 'x', ${MODEL})`,
  );
  await db.sql`update private.unstarted_generations set created_at = now() - interval '2 hours'
    where generation_id = ${id}`;
  return id;
}
const sweep = () => db.sql`select private.end_unstarted(1000)`;
/** Holds one that waits for its start, as whoever starts, deletes or retries it: the row, then the note of it. */
async function heldBy(take: (sql: typeof db.sql, id: string) => Promise<unknown>) {
  const user = await db.createUser();
  const id = await unstarted(user);
  let swept: Promise<unknown> = Promise.resolve();
  let ended = false;
  await db.sql.begin(async (sql) => {
    await sql`select 1 from public.image_generations where id = ${id} for update`;
    swept = sweep().then(() => {
      ended = true;
    });
    swept.catch(() => {}); // judged below
    for (let stuck = false; !ended && !stuck; ) {
      const [row] = await db.sql`select exists (select from pg_locks where not granted) as stuck`;
      stuck = row?.stuck;
    }
    await take(sql as unknown as typeof db.sql, id);
  });
  await swept;
  return { user, id };
}

test('the cron steps over one that somebody is just starting or deleting', async () => {
  const { id } = await heldBy(
    (sql, id) => sql`delete from private.unstarted_generations where generation_id = ${id}`,
  );
  await sweep();
  expect((await db.generation(id)).status, 'it is not the cron’s any more').toBe('pending');
});

test('the cron ends those whose hour is over, and forgets those that are no more', async () => {
  const user = await db.createUser();
  const id = await unstarted(user);
  await db.sql`insert into private.unstarted_generations (generation_id, user_id, created_at)
    values (${randomUUID()}, ${user}, now() - interval '2 hours')`;
  await sweep();
  expect(await db.generation(id)).toMatchObject({ status: 'failed', error_code: 'not_started' });
  expect(await db.sql`select from private.unstarted_generations`).toHaveLength(0);
});

test('the cron’s sweep does not wait for whoever has locked the subscriptions of Realtime', async () => {
  const superuser = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
  await superuser.begin(async (sql) => {
    await sql`lock table realtime.subscription in access exclusive mode`;
    const answer = await db.as('service_role', null, async (sql) => {
      await sql`set local statement_timeout = '20s'`;
      const [row] = await sql`select public.record_sweep('{}') as answer`;
      return row?.answer;
    });
    expect(answer.alerts).toEqual([expect.stringMatching(/could not be read \(.*lock timeout/)]);
  });
  await superuser.end();
  expect(await db.service('record_sweep', { p_stats: {} })).toMatchObject({ alerts: [] });
});

/** A user with one slot: the job that has it comes after the blocked one where jobs are locked by id. */
async function oneOfTwo(): Promise<{ user: string; batch: string; job: Job }> {
  const user = await db.createUser({ running_jobs: 1 });
  const { batch_id, generations } = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
  const job = await db.claimOne();
  if (generations.every(({ job_id }) => job_id <= job.id)) return { user, batch: batch_id as string, job };
  return oneOfTwo();
}

test('a completion that steps over a blocked job which a change has locked leaves no slot free', async () => {
  const { user, batch, job } = await oneOfTwo();
  const rename = () =>
    db.as(
      'authenticated',
      user,
      (sql) => sql`update public.batch_generations set name = 'other' where id = ${batch}`,
    );
  const complete = () => db.service('complete_job', { p_job_id: job.id, p_lease: job.lease });
  await stopped(db, (sql) => sql`select * from private.user_slots where fair_key = ${user} for update`, [
    complete,
    rename,
  ]);
  expect((await db.claim(1)).length, 'the blocked one has the slot').toBe(1);
});

test('predictions that are recorded while the user tries again one whose job has ended', async () => {
  const user = await db.createUser();
  await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
  const [ended, running] = (await db.claim(2)).toSorted((a, b) => (a.id < b.id ? -1 : 1)) as [Job, Job];
  await db.service('fail_job', { p_job_id: ended.id, p_lease: ended.lease, p_error_message: 'It broke.' });
  const predictions = [ended, running].map(({ id, lease }) => ({
    job_id: id,
    lease,
    prediction_id: `p-${id}`,
    details: {},
  }));
  // The retry has the first job and waits for the second; so does what is recorded, and must not have it then.
  await stopped(db, (sql) => sql`select 1 from private.running_jobs where id = ${running.id} for update`, [
    () => db.service('record_predictions', { p_predictions: predictions, p_wait_seconds: 60 }),
    set(user, ended.generation_id as string, 'pending'),
  ]);
  expect(await db.job(running.id)).toMatchObject({ prediction_id: `p-${running.id}` });
});

test.each([
  [
    'the generation',
    (sql: typeof db.sql, _: string, id: string) => sql`
    select 1 from public.image_generations where id = ${id} for no key update`,
  ],
  [
    'what its user has used',
    (sql: typeof db.sql, user: string) => sql`
    select 1 from private.usage where user_id = ${user} for update`,
  ],
] as const)('an open cost whose step has %s is left for the next run of the cron', async (_, take) => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  const job = await db.claimOne();
  await db.service('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: 'p1',
    p_wait_seconds: 60,
  });
  await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
  await db.sql`update public.image_generations set completed_at = completed_at - interval '2 days'
    where id = ${generation_id}`;
  const close = () => db.sql`select private.close_open_costs(10)`;
  await db.sql.begin(async (sql) => {
    await take(sql as unknown as typeof db.sql, user, generation_id);
    await close();
  });
  expect(await db.generation(generation_id)).toMatchObject({ cost_open: true });
  await close();
  expect(await db.generation(generation_id)).toMatchObject({ cost_open: false, reserved_usd: '0' });
});
