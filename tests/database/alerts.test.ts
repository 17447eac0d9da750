import { beforeEach, describe, expect, test } from 'vitest';
import { allBlocks, type Node } from './explain.ts';
import { fillEnded, fillLater, fillReady, JOB_TABLES } from './fill.ts';
import { Database, refusal } from './support.ts';

// When operators are told, how often, and by what they are reached.
const db = await Database.open();

interface Rule {
  name: string;
  state: string;
  value: number | null;
  detail: string | null;
  threshold: number;
  holds_seconds: number;
  repeats_seconds: number | null;
  severity: string;
  is_on: boolean;
  opened_at: string | null;
  resolved_at: string | null;
}
interface State {
  rules: Rule[];
  receivers: Record<string, unknown>[];
  notices: { kind: string; rule: string | null; receiver: string; status: string }[];
}

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const state = () => db.service<State>('alerts');
const rule = async (name: string) => {
  const found = (await state()).rules.find((one) => one.name === name);
  if (!found) throw new Error(`there is no rule ${name}`);
  return found;
};
const sweep = async () => (await db.service<{ alerts: string[] }>('record_sweep', { p_stats: {} })).alerts;
const set = (name: string, change: object) => db.service<Rule>('set_alert_rule', { p_name: name, ...change });
const receiver = (name: string, more: object = {}) =>
  db.service<Record<string, unknown>>('set_alert_receiver', {
    p_name: name,
    p_kind: 'json',
    p_url: 'https://hooks.example.com/secret-path',
    p_secret: SECRET,
    ...more,
  });
/** What was sent, oldest first: kind and rule. */
const sent = async () =>
  (await db.sql`select kind, rule from private.alert_notices order by at, rule`).map(
    (row) => `${row.kind} ${row.rule}`,
  );
/** As if so many seconds had passed for every alert. */
const pass = (seconds: number) => db.sql`update private.alerts set
  pending_since = pending_since - make_interval(secs => ${seconds}),
  opened_at = opened_at - make_interval(secs => ${seconds}),
  clear_since = clear_since - make_interval(secs => ${seconds}),
  resolved_at = resolved_at - make_interval(secs => ${seconds}),
  last_sent_at = last_sent_at - make_interval(secs => ${seconds}) where true`;
const refuse = (model = 'a/b') =>
  db.sql`insert into private.refused_models (model, since, until, status)
    values (${model}, now(), now() + interval '1 minute', 404)`;
const accept = () => db.sql`delete from private.refused_models where true`;
const lose = (jobs = 1) => db.sql`
  insert into private.running_jobs (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts,
    job_type, payload, started_at, lease_expires_at, slot, rescued, outcome_unknown)
  select gen_random_uuid(), nextval('private.job_seq'), now(), now(), 1, 0, 0, 3, 'work', '{}', now(),
    now() - interval '1 second', false, false, false from generate_series(1, ${jobs})`;

beforeEach(async () => {
  await db.clear();
  await accept();
  await db.sql`delete from private.alert_receivers where true`;
  await db.sql`truncate private.alert_samples, private.last_cron_run`;
  await db.sql`insert into private.last_cron_run default values`;
  await db.sql`update private.alerts set is_open = false, pending_since = null, opened_at = null, clear_since = null,
    resolved_at = null, last_sent_at = null, comebacks = 0, value = null, detail = null where true`;
  await db.sql`update private.settings set budget_per_day_usd = null, budget_per_month_usd = null where only_row`;
});

