import postgres from 'postgres';
import { expect, test } from 'vitest';
import { Database } from './support.ts';
import { jobs, ofUser, Worker } from './worker.ts';

// Under an old snapshot claims begin at marks, below which nothing waits. Whatever the marks follow, a job must not
// be enqueued below one.

const db = await Database.open();
const worker = await Worker.open(db);

/** Waits until the statistics know of so many dead rows. */
async function dead(rows: number): Promise<void> {
  for (let known = 0; known < rows; ) {
    const [row] = await db.sql<{ dead: number }[]>`
      select sum(n_dead_tup)::int as dead from pg_stat_user_tables where schemaname in ('public', 'private')`;
    known = row?.dead ?? 0;
  }
}

/** Marks are raised once a second. */
async function claimASecondLater(limit: number): Promise<void> {
  await worker.until(new Date(Date.now() + 1_100));
  await worker.claim(limit);
}

test('a job is found though those before it were ahead of the clock', async () => {
  const user = await db.createUser({ running_jobs: null });
  const holder = postgres(db.superuserUrl, { max: 1 });
  try {
    await holder.unsafe('begin isolation level repeatable read; select count(*) from public.job_queue');
    for (let passed = 0; passed < 12_000; passed += 1_000) {
      await worker.enqueue(jobs(1_000));
      await worker.drain();
    }
    await dead(24_000);
    // One user's jobs have their turns ten seconds apart: an hour from now on.
    await worker.enqueue(jobs(360, () => ofUser(user)));
    for (let time = 0; time < 4; time++) await claimASecondLater(60);
    await worker.drain();
    await worker.enqueue(jobs(10));
    expect(await worker.claim(10)).toHaveLength(10);
    await worker.enqueue(jobs(10));
    await claimASecondLater(0);
    expect(await worker.claim(10)).toHaveLength(10);
  } finally {
    await holder.end();
  }
}, 120_000);
