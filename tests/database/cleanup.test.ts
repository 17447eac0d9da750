import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { pagesOf } from './explain.ts';
import { Database, type Job, SUCCEEDED } from './support.ts';

const db = await Database.open();
const BUCKET = 'generated-images';

beforeEach(async () => {
  await db.clear();
  await db.deleteObjects((sql) => sql`true`);
  await db.sql`delete from private.removed_objects`;
  // As if the project had been installed two days ago, and the bucket not been looked through since.
  await db.sql`update private.storage_scan
    set objects_since = now() - interval '2 days', began_at = '-infinity', after_name = null`;
});

/** A stored file, last uploaded so many hours ago. */
async function store(name: string, hours = 0): Promise<string> {
  await db.sql`insert into storage.objects (bucket_id, name, created_at, updated_at)
    values (${BUCKET}, ${name}, now() - ${hours} * interval '1 hour', now() - ${hours} * interval '1 hour')
    on conflict (bucket_id, name) do update set created_at = excluded.created_at, updated_at = excluded.updated_at`;
  return name;
}

/** A generation whose image is being stored. */
async function downloading() {
  const user = await db.createUser();
  const { generation_id, job_id } = await db.start(user);
  await db.claimOne();
  const { job } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job_id,
    p_prediction_id: 'p1',
    p_outcome: SUCCEEDED,
  });
  const name = `${user}/${generation_id}.webp`;
  const finish = async () => {
    const image = { storage_path: name, public_url: `https://x.example/${name}`, format: 'webp' };
    await store(name);
    const args = { p_job_id: job.id, p_lease: job.lease, p_image: image };
    return db.service<{ outcome: string }>('finish_download', args);
  };
  return { user, generation_id, job, name, finish };
}

const cleanups = () =>
  db.sql<Job[]>`select * from public.job_queue where job_type = 'cleanup-storage' order by seq`;

/** What the one cleanup job, once due, may remove; it is left running. */
async function removable(): Promise<{ outcome: string; names?: string[] }> {
  await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'
    where job_type = 'cleanup-storage' and status = 'pending'`;
  const [job, second] = await db.claim(2, { types: ['cleanup-storage'] });
  if (!job || second) throw new Error('there should be exactly one cleanup job');
  return db.service('removable_objects', { p_job_id: job.id, p_lease: job.lease });
}

const sweep = () => db.service<{ removed: number; orphans: number; looked_at: number }>('sweep_storage');

describe('a generation that fails while its image is being stored', () => {
  const minutes = 60_000;

  test('leaves what was stored to the cron, once an upload under way must have ended', async () => {
    const { job, name, finish } = await downloading();
    await store(name); // by an attempt whose answer was lost
    const args = { p_job_id: job.id, p_lease: job.lease, p_error_message: 'no answer' };
    await db.service('fail_job', args);
    expect(await finish(), 'nobody completes it any more').toEqual({ outcome: 'stale' });
    const [due] = await db.sql`select min(due_at) as due_at from private.removed_objects`;
    const lease = (job.lease_expires_at ?? '') as unknown as string;
    expect(due?.due_at.getTime()).toBeGreaterThan(Date.parse(lease) + 5 * minutes);
    expect(await sweep()).toMatchObject({ removed: 0 });
    await db.sql`update private.removed_objects set due_at = now()`;
    await sweep();
    expect(await removable()).toEqual({ outcome: 'removable', bucket: BUCKET, names: [name] });
  });

  test('and is brought back: the file stays', async () => {
    const { job, name } = await downloading();
    await store(name);
    const args = { p_job_id: job.id, p_lease: job.lease, p_error_message: 'no answer' };
    await db.service('fail_job', args);
    await db.service('requeue_job', { p_job_id: job.id });
    await db.sql`update private.removed_objects set due_at = now()`;
    await sweep();
    expect(await removable()).toMatchObject({ names: [] });
  });

  test('before that there is nothing to remove', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    expect([...(await db.sql`select name from private.removed_objects`)]).toEqual([]);
    expect(await cleanups()).toHaveLength(0);
  });
});

describe('removable_objects', () => {
  const enqueue = (payload: unknown) =>
    db.service<string>('enqueue_job', { p_job_type: 'cleanup-storage', p_payload: payload });

  test('gives neither what an image has, nor what a download is about to bring, nor what is not there', async () => {
    const stored = await downloading();
    await stored.finish();
    const coming = await downloading();
    await store(coming.name);
    const orphan = await store(`${randomUUID()}/${randomUUID()}.png`);
    await enqueue({ names: [stored.name, coming.name, orphan, 'no/such.png'] });
    expect(await removable()).toEqual({ outcome: 'removable', bucket: BUCKET, names: [orphan] });
  });

  test('answers a lost lease', async () => {
    const id = await enqueue({ names: [] });
    await db.claim(1, { types: ['cleanup-storage'] });
    const answer = await db.service('removable_objects', { p_job_id: id, p_lease: '7' });
    expect(answer).toEqual({ outcome: 'stale' });
  });

  test.each([{}, { names: 'all' }, { names: Array.from({ length: 101 }, (_, n) => `${n}.png`) }])(
    'refuses a payload that is not its own (%#)',
    async (payload) => {
      await enqueue(payload);
      expect(await removable()).toEqual({ outcome: 'invalid' });
    },
  );
});

describe('rows that are deleted', () => {
  test.each([
    ['an image', 'delete from public.images where generation_id = $1'],
    ['a generation', 'delete from public.image_generations where id = $1'],
    [
      'a user',
      'delete from auth.users where id = (select user_id from public.image_generations where id = $1)',
    ],
  ])('%s: its file goes', async (_, statement) => {
    const { generation_id, name, finish } = await downloading();
    await finish();
    await db.sql.unsafe(statement, [generation_id]);
    expect(await sweep()).toMatchObject({ removed: 1 });
    expect(await removable()).toEqual({ outcome: 'removable', bucket: BUCKET, names: [name] });
    expect(await sweep(), 'once').toMatchObject({ removed: 0 });
  });

  test('an image that names another file: the one before goes', async () => {
    const { generation_id, name, finish } = await downloading();
    await finish();
    await db.sql`update public.images set storage_path = 'u/other.webp' where generation_id = ${generation_id}`;
    await sweep();
    expect(await removable()).toEqual({ outcome: 'removable', bucket: BUCKET, names: [name] });
  });

  test('a generation whose image is being stored: it is looked for when the upload has ended', async () => {
    const { generation_id, name } = await downloading();
    await db.sql`delete from public.image_generations where id = ${generation_id}`;
    await store(name);
    expect(await sweep()).toMatchObject({ removed: 0 });
    await db.sql`update private.removed_objects set due_at = due_at - interval '10 minutes'`;
    await sweep();
    expect(await removable()).toEqual({ outcome: 'removable', bucket: BUCKET, names: [name] });
  });

  test('what is rolled back removes nothing', async () => {
    const { finish } = await downloading();
    await finish();
    const gone = db.sql.begin(async (sql) => {
      await sql`delete from public.images`;
      throw new Error('not this time');
    });
    await expect(gone).rejects.toThrow('not this time');
    expect(await sweep()).toMatchObject({ removed: 0 });
  });

  test('a user with 10,000 images: a hundred jobs of a hundred names, a thousand names a run', async () => {
    const user = await db.createUser();
    await db.sql`insert into public.image_generations (id, user_id, prompt, status)
      select gen_random_uuid(), ${user}, 'x', 'completed' from generate_series(1, 10000)`;
    await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
      select id, user_id, user_id || '/' || id || '.webp', 'https://x.example' from public.image_generations`;
    await db.sql`delete from auth.users where id = ${user}`;
    expect(await cleanups(), 'nothing is enqueued by the deletion itself').toHaveLength(0);
    for (let run = 1; run <= 10; run++) {
      expect(await sweep()).toMatchObject({ removed: 1000 });
      expect(await cleanups()).toHaveLength(run * 10);
    }
    expect(await sweep()).toMatchObject({ removed: 0 });
    const sizes = (await cleanups()).map(({ payload }) => (payload.names as string[]).length);
    expect(new Set(sizes)).toEqual(new Set([100]));
  }, 60_000);
});

