import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Calls, Job as Listed } from '../../web/dashboard/src/api/contract.ts';
import { Admin } from './admin-support.ts';
import { Database, type Job, MODEL, refusal, SUCCEEDED } from './support.ts';

// Pages of jobs, the ledger, and what an id is.

const db = await Database.open();
const admin = await Admin.open(db);
beforeEach(() => db.clear());

async function all(args: Calls['admin_jobs']['args']): Promise<Listed[]> {
  const jobs: Listed[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await admin.call('admin_jobs', { ...args, ...(cursor ? { p_cursor: cursor } : {}) });
    jobs.push(...page.jobs);
    cursor = page.next_cursor;
  }
  return jobs;
}

const fail = (job: Job, code: string) =>
  db.service('fail_job', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_error_message: 'Broken.',
    p_error_details: { code },
  });

describe('pages', () => {
  test('of each state have each job once, in their order', async () => {
    const [one, two] = [await db.createUser({ running_jobs: 3 }), await db.createUser({ running_jobs: 3 })];
    for (const user of [one, two])
      for (const priority of ['normal', 'high', 'low'])
        await db.start(user, { priority, items: Array(5).fill({ prompt: 'x' }) });
    for (let n = 0; n < 7; n += 1)
      await db.start(one, { scheduled_at: new Date(Date.now() + 3_600_000 - n * 60_000).toISOString() });
    const orders = {
      ready: 'ready_jobs order by priority desc, virtual_time, seq',
      blocked: 'blocked_jobs order by fair_key, job_type, priority desc, seq',
      scheduled: 'scheduled_jobs order by scheduled_at, id',
    } as const;
    for (const [state, order] of Object.entries(orders)) {
      const expected = await db.sql.unsafe<{ id: string }[]>(`select id from private.${order}`);
      expect(expected.length, state).toBeGreaterThan(5);
      const listed = await all({ p_state: state as 'ready', p_limit: 2 });
      expect(
        listed.map((job) => job.id),
        state,
      ).toEqual(expected.map((row) => row.id));
      expect(new Set(listed.map((job) => job.state))).toEqual(new Set([state]));
    }
    const blocked = await all({ p_state: 'blocked', p_user_id: two, p_limit: 2 });
    const [row] = await db.sql`select count(*)::int as n from private.blocked_jobs where fair_key = ${two}`;
    expect([blocked.length, new Set(blocked.map((job) => job.user_id))]).toEqual([row?.n, new Set([two])]);

    await db.claim(5);
    const running = await all({ p_state: 'running', p_limit: 2 });
    expect(running).toHaveLength(5);
    expect(running.every((job) => Date.parse(job.lease_expires_at ?? '') > Date.now())).toBe(true);
    expect(await all({ p_state: 'stuck' })).toEqual([]);
    await db.sql`update public.job_queue set started_at = now() - interval '11 minutes' where id = ${running[3]?.id as string}`;
    expect((await all({ p_state: 'stuck' })).map((job) => job.id)).toEqual([running[3]?.id]);
  });

  test('of dead letters have their history, and are told apart by code, type and user', async () => {
    const [one, two] = [await db.createUser(), await db.createUser()];
    await db.start(one, { items: Array(3).fill({ prompt: 'secret words' }) });
    await db.start(two, { items: Array(2).fill({ prompt: 'secret words' }) });
    const jobs = await db.claim(5);
    for (const [n, job] of jobs.entries()) await fail(job, n === 0 ? 'rare' : 'common');
    const failed = await all({ p_state: 'failed', p_limit: 2 });
    expect(failed.map((job) => job.id)).toEqual(jobs.map((job) => job.id).toReversed());
    expect((await all({ p_state: 'failed', p_error_code: 'rare' })).map((job) => job.id)).toEqual([
      jobs[0]?.id,
    ]);
    expect(await all({ p_state: 'failed', p_user_id: one, p_limit: 2 })).toHaveLength(3);
    expect(await all({ p_state: 'failed', p_job_type: 'download-image' })).toEqual([]);

    const detail = await admin.call('admin_job', { p_job_id: jobs[0]?.id as string });
    expect(detail).toMatchObject({
      state: 'finished',
      status: 'failed',
      model: MODEL,
      error_code: 'rare',
      errors: [{ attempt: 1, message: 'Broken.', code: 'rare' }],
      can_requeue: true,
      can_cancel: false,
    });
    expect(JSON.stringify(detail), 'nothing that a user wrote').not.toContain('secret');
  });

  test('refuse what they cannot be asked', async () => {
    const field = async (args: object) =>
      (await refusal(admin.call('admin_jobs', args as Calls['admin_jobs']['args']))).field;
    expect(await field({ p_state: 'odd' })).toBe('p_state');
    expect(await field({ p_state: 'ready', p_limit: 101 })).toBe('p_limit');
    for (const cursor of [
      'x',
      btoa('{}'),
      btoa('{"state": "ready", "at": "x"}'),
      btoa('{"state": "failed"}'),
    ])
      expect(await field({ p_state: 'ready', p_cursor: cursor }), cursor).toBe('p_cursor');
    expect(await refusal(admin.call('admin_job', { p_job_id: randomUUID() }))).toMatchObject({
      sqlstate: 'PT404',
    });
  });
});

