import { beforeAll, describe, expect, test } from 'vitest';
import type { AnalyticsArgs, AnalyticsRow } from '../../web/dashboard/src/api/contract.ts';
import { Admin } from './admin-support.ts';
import { Database, refusal } from './support.ts';

// A file has all that there is, in however many pages it takes.

const db = await Database.open();
const admin = await Admin.open(db);
const USER = '00000000-0000-4000-8000-000000000007';
const DAYS = { p_from: '2026-11-01', p_to: '2026-11-04' };

beforeAll(async () => {
  // 400 users on each of four days, with twelve kinds each: 19,200 rows. Of all users, each kind in 200 countries.
  await db.sql.unsafe(`insert into private.daily_users
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, d::date, m, s, 'DE',
      case s when 'completed' then '' else 'x' end, n % 7 + 1, n, n * 0.001
    from generate_series(1, 400) as n, generate_series('2026-11-01'::timestamp, '2026-11-04', '1 day') as d,
      unnest('{a/one,a/two,a/three,a/four}'::text[]) as m, unnest('{completed,failed,cancelled}'::text[]) as s`);
  await db.sql.unsafe(`insert into private.daily_totals
    select day, model, status, c, error_code, sum(generations), sum(seconds), sum(cost_usd) from private.daily_users,
      (select 'C' || n as c from generate_series(100, 299) as n) as countries group by 1, 2, 3, 4, 5`);
});

async function all(args: AnalyticsArgs): Promise<{ rows: AnalyticsRow[]; pages: number; days: string[] }> {
  const rows: AnalyticsRow[] = [];
  const days: string[] = [];
  let pages = 0;
  for (let cursor: string | null | undefined; cursor !== null; pages += 1) {
    const page = await admin.call('admin_export', { ...args, ...(cursor ? { p_cursor: cursor } : {}) });
    rows.push(...page.rows);
    days.push(page.day);
    cursor = page.next_cursor;
  }
  return { rows, pages, days };
}

const sums = (rows: readonly AnalyticsRow[]) => ({
  generations: rows.reduce((sum, row) => sum + row.generations, 0),
  seconds: rows.reduce((sum, row) => sum + row.seconds, 0),
});
const sumsOf = async (table: string, where = 'true') => {
  const [row] = await db.sql.unsafe(
    `select sum(generations)::int as generations, sum(seconds)::int as seconds from private.${table} where ${where}`,
  );
  return { ...row };
};

describe('the whole export', () => {
  test('of users over many days has each row once, in their order', async () => {
    const { rows, pages, days } = await all({ ...DAYS, p_by: ['day', 'user', 'model', 'status'] });
    expect(rows).toHaveLength(400 * 4 * 12);
    const keys = rows.map((row) => `${row.day} ${row.user_id} ${row.model} ${row.status}`);
    expect(new Set(keys).size).toBe(rows.length);
    expect(sums(rows)).toEqual(await sumsOf('daily_users'));
    expect(pages, 'some 5,000 rows at a time').toBe(4);
    expect(days.at(-1)).toBe('2026-11-04');
    expect(days, 'it comes on').toEqual(days.toSorted());
  });

  test('of all has each day once, and adds up to what SQL says', async () => {
    const { rows, pages } = await all({ ...DAYS, p_by: ['day', 'status', 'country'] });
    expect(rows).toHaveLength(4 * 3 * 200);
    expect(sums(rows)).toEqual(await sumsOf('daily_totals'));
    expect(pages).toBeGreaterThan(1);
  });

  test('of one user, of a model, of one day', async () => {
    const of = async (args: AnalyticsArgs) => sums((await all({ ...DAYS, ...args })).rows);
    expect(await of({ p_user_id: USER })).toEqual(await sumsOf('daily_users', `user_id = '${USER}'`));
    expect(await of({ p_by: ['user'], p_model: 'a/two' })).toEqual(
      await sumsOf('daily_users', "model = 'a/two'"),
    );
    expect(await of({ p_from: '2026-11-02', p_to: '2026-11-02', p_by: ['user'] })).toEqual(
      await sumsOf('daily_users', "day = '2026-11-02'"),
    );
    expect((await all({ p_from: '2026-10-01', p_to: '2026-10-02' })).rows, 'nothing has ended').toEqual([]);
  });

  test('refuses what it cannot be asked', async () => {
    const field = async (args: object) =>
      (await refusal(admin.call('admin_export', { ...DAYS, ...args } as never))).field;
    expect(await field({ p_from: '2025-01-01' })).toBe('p_from');
    expect(await field({ p_by: ['prompt'] })).toBe('p_by');
    for (const p_cursor of ['x', '0_00000000-0000-4000-8000-000000000007', '999999_x'])
      expect(await field({ p_cursor }), p_cursor).toBe('p_cursor');
  });
});
