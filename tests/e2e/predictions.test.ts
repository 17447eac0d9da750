import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { call, type Started, TestUser } from './support/user.ts';

/** Money: what is created at Replicate is in the ledger, stopped when nobody wants it, and not asked for in vain. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  await stack.sql`update private.plans set requests_per_minute = null, running_jobs = null`;
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  await stack.simulator.faults([]);
  await stack.sql`update private.provider_pause set until = '-infinity', since = null, reason = null, probing = false`;
});

const health = () => call('GET', `${stack.addresses.processJobsUrl}/health`);
const ledgerOf = ({ job_id }: Started) =>
  stack.sql`select id, source, status, attempt from private.predictions where job_id = ${job_id} order by recorded_at`;
/** The ledger, once it has these ends: Replicate tells of a cancellation a moment after it. */
const ledgerOfAs = (started: Started, ends: (string | null)[]) =>
  stack.until(`the ends ${ends.join(', ')} in the ledger`, async () => {
    const rows = [...(await ledgerOf(started))];
    return rows.length === ends.length && rows.every((row, index) => row.status === ends[index]) && rows;
  });
const creates = async () => {
  const [rule] = await stack.simulator.played();
  return rule?.applied ?? 0;
};

async function inDoubt(prompt: string): Promise<Started> {
  await stack.simulator.fault(prompt, { status_after: 500, hold: 'run' });
  const started = await user.start({ prompt });
  await stack.job(started.generation_id, 'in doubt', (job) => job.outcome_unknown);
  return started;
}
const cancel = ({ generation_id }: Started) => user.call('POST', `/generations/${generation_id}/cancel`);
const canceledThere = (started: Started) =>
  stack.until('the prediction to be cancelled at the provider', async () => {
    const all = await stack.simulator.predictions(started.job_id);
    return all.length > 0 && all.every(({ status }) => status === 'canceled') && all;
  });

test('the ledger says what the simulator has recorded', async () => {
  const later = { generation_ms: 300 }; // so that the create is answered first
  await stack.simulator.faults([
    { match: { prompt: 'once more', times: 1 }, fault: { error: 'PA', ...later } },
    { match: { prompt: 'once more' }, fault: later },
  ]);
  const started = await user.start({ prompt: 'once more' });
  await stack.job(started.generation_id, 'to be retried', (job) => job.attempts === 1);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  expect(await user.completed(started.generation_id)).toMatchObject({ cost_usd: 0.003 });
  const theirs = await stack.simulator.predictions(started.job_id);
  expect([...(await ledgerOf(started))]).toEqual(
    theirs.map(({ id, status }, index) => ({ id, source: 'created', status, attempt: index + 1 })),
  );
});

describe('cancelled by the user', () => {
  test('while the outcome of the create is unknown: found in the list and stopped at once', async () => {
    const started = await inDoubt('cancelled in doubt');
    expect((await cancel(started)).status).toBe(200);
    await canceledThere(started);
    await stack.job(started.generation_id, 'done', (job) => job.status === 'completed', 'cancel-prediction');
    // By the search's own report or by the webhook of its end, whichever is faster.
    const source = expect.stringMatching(/^(adopted|webhook)$/);
    expect(await ledgerOfAs(started, ['canceled'])).toMatchObject([{ source }]);
    expect((await user.get(started.generation_id)).status).toBe('cancelled');
  });

  test('while the create is under way: stopped as soon as it is answered', async () => {
    await stack.simulator.fault('cancelled early', { delay_ms: 500, hold: 'run' });
    const started = await user.start({ prompt: 'cancelled early' });
    await stack.until(
      'the create',
      async () => (await stack.simulator.predictions(started.job_id)).length === 1,
    );
    await cancel(started);
    await canceledThere(started);
    expect(await ledgerOfAs(started, ['canceled'])).toMatchObject([{ source: 'created' }]);
    await stack.until('nothing to be left to look for', async () => {
      const jobs = await stack.jobs(started.generation_id);
      return jobs.every(({ status }) => status === 'completed' || status === 'cancelled');
    });
  });
});

describe('a signed webhook about a prediction that still runs', () => {
  async function deliver(jobId: string, prediction: Record<string, unknown>): Promise<number> {
    const logs = ' 50%|█████     | 2/4 [00:01<00:01,  1.50it/s]';
    const body = JSON.stringify({ ...prediction, status: 'processing', logs, webhook: undefined });
    const [id, now] = [`msg_${crypto.randomUUID()}`, new Date()];
    const signer = new Webhook(stack.addresses.replicateWebhookSecret);
    const url = `${stack.addresses.processGenerationUrl}/webhooks/replicate?job=${jobId}&lease=1`;
    const answer = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
        'webhook-signature': signer.sign(id, now, body),
      },
    });
    return answer.status;
  }

  test('that is not the one its job awaits: stopped, and in the ledger', async () => {
    await stack.simulator.fault('runs', { hold: 'run' });
    const [first, second] = [
      await user.start({ prompt: 'runs one' }),
      await user.start({ prompt: 'runs two' }),
    ];
    for (const { generation_id } of [first, second]) await user.reaches(generation_id, 'processing');
    const [theirs] = await stack.simulator.predictions(second.job_id);
    // Made for the second job's prediction to be one too many: the first one has its own.
    await stack.sql`delete from private.predictions where id = ${theirs?.id ?? ''}`;
    expect(await deliver(first.job_id, theirs?.prediction ?? {})).toBe(200);
    await canceledThere(second);
    expect(await ledgerOfAs(first, [null, 'canceled'])).toMatchObject([
      { source: 'created' },
      { id: theirs?.id, source: 'webhook' },
    ]);
    await cancel(second); // whose own prediction that was: not to be tried again
    await stack.simulator.release();
    await user.completed(first.generation_id);
  });

  test('that nobody knew: awaited from then on', async () => {
    const started = await inDoubt('told while running');
    const [theirs] = await stack.simulator.predictions(started.job_id);
    expect(await deliver(started.job_id, theirs?.prediction ?? {})).toBe(200);
    await stack.job(started.generation_id, 'waiting for it', (job) => job.prediction_id === theirs?.id);
    await stack.simulator.release();
    await user.completed(started.generation_id);
    expect(await ledgerOfAs(started, ['succeeded'])).toMatchObject([{ source: 'webhook' }]);
  });
});

