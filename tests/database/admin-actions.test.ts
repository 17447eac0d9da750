import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Calls, Done } from '../../web/dashboard/src/api/contract.ts';
import { Admin } from './admin-support.ts';
import { stopped } from './stopped.ts';
import { Database, type Job, MODEL, refusal } from './support.ts';

// What operators do from the dashboard: each action with its record, and back.

const db = await Database.open();
const admin = await Admin.open(db);
const p_reason = 'because';
beforeEach(() => db.clear());

const entry = async ({ audit_id }: Done) =>
  (await admin.call('admin_audit', {})).entries.find((one) => one.id === audit_id);

const fail = (job: Job, code = 'x') =>
  db.service('fail_job', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_error_message: 'Broken.',
    p_error_details: { code },
  });

async function failed(count: number, code = 'x'): Promise<Job[]> {
  const user = await db.createUser();
  await db.start(user, { items: Array(count).fill({ prompt: 'x' }) });
  const jobs = await db.claim(count);
  for (const job of jobs) await fail(job, code);
  return jobs;
}

describe('a job', () => {
  test('is cancelled with its generation, and by whom is kept', async () => {
    const user = await db.createUser();
    const { job_id, generation_id } = await db.start(user);
    const done = await admin.call('admin_cancel_job', { p_job_id: job_id, p_reason });
    expect((await db.job(job_id)).status).toBe('cancelled');
    expect(await db.generation(generation_id)).toMatchObject({ status: 'cancelled', user_id: user });
    expect(await entry(done)).toMatchObject({
      actor: admin.id,
      actor_email: `${admin.id}@example.com`,
      action: 'cancel_job',
      target: job_id,
      reason: p_reason,
      before: { status: 'pending' },
      after: { status: 'cancelled' },
      is_undoable: false,
    });
    const usage = await db.callAs<{ spent_usd: { today: number } }>(user, 'user_usage');
    expect(usage.spent_usd.today, 'it is given back to its user').toBe(0);
    expect(await refusal(admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason }))).toMatchObject({
      sqlstate: 'PT409',
    });
  });

  test('of no generation is cancelled alone, while it has not ended', async () => {
    const id = await db.service<string>('enqueue_job', { p_job_type: 'work', p_payload: {} });
    await admin.call('admin_cancel_job', { p_job_id: id, p_reason });
    expect(await db.job(id)).toMatchObject({
      status: 'cancelled',
      error_message: 'Cancelled by an operator.',
    });
    expect(await refusal(admin.call('admin_cancel_job', { p_job_id: id, p_reason }))).toMatchObject({
      sqlstate: 'PT409',
      code: 'conflict',
    });
  });

  test('that failed comes back, alone or with many, and what is left is told', async () => {
    const [first, ...others] = await failed(5);
    await failed(2, 'other');
    await admin.call('admin_requeue_job', { p_job_id: first?.id as string, p_reason });
    expect((await db.job(first?.id as string)).status).toBe('pending');
    expect(
      await refusal(admin.call('admin_requeue_job', { p_job_id: first?.id as string, p_reason })),
    ).toMatchObject({ sqlstate: 'PT409' });
    const some = await admin.call('admin_requeue_jobs', { p_error_code: 'x', p_limit: 3, p_reason });
    expect(some).toMatchObject({ requeued: 3, skipped: 0, left: 1 });
    expect(await admin.call('admin_requeue_jobs', { p_error_code: 'x', p_reason })).toMatchObject({
      requeued: 1,
      left: 0,
    });
    for (const job of others) expect((await db.job(job.id)).status).toBe('pending');
    expect(await admin.call('admin_requeue_jobs', { p_model: MODEL, p_reason })).toMatchObject({
      requeued: 2,
    });
    expect(await entry(some)).toMatchObject({
      action: 'requeue_jobs',
      before: { error_code: 'x' },
      after: { requeued: 3, left: 1 },
    });
  });

  test('many at once come back beside claims, without a deadlock', async () => {
    for (let n = 0; n < 6; n += 1) await failed(5);
    await db.sql`update public.job_queue set scheduled_at = now() where status = 'pending'`;
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => admin.call('admin_requeue_jobs', { p_limit: 20, p_reason })),
      ...Array.from({ length: 8 }, () => db.claim(5).then(() => undefined)),
    ]);
    const requeued = answers.reduce((sum, one) => sum + (one?.requeued ?? 0), 0);
    expect(requeued, 'each of the thirty once').toBe(30);
  });
});

