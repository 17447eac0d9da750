import { beforeEach, expect, test } from 'vitest';
import { Database, type Job, MODEL } from './support.ts';

// A user who is deleted: runs are stopped, rows and files go, and what was paid stays known.
const db = await Database.open();

beforeEach(async () => {
  await db.clear();
  await db.sql`truncate storage.objects`;
  await db.sql`delete from private.removed_objects where true`;
});

interface Answer {
  outcome: string;
  job?: Job;
}

const deleteUser = (user: string) => db.sql`delete from auth.users where id = ${user}`;
const record = (job: Job, id: string) =>
  db.service<Answer>('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: id,
    p_wait_seconds: 60,
    p_details: { model_id: MODEL },
  });
const left = () => db.sql<Job[]>`select * from public.job_queue order by seq`;
const ledger = () => db.sql`select id, status, model, cost_usd is null as free from private.predictions`;
const complete = (job: Job | undefined, predictions: object[]) =>
  db.service<Answer>('complete_job', { p_job_id: job?.id, p_lease: job?.lease, p_result: { predictions } });

async function running() {
  const user = await db.createUser();
  const { generation_id, job_id } = await db.start(user);
  return { user, generation_id, job_id, job: await db.claimOne() };
}

test('the prediction that runs is cancelled, and what it cost is known', async () => {
  const { user, job } = await running();
  await record(job, 'p1');
  await deleteUser(user);
  const jobs = await left();
  expect(jobs).toMatchObject([
    {
      job_type: 'cancel-prediction',
      status: 'pending',
      payload: { prediction_id: 'p1' },
      generation_id: null,
    },
  ]);
  expect(jobs[0]?.created_by).toBeNull();
  const [stop] = await db.claim(1, { types: ['cancel-prediction'] });
  await db.sql`update public.models set cost_per_second = 0.01 where replicate_id = ${MODEL}`;
  await complete(stop, [{ id: 'p1', status: 'canceled', predict_time: 3 }]);
  await db.sql`update public.models set cost_per_second = null where replicate_id = ${MODEL}`;
  expect([...(await ledger())]).toEqual([{ id: 'p1', status: 'canceled', model: MODEL, free: false }]);
});

// As apps do whose users may delete a `profiles` row of their own.
test('a step that is being taken while a profile is deleted comes to its end, and so does the deletion', async () => {
  const { user, generation_id, job_id } = await running();
  let deletion: Promise<unknown> | undefined;
  await db.sql.begin(async (sql) => {
    await sql`select 1 from private.running_jobs where id = ${job_id} for update`;
    deletion = db.sql`delete from public.profiles where id = ${user}`.execute();
    deletion.catch(() => {}); // judged below
    for (let waiting = 0; waiting === 0; ) {
      const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      waiting = row?.n ?? 0;
    }
    await sql`update public.image_generations set progress = 50 where id = ${generation_id}`;
  });
  await deletion;
  expect(await db.sql`select id from public.image_generations`).toHaveLength(0);
});

test('one whose create is under way is cancelled by its worker, or found when the lease is over', async () => {
  const { user, job } = await running();
  await deleteUser(user);
  const [search] = await left();
  expect(search).toMatchObject({ job_type: 'cancel-prediction', payload: { job_id: job.id } });
  expect(search?.scheduled_at.getTime()).toBeGreaterThan(Date.now());
  const answer = await record(job, 'p1');
  expect(answer).toMatchObject({ outcome: 'stale', job: { payload: { prediction_id: 'p1' } } });
  expect([...(await ledger())]).toMatchObject([{ id: 'p1', status: null, model: MODEL }]);
});

test('one whose create is in doubt is looked for at once, and noted with its model', async () => {
  const { user, job } = await running();
  await db.service('snooze_job', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_seconds: 90,
    p_outcome_unknown: true,
  });
  await deleteUser(user);
  const [search] = await db.claim(1, { types: ['cancel-prediction'] });
  expect(search?.payload).toMatchObject({ job_id: job.id, model_id: MODEL });
  await complete(search, [{ id: 'p9', status: 'canceled', predict_time: 1 }]);
  expect([...(await ledger())]).toMatchObject([{ id: 'p9', status: 'canceled', model: MODEL }]);
});

test('what waits leaves nothing', async () => {
  const user = await db.createUser();
  await db.start(user);
  await deleteUser(user);
  expect([...(await left())]).toEqual([]);
});

test('images and uploads go at once, those of others stay', async () => {
  const [user, other] = [await db.createUser(), await db.createUser()];
  const upload = (owner: string) => `${owner}/6f1a0000-0000-4000-8000-000000000001.png`;
  for (const name of [upload(user), upload(other)])
    await db.sql`insert into storage.objects (bucket_id, name) values ('source-images', ${name})`;
  await deleteUser(user);
  expect(await db.service('sweep_storage')).toMatchObject({ removed: 1 });
  const [cleanup, more] = await db.claim(2, { types: ['cleanup-storage'] });
  expect(more).toBeUndefined();
  const files = await db.service('removable_objects', { p_job_id: cleanup?.id, p_lease: cleanup?.lease });
  expect(files).toEqual({ outcome: 'removable', bucket: 'source-images', names: [upload(user)] });
});

test('a user deletes the account, by its own address alone, and nothing of it stays', async () => {
  const { user, job } = await running();
  const other = await db.createUser();
  const theirs = await db.start(other);
  await record(job, 'p1');
  const remove = (as: string, p_email: string | null) => db.callAs(as, 'delete_own_account', { p_email });
  for (const address of [null, '', 'someone@example.com', `${other}@example.com`]) {
    await expect(remove(user, address), String(address)).rejects.toMatchObject({
      code: 'PT422',
      detail: 'invalid_request',
      hint: 'field=p_email',
    });
  }
  expect(await remove(user, ` ${user}@Example.com`)).toEqual({ deleted: true });
  const rows = await db.sql`
    select id from auth.users where id = ${user} union all select id from public.profiles where id = ${user}
    union all select id from public.image_generations where user_id = ${user}`;
  expect([...rows]).toEqual([]);
  expect((await left()).map(({ job_type }) => job_type).sort()).toEqual([
    'cancel-prediction',
    'generate-image',
  ]);
  const [stays] =
    await db.sql`select status from public.image_generations where id = ${theirs.generation_id}`;
  expect(stays, 'the other one’s').toMatchObject({ status: 'pending' });
  await expect(remove(user, `${user}@example.com`), 'once more').rejects.toMatchObject({ code: 'PT404' });
});

test('an account that other tables of the installation hold on to stays whole, and why is said', async () => {
  const { user, generation_id } = await running();
  await db.sql`create table public.invoices (user_id uuid references auth.users)`;
  try {
    await db.sql`insert into public.invoices values (${user})`;
    await expect(
      db.callAs(user, 'delete_own_account', { p_email: `${user}@example.com` }),
    ).rejects.toMatchObject({ code: 'PT409', message: expect.stringContaining('Ask who runs it') });
    expect(await db.sql`select from public.image_generations where id = ${generation_id}`).toHaveLength(1);
  } finally {
    await db.sql`drop table public.invoices`;
  }
});
