import { expect, test } from 'vitest';
import type { Calls } from '../../web/dashboard/src/api/contract.ts';
import { Admin, callWith, createAdmin, withToken } from './admin-support.ts';
import { Database, refusal } from './support.ts';

// Who may call admin_…: those whose token and whose account both say so, and servers with the secret key.

const db = await Database.open();
const NOBODY = '00000000-0000-4000-8000-000000000000';

/** Arguments with which each call gets as far as its work. */
const ARGS: { [Name in Exclude<keyof Calls, 'usage_history'>]: Calls[Name]['args'] } = {
  admin_overview: {},
  admin_timeline: { p_from: new Date(Date.now() - 3_600_000).toISOString(), p_step: 300 },
  admin_jobs: { p_state: 'ready' },
  admin_job: { p_job_id: NOBODY },
  admin_find: { p_id: NOBODY },
  admin_generation: { p_generation_id: NOBODY },
  admin_predictions: {},
  admin_users: {},
  admin_models: {},
  admin_plans: {},
  admin_cron_history: {},
  admin_audit: {},
  admin_analytics: {},
  admin_export: {},
  admin_cancel_job: { p_job_id: NOBODY, p_reason: 'x' },
  admin_cancel_generation: { p_generation_id: NOBODY, p_reason: 'x' },
  admin_requeue_job: { p_job_id: NOBODY, p_reason: 'x' },
  admin_requeue_jobs: { p_reason: 'x' },
  admin_pause: { p_what: 'queue', p_reason: 'x' },
  admin_resume: { p_what: 'queue', p_reason: 'x' },
  admin_switch_model: { p_model: 'test/painter', p_is_active: true, p_reason: 'x' },
  admin_set_user_plan: { p_user_id: NOBODY, p_plan: null, p_reason: 'x' },
  admin_save_plan: { p_plan: { name: 'default' }, p_reason: 'x' },
  admin_delete_plan: { p_name: 'none', p_reason: 'x' },
  admin_set_budget: { p_per_day_usd: null, p_per_month_usd: null, p_reason: 'x' },
  admin_undo: { p_audit_id: 0, p_reason: 'x' },
  admin_alerts: {},
  admin_set_alert_rule: { p_name: 'queue_depth', p_reason: 'x' },
  admin_set_alert_receiver: {
    p_name: 'rights',
    p_reason: 'x',
    p_kind: 'slack',
    p_url: 'https://hooks.example.com/x',
  },
  admin_delete_alert_receiver: { p_name: 'none', p_reason: 'x' },
  admin_test_alert_receiver: { p_name: 'none', p_reason: 'x' },
};
const NAMES = Object.keys(ARGS) as (keyof typeof ARGS)[];

test('the contract names each function admin_… that there is, and no other', async () => {
  const rows = await db.sql<{ name: string }[]>`
    select proname as name from pg_proc
    where pronamespace = 'public'::regnamespace and proname like 'admin\_%' order by 1`;
  expect(rows.map((row) => row.name)).toEqual(NAMES.toSorted());
});

test.each(NAMES)('%s refuses who is not an admin', async (name) => {
  const user = await db.createUser();
  const args = ARGS[name] as never;
  const by = (id: string, role?: string) =>
    refusal(withToken(db, id, role, (sql) => callWith(sql, name, args)));
  expect(await by(user)).toMatchObject({
    sqlstate: '42501',
    message: expect.stringMatching(/^Only an admin/),
  });
  expect(await by(user, 'admin'), 'a token that says more than the account').toMatchObject({
    sqlstate: '42501',
    message: expect.stringMatching(/not an admin's any more/),
  });
  const admin = await createAdmin(db);
  expect(await by(admin), 'an account whose token is older').toMatchObject({ sqlstate: '42501' });
  await db.sql`update auth.users set banned_until = now() + interval '1 day' where id = ${admin}`;
  expect(await by(admin, 'admin'), 'a banned one').toMatchObject({ sqlstate: '42501' });
  expect(
    await refusal(db.as('anon', null, (sql) => sql.unsafe(`select public.${name}()`))),
    'nobody signed in',
  ).toMatchObject({ sqlstate: expect.stringMatching(/^42(501|883)$/) });
});

test.each(NAMES)('%s answers an admin and a server', async (name) => {
  const admin = await Admin.open(db);
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
  const expected = /^(answered|PT404)$/;
  expect(await outcome(admin.call(name, ARGS[name] as never))).toMatch(expected);
  expect(
    await outcome(db.as('service_role', null, (sql) => callWith(sql, name, ARGS[name] as never))),
  ).toMatch(expected);
});
