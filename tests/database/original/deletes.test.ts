import { beforeEach, describe, expect, test } from 'vitest';
import { expectSlotsRight } from '../slots.ts';
import { Database, type Job, MODEL, refusal, type Started, SUCCEEDED } from '../support.ts';

// Users delete what is theirs, over REST: images, generations, batches, their profile. Files, downloads in flight and
// predictions in flight follow.
const db = await Database.open();

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.removed_objects where true`;
  await db.deleteObjects((sql) => sql`true`);
});

type Table = 'images' | 'image_generations' | 'batch_generations' | 'profiles';

/** As PostgREST deletes a row of a signed-in user's. */
const remove = (user: string, table: Table, id: string): Promise<string[]> =>
  db.as('authenticated', user, async (sql) => {
    const rows = await sql<{ id: string }[]>`delete from public.${sql(table)} where id = ${id} returning id`;
    return rows.map((row) => row.id);
  });
const lease = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
const record = (job: Job, id: string) =>
  db.service<{ outcome: string; job?: Job }>('record_prediction', {
    ...lease(job),
    p_prediction_id: id,
    p_wait_seconds: 60,
    p_details: { model_id: MODEL },
  });
const jobs = () => db.sql<Job[]>`select * from public.job_queue order by seq`;
const removed = async () =>
  (await db.sql`select name from private.removed_objects order by name`).map((row) => row.name);
const usage = async (user: string) => {
  const [row] = await db.sql`select day_images, day_cost::float from private.usage where user_id = ${user}`;
  return { ...row };
};

async function downloading(
  user: string,
  started?: Started,
): Promise<{ id: string; download: Job; path: string }> {
  const { generation_id } = started ?? (await db.start(user));
  const [job] = await db.claim(1, { types: ['generate-image'] });
  await record(job as Job, `p-${generation_id}`);
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job?.id,
    p_prediction_id: `p-${generation_id}`,
    p_outcome: SUCCEEDED,
  });
  return { id: generation_id, download, path: `${user}/${generation_id}.webp` };
}

async function completed(user: string): Promise<{ id: string; image: string; path: string }> {
  const { id, download, path } = await downloading(user);
  await db.service('finish_download', {
    ...lease(download),
    p_image: { storage_path: path, public_url: `https://x.example/${path}`, format: 'webp' },
  });
  await db.sql`insert into storage.objects (bucket_id, name) values ('generated-images', ${path})`;
  const [image] = await db.sql`select id from public.images where generation_id = ${id}`;
  return { id, image: image?.id, path };
}

/** What the cron's job may delete by now. */
async function deletable(): Promise<string[]> {
  await db.service('sweep_storage');
  const [job] = await db.claim(1, { types: ['cleanup-storage'] });
  if (!job) return [];
  const { names } = await db.service<{ names: string[] }>('removable_objects', lease(job));
  return names;
}

describe('an image', () => {
  test('goes with its file, and its generation stays', async () => {
    const user = await db.createUser();
    const { id, image, path } = await completed(user);
    expect(await remove(user, 'images', image)).toEqual([image]);
    expect(await deletable()).toEqual([path]);
    expect(await db.callAs(user, 'get_generation', { p_generation_id: id })).toMatchObject({
      status: 'completed',
      images: [],
    });
  });

  test('whose file its app has deleted first, as the apps do, goes as well', async () => {
    const user = await db.createUser();
    const { image, path } = await completed(user);
    const gone = await db.as('authenticated', user, async (sql) => {
      await sql`set local storage.allow_delete_query = 'true'`; // as Storage does
      return sql`delete from storage.objects where bucket_id = 'generated-images' and name = ${path} returning name`;
    });
    expect([...gone]).toEqual([{ name: path }]);
    expect(await remove(user, 'images', image)).toEqual([image]);
    expect(await deletable()).toEqual([]);
  });

  test('of somebody else stays, with its file, also where it is public', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const { image, path } = await completed(user);
    await db.sql`update public.images set is_public = true where id = ${image}`;
    expect(await remove(other, 'images', image)).toEqual([]);
    const gone = await db.as('authenticated', other, async (sql) => {
      await sql`set local storage.allow_delete_query = 'true'`; // as Storage does
      return sql`delete from storage.objects where name = ${path} returning name`;
    });
    expect(gone).toHaveLength(0);
    expect(await db.sql`select from public.images where id = ${image}`).toHaveLength(1);
  });
});

