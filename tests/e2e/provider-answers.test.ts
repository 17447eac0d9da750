import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../replicate/faults.ts';
import { TestStack } from './support/stack.ts';
import { type Started, TestUser } from './support/user.ts';

/** What Replicate can answer, case by case: each status and failure, each form of an output, each file. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  await stack.sql`update private.plans set requests_per_minute = null`;
});
afterAll(() => stack?.stop());

async function start(prompt: string, fault: Fault, times?: number): Promise<Started> {
  await stack.simulator.fault(prompt, fault, times === undefined ? {} : { times });
  return user.start({ prompt });
}
const statuses = async ({ job_id }: Started) =>
  (await stack.simulator.predictions(job_id)).map(({ status }) => status);
const booked = ({ job_id }: Started) =>
  stack.sql<{ status: string; cost_usd: string | null }[]>`
    select status, cost_usd from private.predictions where job_id = ${job_id} order by recorded_at`;

/** The job waits for its next attempt; then that one is run, and must succeed. */
async function expectRetried(started: Started, code: string, first: string) {
  const waits = await stack.job(started.generation_id, 'to be retried', (job) => job.attempts === 1);
  expect(waits).toMatchObject({ status: 'pending', prediction_id: null, error_details: [{ code }] });
  expect(await user.get(started.generation_id)).toMatchObject({ status: 'queued', error: null });
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  expect((await user.completed(started.generation_id)).images).toHaveLength(1);
  expect(await statuses(started)).toEqual([first, 'succeeded']);
  expect((await booked(started)).map(({ status }) => status)).toEqual([first, 'succeeded']);
}

/** The generation has failed for good, with a sentence of ours, and is not paid for again. */
async function expectFailed(started: Started, code: string, created: number) {
  const generation = await user.ended(started.generation_id);
  expect(generation).toMatchObject({ status: 'failed', images: [], error: { code } });
  expect(generation.error?.message).toMatch(/^[A-Z].*\.$/);
  await stack.letTimePass(started.generation_id);
  expect((await stack.processJobs()).body).toMatchObject({ claimed: 0 });
  expect(await statuses(started)).toHaveLength(created);
}

describe('a failed prediction', () => {
  test.each([
    ['E6716', 'provider_error'],
    ['UNAVAILABLE', 'provider_error'],
    ['Prediction failed.', 'provider_error'],
    ['Unknown error (E1000)', 'provider_error'],
    ['a text that nobody has seen yet', 'provider_error'],
  ])('%s: tried again', async (error, code) => {
    await expectRetried(await start(`retry ${error}`, { error }, 1), code, 'failed');
  });

  test.each([
    ['E1001', 'out_of_memory'],
    ['Webhook URL was empty (E4875)', 'provider_error'],
    ['E005', 'content_flagged'],
    ['NSFW', 'content_flagged'],
    ['FLUX_NSFW', 'content_flagged'],
  ])('%s: failed for good', async (error, code) => {
    const started = await start(`final ${error}`, { error });
    await expectFailed(started, code, 1);
    expect(await booked(started)).toEqual([{ status: 'failed', cost_usd: null }]);
  });
});

describe('a prediction that is ended by Replicate', () => {
  test('canceled while running: tried again', async () => {
    await expectRetried(await start('ends canceled', { ends: 'canceled' }, 1), 'timed_out', 'canceled');
  });

  test('aborted before it started, of which no webhook tells: the sweep finds it, nothing is paid', async () => {
    const started = await start('ends aborted', { ends: 'aborted' }, 1);
    await stack.job(started.generation_id, 'waiting for it', (job) => job.prediction_id !== null);
    await stack.until('it to be aborted', async () => (await statuses(started))[0] === 'aborted');
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    await expectRetried(started, 'provider_busy', 'aborted');
    expect((await booked(started))[0]?.cost_usd).toBe('0');
  });
});

describe('a succeeded prediction', () => {
  test.each(['string', 'list', 'partial'] as const)('with its output as a %s', async (output) => {
    const started = await start(`output ${output}`, { output });
    expect((await user.completed(started.generation_id)).images).toHaveLength(1);
    expect(await booked(started)).toEqual([{ status: 'succeeded', cost_usd: '0.003' }]);
  });

  test.each(['null', 'empty', 'object'] as const)('with %s for an output: tried again', async (output) => {
    await expectRetried(await start(`no output ${output}`, { output }, 1), 'no_output', 'succeeded');
  });

  test('whose output is deleted already: tried again', async () => {
    await expectRetried(await start('removed', { data_removed: true }, 1), 'output_expired', 'succeeded');
  });

  test('with a data: address, which only a waiting create is promised: failed for good', async () => {
    await expectFailed(await start('data address', { output: 'data_uri' }), 'output_unusable', 1);
  });

  test.each(['too_large', 'too_large_chunked'] as const)('with a file that is %s', async (file) => {
    const started = await start(`file ${file}`, { file, file_bytes: 50_000_001 });
    await expectFailed(started, 'output_too_large', 1);
    const name = `%${started.generation_id}%`;
    const stored = await stack.sql`select name from storage.objects where name like ${name}`;
    expect([...stored], 'a part of a file must not be stored as if it were whole').toEqual([]);
  });
});

describe('a create that is refused', () => {
  test.each([
    ['404', { status: 404 }],
    ['413', { status: 413 }],
    ['422', { status: 422 }],
  ] as const)('%s: failed for good, and nothing is made', async (name, fault) => {
    await expectFailed(await start(`refused ${name}`, fault), 'rejected', 0);
  });

  test.each([500, 502, 503, 504, 408])('%i: in doubt', async (status) => {
    const started = await start(`in doubt ${status}`, { status }, 1);
    const job = await stack.job(started.generation_id, 'in doubt', (job) => job.outcome_unknown);
    expect(job).toMatchObject({ status: 'processing', attempts: 0 });
    expect(await statuses(started)).toEqual([]);
  });
});