describe('an alert', () => {
  test('is raised once, repeated at its interval, and resolved when it has been clear for a while', async () => {
    await receiver('ops');
    await refuse();
    expect(await sweep()).toEqual(['The provider refuses a/b.']);
    expect(await rule('model_refused')).toMatchObject({
      state: 'open',
      value: 1,
      detail: 'The provider refuses a/b.',
    });
    expect(await sweep(), 'told a minute ago').toEqual([]);
    await pass(4 * 3600);
    expect(await sweep()).toEqual(['Still: The provider refuses a/b.']);
    await accept();
    expect(await sweep(), 'it may come back at once').toEqual([]);
    expect((await rule('model_refused')).state).toBe('open');
    await pass(300);
    expect(await sweep()).toEqual(['Resolved: The provider refuses a model.']);
    expect(await rule('model_refused')).toMatchObject({ state: 'clear', resolved_at: expect.any(String) });
    expect(await sent()).toEqual([
      'raised model_refused',
      'repeated model_refused',
      'resolved model_refused',
    ]);
  });

  test('must hold before anybody is told, without a break', async () => {
    await lose(2);
    expect(await sweep()).toEqual([]);
    expect(await rule('stuck_jobs')).toMatchObject({ state: 'pending', value: 2 });
    await pass(100);
    await db.sql`truncate private.running_jobs`;
    await sweep();
    expect((await rule('stuck_jobs')).state, 'the break').toBe('clear');
    await lose();
    await sweep();
    await pass(100);
    expect(await sweep(), 'not for three minutes').toEqual([]);
    await pass(80);
    expect(await sweep()).toEqual([
      'Running jobs that have lost their lease, or have run for over 30 minutes: 1.',
    ]);
  });

  test('that comes and goes is told at most a few times an hour', async () => {
    await receiver('ops');
    for (let minute = 0; minute < 120; minute++) {
      await accept();
      if (minute % 8 < 2) await refuse();
      await sweep();
      await pass(60);
    }
    const all = await sent();
    expect(all.length, 'each time it comes back it must stay clear twice as long').toBeLessThanOrEqual(5);
    expect(all[0]).toBe('raised model_refused');
  });

  test('is not repeated, or not raised at all, where its rule says so', async () => {
    await set('model_refused', { p_repeats_seconds: 0 });
    await refuse();
    expect(await sweep()).toHaveLength(1);
    await pass(30 * 86_400);
    expect(await sweep()).toEqual([]);
    await set('model_refused', { p_is_on: false });
    expect(await sweep(), 'it is over').toEqual(['Resolved: The provider refuses a model.']);
    expect(await sweep()).toEqual([]);
    await set('model_refused', { p_is_on: true, p_repeats_seconds: 14_400 });
  });

  test('goes to the receivers that want its severity and are on', async () => {
    await receiver('all');
    await receiver('critical-only', { p_least_severity: 'critical' });
    await receiver('off', { p_is_on: false });
    await refuse();
    await sweep();
    expect((await state()).notices.map((notice) => notice.receiver)).toEqual(['all']);
    await db.sql`update private.provider_pause set until = now() + interval '1 minute', since = now(),
      reason = 'account', code = 402 where only_row`;
    await sweep();
    const critical = (await state()).notices.filter((notice) => notice.rule === 'provider_refuses');
    expect(critical.map((notice) => notice.receiver).sort()).toEqual(['all', 'critical-only']);
  });
});