describe('a generation', () => {
  test('that is completed goes with its image, its file and its jobs', async () => {
    const user = await db.createUser();
    const { id, path } = await completed(user);
    expect(await remove(user, 'image_generations', id)).toEqual([id]);
    expect(await deletable()).toEqual([path]);
    expect(await db.sql`select from public.images`).toHaveLength(0);
    expect(await db.sql`select from private.finished_jobs where generation_id = ${id}`).toHaveLength(0);
    expect(await usage(user), 'it was made, and is paid for').toEqual({ day_images: 1, day_cost: 0.003 });
  });

  test('that waits leaves no job, and its money comes back', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await remove(user, 'image_generations', generation_id);
    expect([...(await jobs())]).toEqual([]);
    expect(await usage(user)).toEqual({ day_images: 1, day_cost: 0 });
    await expectSlotsRight(db);
  });

  test('that runs is stopped at the provider, and stays paid for', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await record(await db.claimOne(), 'p1');
    await remove(user, 'image_generations', generation_id);
    expect(await jobs()).toMatchObject([
      {
        job_type: 'cancel-prediction',
        status: 'pending',
        payload: { prediction_id: 'p1' },
        generation_id: null,
      },
    ]);
    expect(await usage(user)).toEqual({ day_images: 1, day_cost: 0.003 });
    await expectSlotsRight(db);
  });

  test('whose create is under way is stopped by its worker', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const job = await db.claimOne();
    await remove(user, 'image_generations', generation_id);
    expect(await record(job, 'p1')).toMatchObject({
      outcome: 'stale',
      job: { payload: { prediction_id: 'p1' } },
    });
  });

  test('whose image is being stored: the worker is told that it is stale, and the file goes when it must have ended', async () => {
    const user = await db.createUser();
    const { id, download, path } = await downloading(user);
    await remove(user, 'image_generations', id);
    const answer = await db.service('finish_download', {
      ...lease(download),
      p_image: { storage_path: path, public_url: 'https://x.example/a.webp', format: 'webp' },
    });
    expect(answer).toEqual({ outcome: 'stale' });
    expect(await removed()).toContain(path);
    await db.sql`insert into storage.objects (bucket_id, name) values ('generated-images', ${path})`;
    await db.sql`update private.removed_objects set due_at = now() where true`;
    expect(await deletable()).toEqual([path]);
  });

  test('that was only inserted leaves nothing', async () => {
    const user = await db.createUser();
    const [row] = await db.as(
      'authenticated',
      user,
      (
        sql,
      ) => sql`insert into public.image_generations (user_id, prompt, model) values (${user}, 'x', ${MODEL})
        returning id`,
    );
    await remove(user, 'image_generations', row?.id);
    await db.sql`update private.unstarted_generations set created_at = now() - interval '2 hours' where true`;
    await db.service('record_sweep', { p_stats: {} });
    expect(await db.sql`select from public.image_generations`).toHaveLength(0);
    expect(await db.sql`select from private.unstarted_generations`).toHaveLength(0);
  });

  test('of a batch counts as cancelled there while it is open, and not any more when it has ended', async () => {
    const user = await db.createUser();
    const { batch_id, generations } = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
    const row = async () => (await db.sql`select * from public.batch_generations where id = ${batch_id}`)[0];
    await remove(user, 'image_generations', generations[0]?.generation_id as string);
    expect(await row()).toMatchObject({ cancelled_count: 1, status: 'processing' });
    const second = generations[1]?.generation_id as string;
    await db.callAs(user, 'cancel_generation', { p_generation_id: second });
    await remove(user, 'image_generations', second);
    expect(await row()).toMatchObject({ cancelled_count: 2, status: 'cancelled' });
  });

  test('that others started from is forgotten by them', async () => {
    const user = await db.createUser();
    const { id } = await completed(user);
    const next = await db.start(user, { source_generation_id: id });
    await remove(user, 'image_generations', id);
    expect(await db.generation(next.generation_id)).toMatchObject({
      source_generation_id: null,
      status: 'pending',
    });
  });

  test('of somebody else stays', async () => {
    const { generation_id } = await db.start(await db.createUser());
    expect(await remove(await db.createUser(), 'image_generations', generation_id)).toEqual([]);
    expect((await db.generation(generation_id)).status).toBe('pending');
  });

  test('of which a step is being taken: neither waits for the other', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user);
    await db.claimOne();
    let deletion: Promise<unknown> | undefined;
    await db.sql.begin(async (sql) => {
      await sql`select 1 from private.running_jobs where id = ${job_id} for update`;
      deletion = remove(user, 'image_generations', generation_id);
      deletion.catch(() => {}); // judged below
      for (let waiting = 0; waiting === 0; ) {
        const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        waiting = row?.n ?? 0;
      }
      await sql`update public.image_generations set progress = 50, seq = seq + 1 where id = ${generation_id}`;
    });
    expect(await deletion).toEqual([generation_id]);
  });
});

