import { describe, expect, test } from 'vitest';
import { rollUp } from './admin-support.ts';
import { pagesOf } from './explain.ts';
import {
  any,
  BY_SECOND,
  BY_SIZE,
  db,
  deleteGeneration,
  deleteUser,
  FAILED,
  fail,
  finish,
  limits,
  noteGone,
  owners,
  record,
  rolledUp,
  start,
  store,
} from './roll-ups.ts';
import { type Job, MODEL, SUCCEEDED } from './support.ts';

// The sums by day, model and user are those of the ledger and of the generations, after each roll-up, whatever was
// tried again, became known late, was cancelled or deleted in between.

describe('a cost', () => {
  test('of a generation that was tried again is added once', async () => {
    const user = await db.createUser(limits);
    await start(user, BY_SECOND);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const job = await db.claimOne();
      await record(job);
      await finish(job, { ...FAILED, retry_in_seconds: 0 });
      await rolledUp(`attempt ${attempt}`);
    }
    const [failed] = await db.sql`select id from public.job_queue where status = 'failed'`;
    await db.service('requeue_job', { p_job_id: failed?.id });
    await rolledUp('brought back');
    const job = await db.claimOne();
    await record(job);
    await finish(job, SUCCEEDED);
    await rolledUp('made');
    const [row] = await db.sql`select sum(cost_usd)::float8 as usd, sum(generations)::int as n
      from private.daily_totals where status = 'failed'`;
    expect(row, 'its three runs; and it has not failed any more').toEqual({ usd: 0.006, n: 0 });
  });

  test('that is put right by the size of the image, before and after a roll-up', async () => {
    const user = await db.createUser(limits);
    for (const first of [true, false]) {
      await start(user, BY_SIZE);
      const job = await db.claimOne();
      await record(job);
      const { job: download } = await finish(job, SUCCEEDED);
      if (first) await rolledUp('before the image is stored');
      await store(download as Job, { width: 2048, height: 2048 });
      await rolledUp('stored');
    }
    const [row] = await db.sql`select sum(cost_usd)::float8 as usd from private.daily_users`;
    expect(row?.usd).toBe(0.08);
  });

  test('of a cancelled run that becomes known later, or never', async () => {
    const user = await db.createUser(limits);
    const generations = [await start(user, BY_SECOND), await start(user, BY_SECOND)];
    const jobs = await db.claim(2);
    for (const job of jobs) await record(job);
    for (const p_generation_id of generations)
      await db.callAs(user, 'cancel_generation', { p_generation_id });
    await rolledUp('cancelled');
    await finish(jobs[0] as Job, { ...FAILED, status: 'cancelled', predict_time: 3 });
    await rolledUp('known');
    await db.sql`update public.image_generations set completed_at = completed_at - interval '2 days' where cost_open`;
    await db.service('prune_jobs', { p_completed_days: 0, p_failed_days: 0 });
    await rolledUp('given up');
    await finish(jobs[1] as Job, { ...FAILED, status: 'cancelled', predict_time: 5 });
    await rolledUp('told after all');
  });

  test('of a generation that is deleted while it runs', async () => {
    const user = await db.createUser(limits);
    const id = await start(user);
    const job = await db.claimOne();
    await record(job);
    await deleteGeneration(id);
    await rolledUp('deleted: its price is held');
    const [held] = await db.sql`select sum(cost_usd)::float8 as usd from private.daily_users`;
    expect(held?.usd, 'of its user').toBe(0.003);
    await finish(job, SUCCEEDED);
    await rolledUp('ended');
    await db.sql`update private.predictions set cost_usd = 0.5 where true`;
    await rolledUp('put right by hand');
  });
});

describe('an end', () => {
  test('counts, though it is deleted before the roll-up', async () => {
    const users = [await db.createUser(limits), await db.createUser(limits)];
    for (const user of users) for (let n = 0; n < 3; n += 1) await start(user, any([MODEL, BY_SECOND]));
    const jobs = await db.claim(6);
    for (const [n, job] of jobs.entries()) {
      await record(job);
      if (n % 3 === 0) await finish(job, FAILED);
      else {
        const { job: download } = await finish(job, SUCCEEDED);
        if (n % 3 === 1) await store(download as Job);
      }
    }
    const own = [...owners].find(([, user]) => user === users[0])?.[0] as string;
    await deleteGeneration(own);
    await deleteUser(users[1] as string);
    await rolledUp('deleted');
    const [jobsCounted] = await db.sql`select sum(completed + failed + cancelled)::int as n
      from private.ended_counts where seconds = 60`;
    expect(jobsCounted?.n, 'six images, two of which have failed, and two that are stored').toBe(8);
    await rolledUp('once more');
  });

  test('that is taken back before or after the roll-up, is none', async () => {
    const user = await db.createUser(limits);
    const id = await start(user);
    for (const early of [true, false]) {
      await fail(await db.claimOne());
      if (!early) await rolledUp('failed');
      const { job_id } = await db.generation(id);
      await db.service('requeue_job', { p_job_id: job_id });
      await rolledUp('brought back');
    }
    const job = await db.claimOne();
    await record(job);
    const { job: download } = await finish(job, SUCCEEDED);
    await fail(download as Job);
    // Its user tries again: by a new job, since the first has made its image.
    await db.callAs(user, 'retry_generation', { p_generation_id: id });
    await rolledUp('tried again');
    const [row] = await db.sql`select sum(generations)::int as n from private.daily_totals`;
    expect(row?.n).toBe(0);
  });

  test('of one that was never started counts, too', async () => {
    const user = await db.createUser(limits);
    const ids: string[] = [];
    for (let n = 0; n < 2; n += 1) {
      const [row] = await db.as(
        'authenticated',
        user,
        (sql) => sql`insert into public.image_generations
        (user_id, prompt, model) values (${user}, 'x', ${MODEL}) returning id`,
      );
      ids.push(row?.id);
      owners.set(row?.id, user);
    }
    await db.callAs(user, 'cancel_generation', { p_generation_id: ids[0] });
    await db.sql`update private.unstarted_generations set created_at = now() - interval '2 hours' where true`;
    await db.service('record_sweep', { p_stats: {} });
    await rolledUp('ended');
    await db.sql`update public.image_generations set status = status where true`;
    await db.as(
      'authenticated',
      user,
      (sql) => sql`update public.image_generations set status = 'pending'
      where id = ${ids[1] as string}`,
    );
    await rolledUp('to be started again');
  });
});