describe('each rule', () => {
  test('queue_depth counts ready jobs, not blocked or scheduled ones', async () => {
    await db.service('enqueue_jobs', { p_jobs: Array(51).fill({ job_type: 'work' }) });
    await db.service('enqueue_jobs', {
      p_jobs: Array(20).fill({ job_type: 'work', scheduled_at: new Date(Date.now() + 3_600_000) }),
    });
    await sweep();
    expect(await rule('queue_depth')).toMatchObject({ state: 'pending', value: 51 });
    await pass(300);
    expect(await sweep()).toEqual(['Jobs that are ready and wait for a worker: 51.']);
  });

  test('success_rate is of the last 15 minutes, and of ten images at least', async () => {
    const end = (type: string, status: string, count: number) => db.sql`
      insert into public.job_queue (job_type, status, started_at, completed_at)
      select ${type}, ${status}, now(), now() from generate_series(1, ${count})`;
    await end('generate-image', 'failed', 100);
    await sweep();
    expect((await rule('success_rate')).state, 'what was before the first run is not known').toBe('clear');
    await end('generate-image', 'failed', 2);
    await end('download-image', 'completed', 7);
    await sweep();
    expect((await rule('success_rate')).state, 'nine').toBe('clear');
    await end('download-image', 'failed', 1);
    await sweep();
    expect(await rule('success_rate')).toMatchObject({ state: 'pending', value: 70 });
    await pass(120);
    expect(await sweep()).toEqual(['Of the 10 images that ended in the last 15 minutes, 70.0 % were made.']);
    await end('download-image', 'completed', 90);
    await sweep();
    await pass(300);
    expect(await sweep()).toEqual(['Resolved: Images fail.']);
    await db.sql`update private.alert_samples set at = at - interval '16 minutes' where true`;
    await sweep();
    await end('generate-image', 'failed', 10);
    await sweep();
    expect((await rule('success_rate')).value, 'those of 16 minutes ago no longer count').not.toBe(70);
    const samples =
      await db.sql`select at from private.alert_samples where at < now() - interval '20 minutes'`;
    expect(samples).toHaveLength(0);
  });

  test('outputs_at_risk', async () => {
    await db.sql`insert into public.job_queue (job_type, created_at, retry_until)
      values ('download-image', now() - interval '31 minutes', now() + interval '34 minutes')`;
    await sweep();
    await pass(120);
    expect(await sweep()).toEqual([
      expect.stringMatching(/not stored: 1\. The provider deletes the first in 2[89] minutes\.$/),
    ]);
  });

  test('budget_near and budget_used_up have their one line in the log, and their notices', async () => {
    await receiver('ops');
    await db.sql`update private.settings set budget_per_day_usd = 10 where only_row`;
    await db.sql`insert into private.budget_deltas (day, reserved) values (private.today(), 8)`;
    expect(await sweep()).toEqual([
      expect.stringMatching(/^The budget of this day, 10 US dollars, is nearly used up/),
    ]);
    expect(await rule('budget_near')).toMatchObject({
      state: 'open',
      detail: 'Of the budget of this day, 10 US dollars, 80 % are spent or reserved.',
    });
    await db.sql`insert into private.budget_deltas (day, reserved) values (private.today(), 2)`;
    await sweep();
    expect(await sent()).toEqual(['raised budget_near', 'raised budget_used_up']);
    await db.sql`insert into private.budget_deltas (day, reserved) values (private.today(), -10)`;
    await sweep();
    await pass(300);
    await sweep();
    expect((await sent()).slice(2)).toEqual(['resolved budget_near', 'resolved budget_used_up']);
  });

  test('provider_refuses at once, provider_down after five minutes', async () => {
    const pause = (reason: string, code: number) => db.sql`update private.provider_pause set
      until = now() + interval '1 minute', since = now(), reason = ${reason}, code = ${code} where only_row`;
    await pause('throttled', 429);
    expect(await sweep(), 'it ends by itself').toEqual([]);
    await pause('account', 402);
    expect(await sweep()).toEqual([
      'The provider has answered 402 to a create: no image is made before that is mended.',
    ]);
    await pause('outage', 503);
    expect(await sweep()).toEqual([]);
    await pass(300);
    expect(await sweep()).toEqual([
      expect.stringMatching(/^Since 20\S+ \d\d:\d\d UTC the provider fails or does not answer/),
      'Resolved: The provider refuses our account.',
    ]);
  });

  test('webhooks_failing counts what has failed of those that still wait', async () => {
    await db.service('enqueue_jobs', {
      p_jobs: Array(21).fill({ job_type: 'process-webhook', max_attempts: 8 }),
    });
    for (const job of await db.claim(21, { types: ['process-webhook'] })) {
      await db.service('fail_job', {
        p_job_id: job.id,
        p_lease: job.lease,
        p_error_message: 'x',
        p_retry_in_seconds: 300,
      });
    }
    await sweep();
    expect(await rule('webhooks_failing')).toMatchObject({ state: 'pending', value: 21 });
    await pass(600);
    expect(await sweep()).toEqual(['Failed attempts at webhooks that wait to be sent again: 21.']);
  });
});

