import { beforeEach, describe, expect, test } from 'vitest';
import { pagesOf } from './explain.ts';
import { fillLater, JOB_TABLES } from './fill.ts';
import { Database, type Job, refusal } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

const ask = <T>(view: string, user?: string) =>
  db.as(user ? 'authenticated' : 'service_role', user ?? null, async (sql) => [
    ...(await sql.unsafe<(T & object)[]>(`select * from public.${view}`)),
  ]);

/** Finished jobs of a type that waited and ran for that many seconds, in that order. */
async function finished(type: string, seconds: [number, number][], status = 'completed', ago = '1 minute') {
  for (const [wait, run] of seconds)
    await db.sql`insert into public.job_queue (job_type, status, completed_at, started_at, scheduled_at)
      select ${type}, ${status}, at, at - ${run} * interval '1 second', at - ${run + wait} * interval '1 second'
      from (select now() - ${ago}::interval as at) as ended`;
}

/** As percentile_cont defines it: between the two nearest of the sorted values. */
function percentile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = part * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  return below + (place - Math.floor(place)) * ((sorted[Math.ceil(place)] as number) - below);
}

describe('queue_latency', () => {
  test('gives the percentiles of waiting and running, by type', async () => {
    const seconds = Array.from({ length: 40 }, (_, n): [number, number] => [(n * 37) % 101, (n * 53) % 29]);
    await finished('a', seconds.slice(0, 30));
    await finished('a', seconds.slice(30), 'failed');
    await finished('b', [[7, 3]]);
    // Not among them: ended earlier, cancelled, never started, or still running.
    await finished('a', [[999, 999]], 'completed', '61 minutes');
    await finished('a', [[999, 999]], 'cancelled');
    await db.sql`insert into public.job_queue (job_type, status, completed_at, scheduled_at)
      values ('a', 'completed', now(), now() - interval '999 seconds')`;
    await db.sql`insert into public.job_queue (job_type, scheduled_at) values ('a', now() - interval '999 seconds')`;
    await db.claim(1);

    const [a, b, ...others] = await ask<Record<string, unknown>>('queue_latency order by job_type');
    expect(others).toEqual([]);
    expect(a).toMatchObject({ job_type: 'a', jobs: '40' });
    for (const [place, name] of ['wait', 'run'].entries())
      for (const part of [50, 95, 99])
        expect(a?.[`${name}_p${part}_seconds`], `${name} ${part}`).toBeCloseTo(
          percentile(
            seconds.map((pair) => pair[place] as number),
            part / 100,
          ),
          3,
        );
    expect(b).toMatchObject({
      job_type: 'b',
      jobs: '1',
      wait_p50_seconds: 7,
      wait_p99_seconds: 7,
      run_p95_seconds: 3,
    });
  });

  test('counts a wait from when the job was due, and none below 0', async () => {
    await finished('early', [[-5, 2]]);
    expect(await ask('queue_latency')).toMatchObject([
      { job_type: 'early', wait_p50_seconds: 0, run_p50_seconds: 2 },
    ]);
  });
});

describe('tenant_usage', () => {
  test('shows what each user has used, of what, and what runs and waits', async () => {
    const busy = await db.createUser({
      requests_per_minute: 10,
      images_per_day: 20,
      running_jobs: 3,
      money_per_day: 0.5,
    });
    const quiet = await db.createUser();
    await db.createUser(); // has used nothing: is not shown
    await db.start(quiet);
    await db.start(busy, { items: Array(6).fill({ prompt: 'x' }) });
    await db.start(busy, { scheduled_at: new Date(Date.now() + 3_600_000) });
    await db.claim(3);
    expect(await ask('tenant_usage')).toEqual([
      {
        user_id: busy,
        plan: busy,
        requests_this_minute: 2,
        requests_per_minute: 10,
        images_today: 7,
        images_per_day: 20,
        // The one for later costs nothing before it is due.
        cost_today: '0.018',
        money_per_day: '0.5',
        running_or_ready: 3,
        running_jobs: 3,
        blocked: 3,
      },
      {
        user_id: quiet,
        plan: 'default',
        requests_this_minute: 1,
        requests_per_minute: 60,
        images_today: 1,
        images_per_day: 500,
        cost_today: '0.003',
        money_per_day: null,
        running_or_ready: 1,
        running_jobs: 5,
        blocked: 0,
      },
    ]);
  });

  test('forgets the minute and the day when they are over', async () => {
    const user = await db.createUser();
    await db.start(user);
    await db.sql`update private.usage set day = day - 1, minute_started_at = minute_started_at - interval '1 minute'`;
    expect(await ask('tenant_usage')).toMatchObject([
      { user_id: user, requests_this_minute: 0, images_today: 0, cost_today: '0', running_or_ready: 1 },
    ]);
  });
});