/** A generation that failed once, was tried again and is stored, with its webhook. */
async function stored() {
  const user = await db.createUser();
  const { generation_id, job_id, batch_id } = await db.start(user, {
    webhook_url: 'https://example.com/hook?token=secret',
    country: 'PT',
    items: [{ prompt: 'a' }],
  });
  const types = ['generate-image'];
  const [first] = await db.claim(1, { types });
  if (!first) throw new Error('the job should be ready');
  await db.service('record_prediction', {
    p_job_id: first.id,
    p_lease: first.lease,
    p_prediction_id: `p1-${job_id}`,
    p_wait_seconds: 60,
  });
  await db.service('finish_prediction', {
    p_job_id: job_id,
    p_prediction_id: `p1-${job_id}`,
    p_outcome: { status: 'failed', error_message: 'No.', error_code: 'x', retry_in_seconds: 0 },
  });
  const [again] = await db.claim(1, { types });
  await db.service('record_prediction', {
    p_job_id: job_id,
    p_lease: again?.lease,
    p_prediction_id: `p2-${job_id}`,
    p_wait_seconds: 60,
  });
  const { job } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job_id,
    p_prediction_id: `p2-${job_id}`,
    p_outcome: SUCCEEDED,
  });
  await db.service('finish_download', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_image: {
      public_url: 'https://x/y.webp',
      storage_path: `${user}/y.webp`,
      format: 'webp',
      width: 8,
      height: 8,
    },
  });
  return { user, generation_id, job_id, batch_id, download: job.id };
}

test('a generation’s story has every job, attempt, prediction, webhook, cost and id', async () => {
  const its = await stored();
  const story = await admin.call('admin_generation', { p_generation_id: its.generation_id });
  expect(story.generation).toMatchObject({
    id: its.generation_id,
    user_id: its.user,
    user_email: `${its.user}@example.com`,
    status: 'completed',
    model: MODEL,
    country: 'PT',
    cost_usd: 0.003,
    retry_count: 1,
  });
  expect(story.jobs.map((job) => job.job_type)).toEqual(
    expect.arrayContaining(['generate-image', 'download-image', 'process-webhook']),
  );
  expect(story.jobs.find((job) => job.id === its.job_id)?.errors).toMatchObject([{ attempt: 1, code: 'x' }]);
  expect(story.predictions).toMatchObject([
    { id: `p1-${its.job_id}`, attempt: 1, status: 'failed' },
    { id: `p2-${its.job_id}`, attempt: 2, status: 'succeeded', cost_usd: 0.003, user_id: its.user },
  ]);
  expect(story.webhooks).toMatchObject([
    { type: 'generation.completed', url: 'https://example.com/hook', status: 'pending', attempts: [] },
  ]);
  expect(story.image).toMatchObject({ public_url: 'https://x/y.webp', width: 8 });
  expect(story.provider_cost_usd).toBe(0.003);
  expect(story.log.ids).toEqual(
    expect.arrayContaining([its.generation_id, its.job_id, its.download, `p2-${its.job_id}`]),
  );
  expect(JSON.stringify({ ...story, image: null }), 'no secret of the address').not.toContain('token=secret');
});

test('each id leads to what it is, and the ledger is searched by it', async () => {
  const its = await stored();
  const story = await admin.call('admin_generation', { p_generation_id: its.generation_id });
  const find = (p_id: string) => admin.call('admin_find', { p_id });
  const of = { generation_id: its.generation_id, user_id: its.user };
  expect(await find(its.generation_id)).toEqual({ kind: 'generation', id: its.generation_id, ...of });
  expect(await find(` ${its.job_id} `)).toEqual({ kind: 'job', id: its.job_id, ...of });
  expect(await find(story.image?.id ?? '')).toEqual({ kind: 'image', id: its.generation_id, ...of });
  expect(await find(story.webhooks[0]?.webhook_id ?? '')).toMatchObject({ kind: 'webhook', ...of });
  expect(await find(`p1-${its.job_id}`)).toEqual({ kind: 'prediction', id: `p1-${its.job_id}`, ...of });
  expect(await find(its.user)).toEqual({
    kind: 'user',
    id: its.user,
    generation_id: null,
    user_id: its.user,
  });
  expect(await find(MODEL)).toMatchObject({ kind: 'model', id: MODEL });
  expect(await find(randomUUID())).toEqual({ kind: 'none', id: null, generation_id: null, user_id: null });

  await stored();
  const ids = async (p_search?: string) => {
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await admin.call('admin_predictions', {
        p_limit: 1,
        ...(p_search ? { p_search } : {}),
        ...(cursor ? { p_cursor: cursor } : {}),
      });
      found.push(...page.predictions.map((one) => one.id));
      cursor = page.next_cursor;
    }
    return found;
  };
  const own = [`p2-${its.job_id}`, `p1-${its.job_id}`];
  const batch = randomUUID();
  await db.sql`insert into public.batch_generations (id, user_id, total_count) values (${batch}, ${its.user}, 1)`;
  await db.sql`update public.image_generations set batch_id = ${batch} where id = ${its.generation_id}`;
  for (const search of [
    its.generation_id,
    its.job_id,
    its.user,
    ` ${its.user}@Example.com `,
    batch,
    story.image?.id ?? '',
    story.webhooks[0]?.webhook_id ?? '',
  ])
    expect(await ids(search), search).toEqual(own);
  expect(await ids(`p1-${its.job_id}`)).toEqual([`p1-${its.job_id}`]);
  const ledger = await db.sql<{ id: string }[]>`
    select id from private.predictions order by recorded_at desc, id desc`;
  expect(await ids()).toEqual(ledger.map((row) => row.id));
});
