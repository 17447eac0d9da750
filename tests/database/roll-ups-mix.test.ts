import { expect, test } from 'vitest';
import {
  any,
  BY_SECOND,
  BY_SIZE,
  below,
  db,
  deleteGeneration,
  deleteUser,
  FAILED,
  fail,
  finish,
  leased,
  limits,
  owners,
  record,
  rolledUp,
  start,
  store,
} from './roll-ups.ts';
import { type Job, MODEL, SUCCEEDED } from './support.ts';

// Everything that changes what has ended and what it has cost, at random; after each roll-up the sums must be right.

async function predict(job: Job): Promise<void> {
  if (below(4) > 0) await record(job);
  if (below(6) === 0) return;
  const outcome = any([
    SUCCEEDED,
    { ...SUCCEEDED, predict_time: 1 + below(9) },
    { ...FAILED, retry_in_seconds: any([null, 0]) },
    { ...FAILED, status: 'cancelled', error_code: 'cancelled_at_provider', predict_time: below(3) },
  ]);
  const { job: download } = await finish(job, outcome);
  const stored = (one: Job) => store(one, any([{}, { width: 2048, height: 1024 }]));
  if (download) await any([stored, stored, stored, fail, async () => {}])(download);
}

/** Refusals that a call names itself are answers, too. */
async function answered(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!String((error as { code?: string }).code).startsWith('PT')) throw error;
  }
}

async function step(users: string[]): Promise<void> {
  const one = async (query: string) => (await db.sql.unsafe(`${query} order by random() limit 1`))[0];
  switch (below(13)) {
    case 0:
    case 1:
    case 2:
      await answered(start(any(users), any([MODEL, BY_SECOND, BY_SIZE])));
      break;
    case 3: {
      const its = await one('select id, user_id from public.image_generations');
      if (its) await answered(db.callAs(its.user_id, 'cancel_generation', { p_generation_id: its.id }));
      break;
    }
    case 4: {
      const failed = await one("select id from public.job_queue where status = 'failed'");
      if (failed) await db.service('requeue_job', { p_job_id: failed.id });
      break;
    }
    case 5: {
      const its = await one("select id, user_id from public.image_generations where status = 'failed'");
      if (its) await answered(db.callAs(its.user_id, 'retry_generation', { p_generation_id: its.id }));
      break;
    }
    case 6: // late news of any prediction
    case 7: {
      const its = await one('select id, job_id from private.predictions');
      const outcome = any([SUCCEEDED, FAILED, { ...FAILED, status: 'cancelled' }]);
      if (its) await finish({ id: its.job_id } as Job, outcome, its.id);
      break;
    }
    case 8:
      await db.sql`update public.job_queue set
        lease_expires_at = case when status = 'processing' then now() - interval '1 second' end,
        scheduled_at = least(scheduled_at, now())
        where id = (select id from public.job_queue where status in ('pending', 'processing')
          order by random() limit 1 for update skip locked)`;
      break;
    default:
      for (const job of await db.claim(1 + below(4))) {
        if (job.job_type === 'generate-image')
          await any([predict, predict, predict, (one: Job) => fail(one, any([null, 0]))])(job);
        else if (job.job_type === 'download-image') await any([store, (one: Job) => fail(one)])(job);
        else
          await db.service('complete_job', {
            ...leased(job),
            p_result: {
              predictions: [
                {
                  id: `p-${job.payload.job_id}-late`,
                  status: any(['succeeded', 'canceled']),
                  predict_time: below(5),
                },
              ],
            },
          });
      }
  }
}

test('in any order, the sums are right after each roll-up', async () => {
  let users = [await db.createUser(limits), await db.createUser(limits), await db.createUser(limits)];
  for (let round = 0; round < 60; round += 1) {
    const steps = below(12);
    for (let n = 0; n < steps; n += 1) await step(users);
    if (below(4) === 0) {
      const id = any([...owners.keys()]);
      if (id && (await db.sql`select from public.image_generations where id = ${id}`).length > 0)
        await deleteGeneration(id);
    }
    if (below(12) === 0) {
      const user = any(users);
      await deleteUser(user);
      users = [...users.filter((other) => other !== user), await db.createUser(limits)];
    }
    await rolledUp(`round ${round}`);
  }
}, 300_000);

test('beside roll-ups, several at a time, nothing is counted twice or lost', async () => {
  const users = await Promise.all([0, 1, 2, 3].map(() => db.createUser(limits)));
  let isOver = false;
  const refused: string[] = [];
  const tried = (call: Promise<unknown>) =>
    call.catch((error) => {
      if (!String(error.code).startsWith('PT')) refused.push(`${error.code} ${error.message}`);
    });
  const work = async () => {
    for (let n = 0; n < 80; n += 1) await tried(step(users));
  };
  const roll = async () => {
    // Half a second behind: by then each of these short transactions is committed, or holds the mark back.
    while (!isOver)
      await tried(
        db.sql`select private.roll_up_ended(20, least(private.settled_until() + interval '10 seconds',
          clock_timestamp() - interval '0.5 seconds'))`,
      );
  };
  const working = Promise.all(Array.from({ length: 6 }, work)).finally(() => {
    isOver = true;
  });
  await Promise.all([working, roll(), roll()]);
  expect(refused, '40P01 is a deadlock').toEqual([]);
  await rolledUp('in the end');
}, 300_000);
