import { expect, test } from 'vitest';
import { allBlocks, Watcher } from './explain.ts';
import { JOB_TABLES } from './fill.ts';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job } from './support.ts';

// A report, a backup or a forgotten session keeps a snapshot open for hours. Vacuum may remove nothing that
// has ended since, and the front of every index that a claim reads fills with entries of jobs long gone.

const PASSING = 200_000;
const db = await Database.open();
const watcher = await Watcher.open(db);

const enqueue = (count: number, more = '') =>
  db.as('service_role', null, (sql) =>
    sql.unsafe(
      `select public.enqueue_jobs(jsonb_agg(jsonb_build_object('job_type', 'work'${more}))) from generate_series(1, $1::int)`,
      [count],
    ),
  );

/** Pages that a claim of 10 looks at, the least of five. */
async function costOfClaim(): Promise<number> {
  const each: number[] = [];
  for (let time = 0; time < 5; time++) {
    const tops = await watcher.plansOf('select id from public.claim_jobs(10, 3600)');
    expect(tops.length, 'the statements within are reported').toBeGreaterThan(2);
    each.push(allBlocks(tops));
  }
  return Math.min(...each);
}

/** Rows of jobs that have moved on, of all tables. */
async function deadRows(): Promise<number> {
  const [row] = await db.sql.unsafe<{ dead: number }[]>(
    `select sum(pg_stat_get_dead_tuples(name::regclass))::int as dead
     from unnest(string_to_array('${JOB_TABLES}', ', ')) as name`,
  );
  return row?.dead ?? 0;
}

/** One transaction for each step, as workers make them. */
async function passThrough(): Promise<void> {
  for (let passed = 0; passed < PASSING; passed += 1_000) {
    await enqueue(1_000);
    const [row] = await db.as(
      'service_role',
      null,
      (sql) => sql<{ ids: string[]; leases: string[] }[]>`
        select array_agg(id) as ids, array_agg(lease) as leases from public.claim_jobs(1000, 3600)`,
    );
    expect(row?.ids.length).toBe(1_000);
    await db.as(
      'service_role',
      null,
      (sql) => sql`select public.complete_jobs(${row?.ids ?? []}::uuid[], ${row?.leases ?? []}::bigint[])`,
    );
  }
}

test('claims stay cheap while an old snapshot keeps vacuum from its work, and find what is set back', async () => {
  await enqueue(20);
  const [awaited, lost] = (await db.claim(2, { seconds: 3600 })) as [Job, Job];
  const later = await db.service<string>('enqueue_job', {
    p_job_type: 'work',
    p_payload: {},
    p_scheduled_at: new Date(Date.now() + 3_600_000),
  });
  await enqueue(1_000);
  await costOfClaim(); // plans are made
  const before = await costOfClaim();
  await db.sql`update public.job_queue set status = 'completed', completed_at = now()
    where id not in (${awaited.id}, ${lost.id}, ${later})`;

  let report = () => {};
  const reading = new Promise<void>((resolve) => {
    report = resolve;
  });
  let opened = () => {};
  const open = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const snapshot = db.sql.begin('isolation level repeatable read', async (sql) => {
    await sql`select count(*) from public.job_queue`;
    opened();
    await reading;
  });
  try {
    await open;
    const began = Date.now();
    await passThrough();
    const seconds = (Date.now() - began) / 1000;
    console.info(`${PASSING} jobs passed in ${seconds.toFixed(0)} s`);

    for (let dead = 0; dead < PASSING; ) {
      dead = await deadRows();
    }
    await db.sql.unsafe(`vacuum ${JOB_TABLES}`);
    expect(await deadRows(), 'vacuum could remove nothing').toBeGreaterThanOrEqual(PASSING);
    await enqueue(1_000);
    // Older than a second, so that the marks may rise up to them.
    for (let old = false; !old; ) {
      const [row] = await db.sql<
        { old: boolean }[]
      >`select min(ready_at) < clock_timestamp() - interval '1 second' as old
        from public.job_queue where status = 'pending' and ready_at is not null`;
      old = row?.old ?? false;
    }
    // A mark is the head of the time before: the second claim brings it past what went by in the last second, which is
    // much on a fast machine.
    for (let time = 0; time < 2; time++) {
      for (let old = false; !old; ) {
        const [row] = await db.sql<{ old: boolean }[]>`
          select raised_at < clock_timestamp() - interval '1 second' as old from private.low_water`;
        old = row?.old ?? false;
      }
      expect(await db.claim(1), 'the claim that raises the marks').toHaveLength(1);
    }
    const after = await costOfClaim();
    const unmarked = allBlocks(await watcher.plansOf('select private.pick_ready(10, null, false)'));
    console.info('pages read by a claim of 10 before and after; without marks:', before, after, unmarked);
    expect(unmarked, 'there is something to step over').toBeGreaterThan(before * 2 + 500);
    expect(after).toBeLessThanOrEqual(before * 2 + 500);

    await db.sql`update public.job_queue set lease_expires_at = now() - interval '1 second' where id = ${lost.id}`;
    await db.sql`update public.job_queue set status = 'pending' where id = ${awaited.id}`;
    await db.sql`update public.job_queue set scheduled_at = now() - interval '1 minute' where id = ${later}`;
    const found = await db.claim(1000);
    expect(found.map((job) => job.id)).toEqual(expect.arrayContaining([lost.id, awaited.id, later]));
    await expectSlotsRight(db);
  } finally {
    report();
    await snapshot;
  }
}, 400_000);
