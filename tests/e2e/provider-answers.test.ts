import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Fault } from '../../dev/replicate/faults.ts';
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
const ledgerOf = ({ job_id }: Started) =>
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
  expect((await ledgerOf(started)).map(({ status }) => status)).toEqual([first, 'succeeded']);
}

/** The generation has failed for good, with a sentence of ours, and is not paid for again. */
async function expectFailed(started: Started, code: string, created: number) {
  const generation = await user.ended(started.generation_id);
  expect(generation).toMatchObject({ status: 'failed', images: [], error: { code } });
  expect(generation.error?.message).toMatch(/^[A-Z].*\.$/);
  await stack.letTimePass(started.generation_id);
  expect(await stack.claimedOf(started.generation_id)).toEqual([]);
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
    ['ImageGenerationBlocked: REQUEST_MODERATED', 'content_flagged'],
    ['torch.OutOfMemoryError: tried to allocate 20.00 GiB', 'out_of_memory'],
    ['width must be at most 1440', 'rejected'],
  ])('%s: failed for good', async (error, code) => {
    const started = await start(`final ${error}`, { error });
    await expectFailed(started, code, 1);
    expect(await ledgerOf(started)).toEqual([{ status: 'failed', cost_usd: null }]);
  });
});

describe('a prediction that is ended by Replicate', () => {
  test('canceled by somebody in its dashboard: said so, and not made again', async () => {
    await expectFailed(await start('ends canceled', { ends: 'canceled' }), 'cancelled_at_provider', 1);
  });

  test('canceled at its deadline: tried again', async () => {
    const fault: Fault = { ends: 'canceled', age_ms: 15 * 60_000 };
    await expectRetried(await start('ends at its deadline', fault, 1), 'timed_out', 'canceled');
  });

  test('in a status that nobody knows, with a time of its end: tried again', async () => {
    const started = await start('ends somehow', { ends: 'expired' }, 1);
    const waits = await stack.job(started.generation_id, 'to be retried', (job) => job.attempts === 1);
    expect(waits.error_details).toMatchObject([{ code: 'provider_error' }]);
    expect((await ledgerOf(started)).map(({ status }) => status)).toEqual(['unknown']);
  });

  test('aborted before it started, of which no webhook tells: the sweep finds it, nothing is paid', async () => {
    const started = await start('ends aborted', { ends: 'aborted' }, 1);
    await stack.job(started.generation_id, 'waiting for it', (job) => job.prediction_id !== null);
    await stack.until('it to be aborted', async () => (await statuses(started))[0] === 'aborted');
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    await expectRetried(started, 'provider_busy', 'aborted');
    expect((await ledgerOf(started))[0]?.cost_usd).toBe('0');
  });
});

describe('a succeeded prediction', () => {
  test.each(['string', 'list', 'partial', 'object', 'data_uri'] as const)(
    'with its output as a %s',
    async (output) => {
      const started = await start(`output ${output}`, { output });
      expect((await user.completed(started.generation_id)).images).toHaveLength(1);
      expect(await ledgerOf(started)).toEqual([{ status: 'succeeded', cost_usd: '0.003' }]);
    },
  );

  test.each([
    ['a list of objects', [{ url: '$IMAGE', width: 1024, seed: 7 }]],
    ['nested lists', [[['$IMAGE']], ['$IMAGE']]],
    ['an object with other files before it', { log: 'https://example.com/log.txt', any: { name: '$IMAGE' } }],
    ['a picture inside of an object', { images: [{ b64: '$DATA', type: 'image/webp' }] }],
  ])('with %s for an output', async (name, output_value) => {
    const started = await start(`shape ${name}`, { output_value });
    const { images } = await user.completed(started.generation_id);
    expect(images).toHaveLength(1);
    const stored = await fetch(images[0]?.url ?? '');
    expect(stored.headers.get('content-type')).toBe(`image/${images[0]?.format}`);
    expect((await stored.arrayBuffer()).byteLength).toBe(images[0]?.bytes);
    expect(await statuses(started)).toEqual(['succeeded']);
  });

  test.each([
    ['null', null, 'no_output'],
    ['an empty list', [], 'no_output'],
    ['an object without a text', { seed: 7 }, 'no_output'],
    ['a text', 'I cannot draw that.', 'output_unusable'],
    ['a private address', ['http://169.254.169.254/latest'], 'output_unusable'],
    ['a picture of no kind', 'data:text/html;base64,PGh0bWw+', 'output_unusable'],
    ['a picture that is none', 'data:image/png;base64,PGh0bWw+', 'output_unusable'],
  ])('with %s for an output: failed for good, and paid once', async (name, output_value, code) => {
    await expectFailed(await start(`no picture ${name}`, { output_value }), code, 1);
  });

  test('whose output is deleted already: failed for good', async () => {
    await expectFailed(await start('removed', { data_removed: true }), 'output_expired', 1);
  });

  test.each(['too_large', 'too_large_chunked'] as const)('with a file that is %s', async (file) => {
    const started = await start(`file ${file}`, { file, file_bytes: 50_000_001 });
    await expectFailed(started, 'output_too_large', 1);
    const name = `%${started.generation_id}%`;
    const stored = await stack.sql`select name from storage.objects where name like ${name}`;
    expect([...stored], 'a part of a file must not be stored as if it were whole').toEqual([]);
  });
});

