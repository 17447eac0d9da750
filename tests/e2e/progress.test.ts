import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { type Generation, type Started, TestUser } from './support/user.ts';

/** What a user sees of a running image, whatever becomes of the webhooks that tell of it. */

/** 28 steps, each of which it prints. */
const SLOW = 'black-forest-labs/flux-dev';

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const start = (prompt: string) => user.start({ prompt, model_id: SLOW });
const deliveries = async ({ job_id }: Started) =>
  (await stack.simulator.predictions(job_id))[0]?.deliveries ?? [];

/** Every different state that was seen until the end. */
async function watch({ generation_id }: Started): Promise<Generation[]> {
  const seen: Generation[] = [];
  await stack.until('the generation to end', async () => {
    const now = await user.get(generation_id);
    const last = seen.at(-1);
    if (now.progress !== last?.progress || now.status !== last.status) seen.push(now);
    return ['completed', 'failed', 'cancelled'].includes(now.status);
  });
  return seen;
}

test('progress comes from what the model prints, and only goes up', async () => {
  await stack.simulator.fault('watched', { generation_ms: 4_000 });
  const seen = await watch(await start('watched'));
  const all = seen.map(({ progress }) => progress);
  expect(all).toEqual([...all].sort((a, b) => a - b));
  expect(all.at(-1)).toBe(100);
  const between = seen.filter(({ progress }) => progress > 10 && progress < 90);
  expect(between.length, `of ${all}`).toBeGreaterThanOrEqual(3);
  for (const { status, estimated_seconds: left, progress } of between) {
    expect(status).toBe('processing');
    expect(progress % 5, 'steps of five').toBe(0);
    expect(left).toBeGreaterThanOrEqual(1);
    expect(left).toBeLessThanOrEqual(12);
  }
});

test('webhooks that come after the end, twice and in reverse, change nothing', async () => {
  await stack.simulator.fault('reversed', {
    generation_ms: 1_300,
    webhook: { order: 'reversed', repeat: 2 },
  });
  const started = await start('reversed');
  await user.completed(started.generation_id);
  const all = await stack.until('all of them', async () => {
    const sent = await deliveries(started);
    return sent.filter(({ event }) => event === 'start').length === 2 && sent;
  });
  expect(all.map(({ event }) => event).slice(0, 2)).toEqual(['completed', 'completed']);
  expect(all.filter(({ event }) => event === 'logs').length).toBeGreaterThanOrEqual(2);
  expect(new Set(all.map(({ answer }) => answer))).toEqual(new Set([200]));
  expect(await user.get(started.generation_id)).toMatchObject({ status: 'completed', progress: 100 });
});

test('a run that waited for a machine has started when that was free', async () => {
  await stack.simulator.fault('waited', { queue_ms: 3_500, hold: 'run' });
  const started = await start('waited');
  const before = await user.reaches(started.generation_id, 'processing');
  const after = await stack.until('the start to be told', async () => {
    const now = await user.get(started.generation_id);
    return now.started_at !== before.started_at && now;
  });
  const later = Date.parse(after.started_at ?? '') - Date.parse(before.started_at ?? '');
  expect(later).toBeGreaterThan(2_500);
  await stack.simulator.release();
  await user.completed(started.generation_id);
});

test('when no webhook comes the sweep sees how far it is', async () => {
  await stack.simulator.fault('looked at', {
    generation_ms: 300,
    hold: 'run',
    webhook: { lost: ['start', 'logs'] },
  });
  const started = await start('looked at');
  await stack.job(started.generation_id, 'waiting for its prediction', (job) => job.prediction_id !== null);
  await stack.until('the model to be at its last step', async () => {
    const [made] = await stack.simulator.predictions(started.job_id);
    return String(made?.prediction.logs).includes('100%|');
  });
  expect((await user.get(started.generation_id)).progress).toBe(10);
  await stack.letTimePass(started.generation_id);
  expect((await stack.processJobs()).body).toMatchObject({ claimed: 1, processed: 1 });
  expect(await user.get(started.generation_id)).toMatchObject({ status: 'processing', progress: 90 });
  await stack.simulator.release();
  await user.completed(started.generation_id);
});