describe('a cron that does not run', () => {
  const stop = (minutes: number) =>
    db.sql`update private.last_cron_run set ran_at = now() - make_interval(secs => ${minutes * 60}) where only_row`;

  test('is reported by a start, by one of many, and again at the interval', async () => {
    await receiver('ops');
    await sweep();
    const users = await Promise.all(Array.from({ length: 10 }, () => db.createUser()));
    await stop(2.5);
    expect(
      await db.start(users[0] as string, {}, undefined, undefined, 1),
      'two and a half minutes',
    ).not.toHaveProperty('webhooks');
    await stop(4);
    const started = await Promise.all(users.map((user) => db.start(user, {}, undefined, undefined, 1)));
    expect(started.filter((one) => 'webhooks' in one)).toHaveLength(1);
    expect(await sent()).toEqual(['raised cron_stopped']);
    expect(await rule('cron_stopped')).toMatchObject({
      state: 'open',
      detail: 'The cron last ran 4 minutes ago. What is lost meanwhile is not taken up again.',
    });
    await pass(4 * 3600);
    await stop(244);
    await db.start(users[0] as string, {}, undefined, undefined, 1);
    expect(await sent()).toEqual(['raised cron_stopped', 'repeated cron_stopped']);
    await sweep();
    await pass(300);
    expect(await sweep()).toEqual(['Resolved: The cron does not run.']);
  });

  test('is reported where it has never run, once a new trigger has had its time', async () => {
    await receiver('ops');
    const age = (minutes: number) => db.sql`update private.last_cron_run set
      first_run_by = now() + interval '15 minutes' - make_interval(mins => ${minutes}) where only_row`;
    const user = await db.createUser();
    const start = () => db.start(user, {}, undefined, undefined, 1);
    await age(17);
    expect(await start(), 'within 15 minutes, and the threshold').not.toHaveProperty('webhooks');
    expect((await rule('cron_stopped')).state).toBe('clear');
    await age(19);
    expect(await start()).toHaveProperty('webhooks', true);
    expect(await rule('cron_stopped')).toMatchObject({
      state: 'open',
      detail: 'The cron has never run. What is lost meanwhile is not taken up again.',
    });
    expect(await db.service('queue_status'), 'it has not run for that').toMatchObject({
      last_sweep_at: null,
      last_sweep_seconds: null,
    });
    await sweep();
    await pass(300);
    expect(await sweep()).toEqual(['Resolved: The cron does not run.']);
    expect(await sent()).toEqual(['raised cron_stopped', 'resolved cron_stopped']);
  });

  test('is shown where nobody listens', async () => {
    const user = await db.createUser();
    await sweep();
    await stop(10);
    expect(await db.start(user, {}, undefined, undefined, 1)).not.toHaveProperty('webhooks');
    expect((await rule('cron_stopped')).state, 'alerts() shows it all the same').toBe('open');
  });

  test('is reported by a start that is let in, not by one that is refused', async () => {
    await receiver('ops');
    await sweep();
    await stop(10);
    await db.sql`update private.settings set budget_per_day_usd = 0.001 where only_row`;
    await refusal(db.start(await db.createUser()));
    expect(await sent()).toEqual([]);
  });
});

