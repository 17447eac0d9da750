import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { type Generation, type Started, TestUser } from './support/user.ts';

/** What goes wrong at Replicate, and what becomes of the generation and of the money. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

/** A start after the pause that a failed create of the test before has left. */
const start = async (prompt: string) => {
  await stack.sql`update private.provider_pause set until = '-infinity', probing = false where only_row`;
  return user.start({ prompt });
};
const predictions = ({ job_id }: Started) => stack.simulator.predictions(job_id);

async function expectOneImage({ generation_id }: Started): Promise<Generation> {
  const generation = await user.completed(generation_id);
  expect(generation.images).toHaveLength(1);
  const images = await stack.sql`select id from public.images where generation_id = ${generation_id}`;
  expect(images).toHaveLength(1);
  return generation;
}

/** Until the prediction has ended at the simulator, whether we were told or not. */
const endedThere = (started: Started) =>
  stack.until('the prediction to end at the provider', async () => {
    const [prediction] = await predictions(started);
    return prediction?.status === 'succeeded' && prediction;
  });

test('a lost webhook: the sweep finishes the job when its time has come', async () => {
  await stack.simulator.fault('lost', { webhook: { lost: true } });
  const started = await start('lost');
  await endedThere(started);
  await stack.job(started.generation_id, 'waiting for its prediction', (job) => job.prediction_id !== null);
  expect(await stack.claimedOf(started.generation_id)).toEqual([]);
  expect((await user.get(started.generation_id)).status).toBe('processing');

  await stack.letTimePass(started.generation_id);
  const sweep = await stack.processJobs();
  expect(sweep.body).toMatchObject({ success: true, claimed: 1, processed: 1, errors: 0, rescued: 1 });
  await expectOneImage(started);
  expect(await predictions(started)).toMatchObject([{ get_calls: 1, lost_webhooks: ['start', 'completed'] }]);
});

test('every webhook three times, and late: one image', async () => {
  await stack.simulator.fault('repeated', { webhook: { repeat: 3, delay_ms: 50 } });
  const started = await start('repeated');
  await expectOneImage(started);
  const [prediction] = await stack.until('all deliveries', async () => {
    const [all] = [await predictions(started)];
    return all[0]?.deliveries.length === 6 && all;
  });
  expect(prediction?.deliveries.map(({ event, answer }) => `${event} ${answer}`)).toEqual([
    ...Array(3).fill('start 200'),
    ...Array(3).fill('completed 200'),
  ]);
  const again = await expectOneImage(started);
  expect(again.status).toBe('completed');
  expect(await predictions(started)).toMatchObject([{ downloads: 1 }]);
  expect((await stack.jobs(started.generation_id)).map((job) => job.status)).toEqual([
    'completed',
    'completed',
  ]);
});

test('webhooks out of order: one image', async () => {
  await stack.simulator.fault('reversed', { webhook: { order: 'reversed', repeat: 2 }, generation_ms: 50 });
  const started = await start('reversed');
  await expectOneImage(started);
  expect(await predictions(started)).toHaveLength(1);
});

test('a webhook before the create was answered: the prediction is not lost', async () => {
  await stack.simulator.fault('early', { delay_ms: 300 });
  const started = await start('early');
  await expectOneImage(started);
  await stack.job(started.generation_id, 'completed', (job) => job.status === 'completed');
  expect(await predictions(started)).toMatchObject([{ cancel_calls: 0, downloads: 1 }]);
});

test.each([
  ['status 500', { status_after: 500 }],
  ['a broken connection', { drop: 'after' }],
] as const)('%s after the prediction was made: its webhook is adopted', async (name, fault) => {
  const prompt = `adopted after ${name}`;
  await stack.simulator.fault(prompt, { ...fault, hold: 'run' });
  const started = await start(prompt);
  await stack.job(started.generation_id, 'in doubt', (job) => job.outcome_unknown);
  await stack.simulator.release();
  await expectOneImage(started);
  await stack.processJobs();
  const [prediction, ...more] = await predictions(started);
  expect(more).toEqual([]);
  const [job] = await stack.jobs(started.generation_id);
  expect(job).toMatchObject({ status: 'completed', prediction_id: prediction?.id, outcome_unknown: false });
});