describe('a signed-in user', () => {
  test.each(['queue_latency', 'tenant_usage'])('does not read %s', async (view) => {
    const user = await db.createUser();
    await db.start(user);
    expect((await refusal(ask(view, user))).sqlstate).toBe('42501');
  });

  test('sees in queue_health their own jobs, nothing of others, and no totals', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    await db.start(user, { items: Array(3).fill({ prompt: 'x' }) });
    await db.start(other, { items: Array(4).fill({ prompt: 'x' }) });
    await db.sql`insert into public.job_queue (job_type, status, completed_at) values ('secret', 'failed', now())`;
    await db.complete((await db.claim(1)) as Job[]);
    await db.service('record_sweep', { p_stats: {} });
    expect(await ask('queue_health order by status', user)).toMatchObject([
      { job_type: 'generate-image', status: 'completed', count: '1' },
      { job_type: 'generate-image', status: 'pending', count: '2' },
    ]);
    expect(await ask('queue_health', await db.createUser())).toEqual([]);
    const totals = await db.as('authenticated', user, (sql) => sql`select * from private.queue_totals()`);
    expect([...totals]).toEqual([]);
    expect((await ask('queue_health')).length, 'the service sees all').toBe(3);
  });
});

test('the views cost the same whatever waits and whatever has ended', async () => {
  const views = ['queue_health', 'failed_jobs_recent', 'stuck_jobs', 'queue_latency'];
  const fill = async (waiting: number, ended: number) => {
    await fillLater(db, waiting, { type: 'work' });
    await db.sql.unsafe(`
      insert into private.finished_jobs (
        id, seq, created_at, scheduled_at, started_at, completed_at, lease, priority, attempts, max_attempts, job_type,
        payload, status
      )
      select gen_random_uuid(), 0, at, at, at, at, 1, 0, 0, 3, 'work', '{}', case when n % 3 = 0 then 'failed' else 'completed' end
      from generate_series(1, ${ended}) as n, lateral (select now() - interval '25 hours' - n * interval '0.1 second' as at) as t`);
  };
  const few = async () => {
    await db.sql`insert into public.job_queue (job_type, status, started_at, completed_at)
      select 'work', status, now() - interval '1 hour', case status when 'processing' then null else now() end
      from unnest('{processing,failed,completed}'::text[]) as status, generate_series(1, 3)`;
    await fill(1, 0);
  };
  const measure = async (): Promise<Record<string, number>> => {
    await db.service('record_sweep', { p_stats: {} });
    await db.sql.unsafe(`vacuum analyze ${JOB_TABLES}`);
    await db.sql`vacuum analyze private.job_deltas`;
    await db.sql`vacuum analyze private.job_counts`;
    const pages: Record<string, number> = {};
    for (const view of views) {
      expect((await ask(view)).length, `${view} shows something`).toBeGreaterThan(0);
      pages[view] = await pagesOf(db, 'service_role', `select * from public.${view}`);
    }
    return pages;
  };
  await few();
  const small = await measure();
  await fill(200_000, 300_000);
  const large = await measure();
  console.info('pages read of 10 rows and of 500,010:', small, large);
  for (const view of views)
    expect(large[view], `pages read by ${view}`).toBeLessThanOrEqual((small[view] as number) * 1.5 + 60);
}, 120_000);
