import { beforeEach, expect, test } from 'vitest';
import { allBlocks, type Node } from './explain.ts';
import { Database, MODEL } from './support.ts';

// What a user has used of their plan (private.user_usage).

const db = await Database.open();
beforeEach(() => db.clear());

interface Usage {
  plan: Record<string, unknown>;
  requests: { used: number; left: number | null; resets_at: string | null };
  images: { used: number; left: number | null; resets_at: string };
  money: { used: number; left: number | null; resets_at: string };
  spent_usd: { today: number; this_month: number };
  jobs: Record<string, number>;
}

const usage = (user: string) => db.callAs<Usage>(user, 'user_usage');

const midnight = () => {
  const day = new Date();
  day.setUTCHours(24, 0, 0, 0);
  return day.getTime();
};

test('of who has done nothing is the plan, and nothing used', async () => {
  expect(await usage(await db.createUser())).toEqual({
    plan: {
      name: 'default',
      requests_per_minute: 60,
      images_per_day: 500,
      money_per_day: null,
      running_jobs: 5,
      priorities: ['low', 'normal', 'high'],
    },
    requests: { used: 0, left: 60, resets_at: null },
    images: { used: 0, left: 500, resets_at: expect.any(String) },
    money: { used: 0, left: null, resets_at: expect.any(String) },
    spent_usd: { today: 0, this_month: 0 },
    jobs: { running: 0, ready: 0, blocked: 0, scheduled: 0 },
  });
});

test('counts what is asked for, and jobs by where they stand', async () => {
  const user = await db.createUser({
    requests_per_minute: 3,
    images_per_day: 10,
    money_per_day: 0.02,
    running_jobs: 2,
  });
  await db.start(user, { items: Array(4).fill({ prompt: 'x' }) });
  await db.start(user, { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });
  await db.claim(1);
  const before = midnight();
  const told = await usage(user);
  expect(told.jobs).toEqual({ running: 1, ready: 1, blocked: 2, scheduled: 1 });
  expect(told.requests).toMatchObject({ used: 2, left: 1 });
  const wait = Date.parse(told.requests.resets_at ?? '') - Date.now();
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(60_000);
  expect(told.images).toMatchObject({ used: 5, left: 5 });
  expect([before, midnight()]).toContain(Date.parse(told.images.resets_at));
  expect(told.money.resets_at).toBe(told.images.resets_at);
  expect(told.money, 'what is for later reserves nothing').toMatchObject({ used: 0.012, left: 0.008 });
  expect(told.spent_usd).toEqual({ today: 0.012, this_month: 0.012 });
});

test('a limit that was lowered leaves nothing, and no less', async () => {
  const user = await db.createUser({ images_per_day: 5 });
  await db.start(user, { items: Array(3).fill({ prompt: 'x' }) });
  await db.sql`update private.plans set images_per_day = 2 where name = ${user}`;
  expect((await usage(user)).images).toMatchObject({ used: 3, left: 0 });
});

test('a day and a minute that are over count no more, the month does', async () => {
  const user = await db.createUser();
  await db.start(user);
  await db.sql`update private.usage set minute_started_at = now() - interval '61 seconds' where user_id = ${user}`;
  expect((await usage(user)).requests).toEqual({ used: 0, left: 60, resets_at: null });

  const first = (await db.sql`select extract(day from now() at time zone 'UTC') = 1 as is_first`)[0]
    ?.is_first;
  await db.sql`update private.usage set day = day - 1 where user_id = ${user}`;
  const told = await usage(user);
  expect([told.images.used, told.money.used]).toEqual([0, 0]);
  expect(told.spent_usd).toEqual({ today: 0, this_month: first ? 0 : 0.003 });
  await db.start(user);
  expect((await usage(user)).spent_usd).toEqual({ today: 0.003, this_month: first ? 0.003 : 0.006 });

  await db.sql`update private.usage set day = day - 40 where user_id = ${user}`;
  expect((await usage(user)).spent_usd).toEqual({ today: 0, this_month: 0 });
  await db.start(user);
  expect((await usage(user)).spent_usd).toEqual({ today: 0.003, this_month: 0.003 });
});

test('what did not cost what was reserved is put right in the month, too', async () => {
  const user = await db.createUser();
  const { generation_id } = await db.start(user, { prompt: 'a' });
  await db.start(user, { prompt: 'b' });
  await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
  expect((await usage(user)).spent_usd).toEqual({ today: 0.003, this_month: 0.003 });
  // One of yesterday that ends today.
  const other = await db.createUser();
  const late = await db.start(other);
  await db.sql`update public.image_generations set reserved_on = reserved_on - 1 where id = ${late.generation_id}`;
  await db.callAs(other, 'cancel_generation', { p_generation_id: late.generation_id });
  const first = (await db.sql`select extract(day from now() at time zone 'UTC') = 1 as is_first`)[0]
    ?.is_first;
  expect((await usage(other)).spent_usd).toEqual({ today: 0.003, this_month: first ? 0.003 : 0 });
});

test('is one’s own, and costs the same with many generations', async () => {
  const user = await db.createUser();
  await db.start(await db.createUser());
  const pages = async () => {
    const [row] = await db.as('authenticated', user, async (sql) => {
      for (let warm = 0; warm < 6; warm += 1) await sql`select public.user_usage()`;
      return sql.unsafe<{ 'QUERY PLAN': [{ Plan: Node }] }[]>(
        'explain (analyze, buffers, timing off, format json) select public.user_usage()',
      );
    });
    return allBlocks([row?.['QUERY PLAN'][0].Plan as Node]);
  };
  const before = await pages();
  await db.sql`
    insert into public.image_generations (user_id, prompt, model, status, completed_at, seq)
    select ${user}, 'x', ${MODEL}, 'completed', now(), 1 from generate_series(1, 20000)`;
  await db.sql`
    insert into private.scheduled_jobs (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type,
      payload, fair_key)
    select gen_random_uuid(), nextval('private.job_seq'), now(), now() + interval '1 day', 0, 0, 0, 3, 'generate-image', '{}',
      gen_random_uuid()
    from generate_series(1, 20000)`;
  await db.sql`analyze`;
  expect(await pages()).toBeLessThanOrEqual(before + 6);
  expect((await usage(user)).jobs).toEqual({ running: 0, ready: 0, blocked: 0, scheduled: 0 });
}, 60_000);