test('every action needs a reason', async () => {
  for (const reason of ['', '   ', 'x'.repeat(501)])
    expect(
      await refusal(admin.call('admin_pause', { p_what: 'queue', p_reason: reason })),
      `"${reason.slice(0, 5)}"`,
    ).toMatchObject({ sqlstate: 'PT422', field: 'p_reason' });
});

test('resuming a model ends the provider’s refusal, and undoing it brings that back', async () => {
  await db.sql`insert into private.refused_models (model, since, until, status, refusals)
    values (${MODEL}, now() - interval '1 hour', now() + interval '20 minutes', 404, 5)`;
  const refused = () => db.sql`select * from private.refused_models where model = ${MODEL}`;
  const before = [...(await refused())];
  await admin.call('admin_pause', { p_what: 'model', p_name: MODEL, p_reason });
  const done = await admin.call('admin_resume', { p_what: 'model', p_name: MODEL, p_reason });
  expect([...(await refused())]).toEqual([]);
  expect(done).toMatchObject({ is_undoable: true, before: { is_held: true, refused: { status: 404 } } });
  const undone = await admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason });
  expect([...(await refused())], 'as it was').toEqual(before);
  expect((await admin.call('admin_overview', {})).holds.models).toEqual([MODEL]);
  // That is an action to be taken back as well.
  const again = await admin.call('admin_undo', { p_audit_id: undone.audit_id, p_reason });
  expect([...(await refused())]).toEqual([]);
  // Refused anew since: it has changed.
  await db.sql`insert into private.refused_models (model, since, until, status)
    values (${MODEL}, now(), now() + interval '1 minute', 403)`;
  expect(await refusal(admin.call('admin_undo', { p_audit_id: again.audit_id, p_reason }))).toMatchObject({
    sqlstate: 'PT409',
  });
  await db.sql`delete from private.refused_models where true`;
});

describe('many that come back, and costs that are given up, over users in opposite orders', () => {
  /** Of each user a job that has failed, and a cancelled run whose cost nobody will tell. */
  async function prepared() {
    await db.clear();
    const users = (await Promise.all([0, 1].map(() => db.createUser({ running_jobs: null })))).sort();
    for (const user of users) {
      const { generation_id } = await db.start(user);
      const [job] = (await db.claim(1, { types: ['generate-image'] })) as [Job];
      await db.service('record_prediction', {
        p_job_id: job.id,
        p_lease: job.lease,
        p_prediction_id: `p-${user}`,
        p_wait_seconds: 60,
      });
      await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    }
    for (const user of users) {
      await db.start(user);
      const [job] = await db.claim(1, { types: ['generate-image'] });
      await fail(job as Job);
    }
    await db.sql`update public.image_generations set completed_at = now() - interval '2 days' where cost_open`;
    return users as [string, string];
  }
  const prune = () => db.service('prune_jobs', { p_completed_days: 7, p_failed_days: 30 });
  const requeue = () => admin.call('admin_requeue_jobs', { p_reason });
  const open = async () => (await db.sql`select from public.image_generations where cost_open`).length;

  test.each([
    ['what the first has used', (first: string) => `private.usage where user_id = '${first}'`],
    ['what the last has used', (_: string, last: string) => `private.usage where user_id = '${last}'`],
    ['the last prediction', (_: string, last: string) => `private.predictions where id = 'p-${last}'`],
  ])('stopped by %s', async (_, held) => {
    for (const calls of [
      [prune, requeue],
      [requeue, prune],
    ]) {
      const users = await prepared();
      await stopped(db, (sql) => sql.unsafe(`select from ${held(...users)} for update`), calls);
      await prune();
      expect(await open(), 'each is given up once').toBe(0);
    }
  });

  test('a pruning that has locked what users have used waits for nobody', async () => {
    await prepared();
    await db.sql`insert into private.refused_models (model, since, until, status)
      values ('old/one', now() - interval '3 days', now() - interval '2 days', 404)`;
    await db.sql.begin(async (sql) => {
      // The provider refuses it again just now.
      await sql`update private.refused_models set until = now() where model = 'old/one'`;
      await prune();
    });
    expect(await open()).toBe(0);
    await db.sql`delete from private.refused_models where true`;
  });
});

