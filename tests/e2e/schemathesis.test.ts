import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Asked, ask, type Operation, schemathesis } from './support/schemathesis.ts';
import { TestStack } from './support/stack.ts';
import { pictures, uploadSource } from './support/uploads.ts';
import { MODEL, TestUser } from './support/user.ts';

/**
 * The running system against its own description, as Schemathesis asks: what the description allows is answered as it
 * says, what it forbids is refused, and nothing is a 5xx. No limit is in the way of what writes. Skipped where PyPI's
 * packages cannot be had.
 */

const SOURCE_MODEL = 'black-forest-labs/flux-dev';
/** Two are live channels, two other Workers' own. */
const LEFT_OUT = ['listen', 'listenToGeneration', 'processJobs', 'processGeneration'];

if (!schemathesis) console.warn('– Schemathesis: skipped, it needs Python 3 with pip, and PyPI');

let stack: TestStack;
let user: TestUser;
let operations: Operation[];

beforeAll(async () => {
  if (!schemathesis) return;
  stack = await TestStack.start({ args: ['--no-cron', '--rate-limit', '1000000'] });
  await stack.sql`insert into private.plans (name, running_jobs) values ('of all but places', 2)`;
  user = await TestUser.signUp(stack);
  await stack.sql`insert into private.user_plans (user_id, plan) values (${user.id}, 'of all but places')`;
  const made = async (count: number) => {
    const { generations = [] } = await user.start({ prompt: 'a lighthouse', num_images: count });
    const ids = generations.map(({ generation_id }) => generation_id);
    return Promise.all(ids.map((id) => user.completed(id)));
  };
  const [kept, given] = [await made(5), await made(10)];
  const images = (all: typeof kept) => all.flatMap((one) => one.images.map(({ id }) => id));
  const ids = kept.map(({ id }) => id);
  await stack.simulator.fault('a torn sail', { error: 'E005' });
  const failed = await Promise.all(
    [1, 2, 3].map(async () => {
      const { generation_id: id } = await user.start({ prompt: 'a torn sail' });
      await user.reaches(id, 'failed');
      return id;
    }),
  );
  const later = await user.start({
    prompt: 'later',
    num_images: 10,
    scheduled_at: new Date(Date.now() + 3e8).toISOString(),
  });
  const waiting = (later.generations ?? []).map(({ generation_id }) => generation_id);
  const { png } = await pictures();
  const source = await uploadSource(user, png, 'image/png');
  const start = { 'body.model_id': [MODEL, SOURCE_MODEL], 'body.source_id': [source.source_id] };
  // What a model takes, and which fields go together, no schema says.
  const checks = { positive_data_acceptance: { enabled: false } };
  operations = [
    { operationId: 'startGeneration', values: start, checks },
    { operationId: 'rerunGeneration', values: { ...start, 'path.id': ids }, checks },
    { operationId: 'generateImage', values: { ...start, 'body.generation_id': ids }, checks },
    { operationId: 'batchGenerate', values: { 'body.shared_settings.model_id': [MODEL] }, checks },
    { operationId: 'uploadSource', checks },
    { operationId: 'getGeneration', values: { 'path.id': [...ids, ...failed] } },
    { operationId: 'retryGeneration', values: { 'path.id': failed } },
    { operationId: 'cancelGeneration', values: { 'path.id': waiting } },
    { operationId: 'deleteGeneration', values: { 'path.id': given.slice(5).map(({ id }) => id) } },
    { operationId: 'markImage', values: { 'path.id': images(kept) } },
    { operationId: 'markImages', values: { 'body.ids[*]': images(kept) } },
    { operationId: 'deleteImage', values: { 'path.id': images(given.slice(0, 5)) } },
    { operationId: 'listGenerations', values: { 'query.model_id': [MODEL], 'query.parent_id': ids } },
    { operationId: 'getUsage' },
  ];
});
afterAll(() => stack?.stop());

/** More of them find more, and take longer. */
const MAX_EXAMPLES = Number(process.env.SCHEMATHESIS_EXAMPLES ?? 15);

describe.runIf(schemathesis).concurrent('it answers as it is described', { timeout: 900_000 }, () => {
  const asked = (): Pick<Asked, 'url' | 'maxExamples' | 'leftOut'> => {
    const { startGenerationUrl: url } = stack.addresses;
    return { url, maxExamples: MAX_EXAMPLES, leftOut: LEFT_OUT };
  };

  test('to a user', async ({ expect }) => {
    const { passed, report } = await ask({
      ...asked(),
      scheme: 'user',
      header: ['Authorization', `Bearer ${user.token}`],
      phases: ['examples', 'coverage', 'fuzzing'],
      operations,
    });
    expect(passed, report).toBe(true);
  });

  test('to a server', async ({ expect }) => {
    const ofUser = operations.map((one) => ({
      ...one,
      values: { ...one.values, 'query.user_id': [user.id], 'body.user_id': [user.id] },
      // Nor does a schema say that a server has to name a user.
      checks: { ...one.checks, positive_data_acceptance: { enabled: false } },
    }));
    const { passed, report } = await ask({
      ...asked(),
      scheme: 'service',
      header: ['apikey', stack.addresses.serviceRoleKey],
      // The bounds are the same as a user's.
      phases: ['examples', 'fuzzing'],
      operations: ofUser,
    });
    expect(passed, report).toBe(true);
  });
});