test('the rows of an account go with the next roll-up, whoever wrote them meanwhile', async () => {
  const [user, other] = [await db.createUser(limits), await db.createUser(limits)];
  for (const one of [user, other]) {
    await start(one);
    const job = await db.claimOne();
    await record(job);
    await store((await finish(job, SUCCEEDED)).job as Job);
  }
  // Deleted, and not yet committed, while the roll-up runs: neither waits.
  await db.sql.begin(async (sql) => {
    await noteGone({ user_id: user });
    await sql`delete from auth.users where id = ${user}`;
    expect(await rollUp(db), 'it has not waited for the deletion').toBe(4);
  });
  await rolledUp('after both');
  const rows = await db.sql`select distinct user_id from private.daily_users
    union select user_id from private.user_totals`;
  expect(rows.map((row) => row.user_id)).toEqual([other]);
});

test('costs what is new, however much has ended before', async () => {
  const user = await db.createUser(limits);
  const cost = async () => {
    const pages: number[] = [];
    for (let time = 0; time < 3; time += 1) {
      for (let n = 0; n < 10; n += 1) {
        await start(user);
        const job = await db.claimOne();
        await record(job);
        const { job: download } = await finish(job, n % 2 ? SUCCEEDED : FAILED);
        if (download) await store(download);
      }
      pages.push(
        await pagesOf(db, 'service_role', 'select private.roll_up_ended_as_owner(20000, clock_timestamp())'),
      );
    }
    return pages.sort((a, b) => a - b)[1] as number;
  };
  await db.sql`create function private.roll_up_ended_as_owner(int, timestamptz) returns int
    language sql security definer set search_path = '' as 'select private.roll_up_ended($1, $2)'`;
  await db.sql`grant execute on function private.roll_up_ended_as_owner to service_role`;
  const before = await cost();
  await db.sql`insert into private.finished_jobs (id, seq, created_at, scheduled_at, lease, priority, attempts,
      max_attempts, job_type, payload, started_at, completed_at, status, prediction_id)
    select gen_random_uuid(), n, now(), now(), 1, 0, 0, 3, 'generate-image', '{}', now(),
      now() - interval '1 day' - n * interval '1 second', 'completed', 'old-' || n from generate_series(1, 50000) as n`;
  await db.sql`insert into private.predictions (id, job_id, attempt, lease, source, recorded_at, ended_at, status, cost_usd)
    select 'old-' || n, gen_random_uuid(), 1, 1, 'created', now() - interval '1 day', now() - interval '1 day',
      'succeeded', 0.001 from generate_series(1, 50000) as n`;
  await db.sql`insert into auth.users (id, email) select gen_random_uuid(), n || '@many.example'
    from generate_series(1, 5000) as n`;
  await rollUp(db);
  for (let left = 1; left > 0; ) {
    await rollUp(db);
    left = (await db.sql`select id from private.bookings limit 1`).length;
  }
  await db.sql`vacuum analyze private.bookings`;
  const after = await cost();
  expect(after, `a roll-up of ten looked at ${before} pages before`).toBeLessThanOrEqual(before * 1.3 + 40);
}, 120_000);

describe('an end that is not as usual', () => {
  const users = () => db.sql`select status, generations::int as n from private.daily_users`;

  test('from before there was a roll-up is not taken back: it was never counted', async () => {
    const user = await db.createUser(limits);
    const [{ id } = { id: '' }] = await db.sql<{ id: string }[]>`
      insert into public.image_generations
        (user_id, prompt, model, model_id, status, progress, error_message, error_code, created_at, completed_at)
      select ${user}, 'moved', ${MODEL}, id, 'failed', 0, 'x', 'failed', now() - interval '3 days',
        now() - interval '3 days'
      from public.models where replicate_id = ${MODEL}
      returning id`;
    await rollUp(db);
    await db.as(
      'authenticated',
      user,
      (sql) => sql`update public.image_generations set status = 'pending' where id = ${id}`,
    );
    await rollUp(db);
    expect(await users()).toEqual([]);
  });

  test('whose job is given another status by hand is counted once', async () => {
    const user = await db.createUser(limits);
    const { job_id } = await db.generation(await start(user));
    await fail(await db.claimOne());
    await db.sql`update public.job_queue set status = 'cancelled' where id = ${String(job_id)}`;
    await rollUp(db);
    expect((await users()).reduce((sum, { n }) => sum + n, 0)).toBe(1);
    const [jobs] = await db.sql`select completed + failed + cancelled as n from private.ended_counts
      where seconds = 60`;
    expect(jobs).toEqual({ n: 1 });
  });
});
