import { expect, test } from 'vitest';
import { allBlocks, expectBounded, Watcher } from './explain.ts';
import { fillEnded, fillLater, fillLost, fillReady, forgetRunning, JOB_TABLES } from './fill.ts';
import { Database, type Started } from './support.ts';

const db = await Database.open();
const watcher = await Watcher.open(db);

// An hour, so that filling the table outlasts no lease.
const CLAIMS = [
  'select id from public.claim_jobs(10, 3600)',
  "select id from public.claim_jobs(10, 3600, '{generate-image}')",
];

/** Pages looked at to find 10 jobs, and by each kind of claim; the least of three. Each is found to be bounded. */
async function costs(): Promise<{ find: number; claims: number[] }> {
  const least = async (statement: string) => {
    const each: number[] = [];
    for (let time = 0; time < 3; time++) {
      const tops = await watcher.plansOf(statement);
      expectBounded(tops, 40);
      each.push(allBlocks(tops));
    }
    return Math.min(...each);
  };
  const find = await least('select private.pick_ready(10, null, false)');
  const claims: number[] = [];
  for (const claim of CLAIMS) claims.push(await least(claim));
  return { find, claims };
}

test('a claim costs the same over 1,000 waiting jobs and over 1,000,000, with as many that have ended', async () => {
  // This connection's plans are made on an empty table and kept.
  for (let i = 0; i < 12; i++) for (const claim of CLAIMS) await watcher.sql.unsafe(claim);

  await fillReady(db, 1_000);
  await fillReady(db, 1_000, { type: 'another-type', priority: 20 });
  await fillLater(db, 1_000, { priority: 50 });
  await fillEnded(db, 1_000);
  await db.sql.unsafe(`vacuum analyze ${JOB_TABLES}`);
  const small = await costs();

  await fillReady(db, 1_000_000);
  await fillReady(db, 50_000, { type: 'another-type', priority: 20 });
  await fillLater(db, 100_000, { priority: 50 });
  await fillEnded(db, 1_000_000);
  const stale = await costs();
  await db.sql.unsafe(`vacuum analyze ${JOB_TABLES}`);
  const fresh = await costs();
  console.info('pages over 1,000 jobs, over 2,150,000 with old statistics, with new:', small, stale, fresh);
  for (const large of [stale, fresh]) {
    expect(large.find, 'pages looked at to find 10 jobs').toBeLessThanOrEqual(small.find * 1.2 + 10);
    // Taller trees, by a level or two, in the indexes that 10 rows are written to; 5 for a split page.
    for (const [index, claim] of CLAIMS.entries())
      expect(large.claims[index], claim).toBeLessThanOrEqual((small.claims[index] as number) * 1.2 + 5);
  }
}, 300_000);

test.each([
  ['that await a prediction', "'p' || n"],
  ['that may be retried', 'null'],
])(
  'a claim over 100,000 lost jobs %s looks at no more than it needs',
  async (_, prediction) => {
    await forgetRunning(db);
    await fillLost(db, 100_000, prediction);
    await db.sql.unsafe(`analyze ${JOB_TABLES}`);
    for (const claim of CLAIMS) {
      const tops = await watcher.plansOf(claim);
      // run_maintenance takes up to 100 at a time.
      expectBounded(tops, 200);
      expect(allBlocks(tops), claim).toBeLessThan(2_000);
    }
    await forgetRunning(db);
  },
  180_000,
);

test('the steps of a generation look single rows up', async () => {
  const user = await db.createUser();
  await forgetRunning(db);
  await fillReady(db, 50_000);
  await watcher.sql.unsafe(`select set_config('request.jwt.claims', '{"sub": "${user}"}', false)`);
  const request = '{"prompt": "a lighthouse", "model_id": "test/painter", "priority": "high"}';
  // Priority 20 of the first test is older than this user's: nothing else may come between.
  await db.sql`delete from public.job_queue where job_type = 'another-type'`;
  const [started] = await watcher.sql.unsafe<[{ answer: Started }]>(
    `select public.start_generation('${request}') as answer`,
  );
  const { job_id, generation_id } = started.answer;
  const [job] = await watcher.sql.unsafe(
    "select id, lease from public.claim_jobs(1, 3600, '{generate-image}')",
  );
  expect(job?.id).toBe(job_id);

  expectBounded(await watcher.plansOf(`select public.record_prediction('${job_id}', 1, 'p1', 60)`), 2);
  expectBounded(await watcher.plansOf(`select public.record_progress('${job_id}', 'p1', 50)`), 2);
  const finished = await watcher.plansOf(
    `select public.finish_prediction('${job_id}', 'p1', '{"status": "succeeded", "output_url": "https://x.example/a"}')`,
  );
  expectBounded(finished, 2);
  const [download] = await db.sql`select id from public.job_queue where job_type = 'download-image'`;
  const image = '{"storage_path": "a", "public_url": "https://x.example/a", "format": "webp"}';
  expectBounded(await watcher.plansOf(`select public.finish_download('${download?.id}', 1, '${image}')`), 2);
  expect((await db.generation(generation_id)).status).toBe('completed');
}, 60_000);

test('a position in the queue is counted up to 1,000', async () => {
  const user = await db.createUser();
  await fillReady(db, 5_000);
  const { queue_position, generation_id } = await db.start(user, { priority: 'low' });
  expect(queue_position).toBe(1_000);
  const seen = await db.callAs(user, 'get_generation', { p_generation_id: generation_id });
  expect(seen).toMatchObject({ queue_position: 1_000 });
});
