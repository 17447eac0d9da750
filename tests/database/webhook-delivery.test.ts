import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, test } from 'vitest';
import { Database, refusal } from './support.ts';
import { URL, webhooksOf } from './webhook-support.ts';

/** Outgoing webhooks: attempts, secrets, the log, and sending again. */

const db = await Database.open();
const {
  start,
  claimWebhooks,
  webhookJobs,
  log,
  message,
  record,
  resend,
  secretOf,
  rotate,
  claimWebhook,
  complete,
  completed,
} = webhooksOf(db);
beforeEach(() => db.clear());

describe('an attempt', () => {
  test('that is delivered ends job and delivery', async () => {
    const { user, started, job } = await completed();
    expect(await record(job, 'delivered', { status: 204, duration_ms: 12 })).toEqual({
      outcome: 'completed',
    });
    expect(await db.job(job.id)).toMatchObject({ status: 'completed' });
    expect(await log(user, started)).toMatchObject([
      {
        status: 'delivered',
        next_attempt_at: null,
        attempts: [{ attempt: 1, at: expect.any(String), status: 204, duration_ms: 12 }],
      },
    ]);
  });

  test('that fails is tried again, eight times in all', async () => {
    const { user, started, job } = await completed();
    const error = { status: 500, error: 'The receiver answered with status 500.' };
    let now = job;
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      const last = attempt === 8;
      expect(await record(now, 'failed', error, 300)).toEqual({ outcome: last ? 'failed' : 'retrying' });
      const [delivery] = await log(user, started);
      expect(delivery).toMatchObject({ status: last ? 'failed' : 'pending' });
      expect(delivery?.attempts).toHaveLength(attempt);
      if (last) break;
      const wait = Date.parse(String(delivery?.next_attempt_at)) - Date.now();
      expect(Math.abs(wait - 300_000), 'next_attempt_at').toBeLessThan(5_000);
      expect(await claimWebhooks(), 'not before its time').toEqual([]);
      await db.letTimePass(job.id);
      now = await claimWebhook();
    }
    expect((await db.generation(started.generation_id)).status, 'the picture is not touched').toBe(
      'completed',
    );
    expect(await db.job(job.id)).toMatchObject({
      status: 'failed',
      attempts: 8,
      error_message: error.error,
      error_details: expect.arrayContaining([expect.objectContaining({ code: 'webhook_failed' })]),
    });
  });

  test('that is repeated waits behind fresh ones', async () => {
    const down = await completed();
    await record(down.job, 'failed', { status: 500 }, 0);
    const up = await db.createUser();
    const fresh = await start(up);
    await complete();
    const order = await claimWebhooks();
    expect(order.map((job) => job.generation_id)).toEqual([fresh.generation_id, down.started.generation_id]);
  });

  test('is counted anew where an operator brings its job back', async () => {
    const { user, started, job } = await completed();
    await record(job, 'failed', { status: 500 });
    expect((await log(user, started))[0]?.status).toBe('failed');
    await db.service('requeue_job', { p_job_id: job.id });
    expect((await log(user, started))[0]?.status).toBe('pending');
    await record(await claimWebhook(), 'delivered', { status: 200 });
    expect((await log(user, started))[0]).toMatchObject({ status: 'delivered', attempts: { length: 2 } });
  });

  test('answered with 410 ends it for good', async () => {
    const { user, started, job } = await completed();
    expect(await record(job, 'gone', { status: 410 })).toEqual({ outcome: 'failed' });
    expect(await log(user, started)).toMatchObject([{ status: 'gone', attempts: [{ status: 410 }] }]);
    expect(await claimWebhooks()).toEqual([]);
  });

  test('under a lost lease changes nothing', async () => {
    const { user, started, job } = await completed();
    await db.letTimePass(job.id);
    const current = await claimWebhook();
    expect(current.rescued).toBe(true);
    expect((await message(job)).outcome).toBe('stale');
    expect(await record(job, 'delivered')).toEqual({ outcome: 'stale' });
    expect((await log(user, started))[0]?.attempts).toEqual([]);
    expect((await message(current)).outcome).toBe('message');
    expect(await record(current, 'delivered')).toEqual({ outcome: 'completed' });
    expect(await record(current, 'delivered'), 'once').toEqual({ outcome: 'stale' });
    expect((await log(user, started))[0]?.attempts).toHaveLength(1);
  });

  test('that never ends leaves a log that says failed', async () => {
    const { user, started, job } = await completed();
    await db.sql`update public.job_queue set attempts = 7 where id = ${job.id}`;
    await db.letTimePass(job.id);
    expect(await claimWebhooks()).toEqual([]);
    expect(await log(user, started)).toMatchObject([{ status: 'failed', next_attempt_at: null }]);
  });

  test('of a job that is no delivery of ours is told so, and can be ended', async () => {
    const user = await db.createUser();
    await db.service('enqueue_job', {
      p_job_type: 'process-webhook',
      p_payload: { user_id: user, url: URL },
    });
    const job = await claimWebhook();
    expect(await message(job)).toEqual({ outcome: 'unknown' });
    expect(await record(job, 'failed', { error: 'The job names no webhook.' })).toEqual({
      outcome: 'failed',
    });
  });

  test('cannot take another job’s message', async () => {
    const { job } = await completed();
    await db.service('enqueue_job', {
      p_job_type: 'process-webhook',
      p_payload: { delivery_id: (job.payload as { delivery_id: string }).delivery_id },
    });
    expect(await message(await claimWebhook())).toEqual({ outcome: 'unknown' });
  });
});