describe('a receiver', () => {
  test('is told of without its address and its secret', async () => {
    const added = await receiver('ops', { p_label: 'staging' });
    expect(added).toEqual({
      name: 'ops',
      kind: 'json',
      host: 'hooks.example.com',
      has_secret: true,
      label: 'staging',
      least_severity: 'warning',
      is_on: true,
      last_notice: null,
    });
    await refuse();
    await sweep();
    const shown = JSON.stringify([await state(), await db.sql`select * from public.job_queue`]);
    expect(shown).not.toMatch(/secret-path|whsec_/);
    expect(
      await receiver('ops', { p_secret: null, p_url: null, p_kind: null, p_is_on: false }),
    ).toMatchObject({
      is_on: false,
      has_secret: true,
    });
  });

  test.each([
    ['p_name', { p_name: 'No Name' }],
    ['p_kind', { p_kind: 'pager' }],
    ['p_url', { p_url: 'http://hooks.example.com/' }],
    ['p_url', { p_url: 'https://10.0.0.1/' }],
    ['p_url', { p_url: `https://hooks.example.com/${'x'.repeat(2048)}` }],
    ['p_secret', { p_secret: 'whsec_short' }],
    ['p_secret', { p_kind: 'email', p_secret: 'two words' }],
    ['p_secret', { p_kind: 'email', p_secret: 'x'.repeat(513) }],
    ['p_header', { p_kind: 'email', p_secret: 'token', p_header: 'host' }],
    ['p_template', { p_kind: 'email', p_secret: 'token' }],
    ['p_template', { p_kind: 'email', p_secret: 'token', p_template: { text: 'no place for it' } }],
    ['p_template', { p_kind: 'email', p_secret: 'token', p_template: { text: `{text}${'x'.repeat(4096)}` } }],
    ['p_label', { p_label: 'x'.repeat(61) }],
    ['p_label', { p_label: 'two\nlines' }],
    ['p_least_severity', { p_least_severity: 'loud' }],
  ])('with a bad %s is refused with a sentence that repeats no secret', async (field, change) => {
    const refused = await refusal(receiver('ops', change));
    expect(refused).toMatchObject({ sqlstate: 'PT422', field });
    expect(refused.message).toMatch(/^p_\w+ .*\.$/);
    expect(refused.message).not.toMatch(/whsec_short|two words|secret-path/);
    expect((await state()).receivers).toEqual([]);
  });

  test('more than 20 are refused, also at the same time', async () => {
    await Promise.allSettled(Array.from({ length: 25 }, (_, n) => receiver(`ops-${n}`)));
    expect((await state()).receivers).toHaveLength(20);
    expect(await refusal(receiver('one-more'))).toMatchObject({ sqlstate: 'PT409' });
  });

  test('is tested, once in 30 seconds, and deleted with its notices', async () => {
    expect(await refusal(db.service('test_alert_receiver', { p_name: 'ops' }))).toMatchObject({
      sqlstate: 'PT404',
    });
    await receiver('ops', { p_is_on: false });
    expect(await db.service('test_alert_receiver', { p_name: 'ops' })).toMatchObject({ status: 'pending' });
    expect(await refusal(db.service('test_alert_receiver', { p_name: 'ops' }))).toMatchObject({
      retryAfter: 30,
    });
    const [job] = await db.claim(1, { types: ['process-webhook'] });
    await db.service('delete_alert_receiver', { p_name: 'ops' });
    expect((await state()).notices).toEqual([]);
    expect(await db.service('webhook_message', { p_job_id: job?.id, p_lease: job?.lease })).toEqual({
      outcome: 'unknown',
    });
    expect(await refusal(db.service('delete_alert_receiver', { p_name: 'ops' }))).toMatchObject({
      sqlstate: 'PT404',
    });
  });

  test('that repeats what it was sent leaks nothing into the log of notices', async () => {
    await receiver('ops');
    await db.service('test_alert_receiver', { p_name: 'ops' });
    const [job] = await db.claim(1, { types: ['process-webhook'] });
    const failed = (status: number, retry: number | null) =>
      db.service('record_delivery', {
        p_job_id: job?.id,
        p_lease: job?.lease,
        p_status: 'failed',
        p_attempt: { status, error: 'x', response: `no ${SECRET} at https://hooks.example.com/secret-path` },
        p_retry_in_seconds: retry,
      });
    expect(await failed(500, 5)).toMatchObject({ outcome: 'retrying' });
    expect((await state()).receivers[0]).toMatchObject({
      last_notice: {
        status: 'pending',
        attempt: { attempt: 1, status: 500, response: 'no (secret) at (url)' },
      },
    });
  });

  const words = async (text: string, more: object = {}) => {
    await receiver('ops', more);
    const [row] =
      await db.sql`select private.shown_words(${text}, r) as shown from private.alert_receivers as r`;
    return row?.shown as string | null;
  };
  test.each([
    ['lines, and what cannot be seen', 'no\r\n\u202eway\u200b\u0085!', 'no way !'],
    ['nothing but white space', ' \n\t ', null],
    ['its path alone', 'Cannot POST /secret-path', 'Cannot POST (url)'],
    ['a part of its path', 'no secret-path', 'no (url)'],
    ['its secret without the prefix', `key ${SECRET.slice(6)}`, 'key (secret)'],
    [
      'the beginning of its secret, where the answer is cut',
      `bad key ${SECRET.slice(0, 20)}`,
      'bad key (secret)',
    ],
    ['the beginning of its address, where the answer is cut', 'at https://hooks.exam', 'at (url)'],
  ])('is shown in one clean line: %s', async (_, text, shown) => {
    expect(await words(text)).toBe(shown);
  });

  test('is shown in 200 characters', async () => {
    expect(await words('long '.repeat(100))).toBe('long '.repeat(40).trim());
  });

  describe('whose notice', () => {
    const last = async () => {
      const { receivers, notices } = await state();
      const [row] = await db.sql`select status, job_id from private.alert_notices order by at desc limit 1`;
      const shown = receivers[0]?.last_notice as { status: string };
      expect(notices[0]?.status, 'two places of alerts() differ').toBe(shown.status);
      return { shown: shown.status, kept: row?.status as string, job: row?.job_id as string };
    };

    test('has its job cancelled ends so', async () => {
      await receiver('ops');
      await db.service('test_alert_receiver', { p_name: 'ops' });
      const { job, shown } = await last();
      expect(shown).toBe('pending');
      await db.service('admin_cancel_job', { p_job_id: job, p_reason: 'not wanted' });
      expect((await last()).shown, 'at once').toBe('cancelled');
      await sweep();
      expect((await last()).kept).toBe('cancelled');
    });

    test('has lost all its runs without a word has failed, and is pending again when an operator brings it back', async () => {
      await receiver('ops');
      await db.service('test_alert_receiver', { p_name: 'ops' });
      const { job } = await last();
      for (let run = 0; run < 5; run += 1) {
        const [claimed] = await db.claim(1, { types: ['process-webhook'] });
        expect(claimed?.id).toBe(job);
        await db.sql`update public.job_queue set lease_expires_at = now() - interval '1 second' where id = ${job}`;
      }
      await db.claim(1, { types: ['process-webhook'] });
      await sweep();
      expect(await last()).toMatchObject({ shown: 'failed', kept: 'failed' });
      await db.service('requeue_job', { p_job_id: job });
      expect((await last()).shown).toBe('pending');
      const [again] = await db.claim(1, { types: ['process-webhook'] });
      await db.service('record_delivery', {
        p_job_id: again?.id,
        p_lease: again?.lease,
        p_status: 'delivered',
        p_attempt: { status: 204, duration_ms: 3 },
        p_retry_in_seconds: null,
      });
      expect(await last()).toMatchObject({ shown: 'delivered', kept: 'delivered' });
    });

    test('has its job pruned before it was delivered has failed', async () => {
      await receiver('ops');
      await db.service('test_alert_receiver', { p_name: 'ops' });
      const { job } = await last();
      await db.sql`delete from public.job_queue where id = ${job}`;
      await sweep();
      expect(await last()).toMatchObject({ shown: 'failed', kept: 'failed' });
    });
  });
});

