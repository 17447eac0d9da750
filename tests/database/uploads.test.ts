import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { pagesOf } from './explain.ts';
import { Database, MODEL, refusal } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

/** An upload as Storage notes it once its policies have let it in. */
async function uploaded(user: string, hours = 0, id = randomUUID(), extension = 'png') {
  const name = `${user}/${id}.${extension}`;
  await db.sql`insert into storage.objects (bucket_id, name, created_at)
    values ('source-images', ${name}, now() - ${hours} * interval '1 hour')`;
  return { id, name };
}

describe('an upload as the source', () => {
  test('the payload names its file in its bucket, and the generation the upload', async () => {
    const user = await db.createUser();
    for (const extension of ['png', 'jpg', 'webp']) {
      const { id, name } = await uploaded(user, 0, randomUUID(), extension);
      const { job_id, generation_id } = await db.start(user, { source_id: id.toUpperCase(), strength: 0.5 });
      const { payload } = await db.job(job_id);
      expect(payload).toMatchObject({ source_id: id, source_bucket: 'source-images', source_path: name });
      expect(JSON.stringify(payload)).not.toContain('http');
      expect(await db.generation(generation_id)).toMatchObject({ source_id: id, source_image_url: null });
    }
  });

  test('over enqueue_job too, and with a forged file all the same', async () => {
    const user = await db.createUser();
    const { id, name } = await uploaded(user);
    const forged = { source_bucket: 'generated-images', source_path: `${randomUUID()}/a.webp` };
    const jobId = await db.callAs<string>(user, 'enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { prompt: 'a', model_id: MODEL, source_id: id, ...forged },
    });
    expect((await db.job(jobId)).payload).toMatchObject({
      source_bucket: 'source-images',
      source_path: name,
    });
  });

  test('another user’s, an unknown and an expired one are told apart from nothing', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const [theirs, old] = [await uploaded(other), await uploaded(user, 24.001)];
    for (const id of [theirs.id, old.id, randomUUID()]) {
      expect(await refusal(db.start(user, { source_id: id })), id).toMatchObject({
        sqlstate: 'PT404',
        code: 'not_found',
        message: 'There is no such source image. Uploads are deleted after 24 hours.',
      });
    }
    expect((await db.start(user, { source_id: (await uploaded(user, 23.99)).id })).status).toBe('queued');
  });

  test('a file of this name in the other bucket is none', async () => {
    const user = await db.createUser();
    const id = randomUUID();
    await db.sql`insert into storage.objects (bucket_id, name)
      values ('generated-images', ${`${user}/${id}.png`})`;
    expect(await refusal(db.start(user, { source_id: id }))).toMatchObject({ code: 'not_found' });
  });

  test('only one source, of whatever kind', async () => {
    const user = await db.createUser();
    const { id } = await uploaded(user);
    const { generation_id } = await db.start(user);
    for (const other of [
      { source_image_url: 'https://example.com/a.png' },
      { source_generation_id: generation_id },
    ]) {
      const both = db.start(user, { source_id: id, ...other });
      expect(await refusal(both)).toMatchObject({ sqlstate: 'PT422', code: 'invalid_request' });
    }
  });

  test('is found by its name, however many there are', async () => {
    const user = await db.createUser();
    const find = () =>
      pagesOf(db, 'service_role', `select private.uploaded_source('${user}', '${randomUUID()}')`);
    const fill = (count: number) => db.sql`insert into storage.objects (bucket_id, name)
      select 'source-images', gen_random_uuid() || '/' || gen_random_uuid() || '.png'
      from generate_series(1, ${count})`;
    await db.sql`grant execute on function
      private.uploaded_source, private.is_excess_source, private.as_uuid to service_role`;
    await fill(1_000);
    await find(); // once for the catalogue
    const small = await find();
    await fill(30_000);
    expect(await find()).toBeLessThan(small + 30);
  }, 60_000);
});