describe('a pause', () => {
  const claimed = async (types?: string[]) =>
    (await db.claim(10, types ? { types } : {})).map((job) => job.job_type);

  test('of the queue, and of one type, hands nothing of it out until it is resumed', async () => {
    const user = await db.createUser();
    await admin.call('admin_pause', { p_what: 'queue', p_reason });
    expect((await db.start(user, {}, undefined, undefined, 1)).next, 'nor does a start').toBeUndefined();
    await db.service('enqueue_job', { p_job_type: 'work', p_payload: {} });
    for (const types of [undefined, ['generate-image'], ['work']]) expect(await claimed(types)).toEqual([]);
    await admin.call('admin_pause', { p_what: 'job_type', p_name: 'generate-image', p_reason });
    const done = await admin.call('admin_resume', { p_what: 'queue', p_reason });
    expect(done).toMatchObject({ before: { is_held: true }, after: { is_held: false }, is_undoable: true });
    expect(await claimed()).toEqual(['work']);
    expect((await admin.call('admin_overview', {})).holds).toEqual({
      queue: false,
      job_types: ['generate-image'],
      models: [],
    });
    await admin.call('admin_resume', { p_what: 'job_type', p_name: 'generate-image', p_reason });
    expect(await claimed()).toEqual(['generate-image']);
  });

  test('holds where there are many queues, too', async () => {
    for (let n = 0; n < 40; n += 1)
      await db.service('enqueue_job', { p_job_type: `kind-${n}`, p_payload: {} });
    await admin.call('admin_pause', { p_what: 'job_type', p_name: 'kind-0', p_reason });
    expect((await db.claim(100)).map((job) => job.job_type)).toHaveLength(39);
    await admin.call('admin_pause', { p_what: 'queue', p_reason });
    await admin.call('admin_resume', { p_what: 'job_type', p_name: 'kind-0', p_reason });
    expect(await claimed()).toEqual([]);
    await admin.call('admin_resume', { p_what: 'queue', p_reason });
    expect(await claimed()).toEqual(['kind-0']);
    await db.sql`delete from private.ready_queues where job_type like 'kind-%'`;
  });

  test('of a model lets the images of others go first, and gives its users’ slots to them', async () => {
    await db.sql`insert into public.models (replicate_id, cost_per_generation) values ('test/other', 0.001)
      on conflict do nothing`;
    const user = await db.createUser({ running_jobs: 2 });
    await db.start(user, { items: Array(4).fill({ prompt: 'x' }) });
    const { job_id } = await db.start(user, { model_id: 'test/other' });
    expect((await db.job(job_id)).status, 'behind the user’s others').toBe('pending');
    await admin.call('admin_pause', { p_what: 'model', p_name: MODEL, p_reason });
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) ids.push(...(await db.claim(1)).map((job) => job.id));
    expect(ids).toEqual([job_id]);
    const { models } = await admin.call('admin_models', {});
    expect(models.find((one) => one.model === MODEL)?.is_held).toBe(true);
    const [late] = await db.sql`select count(*)::int as n from private.scheduled_jobs`;
    expect(late?.n, 'they are put off').toBe(4);

    await admin.call('admin_resume', { p_what: 'model', p_name: MODEL, p_reason });
    await db.pass(121);
    const next = (await db.claim(10)).filter((job) => job.id !== job_id);
    expect(next, 'one slot is free').toHaveLength(1);
  });

  test('of a paused model hands nothing over with a start', async () => {
    await admin.call('admin_pause', { p_what: 'model', p_name: MODEL, p_reason });
    const started = await db.start(await db.createUser(), {}, undefined, undefined, 1);
    expect(started.next).toBeUndefined();
    expect(await db.claim(1)).toEqual([]);
    await admin.call('admin_resume', { p_what: 'model', p_name: MODEL, p_reason });
  });

  test('of the provider ends now, and one job tries', async () => {
    await db.sql`update private.provider_pause set until = now() + interval '1 hour', since = now(),
      reason = 'account', code = 402, probing = true where only_row`;
    await db.start(await db.createUser(), { items: Array(2).fill({ prompt: 'x' }) });
    expect(await claimed()).toEqual([]);
    const done = await admin.call('admin_resume', { p_what: 'provider', p_reason });
    expect(done).toMatchObject({ before: { reason: 'account', code: 402 }, is_undoable: false });
    expect(await claimed()).toEqual(['generate-image']);
  });

  test('says what it cannot be', async () => {
    const of = (args: object) => refusal(admin.call('admin_pause', { p_reason, ...args } as never));
    expect(await of({ p_what: 'odd' })).toMatchObject({ field: 'p_what' });
    expect(await of({ p_what: 'queue', p_name: 'x' })).toMatchObject({ field: 'p_name' });
    expect(await of({ p_what: 'job_type' })).toMatchObject({ field: 'p_name' });
    expect(await of({ p_what: 'model', p_name: 'no/such' })).toMatchObject({ sqlstate: 'PT404' });
  });
});