describe('secrets', () => {
  test('one’s own, made on first use, and the same from then on', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const first = await secretOf(user);
    expect(first).toMatchObject({
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{44}$/),
      old_secrets_expire_at: null,
    });
    expect(await secretOf(user)).toEqual(first);
    expect((await secretOf(other)).secret).not.toBe(first.secret);
    expect(new Webhook(first.secret).sign('msg_1', new Date(), '{}'), 'the reference takes it').toMatch(
      /^v1,/,
    );
    expect(await refusal(db.callAs('', 'webhook_secret'))).toMatchObject({ sqlstate: 'PT403' });
  });

  test('made by the first delivery where nobody asked for it before', async () => {
    const { user, job } = await completed();
    expect((await message(job)).secrets).toEqual([(await secretOf(user)).secret]);
  });

  test('a rotation: both sign for 24 hours, the new one first', async () => {
    const { user, job } = await completed();
    const old = await secretOf(user);
    const current = await rotate(user);
    expect(current.secret).not.toBe(old.secret);
    const hours = (Date.parse(String(current.old_secrets_expire_at)) - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(23.9);
    expect(hours).toBeLessThanOrEqual(24);
    expect(await secretOf(user)).toEqual(current);
    expect((await message(job)).secrets).toEqual([current.secret, old.secret]);
    await db.sql`update private.webhook_secrets set expires_at = now() - interval '1 second' where secret = ${old.secret}`;
    expect((await message(job)).secrets).toEqual([current.secret]);
    expect((await secretOf(user)).old_secrets_expire_at).toBeNull();
  });

  test('no old secret loses its 24 hours: a fourth rotation has to wait', async () => {
    const { user, job } = await completed();
    const all = [await secretOf(user)];
    for (let turn = 0; turn < 3; turn += 1) all.push(await rotate(user));
    const refused = await refusal(rotate(user));
    expect(refused).toMatchObject({ sqlstate: 'PT429', code: 'quota_exceeded' });
    expect(refused.retryAfter).toBeGreaterThan(86_000);
    const secrets = (await message(job)).secrets;
    expect(secrets).toEqual(all.map((one) => one.secret).reverse());
  });

  test('parallel first calls and rotations leave one current secret', async () => {
    const user = await db.createUser();
    const firsts = await Promise.all(Array.from({ length: 5 }, () => secretOf(user)));
    expect(new Set(firsts.map((one) => one.secret)).size).toBe(1);
    await Promise.all(Array.from({ length: 3 }, () => rotate(user)));
    const rows = await db.sql`select expires_at from private.webhook_secrets where user_id = ${user}`;
    expect(rows.filter((row) => row.expires_at === null)).toHaveLength(1);
    expect(rows).toHaveLength(4);
  });
});

