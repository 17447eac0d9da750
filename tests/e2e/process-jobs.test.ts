import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { call, MODEL, TestUser } from './support/user.ts';

/** The private workers by themselves: nothing wakes process-jobs here but explicit calls and the cron. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start({ args: ['--wake', 'off'] });
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const health = () => call('GET', `${stack.addresses.processJobsUrl}/health`);

describe('process-jobs', () => {
  test('an empty queue', async () => {
    const { status, body } = await stack.processJobs();
    expect(status).toBe(200);
    expect(body).toEqual({
      success: true,
      claimed: 0,
      processed: 0,
      errors: 0,
      rescued: 0,
      duration_ms: expect.any(Number),
    });
  });

  test('the service key also counts as apikey', async () => {
    const { processJobsUrl, serviceRoleKey } = stack.addresses;
    const answer = await call('POST', `${processJobsUrl}/process-jobs`, {
      headers: { apikey: serviceRoleKey },
    });
    expect(answer.status).toBe(200);
  });

  test('health is 503 before the first sweep and 200 after it', async () => {
    const before = await health();
    expect(before).toMatchObject({ status: 503, body: { last_sweep_at: null } });
    await stack.sweep();
    const after = await health();
    expect(after.status).toBe(200);
    expect(Date.parse(String(after.body.last_sweep_at))).toBeGreaterThan(Date.now() - 60_000);
  });

  test('health is 503 again when the last sweep is older than three minutes', async () => {
    await stack.sql`update private.last_cron_run set ran_at = ran_at - interval '3 minutes 1 second'`;
    expect((await health()).status).toBe(503);
    await stack.sweep();
    expect((await health()).status).toBe(200);
  });

  test('unwoken, a job waits for a call, which starts it', async () => {
    const { generation_id } = await user.start({ prompt: 'called' });
    expect(await user.get(generation_id)).toMatchObject({ status: 'queued', queue_position: 1 });
    expect((await stack.processJobs()).body).toMatchObject({
      claimed: 1,
      processed: 1,
      errors: 0,
      rescued: 0,
    });
    await user.completed(generation_id);
  });

  test('the scheduled event starts it too', async () => {
    const { generation_id } = await user.start({ prompt: 'scheduled' });
    await stack.sweep();
    await user.completed(generation_id);
  });

  test('a job for later waits for its time', async () => {
    const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
    const { generation_id } = await user.start({ prompt: 'later', scheduled_at });
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 0 });
    await stack.letTimePass(generation_id);
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 1 });
    await user.completed(generation_id);
  });

  test('a job that was not started in time is cancelled, unpaid', async () => {
    const { generation_id, job_id } = await user.start({ prompt: 'in time', expires_in: 60 });
    await stack.sql`update public.job_queue set expires_at = now() - interval '1 second' where id = ${job_id}`;
    await stack.processJobs();
    expect(await user.ended(generation_id)).toMatchObject({ status: 'cancelled', images: [] });
    expect(await stack.simulator.predictions(job_id)).toEqual([]);
  });

  test('a job whose payload was written by hand is checked again before it is paid for', async () => {
    const [job] = await stack.sql<{ id: string }[]>`
      select public.enqueue_job('generate-image', ${stack.sql.json({
        prompt: 'x',
        model_id: MODEL,
        source_image_url: 'http://169.254.169.254/latest',
        user_id: user.id,
      })}) as id`;
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 1, processed: 0, errors: 1 });
    const [row] =
      await stack.sql`select status, error_details from public.job_queue where id = ${job?.id ?? ''}`;
    expect(row).toMatchObject({ status: 'failed', error_details: [{ code: 'invalid_request' }] });
    expect(await stack.simulator.predictions(job?.id)).toEqual([]);
  });

  test('a job of a type that is not ours is left to others and stops nothing', async () => {
    const [napkins] = await stack.sql`select public.enqueue_job('fold-napkins', '{}', 100) as id`;
    const { generation_id } = await user.start({ prompt: 'after the napkins' });
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 1, processed: 1, errors: 0 });
    await user.completed(generation_id);
    const [row] = await stack.sql`select status, lease from public.job_queue where id = ${napkins?.id}`;
    expect(row).toEqual({ status: 'pending', lease: '0' });
  });
});

describe('process-generation, the run without queue and store', () => {
  const run = (body: Record<string, unknown>) =>
    call('POST', `${stack.addresses.processGenerationUrl}/process-generation`, {
      body: { model_id: MODEL, ...body },
      headers: { authorization: `Bearer ${stack.addresses.serviceRoleKey}` },
    });

  test('gives the image’s address, format, size and time', async () => {
    const before = await stack.traces();
    const { status, body } = await run({ prompt: 'alone', width: 1344, height: 768 });
    expect(status).toBe(200);
    expect(body).toEqual({
      success: true,
      output_url: expect.stringMatching(/^http/),
      format: 'webp',
      width: 1344,
      height: 768,
      generation_time_seconds: expect.any(Number),
    });
    const file = await sharp(
      Buffer.from(await (await fetch(String(body.output_url))).arrayBuffer()),
    ).metadata();
    expect([file.width, file.height, file.format]).toEqual([1344, 768, 'webp']);
    const { predictions = 0, ...rows } = before;
    expect(await stack.traces()).toEqual({ ...rows, predictions: predictions + 1 });
  });

  test.each([
    ['content that is refused', { error: 'E005' }, /sensitive/],
    ['a failure at the provider', { error: 'PA' }, /failed/],
    ['no output', { output: 'null' }, /no image/],
  ] as const)('%s: success false and a sentence', async (name, fault, sentence) => {
    await stack.simulator.fault(`alone with ${name}`, fault);
    const { status, body } = await run({ prompt: `alone with ${name}` });
    expect([status, body]).toEqual([200, { success: false, error: expect.stringMatching(sentence) }]);
  });
});