test('status 500 after the prediction was made and no webhook either: found in the list', async () => {
  await stack.simulator.fault('found in the list', { status_after: 500, webhook: { lost: true } });
  const started = await start('found in the list');
  await stack.job(started.generation_id, 'in doubt', (job) => job.outcome_unknown);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await expectOneImage(started);
  expect(await predictions(started)).toHaveLength(1);
});

test('status 500 and no prediction: made after the webhook’s time, once', async () => {
  await stack.simulator.fault('never made', { status: 500 }, { times: 1 });
  const started = await start('never made');
  await stack.job(started.generation_id, 'in doubt', (job) => job.outcome_unknown);
  await stack.processJobs();
  expect(await predictions(started)).toEqual([]);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await expectOneImage(started);
  expect(await predictions(started)).toHaveLength(1);
  expect((await stack.jobs(started.generation_id))[0]).toMatchObject({ attempts: 0 });
});

test('429: waits as long as it was told, which is no attempt', async () => {
  await stack.simulator.fault('throttled', { status: 429, retry_after: 30 }, { times: 1 });
  const started = await start('throttled');
  const waits = await stack.job(started.generation_id, 'put off', (job) => job.scheduled_at > new Date());
  expect(waits).toMatchObject({ status: 'pending', attempts: 0 });
  const wait = (waits.scheduled_at.getTime() - Date.now()) / 1000;
  expect(wait).toBeGreaterThan(20);
  expect(wait).toBeLessThanOrEqual(31);
  expect((await user.get(started.generation_id)).status).toBe('queued');
  expect(await stack.claimedOf(started.generation_id)).toEqual([]);

  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await expectOneImage(started);
  expect(await predictions(started)).toHaveLength(1);
  expect((await stack.jobs(started.generation_id))[0]).toMatchObject({ attempts: 0 });
});

/** The generation, which must have failed for good. */
async function expectFailed(started: Started, code: string, message: RegExp) {
  const generation = await user.ended(started.generation_id);
  expect(generation).toMatchObject({ status: 'failed', images: [], error: { code } });
  expect(generation.error?.message).toMatch(message);
  const { data } = await user.supabase
    .from('image_generations')
    .select('status, error_message, error_code')
    .eq('id', started.generation_id)
    .single();
  expect(data).toEqual({ status: 'failed', error_message: generation.error?.message, error_code: code });
  const images = await stack.sql`select id from public.images where generation_id = ${started.generation_id}`;
  expect(images).toHaveLength(0);
  await stack.letTimePass(started.generation_id);
  expect(await stack.claimedOf(started.generation_id)).toEqual([]);
  expect(await predictions(started), 'it must not be paid for again').toHaveLength(1);
}

test.each(['E005', 'NSFW', 'FLUX_NSFW'])(
  '%s: failed with a sentence for the user, and not retried',
  async (error) => {
    await stack.simulator.fault(`flagged ${error}`, { error });
    const started = await start(`flagged ${error}`);
    await expectFailed(started, 'content_flagged', /sensitive.*change the prompt/i);
  },
);

test.each(['PA', 'E9828'])('%s: retried and completed', async (error) => {
  const prompt = `interrupted ${error}`;
  await stack.simulator.fault(prompt, { error }, { times: 1 });
  const started = await start(prompt);
  const waits = await stack.job(started.generation_id, 'to be retried', (job) => job.attempts === 1);
  expect(waits).toMatchObject({ status: 'pending', prediction_id: null });
  expect(await user.get(started.generation_id)).toMatchObject({ status: 'queued' });

  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  const generation = await expectOneImage(started);
  expect(generation.error).toBeNull();
  const statuses = (await predictions(started)).map(({ status }) => status);
  expect(statuses).toEqual(['failed', 'succeeded']);
});

