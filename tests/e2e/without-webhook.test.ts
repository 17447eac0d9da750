import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** Where Replicate cannot call back, the sweep alone finishes jobs. */

describe.each([
  ['no PUBLIC_URL', { PUBLIC_URL: '' }],
  ['no REPLICATE_WEBHOOK_SECRET', { REPLICATE_WEBHOOK_SECRET: '' }],
])('%s', (_, env) => {
  let stack: TestStack;
  let user: TestUser;

  beforeAll(async () => {
    stack = await TestStack.start({ args: ['--wake', 'off'], env });
    user = await TestUser.signUp(stack);
  });
  afterAll(() => stack?.stop());

  test('one call creates the prediction, a later one brings the image', async () => {
    const prompt = 'swept';
    const { generation_id } = await user.start({ prompt });
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 1, processed: 1, errors: 0 });
    expect((await user.get(generation_id)).status).toBe('processing');
    const [prediction] = await stack.simulator.withPrompt(prompt);
    expect(prediction?.prediction.webhook ?? null).toBeNull();

    await stack.letTimePass(generation_id);
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 1, processed: 1, errors: 0 });
    const generation = await user.completed(generation_id);
    expect(generation.images).toHaveLength(1);
    expect(await stack.simulator.withPrompt(prompt)).toMatchObject([{ get_calls: 1, deliveries: [] }]);
  });

  test('a prediction that still runs is looked at again', async () => {
    const prompt = 'still runs';
    await stack.simulator.fault(prompt, { hold: 'run' });
    const { generation_id } = await user.start({ prompt });
    await stack.processJobs();
    for (const looks of [1, 2]) {
      await stack.letTimePass(generation_id);
      await stack.processJobs();
      expect(await stack.simulator.withPrompt(prompt)).toMatchObject([{ get_calls: looks }]);
      expect((await user.get(generation_id)).status).toBe('processing');
    }
    await stack.simulator.release();
    await stack.until('the prediction to end', async () => {
      return (await stack.simulator.withPrompt(prompt))[0]?.status === 'succeeded';
    });
    await stack.letTimePass(generation_id);
    await stack.processJobs();
    await user.completed(generation_id);
    const [job] = await stack.jobs(generation_id);
    expect(job).toMatchObject({ status: 'completed', attempts: 0 });
    expect(await stack.simulator.withPrompt(prompt)).toHaveLength(1);
  });

  test('failures are told by the sweep too', async () => {
    await stack.simulator.fault('flagged', { error: 'E005' });
    const { generation_id } = await user.start({ prompt: 'flagged' });
    await stack.processJobs();
    await stack.letTimePass(generation_id);
    expect((await stack.processJobs()).body).toMatchObject({ claimed: 1, processed: 0, errors: 1 });
    expect(await user.ended(generation_id)).toMatchObject({
      status: 'failed',
      error: { code: 'content_flagged' },
    });
  });
});