describe('a rule', () => {
  test.each([
    ['p_threshold', 'cron_stopped', { p_threshold: 60 }],
    ['p_threshold', 'queue_depth', { p_threshold: 10_000 }],
    ['p_threshold', 'stuck_jobs', { p_threshold: 1_000 }],
    ['p_threshold', 'success_rate', { p_threshold: 1e10 }],
    ['p_holds_seconds', 'queue_depth', { p_holds_seconds: 86_401 }],
    ['p_holds_seconds', 'queue_depth', { p_holds_seconds: -1 }],
    ['p_repeats_seconds', 'queue_depth', { p_repeats_seconds: 60 }],
    ['p_severity', 'queue_depth', { p_severity: 'loud' }],
  ])('with a bad %s is refused', async (field, name, change) => {
    expect(await refusal(set(name, change))).toMatchObject({ sqlstate: 'PT422', field });
  });

  test('that there is not is refused with those that there are', async () => {
    expect((await refusal(set('depth', {}))).message).toMatch(/queue_depth.*webhooks_failing/);
  });

  test('keeps what is not named', async () => {
    const before = await rule('queue_depth');
    expect(await set('queue_depth', { p_threshold: 80 })).toEqual({ ...before, threshold: 80 });
    await set('queue_depth', { p_threshold: 50 });
  });
});

test('nobody but the service sees or sets them', async () => {
  const user = await db.createUser();
  for (const [name, args] of [
    ['alerts', {}],
    ['set_alert_rule', { p_name: 'queue_depth' }],
    ['set_alert_receiver', { p_name: 'x' }],
    ['delete_alert_receiver', { p_name: 'x' }],
    ['test_alert_receiver', { p_name: 'x' }],
  ] as const) {
    expect(await refusal(db.callAs(user, name, args)), name).toMatchObject({ sqlstate: '42501' });
  }
});

test('costs the cron the same over 45,000 jobs and over 345,000', async () => {
  // One connection: each reads the catalogue for itself.
  const own = await db.sql.reserve();
  const look = async () => {
    const [row] = await own<{ 'QUERY PLAN': [{ Plan: Node }] }[]>`
      explain (analyze, buffers, format json) select private.evaluate_alerts(null)`;
    return allBlocks([row?.['QUERY PLAN'][0].Plan as Node]);
  };
  const cost = async () => {
    await sweep();
    await db.sql.unsafe(`vacuum analyze ${JOB_TABLES}`);
    await look(); // once for the catalogue
    return look();
  };
  const fill = async (count: number, after = 0) => {
    await fillReady(db, count);
    await fillLater(db, count);
    await fillEnded(db, count, { after });
  };
  await fill(15_000);
  const small = await cost();
  await fill(100_000, 15_000);
  const large = await cost();
  own.release();
  console.info('pages of the alerts over 45,000 jobs, over 345,000:', small, large);
  expect(large, 'a value is counted through: give it a bound or a count that is kept').toBeLessThan(
    small * 1.2 + 20,
  );
}, 120_000);

test('too few ends to tell by are no end of an alert', async () => {
  await db.sql`
    update private.alerts set is_open = true, opened_at = now() - interval '1 hour', value = 10,
      last_sent_at = now() - interval '1 minute', clear_since = now() - interval '6 minutes', detail = 'Of 100, 10.'
    where rule = 'success_rate'`;
  expect(await sweep()).toEqual([]);
  expect(await rule('success_rate')).toMatchObject({ state: 'open' });
});