test('PA each time: paid twice at most, each attempt kept for the operator', async () => {
  await stack.simulator.fault('interrupted for ever', { error: 'PA' });
  const started = await start('interrupted for ever');
  await stack.job(started.generation_id, 'at attempt 1', (job) => job.attempts === 1);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  const generation = await user.ended(started.generation_id);
  expect(generation).toMatchObject({ status: 'failed', error: { code: 'provider_interrupted' } });
  expect(generation.error?.message).not.toMatch(/PA|Prediction/);
  const [job] = await stack.jobs(started.generation_id);
  expect(job).toMatchObject({ status: 'failed', attempts: 2 });
  expect(job?.error_details).toHaveLength(2);
  expect(await predictions(started)).toHaveLength(2);
});

test('an output that its host does not find: tried until the provider deletes it, then expired', async () => {
  await stack.simulator.fault('gone', { file: 'not_found' });
  const started = await start('gone');
  const putOff = (job: { status: string }) => job.status === 'pending';
  expect(await stack.job(started.generation_id, 'put off', putOff, 'download-image')).toMatchObject({
    attempts: 0,
  });
  await stack.sql`update public.job_queue set retry_until = now() - interval '1 second'
    where generation_id = ${started.generation_id} and job_type = 'download-image'`;
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await expectFailed(started, 'output_expired', /before the provider deleted it/);
});

test.each(['not_image', 'wrong_type', 'mislabelled'] as const)('an output that is %s', async (file) => {
  await stack.simulator.fault(`output ${file}`, { file });
  const started = await start(`output ${file}`);
  if (file !== 'mislabelled') return expectFailed(started, 'output_unusable', /not an image/);
  // An image under another image's type: stored as what its bytes are.
  const generation = await expectOneImage(started);
  const [image] = generation.images;
  const stored = await fetch(image?.url ?? '');
  expect(stored.headers.get('content-type')).toBe(`image/${image?.format.replace('jpg', 'jpeg')}`);
});

test.each(['server_error', 'truncated', 'page', 'nothing'] as const)(
  'a download with %s is tried again at once',
  async (file) => {
    await stack.simulator.fault(`download ${file}`, { file, file_times: 1 });
    const started = await start(`download ${file}`);
    await expectOneImage(started);
    expect(await predictions(started)).toMatchObject([{ downloads: 2 }]);
  },
);

test('a download that fails again and again is put off, and uses no attempt', async () => {
  await stack.simulator.fault('download in trouble', { file: 'server_error', file_times: 6 });
  const started = await start('download in trouble');
  for (let run = 1; run <= 5; run++) {
    const putOff = (job: { status: string; lease: string }) =>
      job.status === 'pending' && Number(job.lease) === run;
    const job = await stack.job(started.generation_id, `put off after run ${run}`, putOff, 'download-image');
    expect(job.attempts).toBe(0);
    expect((await user.get(started.generation_id)).status).toBe('downloading');
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
  }
  await expectOneImage(started);
  expect(await predictions(started)).toMatchObject([{ downloads: 7 }]);
});

test('a webhook for a cancelled generation stores nothing', async () => {
  await stack.simulator.faults([
    { match: { prompt: 'cancelled' }, fault: { hold: 'run' } },
    // The cancel does not get through, so that the image is made all the same.
    { match: { endpoint: 'cancel' }, fault: { status: 500 } },
  ]);
  const started = await start('cancelled');
  await user.reaches(started.generation_id, 'processing');
  const cancel = await user.call('POST', `/generations/${started.generation_id}/cancel`);
  expect(cancel).toMatchObject({ status: 200, body: { status: 'cancelled' } });
  const refused = (job: { status: string; lease: string }) =>
    job.status === 'pending' && Number(job.lease) > 0;
  await stack.job(started.generation_id, 'refused', refused, 'cancel-prediction');
  await stack.simulator.release();
  await stack.until('the webhook to be delivered', async () => {
    const [prediction] = await predictions(started);
    return prediction?.deliveries.some(({ event, answer }) => event === 'completed' && answer === 200);
  });
  const [prediction] = await predictions(started);
  expect(prediction).toMatchObject({ status: 'succeeded', downloads: 0 });
  expect(await user.get(started.generation_id)).toMatchObject({ status: 'cancelled', images: [] });
  const images = await stack.sql`select id from public.images where generation_id = ${started.generation_id}`;
  expect(images).toHaveLength(0);
});