describe('a batch', () => {
  test('goes with its generations, images, files and runs', async () => {
    const user = await db.createUser();
    const started = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }, { prompt: 'c' }] });
    const { path } = await downloading(user, started);
    const [job] = await db.claim(1, { types: ['generate-image'] });
    await record(job as Job, 'p2');
    expect(await remove(user, 'batch_generations', started.batch_id as string)).toEqual([started.batch_id]);
    expect(await db.sql`select from public.image_generations`).toHaveLength(0);
    expect(await jobs()).toMatchObject([{ job_type: 'cancel-prediction', payload: { prediction_id: 'p2' } }]);
    expect(await removed()).toContain(path);
    await expectSlotsRight(db);
  });

  test('of somebody else stays', async () => {
    const { batch_id } = await db.start(await db.createUser(), { items: [{ prompt: 'a' }, { prompt: 'b' }] });
    expect(await remove(await db.createUser(), 'batch_generations', batch_id as string)).toEqual([]);
  });
});

describe('a profile', () => {
  test('goes with all that refers to it, and whoever starts again gets another', async () => {
    const user = await db.createUser();
    const { path } = await completed(user);
    await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
    const [job] = await db.claim(1, { types: ['generate-image'] });
    await record(job as Job, 'p2');
    expect(await remove(user, 'profiles', user)).toEqual([user]);
    for (const table of ['image_generations', 'images', 'batch_generations'])
      expect(await db.sql`select from ${db.sql(`public.${table}`)}`).toHaveLength(0);
    expect(await removed()).toContain(path);
    const left = await jobs();
    expect(left.filter((one) => one.status !== 'completed')).toMatchObject([
      { job_type: 'cancel-prediction', payload: { prediction_id: 'p2' } },
    ]);
    expect((await db.start(user)).status).toBe('queued');
  });

  test('of somebody else stays', async () => {
    const user = await db.createUser();
    expect(await remove(await db.createUser(), 'profiles', user)).toEqual([]);
  });
});

test('deleting an account deletes what its user has inserted, cancelled, tried again and batched', async () => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
  await db.as('authenticated', user, async (sql) => {
    await sql`insert into public.image_generations (user_id, prompt, model) values (${user}, 'x', ${MODEL})`;
    await sql`update public.image_generations set status = 'cancelled' where id = ${generation_id}`;
  });
  await db.sql`delete from auth.users where id = ${user}`;
  for (const table of ['image_generations', 'images', 'batch_generations', 'profiles'])
    expect(
      await db.sql`select from ${db.sql(`public.${table}`)} where ${table === 'profiles' ? db.sql`id` : db.sql`user_id`} = ${user}`,
    ).toHaveLength(0);
  expect(await db.sql`select from private.usage where user_id = ${user}`).toHaveLength(0);
  expect([...(await jobs())]).toEqual([]);
});

describe('by the functions of the HTTP interface', () => {
  test('a generation goes like its row', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await record(await db.claimOne(), 'p1');
    expect(await db.callAs(user, 'delete_generation', { p_generation_id: generation_id })).toEqual({
      generation_id,
      deleted: true,
    });
    expect(await jobs()).toMatchObject([{ job_type: 'cancel-prediction', payload: { prediction_id: 'p1' } }]);
    expect(
      await refusal(db.callAs(user, 'delete_generation', { p_generation_id: generation_id })),
    ).toMatchObject({
      sqlstate: 'PT404',
      code: 'not_found',
    });
  });

  test('an image goes with its file, and nobody else’s', async () => {
    const user = await db.createUser();
    const { image, path } = await completed(user);
    const foreign = db.callAs(await db.createUser(), 'delete_image', { p_image_id: image });
    expect(await refusal(foreign)).toMatchObject({ sqlstate: 'PT404', code: 'not_found' });
    expect(await db.callAs(user, 'delete_image', { p_image_id: image })).toEqual({
      image_id: image,
      deleted: true,
    });
    expect(await deletable()).toEqual([path]);
  });
});

test('nobody who is not signed in deletes anything', async () => {
  for (const table of ['images', 'image_generations', 'batch_generations', 'profiles'])
    expect(
      (await refusal(db.as('anon', null, (sql) => sql`delete from ${sql(`public.${table}`)} where true`)))
        .sqlstate,
    ).toBe('42501');
});
