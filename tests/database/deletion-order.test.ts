import { beforeEach, expect, test } from 'vitest';
import { Database, type Job, MODEL, SUCCEEDED } from './support.ts';

// An account is deleted while something is done for it. Its row in auth.users is locked first, the others with it;
// whoever holds one of the others may not wait for it. A third transaction stops the call half-way, by a row that
// the call needs late, until the deletion has come as far as it can; then both must come to their end.

const db = await Database.open();
beforeEach(() => db.clear());

interface Account {
  user: string;
  job: string;
  generation: string;
}

/** A user with a generation whose job waits; with more than one it is the first of a batch. */
async function started(images = 1, more: object = {}): Promise<Account> {
  const user = await db.createUser({ running_jobs: null });
  const { job_id, generation_id } = await db.start(user, {
    items: Array(images).fill({ prompt: 'x' }),
    ...more,
  });
  return { user, job: job_id, generation: generation_id };
}

async function running(): Promise<Account & { lease: string }> {
  const account = await started();
  const { lease } = await db.claimOne();
  return { ...account, lease };
}

const record = ({ job, lease }: { job: string; lease: string }) =>
  db.service('record_prediction', {
    p_job_id: job,
    p_lease: lease,
    p_prediction_id: `p-${job}`,
    p_wait_seconds: 60,
  });
const end = (job: string, outcome: object = SUCCEEDED) =>
  db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job,
    p_prediction_id: `p-${job}`,
    p_outcome: outcome,
  });
