import { createHash } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Generation, type Started, TestUser } from './support/user.ts';

/** Images made from one's own images: what Replicate is given, and what it is not. */

const VARIATION = 'black-forest-labs/flux-dev';
/** Seconds: a prediction may wait for its machine until its deadline, 15 minutes. */
const LIFE = 16 * 60;

let stack: TestStack;
let user: TestUser;
let source: Generation;
let bytes: Buffer;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  [source, bytes] = await picture('the source');
});
afterAll(() => stack?.stop());

/** An image of the user's own, and its file. */
async function picture(prompt: string): Promise<[Generation, Buffer]> {
  const started = await user.start({ prompt, width: 1344, height: 768 });
  const generation = await user.completed(started.generation_id);
  const file = await fetch(generation.images[0]?.url ?? '');
  return [generation, Buffer.from(await file.arrayBuffer())];
}

const predictionOf = async ({ job_id }: Started) => {
  const [prediction, ...more] = await stack.simulator.predictions(job_id);
  expect(more).toEqual([]);
  if (!prediction) throw new Error('there is no prediction');
  return prediction;
};
const claims = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { iat: number; exp: number };

describe('source_generation_id', () => {
  test.each([
    ['variation', VARIATION, 'image', { strength: 0.6 }],
    ['edit', 'black-forest-labs/flux-kontext-dev', 'input_image', {}],
    ['upscale', 'nightmareai/real-esrgan', 'image', {}],
    ['remove_background', '851-labs/background-remover', 'image', {}],
  ])('%s: the model is given the stored image', async (operation, model_id, field, more) => {
    const request = {
      prompt: `a ${operation}`,
      model_id,
      operation,
      source_generation_id: source.id,
      ...more,
    };
    const started = await user.start(request);
    const made = await user.completed(started.generation_id);
    expect(made).toMatchObject({ operation });

    const { source: read, prediction } = await predictionOf(started);
    const digest = createHash('md5').update(bytes).digest('hex');
    expect(read, 'the picture that the model read').toEqual({ digest, width: 1344, height: 768 });
    const url = new URL((prediction.input as Record<string, string>)[field] ?? '');
    const path = `/storage/v1/object/sign/generated-images/${user.id}/${source.id}.webp`;
    expect(url.origin + url.pathname).toBe(stack.addresses.supabaseUrl + path);
    const { iat, exp } = claims(url.searchParams.get('token') ?? '');
    expect(exp - iat, 'how long the address works').toBe(LIFE);

    const [job] = await stack.sql`select payload from public.job_queue where id = ${started.job_id}`;
    expect(job?.payload).toMatchObject({ source_generation_id: source.id });
    expect(JSON.stringify(job?.payload), 'an address grows old in the queue').not.toContain('http');
    const [image] = await stack.sql`
      select i.generation_id from public.images as made join public.images as i on i.id = made.source_image_id
      where made.generation_id = ${started.generation_id}`;
    expect(image).toEqual({ generation_id: source.id });
  });

  test('an upscaled image is larger, and a cut-out one has a transparent rim', async () => {
    const [upscaled, cut] = await Promise.all(
      ['nightmareai/real-esrgan', '851-labs/background-remover'].map(async (model_id) => {
        const started = await user.start({ prompt: 'a look', model_id, source_generation_id: source.id });
        const { images } = await user.completed(started.generation_id);
        return sharp(Buffer.from(await (await fetch(images[0]?.url ?? '')).arrayBuffer()));
      }),
    );
    const { width = 0 } = (await upscaled?.metadata()) ?? {};
    expect(width).toBeGreaterThan(1344);
    const { data, info } = (await cut?.raw().toBuffer({ resolveWithObject: true })) ?? {};
    expect([info?.width, info?.height, info?.channels, data?.[3]]).toEqual([1344, 768, 4, 0]);
  });

  test('a batch of variations reads the one image', async () => {
    const request = { prompt: 'three', model_id: VARIATION, source_generation_id: source.id, num_images: 3 };
    const { generations = [] } = await user.start(request);
    expect(generations).toHaveLength(3);
    for (const { generation_id, job_id } of generations) {
      await user.completed(generation_id);
      const [prediction] = await stack.simulator.predictions(job_id);
      expect(prediction?.source?.digest).toBe(createHash('md5').update(bytes).digest('hex'));
    }
  });

  const startFrom = (id: string, who = user) =>
    who.call<Record<string, unknown>>('POST', '/start-generation', {
      prompt: 'a variation',
      model_id: VARIATION,
      operation: 'variation',
      source_generation_id: id,
    });

  test('another user’s image is not found', async () => {
    const stranger = await TestUser.signUp(stack);
    const before = await stack.traces();
    expectProblem(await startFrom(source.id, stranger), 404, 'not_found');
    expect(await stack.traces()).toEqual(before);
  });

  test('one that has no image yet, or never will: 409 and why', async () => {
    await stack.simulator.fault('not yet', { hold: 'run' });
    const { generation_id } = await user.start({ prompt: 'not yet' });
    const early = await startFrom(generation_id);
    expectProblem(early, 409, 'conflict');
    expect(early.body.detail).toMatch(/no image yet/);
    await user.call('POST', `/generations/${generation_id}/cancel`);
    const never = await startFrom(generation_id);
    expectProblem(never, 409, 'conflict');
    expect(never.body.detail).toMatch(/cancelled/);
  });

  test('a file that is gone when its turn comes fails the generation, and nothing is paid', async () => {
    const [gone] = await picture('soon gone');
    const { supabaseUrl, serviceRoleKey } = stack.addresses;
    const storage = createClient(supabaseUrl, serviceRoleKey).storage.from('generated-images');
    const { data, error } = await storage.remove([`${user.id}/${gone.id}.webp`]);
    expect([error, data?.length]).toEqual([null, 1]);
    const started = await user.start({
      prompt: 'too late',
      model_id: VARIATION,
      source_generation_id: gone.id,
    });
    expect(await user.ended(started.generation_id)).toMatchObject({
      status: 'failed',
      error: { code: 'source_missing', message: 'The source image is no longer stored.' },
    });
    expect(await stack.simulator.predictions(started.job_id)).toEqual([]);
  });

  test('what was signed for one file opens no other', async () => {
    const [other] = await picture('another one');
    const started = await user.start({
      prompt: 'signed',
      model_id: VARIATION,
      source_generation_id: source.id,
    });
    await user.completed(started.generation_id);
    const { prediction } = await predictionOf(started);
    const url = (prediction.input as { image: string }).image;
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url.replace(source.id, other.id))).ok).toBe(false);
    expect((await fetch(url.slice(0, -4))).ok).toBe(false);
  });
});