describe('sending again', () => {
  test('what was delivered or given up: the same event, from the first attempt', async () => {
    for (const status of ['delivered', 'failed', 'gone']) {
      await db.clear();
      const { user, started, job } = await completed();
      const first = await message(job);
      await record(job, status, { status: status === 'delivered' ? 200 : 500 });
      expect(await claimWebhooks()).toEqual([]);
      expect(await resend(user, started)).toEqual({ webhook_id: first.webhook_id, status: 'pending' });
      const again = await claimWebhook();
      expect(await message(again), 'the same event').toEqual(first);
      expect(again.attempts).toBe(0);
      await record(again, 'delivered', { status: 200 });
      const [delivery] = await log(user, started);
      expect(delivery).toMatchObject({ status: 'delivered' });
      expect(delivery?.attempts, 'the log goes on').toHaveLength(2);
    }
  });

  test('what waits for its next attempt, at once', async () => {
    const { user, started, job } = await completed();
    await record(job, 'failed', { status: 500 }, 3_600);
    expect(await claimWebhooks()).toEqual([]);
    await resend(user, started);
    expect((await claimWebhook()).id).toBe(job.id);
  });

  test('once a minute, and not while it is being sent', async () => {
    const { user, started, job } = await completed();
    expect(await refusal(resend(user, started))).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
    await record(job, 'delivered');
    await resend(user, started);
    expect(await refusal(resend(user, started))).toMatchObject({ sqlstate: 'PT429', retryAfter: 60 });
    expect(await webhookJobs()).toHaveLength(2);
  });

  test('twice at the same time: one job', async () => {
    const { user, started, job } = await completed();
    await record(job, 'delivered');
    const results = await Promise.allSettled([resend(user, started), resend(user, started)]);
    expect(results.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await webhookJobs()).toHaveLength(2);
  });

  test('one’s own only, and only what was announced', async () => {
    const { started, user } = await completed();
    const stranger = await db.createUser();
    expect(await refusal(resend(stranger, started))).toMatchObject({ sqlstate: 'PT404', code: 'not_found' });
    expect(await refusal(log(stranger, started))).toMatchObject({ sqlstate: 'PT404', code: 'not_found' });
    const running = await start(user);
    expect(await refusal(resend(user, running))).toMatchObject({ sqlstate: 'PT404', code: 'not_found' });
    expect(await log(user, running)).toEqual([]);
  });
});

test('the log is bounded: 20 attempts, 30 days', async () => {
  const { user, started, job } = await completed();
  await db.sql`update public.job_queue set max_attempts = 100 where id = ${job.id}`;
  let now = job;
  for (let attempt = 1; attempt <= 22; attempt += 1) {
    await record(now, 'failed', { status: 500 }, 0);
    await db.letTimePass(job.id);
    now = await claimWebhook();
  }
  const attempts = (await log(user, started))[0]?.attempts ?? [];
  expect(attempts.map((one) => one.attempt)).toEqual(Array.from({ length: 20 }, (_, n) => n + 3));

  await rotate(user);
  await db.sql`update private.webhook_secrets set expires_at = now() - interval '1 second' where expires_at is not null`;
  await db.sql`update private.webhook_deliveries set ended_at = now() - interval '29 days'`;
  await db.service('prune_jobs');
  expect(await log(user, started)).toHaveLength(1);
  expect(await db.sql`select from private.webhook_secrets where user_id = ${user}`).toHaveLength(1);
  await db.sql`update private.webhook_deliveries set ended_at = now() - interval '31 days'`;
  await db.service('prune_jobs');
  expect(await log(user, started)).toEqual([]);
  expect((await message(now)).outcome, 'a job whose delivery is pruned').toBe('unknown');
});
