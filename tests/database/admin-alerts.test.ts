import { beforeEach, expect, test } from 'vitest';
import type { AlertRule, Done } from '../../web/dashboard/src/api/contract.ts';
import { Admin } from './admin-support.ts';
import { Database, refusal } from './support.ts';

// Alerts from the dashboard: rules with their way back, receivers of which nothing secret is shown or kept in the
// record. Who may: admin-rights.test.ts.

const db = await Database.open();
const admin = await Admin.open(db);
const p_reason = 'because';
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const HOOK = { p_kind: 'json', p_url: 'https://hooks.example.com/secret-path', p_secret: SECRET } as const;

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.alert_receivers where true`;
  await db.sql`update private.alerts set is_open = false, opened_at = null where true`;
});

const rule = async (name: string): Promise<AlertRule> => {
  const found = (await admin.call('admin_alerts', {})).rules.find((one) => one.name === name);
  if (!found) throw new Error(`there is no rule ${name}`);
  return found;
};
const entry = async ({ audit_id }: Done) =>
  (await admin.call('admin_audit', {})).entries.find((one) => one.id === audit_id);
/** Nothing that is secret of a receiver may be in a text. */
const expectNoSecret = (what: unknown) => {
  const text = JSON.stringify(what);
  for (const secret of ['secret-path', SECRET, 'token-of-the-mailer', 'in-the-template'])
    expect(text, 'an address, secret or template leaves the database').not.toContain(secret);
};

test('a rule is changed in what is given, written down, and taken back', async () => {
  const before = await rule('queue_depth');
  const change = { p_threshold: 200, p_repeats_seconds: 0, p_is_on: false };
  const done = await admin.call('admin_set_alert_rule', { p_name: 'queue_depth', p_reason, ...change });
  expect(await rule('queue_depth')).toEqual({
    ...before,
    threshold: 200,
    repeats_seconds: null,
    is_on: false,
  });
  const state = {
    threshold: 50,
    holds_seconds: 300,
    repeats_seconds: 14_400,
    severity: 'warning',
    is_on: true,
  };
  expect(await entry(done)).toMatchObject({
    actor: admin.id,
    action: 'set_alert_rule',
    target: 'queue_depth',
    reason: p_reason,
    before: state,
    after: { ...state, threshold: 200, repeats_seconds: null, is_on: false },
    is_undoable: true,
  });
  const undone = await admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason });
  expect(await rule('queue_depth')).toEqual(before);
  await admin.call('admin_undo', { p_audit_id: undone.audit_id, p_reason });
  expect(await rule('queue_depth'), 'an undo is taken back too').toMatchObject({ repeats_seconds: null });
  await db.service('set_alert_rule', { p_name: 'queue_depth', p_threshold: 60 });
  expect(
    await refusal(admin.call('admin_undo', { p_audit_id: undone.audit_id + 1, p_reason })),
    'not where it has changed since',
  ).toMatchObject({ sqlstate: 'PT409' });
});

test('a rule that cannot be is refused, and nothing is written down', async () => {
  const last = async () => (await admin.call('admin_audit', { p_limit: 1 })).entries[0]?.id;
  const before = await last();
  const set = (p_name: string, change: object, reason = p_reason) =>
    refusal(admin.call('admin_set_alert_rule', { p_name, p_reason: reason, ...change }));
  expect(await set('queue_depth', { p_threshold: 10_000 })).toMatchObject({ field: 'p_threshold' });
  expect(await set('queue_depth', { p_threshold: 'NaN' })).toMatchObject({ field: 'p_threshold' });
  expect(await set('queue_depth', { p_holds_seconds: -1 })).toMatchObject({ field: 'p_holds_seconds' });
  expect(await set('queue_depth', { p_repeats_seconds: 299 })).toMatchObject({ field: 'p_repeats_seconds' });
  expect(await set('queue_depth', { p_severity: 'odd' })).toMatchObject({ field: 'p_severity' });
  expect(await set('queue_depth', { p_threshold: 9 }, ' ')).toMatchObject({ field: 'p_reason' });
  expect(await set('odd', { p_threshold: 9 })).toMatchObject({ sqlstate: 'PT404' });
  expect(await last()).toBe(before);
});

test('a receiver is added, changed, tested and deleted; the record has no address and no secret', async () => {
  const added = await admin.call('admin_set_alert_receiver', { p_name: 'ops', p_reason, ...HOOK });
  const shape = { kind: 'json', host: 'hooks.example.com', has_secret: true, label: null, is_on: true };
  expect(await entry(added)).toMatchObject({
    action: 'set_alert_receiver',
    target: 'ops',
    before: null,
    after: { ...shape, least_severity: 'warning', given: ['address', 'secret'] },
    is_undoable: false,
  });
  const changed = await admin.call('admin_set_alert_receiver', {
    p_name: 'ops',
    p_reason,
    p_label: 'staging',
    p_least_severity: 'critical',
    p_secret: '',
  });
  expect((await entry(changed))?.after).toMatchObject({ label: 'staging', given: [] });
  const [kept] = await db.sql`select url, secret from private.alert_receivers where name = 'ops'`;
  expect(kept, 'what is not given stays').toEqual({ url: HOOK.p_url, secret: SECRET });

  const tested = await admin.call('admin_test_alert_receiver', { p_name: 'ops', p_reason });
  const [notice] = await db.sql`
    select n.id, n.kind, j.job_type, j.created_by from private.alert_notices as n
    inner join public.job_queue as j on j.id = n.job_id`;
  expect(notice, 'it is nobody’s job').toMatchObject({
    kind: 'test',
    job_type: 'process-webhook',
    created_by: null,
  });
  expect(await entry(tested)).toMatchObject({ after: { notice_id: notice?.id, status: 'pending' } });
  expect(await refusal(admin.call('admin_test_alert_receiver', { p_name: 'ops', p_reason }))).toMatchObject({
    sqlstate: 'PT429',
  });
  await admin.call('admin_set_alert_receiver', {
    p_name: 'mail',
    p_reason,
    p_kind: 'email',
    p_url: 'https://mailer.example.com/secret-path',
    p_secret: 'token-of-the-mailer',
    p_template: { to: 'in-the-template', text: '{text}', subject: '{subject}' },
  });
  const attempt = { status: 404, duration_ms: 12 };
  const [job] = await db.claim(1, { types: ['process-webhook'] });
  await db.service('record_delivery', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_status: 'failed',
    p_attempt: { ...attempt, response: 'Cannot POST /other-path', error: 'at /other-path' },
    p_retry_in_seconds: null,
  });
  const shown = await admin.call('admin_alerts', {});
  expect(shown.receivers[1]?.last_notice, 'how it went, without its words').toMatchObject({
    status: 'failed',
    attempt: { attempt: 1, at: expect.any(String), ...attempt },
  });
  expect(JSON.stringify(shown)).not.toContain('other-path');
  expect(shown.receivers.map(({ name, last_notice }) => [name, last_notice?.kind])).toEqual([
    ['mail', undefined],
    ['ops', 'test'],
  ]);
  expectNoSecret(shown);

  const deleted = await admin.call('admin_delete_alert_receiver', { p_name: 'ops', p_reason });
  expect(await entry(deleted)).toMatchObject({ before: { ...shape, label: 'staging' }, after: null });
  expect(await refusal(admin.call('admin_delete_alert_receiver', { p_name: 'ops', p_reason }))).toMatchObject(
    { sqlstate: 'PT404' },
  );
  expectNoSecret(await admin.call('admin_audit', {}));
  expectNoSecret(await db.sql`select * from private.audit_log`);
});

test('what servers and SQL change is written down as well, with their role and without a secret', async () => {
  const last = async () => (await admin.call('admin_audit', { p_limit: 1 })).entries[0];
  const [{ me } = { me: '' }] = await db.sql`select session_user as me`;
  const set = { p_name: 'queue_depth', p_threshold: 70 };
  const before = (await rule('queue_depth')).threshold;
  await db.service('set_alert_rule', set);
  expect(await last()).toMatchObject({
    actor: null,
    role: 'service_role',
    action: 'set_alert_rule',
    target: 'queue_depth',
    reason: 'set_alert_rule() takes no reason.',
    before: { threshold: before },
    after: { threshold: 70 },
    is_undoable: true,
  });
  await db.sql`select public.set_alert_rule('queue_depth', p_threshold => ${before})`;
  expect(await last()).toMatchObject({ actor: null, role: me, after: { threshold: before } });

  await db.service('set_alert_receiver', { p_name: 'ops', ...HOOK });
  expect(await last()).toMatchObject({
    role: 'service_role',
    action: 'set_alert_receiver',
    target: 'ops',
    before: null,
    after: { host: 'hooks.example.com', has_secret: true, given: ['address', 'secret'] },
  });
  expect(await db.service('test_alert_receiver', { p_name: 'ops' })).toMatchObject({ status: 'pending' });
  expect(await last()).toMatchObject({ role: 'service_role', action: 'test_alert_receiver', target: 'ops' });
  const deleted = await db.sql`select public.delete_alert_receiver('ops') as answer`;
  expect(deleted[0]?.answer).toEqual({ name: 'ops', deleted: true });
  expect(await last()).toMatchObject({ role: me, action: 'delete_alert_receiver', after: null });
  const { audit_id } = await admin.call('admin_set_alert_rule', { p_reason, ...set });
  expect(await entry({ audit_id } as Done)).toMatchObject({ actor: admin.id, role: 'authenticated' });
  await admin.call('admin_undo', { p_audit_id: audit_id, p_reason });
  expectNoSecret(await db.sql`select * from private.audit_log`);
  const rows = (await admin.call('admin_audit', { p_limit: 1 })).entries[0]?.id;
  await refusal(db.service('set_alert_rule', { p_name: 'queue_depth', p_holds_seconds: -1 }));
  await refusal(db.service('delete_alert_receiver', { p_name: 'none' }));
  expect((await last())?.id, 'what is refused is not done').toBe(rows);
});

test('a refused receiver is not repeated in the refusal', async () => {
  const refused = await refusal(
    admin.call('admin_set_alert_receiver', {
      p_name: 'ops',
      p_reason,
      ...HOOK,
      p_url: 'http://localhost/secret-path',
    }),
  );
  expect(refused).toMatchObject({ field: 'p_url' });
  expectNoSecret(refused);
});

test('the overview lists the alerts that are open', async () => {
  expect((await admin.call('admin_overview', {})).alerts).toEqual([]);
  await db.sql`update private.alerts set is_open = true, opened_at = now() where rule = 'model_refused'`;
  expect((await admin.call('admin_overview', {})).alerts).toEqual([
    {
      name: 'model_refused',
      title: 'The provider refuses a model',
      severity: 'warning',
      opened_at: expect.any(String),
    },
  ]);
});