test('a failure that nobody can tell is paid for twice and never a third time', async () => {
  const started = await start('never seen', { error: 'list index out of bounds' });
  await stack.job(started.generation_id, 'to be retried', (job) => job.attempts === 1);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await expectFailed(started, 'provider_error', 2);
});

test('words of the prompt that the error repeats are not its own', async () => {
  const prompt = 'a poster: nudity is prohibited by our policy';
  const error = `Prediction interrupted at "${prompt}"; please retry (code: PA)`;
  await expectRetried(await start(prompt, { error }, 1), 'provider_interrupted', 'failed');
});

test('a prediction whose answers cannot be read ends at its deadline', async () => {
  const prompt = 'never readable';
  await stack.simulator.faults([
    { match: { prompt, times: 1 }, fault: { hold: 'run', age_ms: 17 * 60_000 } },
    { match: { endpoint: 'get' }, fault: { status: 200, body: '<html>' } },
  ]);
  const started = await user.start({ prompt });
  const waits = await stack.job(started.generation_id, 'waiting', (job) => job.prediction_id !== null);
  const look = async (minutes: number) => {
    await stack.sql`update public.job_queue set started_at = now() - make_interval(mins => ${minutes})
      where id = ${waits.id}`;
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
  };
  await look(15);
  expect(await stack.jobs(started.generation_id)).toMatchObject([{ status: 'processing', attempts: 0 }]);
  await look(17);
  const job = await stack.job(started.generation_id, 'to be retried', ({ attempts }) => attempts === 1);
  expect(job).toMatchObject({ error_details: [{ code: 'timed_out' }] });
  // The next attempt may have begun already.
  expect((await statuses(started))[0]).toBe('canceled');
  await stack.simulator.faults([]);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await user.completed(started.generation_id);
});

describe('logs', () => {
  const long = (name: string, logs_bytes: number) => start(name, { logs_bytes, generation_ms: 300 });
  const taken = async ({ job_id }: Started, answer: number) =>
    stack.until(`the webhook to be answered ${answer}`, async () => {
      const [prediction] = await stack.simulator.predictions(job_id);
      return prediction?.deliveries.some((each) => each.event === 'completed' && each.answer === answer);
    });

  // In JSON a line break takes two bytes.
  test('of nearly 4 MiB: the webhook is taken in', async () => {
    const started = await long('long logs', 3.7 * 1024 * 1024);
    expect((await user.completed(started.generation_id)).images).toHaveLength(1);
    await taken(started, 200);
  });

  test('of more: the sweep finds out', async () => {
    const started = await long('longer logs', 4 * 1024 * 1024 + 1);
    await taken(started, 413);
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    expect((await user.completed(started.generation_id)).images).toHaveLength(1);
  });
});

test.each([-300_000, 300_000])('a provider whose clock is %i ms ahead is believed', async (ahead) => {
  await stack.simulator.configure({ clock_offset_ms: ahead });
  const prompt = `clock ${ahead}`;
  await stack.simulator.fault(prompt, { webhook: { lost: ['start'] } });
  const started = await user.start({ prompt });
  await user.completed(started.generation_id);
  // Of a create without an answer and without a webhook: found in the list.
  await stack.simulator.fault(`${prompt} lost`, { status_after: 500, webhook: { lost: true } });
  const lost = await user.start({ prompt: `${prompt} lost` });
  await stack.job(lost.generation_id, 'in doubt', (job) => job.outcome_unknown);
  await stack.letTimePass(lost.generation_id);
  await stack.processJobs();
  await user.completed(lost.generation_id);
  expect(await statuses(lost)).toHaveLength(1);
  await stack.simulator.configure({ clock_offset_ms: 0 });
});

describe('a create that is refused', () => {
  beforeEach(async () => {
    await stack.sql`update private.provider_pause set until = '-infinity', probing = false where only_row`;
    await stack.sql`delete from private.refused_models where true`;
  });

  test.each([
    ['404', { status: 404 }, 'model_unavailable'],
    ['413', { status: 413 }, 'rejected'],
    ['422', { status: 422 }, 'model_unavailable'],
  ] as const)('%s: failed for good, and nothing is made', async (name, fault, code) => {
    await expectFailed(await start(`refused ${name}`, fault), code, 0);
  });

  test.each([500, 502, 503, 504, 408])('%i: in doubt', async (status) => {
    const started = await start(`in doubt ${status}`, { status }, 1);
    const job = await stack.job(started.generation_id, 'in doubt', (job) => job.outcome_unknown);
    expect(job).toMatchObject({ status: 'processing', attempts: 0 });
    expect(await statuses(started)).toEqual([]);
  });
});