test('a prediction that outlives its deadline is stopped by the sweep, and the attempt counts', async () => {
  await stack.simulator.fault('too old', { hold: 'run', age_ms: 17 * 60_000 }, { times: 1 });
  const started = await user.start({ prompt: 'too old' });
  await stack.job(started.generation_id, 'waiting for it', (job) => job.prediction_id !== null);
  await stack.sql`update public.job_queue set started_at = now() - interval '17 minutes'
    where id = ${started.job_id}`;
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await canceledThere(started);
  const job = await stack.job(started.generation_id, 'to be retried', ({ attempts }) => attempts === 1);
  expect(job.error_details).toMatchObject([{ code: 'timed_out' }]);
  await stack.letTimePass(started.generation_id);
  await stack.processJobs();
  await user.completed(started.generation_id);
  expect((await ledgerOf(started)).map(({ status }) => status)).toEqual(['canceled', 'succeeded']);
});

test.each([
  [403, 'You do not have permission to run this model'],
  [404, 'The requested resource could not be found.'],
  [422, 'The specified version does not exist'],
])('%i for one model: the others go on, and whoever wants it is told so', async (status, detail) => {
  const model_id = 'stability-ai/sdxl';
  const body = JSON.stringify({ title: 'Refused', detail, status });
  await stack.simulator.faults([{ match: { prompt: 'refused model' }, fault: { status, body } }]);
  const refused = await user.start({ prompt: 'refused model', model_id });
  expect(await user.ended(refused.generation_id)).toMatchObject({
    status: 'failed',
    error: { code: 'model_unavailable', message: expect.stringContaining('choose another one') },
  });
  await user.completed((await user.start({ prompt: 'another model' })).generation_id);
  const again = await user.call('POST', '/start-generation', { prompt: 'x', model_id });
  expect(again).toMatchObject({ status: 422, body: { code: 'model_unavailable' } });
  expect(await creates(), 'nobody asked again').toBe(1);
  await stack.sweep();
  expect(await health()).toMatchObject({ status: 200, body: { refused_models: [model_id] } });
  await stack.simulator.faults([]);
  await stack.sql`update private.refused_models set until = now() - interval '1 second'`;
  await user.completed((await user.start({ prompt: 'it is back', model_id })).generation_id);
  expect((await health()).body.refused_models).toEqual([]);
});

describe('while Replicate refuses everybody', () => {
  const images = (count: number, prompt: string) =>
    Promise.all(Array.from({ length: count }, (_, n) => user.start({ prompt: `${prompt} ${n}` })));
  const paused = (reason: string) =>
    stack.until('the pause', async () => {
      const [row] = await stack.sql`select reason, until from private.provider_pause`;
      return row?.reason === reason && row;
    });
  /** No create for the jobs that wait, until somebody ends the pause. */
  async function expectQuiet() {
    const before = await creates();
    for (let n = 0; n < 3; n++) expect((await stack.processJobs()).body).toMatchObject({ claimed: 0 });
    expect(await creates()).toBe(before);
  }

  test('429: nobody asks until it said, health stays 200, and then all goes on', async () => {
    await stack.simulator.faults([{ fault: { status: 429, retry_after: 50 } }]);
    const first = await user.start({ prompt: 'throttled first' });
    await paused('throttled');
    const all = [first, ...(await images(6, 'throttled'))];
    await expectQuiet();
    expect(await creates(), 'one refusal is enough for everybody').toBe(1);
    await stack.sweep();
    const { status, body } = await health();
    expect([status, body.status, body.provider]).toEqual([200, 'ok', 'throttled']);
    expect(Date.parse(String(body.provider_paused_until))).toBeGreaterThan(Date.now());

    await stack.simulator.faults([]);
    for (const { generation_id } of all) await stack.letTimePass(generation_id);
    await stack.processJobs();
    for (const { generation_id } of all) await user.completed(generation_id);
    expect((await health()).body).toMatchObject({ provider: 'ok', provider_paused_until: null });
  });

  test.each([
    [401, 'bad_token', /token/],
    [402, 'no_credit', /credit/],
  ])('%i: the same, and health is 503 with a word for it', async (status, word, sentence) => {
    await stack.simulator.faults([{ fault: { status } }]);
    const first = await user.start({ prompt: `refused ${status}` });
    await paused('account');
    const all = [first, ...(await images(3, `refused ${status}`))];
    await expectQuiet();
    await stack.sweep();
    const answer = await health();
    expect([answer.status, answer.body.status, answer.body.provider]).toEqual([503, 'failing', word]);
    expect(answer.body.detail).toMatch(sentence);
    expect(await user.get(first.generation_id), 'users see nothing of it').toMatchObject({
      status: 'queued',
      error: null,
    });

    await stack.simulator.faults([]);
    for (const { generation_id } of all) await stack.letTimePass(generation_id);
    await stack.processJobs();
    for (const { generation_id } of all) {
      await user.completed(generation_id);
      const [job] = await stack.jobs(generation_id);
      expect(job).toMatchObject({ attempts: 0 });
    }
  });
});