describe('the look through the bucket', () => {
  const orphan = (hours: number) => store(`${randomUUID()}/${randomUUID()}.png`, hours);

  test('finds what is older than a day and has no row, and nothing else', async () => {
    const found = await orphan(25);
    const stored = await downloading();
    await stored.finish();
    await store(stored.name, 25);
    const coming = await downloading();
    await store(coming.name, 25);
    await orphan(23);
    await orphan(49); // from before the installation
    await store('logo.png', 25);
    await store(`${randomUUID()}/avatar.png`, 25);
    expect(await sweep()).toMatchObject({ orphans: 1, looked_at: 7 });
    expect(await removable()).toEqual({ outcome: 'removable', bucket: BUCKET, names: [found] });
  });

  test('a file that was uploaded again is as old as that', async () => {
    const name = await orphan(25);
    await db.sql`update storage.objects set updated_at = now() where name = ${name}`;
    expect(await sweep()).toMatchObject({ orphans: 0, looked_at: 1 });
  });

  test('goes on where it stopped, and begins anew after a day', async () => {
    const names: string[] = [];
    for (let n = 0; n < 25; n++) names.push(await orphan(25));
    const runs: unknown[] = [];
    for (let run = 0; run < 4; run++) runs.push(await db.service('sweep_storage', { p_limit: 10 }));
    expect(runs).toMatchObject([
      { looked_at: 10, orphans: 10 },
      { looked_at: 10, orphans: 10 },
      { looked_at: 5, orphans: 5 },
      { looked_at: 0, orphans: 0 },
    ]);
    const seen = (await cleanups()).flatMap(({ payload }) => payload.names as string[]);
    expect(seen.sort()).toEqual(names.sort());
    await db.sql`update private.storage_scan set began_at = began_at - interval '25 hours'`;
    expect(await db.service('sweep_storage', { p_limit: 10 })).toMatchObject({ looked_at: 10 });
  });

  test('costs the same in a large bucket', async () => {
    const fill = (count: number) =>
      db.sql`insert into storage.objects (bucket_id, name, created_at, updated_at)
        select ${BUCKET}, gen_random_uuid() || '/' || gen_random_uuid() || '.png',
          now() - interval '1 hour', now() - interval '1 hour'
        from generate_series(1, ${count})`;
    const cost = async () => {
      await db.sql`update private.storage_scan set began_at = now(), after_name = '5'`;
      return pagesOf(db, 'service_role', 'select public.sweep_storage(100)');
    };
    await fill(1_000);
    await cost(); // once for the catalogue
    const small = await cost();
    await fill(100_000);
    const large = await cost();
    console.info('pages looked at for 100 objects of 1,000 and of 101,000:', small, large);
    expect(large).toBeLessThan(small + 150);
  }, 60_000);
});