describe('who may upload', () => {
  /** What Storage asks the policies before the body comes. */
  const put = (
    user: string | null,
    bucket: string,
    name: string,
    metadata: object = { contentLength: 100 },
  ) =>
    db.as(user ? 'authenticated' : 'anon', user, async (sql) => {
      await sql`insert into storage.objects (bucket_id, name, metadata)
        values (${bucket}, ${name}, ${JSON.stringify(metadata)}::text::jsonb)`;
    });
  const id = () => randomUUID();

  test('a user into their own folder, under a name of our form', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    for (const extension of ['png', 'jpg', 'webp'])
      await put(user, 'source-images', `${user}/${id()}.${extension}`);
    for (const name of [
      `${other}/${id()}.png`,
      `${user}/${id()}.svg`,
      `${user}/${id()}.png.html`,
      `${user}/a.png`,
      `${user}/${id()}/${id()}.png`,
      `${user}/../${other}/${id()}.png`,
      `x${user}/${id()}.png`,
      `${id()}.png`,
    ])
      expect((await refusal(put(user, 'source-images', name))).sqlstate, name).toBe('42501');
    const elsewhere = put(user, 'generated-images', `${user}/${id()}.png`);
    expect((await refusal(elsewhere)).sqlstate).toBe('42501');
    expect((await refusal(put(null, 'source-images', `${user}/${id()}.png`))).sqlstate).toBe('42501');
  });

  test('nobody whose account is suspended or gone', async () => {
    const user = await db.createUser();
    await db.sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${user}`;
    for (const who of [user, randomUUID()])
      expect((await refusal(put(who, 'source-images', `${who}/${id()}.png`))).sqlstate).toBe('42501');
  });

  test('a file of 1 byte to 10 MiB that says how long it is', async () => {
    const user = await db.createUser();
    const put_of = (metadata: object) => put(user, 'source-images', `${user}/${id()}.png`, metadata);
    for (const contentLength of [1, 10 * 1024 * 1024 + 2048]) await put_of({ contentLength });
    for (const metadata of [{}, { contentLength: null }, { contentLength: 0 }, { contentLength: 10487809 }])
      expect((await refusal(put_of(metadata))).sqlstate, JSON.stringify(metadata)).toBe('42501');
  });

  test('as many at a time as the plan says', async () => {
    const [user, other] = [await db.createUser({}), await db.createUser()];
    await db.sql`update private.plans set stored_sources = 2 where name = ${user}`;
    const one = () => put(user, 'source-images', `${user}/${id()}.png`);
    await one();
    await one();
    expect((await refusal(one())).sqlstate).toBe('42501');
    await put(other, 'source-images', `${other}/${id()}.png`);
    await db.deleteObjects(
      (sql) => sql`name in (select name from storage.objects where name like ${`${user}/%`} limit 1)`,
    );
    await one();
  });

  test('sees their own and changes, moves or deletes nothing', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const [own, theirs] = [await uploaded(user), await uploaded(other)];
    const rows = await db.as(
      'authenticated',
      user,
      (sql) => sql`select name from storage.objects where bucket_id = 'source-images'`,
    );
    expect([...rows]).toEqual([{ name: own.name }]);
    for (const statement of [
      "update storage.objects set metadata = '{}' where true returning id",
      'delete from storage.objects where true returning id',
    ]) {
      const done = await db.as('authenticated', user, async (sql) => {
        await sql`set local storage.allow_delete_query = 'true'`; // as Storage does
        return sql.unsafe(statement);
      });
      expect(done.length, statement).toBe(0);
    }
    for (const { name } of [own, theirs]) {
      const upsert = db.as(
        'authenticated',
        user,
        (sql) => sql`insert into storage.objects (bucket_id, name) values ('source-images', ${name})
          on conflict (bucket_id, name) do update set metadata = '{}'`,
      );
      expect((await refusal(upsert)).sqlstate, name).toBe('42501');
    }
  });

  test('the bucket is private and takes images of up to 10 MiB', async () => {
    const [bucket] = await db.sql`select public, file_size_limit::int as size, allowed_mime_types as types
      from storage.buckets where id = 'source-images'`;
    expect(bucket).toEqual({
      public: false,
      size: 10 * 1024 * 1024,
      types: ['image/png', 'image/jpeg', 'image/webp'],
    });
  });
});

describe('more than the plan has room for, stored at once', () => {
  const usable = async (user: string, ids: string[]) => {
    const found: string[] = [];
    for (const one of ids) {
      const [row] = await db.sql`select private.uploaded_source(${user}, ${one}) as name`;
      if (row?.name) found.push(one);
    }
    return found;
  };

  test('the oldest are used, no other one is, and a sweep has the rest deleted', async () => {
    await db.deleteObjects((sql) => sql`true`);
    await db.sql`update private.storage_scan set after_source = '', source_jobs = '{}' where only_row`;
    const [user, other] = [await db.createUser({}), await db.createUser()];
    await db.sql`update private.plans set stored_sources = 5 where name = ${user}`;
    // As Storage writes them, each judged before any of the others was there.
    const burst = await Promise.all(Array.from({ length: 20 }, () => uploaded(user)));
    const theirs = await uploaded(other);
    const ids = burst.map(({ id }) => id);
    const kept = await usable(user, ids);
    expect(kept).toHaveLength(5);
    expect(await usable(other, [theirs.id])).toEqual([theirs.id]);
    const rest = burst.filter(({ id }) => !kept.includes(id));
    for (const { id } of rest.slice(0, 3))
      expect(await refusal(db.start(user, { source_id: id }))).toMatchObject({ code: 'not_found' });
    await db.start(user, { source_id: kept[0] });

    const { spent_sources } = await db.service<{ spent_sources: number }>('sweep_storage', { p_limit: 1000 });
    expect(spent_sources).toBe(15);
    const [job] = await db.claim(1, { types: ['cleanup-storage'] });
    const { names } = await db.service<{ names: string[] }>('removable_objects', {
      p_job_id: job?.id,
      p_lease: job?.lease,
    });
    expect(names.sort()).toEqual(rest.map(({ name }) => name).sort());
  });

  test('a plan that is lowered takes no file from under a generation', async () => {
    const user = await db.createUser({});
    const [first, second] = [await uploaded(user, 2), await uploaded(user, 1)];
    await db.start(user, { source_id: second.id });
    await db.sql`update private.plans set stored_sources = 1 where name = ${user}`;
    expect(await usable(user, [first.id, second.id])).toEqual([first.id]);
    const [row] = await db.sql`select private.is_spent_source(name, created_at, metadata) as spent
      from storage.objects where name = ${second.name}`;
    expect(row?.spent).toBe(false);
  });

  test('a file that came in larger than the bucket takes is not used', async () => {
    const user = await db.createUser();
    const { id, name } = await uploaded(user);
    await db.sql`update storage.objects set metadata = '{"size": 10485761}' where name = ${name}`;
    expect(await usable(user, [id])).toEqual([]);
    await db.sql`update storage.objects set metadata = '{"size": 10485760}' where name = ${name}`;
    expect(await usable(user, [id])).toEqual([id]);
  });
});

describe('a day later', () => {
  beforeEach(async () => {
    await db.deleteObjects((sql) => sql`true`);
    await db.sql`update private.storage_scan set after_source = '', source_jobs = '{}'`;
  });
  const sweep = (limit = 1000) => db.service<{ spent_sources: number }>('sweep_storage', { p_limit: limit });
  const cleanups = () =>
    db.sql<{ id: string; payload: { bucket: string; names: string[] } }[]>`
      select id, payload from public.job_queue where job_type = 'cleanup-storage' order by seq`;
  /** What the claimed cleanups may remove. */
  async function removable(): Promise<string[]> {
    const jobs = await db.claim(100, { types: ['cleanup-storage'] });
    const answers = jobs.map((job) =>
      db.service<{ outcome: string; bucket: string; names: string[] }>('removable_objects', {
        p_job_id: job.id,
        p_lease: job.lease,
      }),
    );
    const removables = await Promise.all(answers);
    for (const one of removables)
      expect(one).toMatchObject({ outcome: 'removable', bucket: 'source-images' });
    return removables.flatMap(({ names }) => names).sort();
  }

  test('an upload goes, unless its day is not over or an open generation needs it', async () => {
    const user = await db.createUser();
    const at = async (hours: number) => {
      const { id, name } = await uploaded(user);
      const age = () =>
        db.sql`update storage.objects set created_at = now() - ${hours} * interval '1 hour' where name = ${name}`;
      return { id, name, age };
    };
    const [spent, young, needed, done] = [await at(24.1), await at(23.9), await at(25), await at(25)];
    const nextMonth = new Date(Date.now() + 30 * 86_400_000).toISOString();
    const open = await db.start(user, { source_id: needed.id, scheduled_at: nextMonth });
    const ended = await db.start(user, { source_id: done.id });
    await db.callAs(user, 'cancel_generation', { p_generation_id: ended.generation_id });
    for (const one of [spent, young, needed, done]) await one.age();

    expect(await sweep()).toMatchObject({ spent_sources: 2 });
    expect(await cleanups()).toMatchObject([{ payload: { bucket: 'source-images' } }]);
    expect(await removable()).toEqual([spent.name, done.name].sort());

    await db.callAs(user, 'cancel_generation', { p_generation_id: open.generation_id });
    await db.sql`delete from public.job_queue where job_type = 'cleanup-storage'`;
    await db.deleteObjects((sql) => sql`name in ${sql([spent.name, done.name])}`);
    expect(await sweep()).toMatchObject({ spent_sources: 1 });
    expect(await removable()).toEqual([needed.name]);
  });

  test('what an open generation has come to need meanwhile stays', async () => {
    const user = await db.createUser();
    const { id, name } = await uploaded(user, 23);
    const { generation_id } = await db.start(user, { source_id: id });
    await db.sql`update storage.objects set created_at = now() - interval '25 hours' where name = ${name}`;
    await db.service('enqueue_job', {
      p_job_type: 'cleanup-storage',
      p_payload: { names: [name], bucket: 'source-images' },
    });
    expect(await removable()).toEqual([]);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
  });

  test('a cleanup of another bucket is refused, and one of images touches no upload', async () => {
    const user = await db.createUser();
    const { name } = await uploaded(user, 25);
    const ask = async (payload: object) => {
      await db.service('enqueue_job', { p_job_type: 'cleanup-storage', p_payload: payload });
      const [job] = await db.claim(1, { types: ['cleanup-storage'] });
      return db.service('removable_objects', { p_job_id: job?.id, p_lease: job?.lease });
    };
    expect(await ask({ names: [name], bucket: 'backups' })).toEqual({ outcome: 'invalid' });
    expect(await ask({ names: [name] })).toEqual({
      outcome: 'removable',
      bucket: 'generated-images',
      names: [],
    });
  });

  test('while Storage does not delete, no job is made twice', async () => {
    const user = await db.createUser();
    for (let n = 0; n < 3; n += 1) await uploaded(user, 25);
    expect(await sweep()).toMatchObject({ spent_sources: 3 });
    expect(await sweep()).toMatchObject({ spent_sources: 0 });
    expect(await cleanups()).toHaveLength(1);
    await db.sql`update public.job_queue set status = 'failed', completed_at = now()`;
    expect(await sweep(), 'given up: found again').toMatchObject({ spent_sources: 3 });
  });

  test('goes on where it stopped, round after round', async () => {
    const user = await db.createUser();
    const all: string[] = [];
    for (let n = 0; n < 5; n += 1) all.push((await uploaded(user, 25)).name);
    const found: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      await sweep(2);
      found.push(...(await cleanups()).flatMap(({ payload }) => payload.names));
      await db.sql`delete from public.job_queue`;
    }
    expect(found.sort()).toEqual(all.sort());
    expect(await sweep(10), 'from the beginning').toMatchObject({ spent_sources: 5 });
  });
});
