import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Generation, MODEL, type Started, TestUser } from './support/user.ts';

/** A shape and a file format that a request names are what is made, stored and told; judged by the file's own bytes. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

/** Asked for, and told. */
const FACTS = { aspect_ratio: '16:9', output_format: 'png' };

type Shaped = Generation & { aspect_ratio: string | null; output_format: string | null };

const made = async ({ generation_id }: { generation_id: string }) =>
  (await user.completed(generation_id)) as Shaped;

/** What the provider was asked for. */
const input = async (job_id: string) => {
  const [made] = await stack.simulator.predictions(job_id);
  return made?.prediction.input as Record<string, unknown>;
};

/** What the stored file says of itself. */
async function file({ images }: Generation) {
  const answer = await fetch(images[0]?.url ?? '');
  const { format, width, height } = await sharp(await answer.arrayBuffer()).metadata();
  return { type: answer.headers.get('content-type'), format, width, height };
}

describe('a picture in 16:9 as a PNG', () => {
  test('of a model with these options', async () => {
    const started = await user.start({ prompt: 'options', model_id: MODEL, ...FACTS });
    const one = await made(started);
    expect(await input(started.job_id)).toMatchObject({ aspect_ratio: '16:9', output_format: 'png' });
    expect(await file(one)).toEqual({ type: 'image/png', format: 'png', width: 1344, height: 768 });
    expect(one).toMatchObject({ ...FACTS, width: 1344, height: 768, adjustments: [] });
    expect(one.images).toMatchObject([{ format: 'png', width: 1344, height: 768 }]);
  });

  test('of a model with free sizes, which makes that format alone', async () => {
    const started = await user.start({ prompt: 'sizes', model_id: 'stability-ai/sdxl', ...FACTS });
    const one = await made(started);
    expect(await input(started.job_id)).toMatchObject({ width: 1352, height: 760 });
    expect(await file(one)).toMatchObject({ format: 'png', width: 1352, height: 760 });
    expect(one).toMatchObject({ ...FACTS, adjustments: [] });
  });

  test('of a model whose pixels nobody knows before', async () => {
    await stack.simulator.faults([{ match: { prompt: 'held' }, fault: { hold: 'run' } }]);
    const model_id = 'google/imagen-4-fast';
    const { generation_id } = await user.start({ prompt: 'held', model_id, ...FACTS });
    await user.reaches(generation_id, 'processing');
    expect(await user.get(generation_id)).toMatchObject({ ...FACTS, width: null, height: null });
    await user.call('POST', `/generations/${generation_id}/cancel`);
    const one = await made(await user.start({ prompt: 'free', model_id, ...FACTS }));
    const { format, width = 0, height = 1 } = await file(one);
    expect(format).toBe('png');
    expect(width / height).toBeCloseTo(16 / 9, 1);
    expect(one).toMatchObject({ width, height });
  });
});

test('what a model does not offer is told as it is made', async () => {
  const one = await made(
    await user.start({
      prompt: 'told',
      model_id: 'google/imagen-4-fast',
      aspect_ratio: '21:9',
      output_format: 'webp',
    }),
  );
  expect((await file(one)).format).toBe('png');
  expect(one).toMatchObject({ aspect_ratio: '16:9', output_format: 'png' });
  expect(one.adjustments).toMatchObject([
    { field: 'aspect_ratio', requested: '21:9', used: '16:9' },
    { field: 'output_format', requested: 'webp', used: 'png' },
  ]);
});

test('made again it keeps both; a size takes the place of the shape', async () => {
  const first = await made(await user.start({ prompt: 'again', ...FACTS }));
  const rerun = async (changes: object) => {
    const { status, body } = await user.call<Started>('POST', `/generations/${first.id}/rerun`, changes);
    expect(status, JSON.stringify(body)).toBe(202);
    return made(body);
  };
  expect(await rerun({})).toMatchObject({ ...FACTS, width: 1344, height: 768 });
  const sized = await rerun({ width: 1024, height: 1024 });
  expect(sized).toMatchObject({ aspect_ratio: null, output_format: 'png', width: 1024, height: 1024 });
  const shaped = await rerun({ aspect_ratio: '2:3', output_format: 'jpg' });
  expect(await file(shaped)).toMatchObject({ format: 'jpeg', width: 832, height: 1216 });
});

test('a batch has them in its shared settings', async () => {
  const answer = await user.call<{ batch: { generations: { id: string }[] } }>('POST', '/batch-generate', {
    prompts: [{ text: 'one' }, { text: 'other' }],
    shared_settings: { model_id: MODEL, ...FACTS },
    batch_name: 'wide',
  });
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  for (const { id } of answer.body.batch.generations)
    expect(await file(await made({ generation_id: id }))).toMatchObject({ format: 'png', width: 1344 });
});

test('a shape and a size together are refused, and so are other spellings', async () => {
  for (const [body, field] of [
    [{ aspect_ratio: '16:9', width: 1024 }, 'aspect_ratio'],
    [{ aspect_ratio: 'square' }, 'aspect_ratio'],
    [{ output_format: 'jpeg' }, 'output_format'],
  ] as const) {
    const answer = await user.call<Record<string, unknown>>('POST', '/start-generation', {
      prompt: 'refused',
      model_id: MODEL,
      ...body,
    });
    expectProblem(answer, 400, 'invalid_request');
    expect(answer.body.field).toBe(field);
  }
});
