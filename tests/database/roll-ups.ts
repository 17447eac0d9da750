import { beforeEach, expect } from 'vitest';
import { rollUp } from './admin-support.ts';
import { Database, type Job, MODEL } from './support.ts';

// What the tests of roll-ups share: generations of users who are remembered, and what the sums must be.

export const db = await Database.open();
export const BY_SECOND = 'test/by-second';
export const BY_SIZE = 'test/by-size';
await db.sql`insert into public.models
  (replicate_id, default_width, default_height, cost_per_megapixel, cost_per_second, typical_seconds)
  values (${BY_SECOND}, 1024, 1024, null, 0.001, 4), (${BY_SIZE}, 1024, 1024, 0.01, null, null)`;

/** Whose each generation is, and how those that were deleted had ended: `user|model|status` and how many. */
export const owners = new Map<string, string>();
const gone: string[] = [];
beforeEach(async () => {
  await db.clear();
  await db.sql`truncate private.ended_counts, private.ended_times, private.daily_totals, private.daily_users,
    private.user_totals, private.gone_users`;
  await db.sql`update private.roll_up set counted_until = clock_timestamp() where only_row`;
  owners.clear();
  gone.length = 0;
});

export const below = (n: number) => Math.floor(Math.random() * n);
export const any = <T>(list: readonly T[]) => list[below(list.length)] as T;
export const leased = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
export const limits = { requests_per_minute: null, images_per_day: null, running_jobs: null };

export async function start(user: string, model = MODEL): Promise<string> {
  const { generation_id } = await db.start(user, { model_id: model, country: any(['PT', 'DE', null]) });
  owners.set(generation_id, user);
  return generation_id;
}
export const record = (job: Job, id = `p-${job.id}-${job.lease}`) =>
  db.service('record_prediction', { ...leased(job), p_prediction_id: id, p_wait_seconds: 60 });
export const finish = (job: Job, p_outcome: object, id = `p-${job.id}-${job.lease}`) =>
  db.service<{ job?: Job }>('finish_prediction', { p_job_id: job.id, p_prediction_id: id, p_outcome });
export const store = (job: Job, size: object = {}) =>
  db.service('finish_download', {
    ...leased(job),
    p_image: { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp', ...size },
  });
export const fail = (job: Job, retryIn: number | null = null, code = any(['x', 'y'])) =>
  db.service('fail_job', {
    ...leased(job),
    p_error_message: 'x',
    p_error_details: { code },
    p_retry_in_seconds: retryIn,
  });
export const FAILED = { status: 'failed', error_message: 'x', error_code: 'nsfw', predict_time: 2 };

export async function noteGone(where: { id: string } | { user_id: string }): Promise<void> {
  const [[column, value]] = Object.entries(where) as [[string, string]];
  const rows = await db.sql`select user_id, model, status from public.image_generations
    where ${db.sql(column)} = ${value} and status in ('completed', 'failed', 'cancelled')`;
  for (const row of rows) gone.push(`${row.user_id}|${row.model}|${row.status}`);
}
export async function deleteGeneration(id: string): Promise<void> {
  await noteGone({ id });
  await db.callAs(owners.get(id) as string, 'delete_generation', { p_generation_id: id });
}
export async function deleteUser(id: string): Promise<void> {
  await noteGone({ user_id: id });
  await db.sql`delete from auth.users where id = ${id}`;
}

/** Rows as lines, those of nothing left out. */
const lines = (rows: Iterable<object | undefined>) =>
  ([...rows] as Record<string, unknown>[])
    .filter((row) => Number(row.n) !== 0)
    .map(({ n, ...key }) => `${Object.values(key).join('|')} ${Number(n)}`)
    .sort();

async function expectRight(when: string): Promise<void> {
  const users = new Set((await db.sql`select id from auth.users`).map(({ id }) => id as string));
  const ledger = await db.sql`select generation_id,
      to_char(coalesce(ended_at, recorded_at) at time zone 'UTC', 'YYYY-MM-DD') as day, model, cost_usd
    from private.predictions where cost_usd <> 0`;
  const sums = (keyOf: (row: Record<string, string>) => string | undefined) => {
    const all = new Map<string, number>();
    for (const row of ledger) {
      const key = keyOf(row as never);
      // In millionths: exact.
      if (key) all.set(key, (all.get(key) ?? 0) + Math.round(Number(row.cost_usd) * 1e6));
    }
    return lines([...all].map(([key, n]) => ({ key, n: n / 1e6 })));
  };
  expect(
    lines(
      await db.sql`select to_char(day, 'YYYY-MM-DD') as day, model, sum(cost_usd) as n
      from private.daily_totals group by 1, 2`,
    ),
    `${when}: costs by day and model are the ledger's`,
  ).toEqual(sums(({ day, model }) => `${day}|${model}`));
  const owned = (row: Record<string, string>) => {
    const user = owners.get(row.generation_id as string);
    return user && users.has(user) ? `${user}|${row.model}` : undefined;
  };
  expect(
    lines(await db.sql`select user_id, model, sum(cost_usd) as n from private.daily_users group by 1, 2`),
    `${when}: costs by user and model are the ledger's`,
  ).toEqual(sums(owned));
  const ofMonth = await db.sql`select user_id, sum(cost_usd) as n from private.user_totals
    where period = 'month' group by 1`;
  expect(lines(ofMonth), `${when}: costs of users' months`).toEqual(sums((row) => owned(row)?.split('|')[0]));

  const counted = async (table: string, key: string) =>
    lines(await db.sql.unsafe(`select ${key}, sum(generations) as n from private.${table} group by ${key}`));
  const there = (await db.sql`select user_id, model, status from public.image_generations
    where status in ('completed', 'failed', 'cancelled')`) as unknown as Record<string, string>[];
  const count = (keys: string[]) => {
    const all = new Map<string, number>();
    for (const key of keys) all.set(key, (all.get(key) ?? 0) + 1);
    return lines([...all].map(([key, n]) => ({ key, n })));
  };
  const all = [...there.map(({ user_id, model, status }) => `${user_id}|${model}|${status}`), ...gone];
  expect(await counted('daily_totals', 'model, status'), `${when}: as many have ended`).toEqual(
    count(all.map((one) => one.slice(37))),
  );
  expect(await counted('daily_users', 'user_id, model, status'), `${when}: … of each user`).toEqual(
    count(all.filter((one) => users.has(one.slice(0, 36)))),
  );
  const why = lines(
    await db.sql`select country, error_code, sum(generations) as n from private.daily_totals
    where error_code <> '' group by 1, 2`,
  );
  if (gone.length === 0)
    expect(why, `${when}: … for each reason`).toEqual(
      lines(
        await db.sql`select coalesce(country, '') as country, coalesce(error_code, status) as code, count(*) as n
        from public.image_generations where status in ('failed', 'cancelled') group by 1, 2`,
      ),
    );
}

export async function rolledUp(when: string): Promise<void> {
  await rollUp(db);
  await expectRight(when);
}