const store = ({ id, lease }: Job) =>
  db.service('finish_download', {
    p_job_id: id,
    p_lease: lease,
    p_image: { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp' },
  });
const cancel = ({ user, generation }: Omit<Account, 'job'>) =>
  db.callAs(user, 'cancel_generation', { p_generation_id: generation });

/** What is done, for whom, and what the third transaction holds, as SQL that locks it. */
interface Half {
  user: string;
  call: () => Promise<unknown>;
  held: string;
}
const one = (table: string, id: string) => `select from ${table} where id = '${id}' for update`;

const halves: Record<string, () => Promise<Half>> = {
  'a start': async () => {
    const { user } = await started();
    const held = `select from public.models where replicate_id = '${MODEL}' for update`;
    return { user, call: () => db.start(user), held };
  },
  'a start of a user whose first it is': async () => {
    const user = await db.createUser();
    const held = `select from public.models where replicate_id = '${MODEL}' for update`;
    return { user, call: () => db.start(user, {}, 'key', 'hash'), held };
  },
  'jobs of the service’s, one of them of a generation': async () => {
    const first = await started();
    const last = await started();
    const users = [first.user, last.user].sort() as [string, string];
    const account = users[0] === first.user ? first : last;
    const p_jobs = [
      { job_type: 'resize', payload: { user_id: users[0], generation_id: account.generation } },
      { job_type: 'resize', payload: { user_id: users[1] } },
      { job_type: 'generate-image', payload: { user_id: users[0] } },
      { job_type: 'generate-image', payload: { user_id: users[1] } },
    ];
    const held = `select from private.user_slots where fair_key = '${users[1]}' for update`;
    return { user: users[0], call: () => db.service('enqueue_jobs', { p_jobs }), held };
  },
  'the end of a prediction': async () => {
    const { user, job, generation } = await running();
    return { user, call: () => end(job), held: one('public.image_generations', generation) };
  },
  'the end of one that is to be tried again': async () => {
    const account = await running();
    await record(account);
    const failed = { status: 'failed', error_message: 'x', error_code: 'x', retry_in_seconds: 60 };
    const held = one('public.image_generations', account.generation);
    return { user: account.user, call: () => end(account.job, failed), held };
  },
  'the end of a cancelled one': async () => {
    const account = await running();
    await record(account);
    await cancel(account);
    const held = one('private.predictions', `p-${account.job}`);
    return { user: account.user, call: () => end(account.job), held };
  },
  'the late prediction of one that is given up': async () => {
    const { user, job, generation } = await running();
    await db.sql`update public.job_queue set attempts = max_attempts - 1 where id = ${job}`;
    await db.letTimePass(job);
    await db.claim(1);
    expect((await db.job(job)).status).toBe('failed');
    return { user, call: () => end(job), held: one('public.image_generations', generation) };
  },
  'the storing of a picture': async () => {
    const { user, job, generation } = await running();
    const { job: download } = await end(job);
    return { user, call: () => store(download), held: one('public.image_generations', generation) };
  },
  'a cancellation': async () => {
    const account = await running();
    await record(account);
    const held = one('public.image_generations', account.generation);
    return { user: account.user, call: () => cancel(account), held };
  },
  'a prediction that was created too late': async () => {
    const account = await running();
    await cancel(account);
    const held = one('private.finished_jobs', account.job);
    return { user: account.user, call: () => record(account), held };
  },
  'an operator’s requeue': async () => {
    const { user, job, lease, generation } = await running();
    await db.service('fail_job', { p_job_id: job, p_lease: lease, p_error_message: 'x' });
    const call = () => db.service('requeue_job', { p_job_id: job });
    return { user, call, held: one('public.image_generations', generation) };
  },
  'the failure of one of a batch': async () => {
    const { user } = await started(2);
    const [job] = await db.claim(1);
    const args = { p_job_id: job?.id, p_lease: job?.lease, p_error_message: 'x' };
    return {
      user,
      call: () => db.service('fail_job', args),
      held: 'select from public.batch_generations for update',
    };
  },
  'marks on images': async () => {
    // A deletion comes to the newest first, and a mark to the lowest id: here they come crosswise.
    const user = await db.createUser();
    const ids = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
    for (const [minutes, id] of [
      [2, ids[0]],
      [1, ids[1]],
    ] as const) {
      const { generation_id } = await db.start(user);
      await db.sql`update public.image_generations set created_at = now() - ${minutes} * interval '1 minute'
        where id = ${generation_id}`;
      await db.sql`insert into public.images (id, generation_id, user_id, storage_path, public_url, created_at)
        select ${id as string}, id, user_id, id || '.webp', 'https://x.example', created_at
        from public.image_generations where id = ${generation_id}`;
    }
    const marks = { p_image_ids: ids, p_marks: { is_favorite: true } };
    return {
      user,
      call: () => db.callAs(user, 'mark_images', marks),
      held: one('public.images', ids[0] as string),
    };
  },
  'a claim that moves jobs on which are due': async () => {
    const { user } = await started(2, { scheduled_at: new Date(Date.now() + 3_600_000) });
    await db.sql`update public.job_queue set scheduled_at = now() where true`;
    return {
      user,
      call: () => db.claim(10),
      held: `select from private.usage where user_id = '${user}' for update`,
    };
  },
  'a claim that ends jobs of a batch which have expired': async () => {
    const { user } = await started(3);
    await db.sql`update public.job_queue set expires_at = now() - interval '1 second' where true`;
    return { user, call: () => db.claim(10), held: 'select from public.batch_generations for update' };
  },
  'a claim that gives up jobs of a batch whose runs were lost': async () => {
    const { user } = await started(3);
    for (const job of await db.claim(3)) await db.letTimePass(job.id);
    await db.sql`update public.job_queue set attempts = max_attempts - 1 where true`;
    return {
      user,
      call: () => db.claim(10),
      held: `select from private.usage where user_id = '${user}' for update`,
    };
  },
};

const blocked = async () => {
  const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.n ?? 0;
};

test.each(
  Object.keys(halves).flatMap((name) => [
    [name, 'auth.users'],
    [name, 'public.profiles'],
  ]),
)('%s, and a deletion from %s', async (name, table) => {
  const { user, call, held } = await (halves[name] as () => Promise<Half>)();
  const made: Promise<unknown>[] = [];
  const make = async (one: () => Promise<unknown>) => {
    let ended = false;
    const before = await blocked();
    const promise = one().finally(() => {
      ended = true;
    });
    promise.catch(() => {}); // judged below
    made.push(promise);
    while (!ended && (await blocked()) === before);
    return ended;
  };
  await db.sql.begin(async (sql) => {
    await sql.unsafe(held);
    expect(await make(call), 'the call was stopped half-way').toBe(false);
    expect(await make(async () => db.sql.unsafe(`delete from ${table} where id = '${user}'`))).toBe(false);
  });
  const refused = (await Promise.allSettled(made)).flatMap((answer) =>
    answer.status === 'rejected'
      ? [`${answer.reason.code} ${answer.reason.message} ${answer.reason.where}`]
      : [],
  );
  expect(refused, '40P01 is a deadlock').toEqual([]);
  expect(await db.sql`select from public.image_generations where user_id = ${user}`).toHaveLength(0);
});

test('accounts that are deleted in the middle of everything', { timeout: 60_000 }, async () => {
  await db.sql`update private.settings set budget_per_day_usd = 100 where only_row`;
  const until = Date.now() + 6000;
  const refused: string[] = [];
  const tried = async <T>(call: Promise<T>): Promise<T | undefined> =>
    call.catch((error) => {
      // A refusal (PT403, PT404) is an answer.
      if (!error.code?.startsWith('PT')) refused.push(`${error.code} ${error.message} ${error.where}`);
      return undefined;
    });
  let deleted = 0;
  let stored = 0;
  const liveAndGo = async () => {
    while (Date.now() < until) {
      const user = await db.createUser({ running_jobs: 2, requests_per_minute: null });
      const soon = { scheduled_at: new Date(Date.now() + 100), expires_in: 1 };
      await Promise.all(
        [{}, { items: Array(3).fill({ prompt: 'x' }) }, soon].map((more) => tried(db.start(user, more))),
      );
      const start = tried(db.start(user));
      await tried(db.sql`delete from auth.users where id = ${user}`);
      await start;
      deleted += 1;
    }
  };
  const run = async (job: Job, dice: number) => {
    const leased = { p_job_id: job.id, p_lease: job.lease };
    if (job.job_type !== 'generate-image') return db.service('complete_job', leased);
    if (dice < 0.2) return undefined; // lost
    if (dice < 0.3) return db.service('fail_job', { ...leased, p_error_message: 'x', p_retry_in_seconds: 0 });
    if (dice < 0.4) return db.service('fail_job', { ...leased, p_error_message: 'x' });
    if (dice < 0.6) await tried(cancel({ user: job.created_by ?? '', generation: job.generation_id ?? '' }));
    await record({ job: job.id, lease: job.lease });
    const { job: download } = await end(job.id);
    if (download) await tried(store(download));
    stored += download ? 1 : 0;
    return undefined;
  };
  const work = async () => {
    while (Date.now() < until) {
      const jobs = (await tried(db.claim(5, { seconds: 1 }))) ?? [];
      await Promise.all(jobs.map((job) => tried(run(job, Math.random()))));
    }
  };
  await Promise.all([...Array.from({ length: 6 }, liveAndGo), ...Array.from({ length: 4 }, work)]);
  await db.sql`update private.settings set budget_per_day_usd = null where only_row`;
  expect(refused, '40P01 is a deadlock').toEqual([]);
  expect(
    [deleted, stored].every((n) => n > 0),
    `${deleted} deleted, ${stored} stored`,
  ).toBe(true);
});