interface Undoable<Name extends keyof Calls> {
  name: Name;
  args: () => Promise<Calls[Name]['args']>;
  before: object | null;
  after: object | null;
}

const undoable = [
  {
    name: 'admin_switch_model',
    args: async () => ({ p_model: MODEL, p_is_active: false, p_reason }),
    before: { is_active: true },
    after: { is_active: false },
  } satisfies Undoable<'admin_switch_model'>,
  {
    name: 'admin_set_user_plan',
    args: async () => {
      await admin.call('admin_save_plan', { p_plan: { name: 'gold', images_per_day: 5 }, p_reason });
      return { p_user_id: await db.createUser(), p_plan: 'gold', p_reason };
    },
    before: { plan: null },
    after: { plan: 'gold' },
  } satisfies Undoable<'admin_set_user_plan'>,
  {
    name: 'admin_save_plan',
    args: async () => ({ p_plan: { name: 'silver', running_jobs: 2, priorities: ['low'] }, p_reason }),
    before: null,
    after: {
      name: 'silver',
      requests_per_minute: null,
      images_per_day: null,
      priorities: ['low'],
      running_jobs: 2,
      money_per_day: null,
      stored_sources: 100,
    },
  } satisfies Undoable<'admin_save_plan'>,
  {
    name: 'admin_set_budget',
    args: async () => ({ p_per_day_usd: 5, p_per_month_usd: null, p_reason }),
    before: { per_day_usd: null, per_month_usd: null },
    after: { per_day_usd: 5, per_month_usd: null },
  } satisfies Undoable<'admin_set_budget'>,
];

test.each(undoable)('$name is written down, undone and done again', async ({ name, args, before, after }) => {
  const done = (await admin.call(name, (await args()) as never)) as Done;
  expect(done).toMatchObject({ before, after, is_undoable: true });
  const undo = await admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason: 'a mistake' });
  expect(undo).toMatchObject({ before: after, after: before, is_undoable: true });
  expect(await entry(done)).toMatchObject({ is_undoable: false, undone_by: undo.audit_id });
  expect(await entry(undo)).toMatchObject({ undoes: done.audit_id, reason: 'a mistake' });
  expect(await refusal(admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason }))).toMatchObject({
    sqlstate: 'PT409',
    message: expect.stringMatching(/undone already/),
  });
  const again = await admin.call('admin_undo', { p_audit_id: undo.audit_id, p_reason });
  expect(again).toMatchObject({ after });
  await admin.call('admin_undo', { p_audit_id: again.audit_id, p_reason });
});

test('what has changed since is not undone', async () => {
  const first = await admin.call('admin_set_budget', { p_per_day_usd: 5, p_per_month_usd: 50, p_reason });
  await admin.call('admin_set_budget', { p_per_day_usd: 6, p_per_month_usd: 50, p_reason });
  expect(await refusal(admin.call('admin_undo', { p_audit_id: first.audit_id, p_reason }))).toMatchObject({
    sqlstate: 'PT409',
    message: expect.stringMatching(/changed since/),
  });
  await admin.call('admin_set_budget', { p_per_day_usd: null, p_per_month_usd: null, p_reason });
});

