import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, refusal } from '../support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

const enqueue = (type: string, payload: object = {}) =>
  db.service<string>('enqueue_job', { p_job_type: type, p_payload: payload });

describe("the original's calls, as its users wrote them", () => {
  test('enqueue_job with two arguments and its defaults', async () => {
    const [row] = await db.as(
      'service_role',
      null,
      (sql) => sql`select enqueue_job('process-webhook', '{"a": 1}') as id`,
    );
    const job = await db.job(row?.id);
    expect(job).toMatchObject({
      job_type: 'process-webhook',
      payload: { a: 1 },
      status: 'pending',
      attempts: 0,
      max_attempts: 3,
      priority: 0,
    });
  });

  test('enqueue_job with all five arguments', async () => {
    const [row] = await db.as(
      'service_role',
      null,
      (sql) => sql`select enqueue_job('cleanup-storage', '{}', 5, now() + interval '1 hour', 7) as id`,
    );
    expect(await db.job(row?.id)).toMatchObject({ priority: 5, max_attempts: 7, status: 'pending' });
    expect(await db.claim(10), 'it is scheduled for later').toEqual([]);
  });

  test('a job that the service enqueues belongs to the user in its payload', async () => {
    const user = await db.createUser();
    const id = await enqueue('process-webhook', { user_id: user });
    expect((await db.job(id)).created_by).toBe(user);
    const [own] = await db.as(
      'authenticated',
      user,
      (sql) => sql`select count(*)::int as n from public.job_queue`,
    );
    expect(own?.n, 'the owner sees it').toBe(1);
  });

  test.each([{ user_id: 'nobody' }, { user_id: 7 }])(
    'a user that is none is no error: %o',
    async (payload) => {
      expect((await db.job(await enqueue('process-webhook', payload))).created_by).toBeNull();
    },
  );

  test('a user that does not exist is no error', async () => {
    const user = '00000000-0000-4000-8000-000000000000';
    expect((await db.job(await enqueue('process-webhook', { user_id: user }))).created_by).toBe(user);
  });

  test('claim_next_job without and with types', async () => {
    await enqueue('process-webhook');
    const id = await enqueue('cleanup-storage');
    const rows = await db.as(
      'service_role',
      null,
      (sql) => sql<Job[]>`select * from claim_next_job(array['cleanup-storage'])`,
    );
    expect(rows.map((job) => job.id)).toEqual([id]);
    const rest = await db.as('service_role', null, (sql) => sql<Job[]>`select * from claim_next_job()`);
    expect(rest[0]).toMatchObject({ job_type: 'process-webhook', status: 'processing' });
    const none = await db.as('service_role', null, (sql) => sql`select * from claim_next_job()`);
    expect(none.length).toBe(0);
  });

  test.each([
    "complete_job('ID')",
    "complete_job('ID', null, null)",
    "complete_job(p_job_id => 'ID', p_error_message => null)",
    "complete_job(p_job_id => 'ID', p_result => '{\"ok\": true}')",
    "complete_job(p_job_id => 'ID', p_result => null, p_error => null)",
  ])('%s completes', async (text) => {
    const id = await enqueue('process-webhook');
    await db.claimOne();
    await db.as('service_role', null, (sql) => sql.unsafe(`select ${text.replace('ID', id)}`));
    expect((await db.job(id)).status).toBe('completed');
  });

  test.each([
    "complete_job('ID', 'broken', '{\"code\": \"x\"}')",
    "complete_job(p_job_id => 'ID', p_error => 'broken')",
    "complete_job(p_job_id => 'ID', p_error_message => 'broken')",
  ])('%s retries with backoff until the attempts are used up', async (text) => {
    const id = await enqueue('process-webhook');
    for (const attempt of [1, 2, 3]) {
      await db.claimOne();
      await db.as('service_role', null, (sql) => sql.unsafe(`select ${text.replace('ID', id)}`));
      const job = await db.job(id);
      expect(job).toMatchObject({
        attempts: attempt,
        status: attempt < 3 ? 'pending' : 'failed',
        error_message: 'broken',
      });
      expect(job.error_details).toHaveLength(attempt);
      const waits = job.scheduled_at.getTime() - Date.now();
      expect(waits, 'backoff of at most 10 s doubled per attempt').toBeLessThanOrEqual(
        10_000 * 2 ** (attempt - 1),
      );
      await db.letTimePass(id);
    }
    expect(await db.claim(1)).toEqual([]);
  });

  test('the views have the columns they had', async () => {
    const columns = async (view: string) =>
      (await db.sql.unsafe(`select * from public.${view} limit 0`)).columns.map((column) => column.name);
    expect(await columns('queue_health')).toEqual([
      'job_type',
      'status',
      'count',
      'oldest_job',
      'newest_job',
      'avg_duration_seconds',
      'avg_attempts',
    ]);
    expect(await columns('failed_jobs_recent')).toEqual([
      'id',
      'job_type',
      'payload',
      'attempts',
      'error_message',
      'created_at',
      'completed_at',
    ]);
    expect(await columns('stuck_jobs')).toEqual(['id', 'job_type', 'payload', 'started_at', 'minutes_stuck']);
  });

  test('updated_at follows every change', async () => {
    const id = await enqueue('process-webhook');
    await db.claimOne();
    const [row] =
      await db.sql`select updated_at > created_at as later from public.job_queue where id = ${id}`;
    expect(row?.later).toBe(true);
  });
});

describe('a signed-in user who calls enqueue_job', () => {
  test('starts an image of their own, whoever the payload names', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const id = await db.callAs<string>(user, 'enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { prompt: 'a lighthouse', model_id: MODEL, user_id: other },
      p_priority: 5,
    });
    const job = await db.job(id);
    expect(job).toMatchObject({
      created_by: user,
      priority: 10,
      payload: { user_id: user, prompt: 'a lighthouse' },
    });
    expect(await db.generation(job.generation_id as string)).toMatchObject({
      user_id: user,
      status: 'pending',
    });
  });

  test('cannot enqueue any other job', async () => {
    const user = await db.createUser();
    const args = { p_job_type: 'download-image', p_payload: { output_url: 'http://127.0.0.1/' } };
    expect(await refusal(db.callAs(user, 'enqueue_job', args))).toMatchObject({
      sqlstate: 'PT403',
      code: 'forbidden',
    });
    expect((await db.sql`select from public.job_queue`).length).toBe(0);
  });
});
