import { beforeEach, expect, test } from 'vitest';
import { Database } from './support.ts';

// Where there are many ready queues a claim does not look at each: it looks at the order across them. What it hands out,
// and in which order, is the same.

const db = await Database.open();
const QUEUES = 40;

beforeEach(async () => {
  await db.clear();
  await db.sql`
    insert into private.ready_queues (job_type, priority)
    select 'idle-' || n, n from generate_series(1, ${QUEUES}) as n on conflict do nothing`;
});

const enqueue = (job_type: string, priority = 0, more: object = {}) =>
  db
    .service<string[]>('enqueue_jobs', { p_jobs: [{ job_type, priority, ...more }] })
    .then(([id]) => id as string);
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const claimed = async (limit: number, options: object = {}) =>
  (await db.claim(limit, options)).map((job) => job.id);

test('the higher priority first, within one priority the earlier, of whatever queue', async () => {
  const middle: string[] = [];
  for (let n = 0; n < QUEUES; n++) middle.push(await enqueue(`type-${n}`, 5));
  const image = await enqueue('generate-image', 10);
  const odd = await enqueue('generate-image', 7);
  const low = await enqueue('generate-image', -10);
  expect(await claimed(100)).toEqual([image, odd, ...middle, low]);
});

test('one job at a time comes in the same order, also for some types only', async () => {
  const ids = [
    await enqueue('a', 3),
    await enqueue('b', 4),
    await enqueue('c', 5),
    await enqueue('generate-image'),
  ];
  expect(await claimed(1, { types: ['b', 'a'] })).toEqual([ids[1]]);
  expect(await claimed(1)).toEqual([ids[2]]);
  expect(await claimed(1)).toEqual([ids[0]]);
  expect(await claimed(1)).toEqual([ids[3]]);
  expect(await claimed(1)).toEqual([]);
});

test('one type of many priorities', async () => {
  const ids = [];
  for (let n = 0; n < QUEUES; n++) ids.push(await enqueue('a', n));
  await enqueue('b', 100);
  expect(await claimed(100, { types: ['a'] })).toEqual(ids.toReversed());
});

test('what is too old goes first, whatever its priority, also when it comes in late', async () => {
  const young = await enqueue('young', 9);
  expect(await claimed(1)).toEqual([young]);
  const next = await enqueue('young', 9);
  const old = await enqueue('old', -9, { scheduled_at: ago(20) });
  const older = await enqueue('generate-image', -10, { scheduled_at: ago(30) });
  for (const id of [older, old, next]) expect(await claimed(1)).toEqual([id]);
});

test('40 parallel claims of one job each get 40 different jobs', async () => {
  for (let n = 0; n < 40; n++) await enqueue(`type-${n}`);
  const ids = await Promise.all(Array.from({ length: 40 }, () => claimed(1)));
  expect(new Set(ids.flat()).size).toBe(40);
});

test('a paused provider holds back the images only', async () => {
  await db.sql`update private.provider_pause set until = now() + interval '1 hour' where only_row`;
  await enqueue('generate-image', 10);
  await enqueue('generate-image', 7);
  const other = await enqueue('other');
  expect(await claimed(10)).toEqual([other]);
});

test('an expired job is not handed out', async () => {
  const ids = [await enqueue('a', 9, { expires_at: ago(1) }), await enqueue('b', 1)];
  expect(await claimed(10)).toEqual([ids[1]]);
});

test('a job is found from the moment that it is committed, in a queue that nobody has looked at', async () => {
  const first = await enqueue('first');
  let commit = () => {};
  let inserted = () => {};
  const ready = new Promise<void>((done) => {
    inserted = done;
  });
  const open = new Promise<void>((done) => {
    commit = done;
  });
  const late = db.as('service_role', null, async (sql) => {
    await sql`select public.enqueue_job('late', '{}', 9)`;
    inserted();
    await open;
  });
  await ready;
  expect(await claimed(10)).toEqual([first]);
  await db.service('record_sweep', { p_stats: {} });
  const second = await enqueue('second');
  commit();
  await late;
  const found = await db.claim(2);
  expect(found.map((job) => job.job_type)).toEqual(['late', 'second']);
  expect(found[1]?.id).toBe(second);
});

test('so is one that came past the functions', async () => {
  await db.sql`insert into private.ready_jobs
      (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type, payload, virtual_time, slot)
    values (gen_random_uuid(), 1, now(), now(), 0, 3, 0, 3, 'restored', '{}', private.time_at(now()), false)`;
  expect((await db.claim(1)).map((job) => job.job_type)).toEqual(['restored']);
});