test('a model that is off takes no starts, and what is started goes on', async () => {
  const user = await db.createUser();
  const { job_id } = await db.start(user);
  const done = await admin.call('admin_switch_model', { p_model: MODEL, p_is_active: false, p_reason });
  expect((await refusal(db.start(user))).sqlstate).toMatch(/^PT/);
  expect((await db.claim(1)).map((job) => job.id)).toEqual([job_id]);
  await admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason });
  await db.start(user);
});

test('plans are bounded, and one that is in use stays', async () => {
  const save = (p_plan: object) => refusal(admin.call('admin_save_plan', { p_plan, p_reason } as never));
  expect(await save({ name: '' })).toMatchObject({ field: 'name' });
  expect(await save({ name: 'x', running_jobs: 0 })).toMatchObject({ field: 'running_jobs' });
  expect(await save({ name: 'x', images_per_day: 1.5 })).toMatchObject({ field: 'images_per_day' });
  expect(await save({ name: 'x', priorities: [] })).toMatchObject({ field: 'priorities' });
  expect(await save({ name: 'x', priorities: ['urgent'] })).toMatchObject({ field: 'priorities' });
  expect(await save({ name: 'x', odd: 1 })).toMatchObject({ field: 'odd' });
  const user = await db.createUser({});
  const remove = (p_name: string) => refusal(admin.call('admin_delete_plan', { p_name, p_reason }));
  expect(await remove('default')).toMatchObject({ sqlstate: 'PT409' });
  expect(await remove(user)).toMatchObject({
    sqlstate: 'PT409',
    message: expect.stringMatching(/Users have/),
  });
  expect(await remove('none')).toMatchObject({ sqlstate: 'PT404' });
  await admin.call('admin_set_user_plan', { p_user_id: user, p_plan: null, p_reason });
  const done = await admin.call('admin_delete_plan', { p_name: user, p_reason });
  await admin.call('admin_undo', { p_audit_id: done.audit_id, p_reason });
  const { plans } = await admin.call('admin_plans', {});
  expect(plans.find((plan) => plan.name === user)).toMatchObject({ images_per_day: 500, users: 0 });
  expect(
    await refusal(admin.call('admin_set_user_plan', { p_user_id: randomUUID(), p_plan: null, p_reason })),
  ).toMatchObject({ sqlstate: 'PT404' });
});

test('the record is read by action, actor and target, by pages', async () => {
  const other = await Admin.open(db);
  for (const p_what of ['queue', 'queue'] as const) {
    await other.call('admin_pause', { p_what, p_reason: 'page' });
    await other.call('admin_resume', { p_what, p_reason: 'page' });
  }
  await db.as('service_role', null, (sql) => sql`select public.admin_pause('queue', 'a server')`);
  await db.as('service_role', null, (sql) => sql`select public.admin_resume('queue', 'a server')`);
  const ids: number[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await admin.call('admin_audit', {
      p_actor: other.id,
      p_limit: 2,
      ...(cursor ? { p_cursor: cursor } : {}),
    });
    ids.push(...page.entries.map((one) => one.id));
    cursor = page.next_cursor;
  }
  expect(ids).toHaveLength(4);
  expect(ids).toEqual(ids.toSorted((a, b) => b - a));
  const { entries } = await admin.call('admin_audit', { p_action: 'resume', p_limit: 1 });
  expect(entries).toMatchObject([{ action: 'resume', actor: null, actor_email: null, reason: 'a server' }]);
  expect((await admin.call('admin_audit', { p_target: MODEL })).entries[0]?.target).toBe(MODEL);
  expect(await refusal(admin.call('admin_audit', { p_cursor: 'x' }))).toMatchObject({ field: 'p_cursor' });
});

test('a refused action leaves no record', async () => {
  const before = (await admin.call('admin_audit', { p_limit: 1 })).entries[0]?.id;
  await refusal(admin.call('admin_cancel_job', { p_job_id: randomUUID(), p_reason }));
  expect((await admin.call('admin_audit', { p_limit: 1 })).entries[0]?.id).toBe(before);
});
