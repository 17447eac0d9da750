import type { Generation } from 'picture-queue';
import { beforeEach, expect, test, vi } from 'vitest';
import { again, askedFor, followUp, modelFor, remember } from '../../web/src/feed/follow-ups.ts';
import { model } from './models.ts';

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
  return () => vi.unstubAllGlobals();
});

const MODELS = [
  model({ id: 'a/painter', operations: ['generate'] }),
  model({ id: 'b/unpriced', operations: ['variation'], price: null }),
  model({ id: 'c/other', operations: ['generate', 'variation'] }),
  model({ id: 'd/upscaler', operations: ['upscale'] }),
];
const done = (changes: Partial<Generation> = {}) =>
  ({
    id: 'g1',
    operation: 'generate',
    prompt: 'a fox',
    model_id: 'a/painter',
    negative_prompt: null,
    width: 1024,
    height: 768,
    seed: null,
    sources: [],
    mask: null,
    scale: null,
    ...changes,
  }) as Generation;

test('a variation comes from the picture’s own model where it can, or else from one with a price', () => {
  expect(modelFor('variation', MODELS, 'b/unpriced')?.id).toBe('b/unpriced');
  expect(modelFor('variation', MODELS, 'a/painter')?.id).toBe('c/other');
  expect(modelFor('remove_background', MODELS)).toBeUndefined();
});

test('what follows from a picture names it as its source', () => {
  expect(followUp('upscale', done(), MODELS)).toEqual({
    prompt: 'a fox',
    model_id: 'd/upscaler',
    operation: 'upscale',
    source_generation_id: 'g1',
  });
  expect(followUp('remove_background', done(), MODELS)).toBeUndefined();
});

test('a retry asks for what was asked for here, each of a batch for its own prompt', () => {
  remember(['g1', 'g2'], { prompts: ['one', 'two'], model_id: 'a/painter', num_inference_steps: 4 });
  expect(again(done({ id: 'g2' }))).toEqual({
    prompt: 'two',
    model_id: 'a/painter',
    num_inference_steps: 4,
  });
});

test('several pictures of one prompt are retried one by one', () => {
  remember(['g0', 'g1'], { prompt: 'one', num_images: 2, model_id: 'a/painter', seed: 7 });
  expect(again(done())).toEqual({ prompt: 'one', model_id: 'a/painter', seed: 8 });
});

test('what was started elsewhere is retried by what is known of it, if that is enough', () => {
  expect(again(done({ seed: 5, negative_prompt: 'rain' }))).toEqual({
    prompt: 'a fox',
    model_id: 'a/painter',
    negative_prompt: 'rain',
    width: 1024,
    height: 768,
    seed: 5,
  });
  expect(again(done({ operation: 'upscale' }))).toBeUndefined();
  expect(
    again(
      done({
        operation: 'upscale',
        sources: [{ source_generation_id: 'g0' }],
        source_generation_id: 'g0',
        strength: 0.4,
        style: null,
      }),
    ),
  ).toEqual(expect.objectContaining({ operation: 'upscale', source_generation_id: 'g0', strength: 0.4 }));
});

test('what was made of several pictures, under a mask or enlarged, is retried with them', () => {
  const sources = [{ source_generation_id: 'g0' }, { source_id: 'u' }];
  const mask = { source_id: 'm' };
  expect(again(done({ operation: 'edit', sources, mask, scale: 4 }))).toMatchObject({
    sources,
    mask,
    scale: 4,
  });
  const one = again(done({ operation: 'upscale', sources: [{ source_id: 'u' }], source_id: 'u' }));
  expect(one, 'a single one goes by its own name').toMatchObject({ source_id: 'u' });
  expect(one).not.toHaveProperty('sources');
});

test('the settings that are used again have the seed that was used', () => {
  remember(['g1'], { prompt: 'one', model_id: 'a/painter', priority: 'low' });
  expect(askedFor(done({ seed: 99 }))).toEqual({
    prompt: 'one',
    model_id: 'a/painter',
    priority: 'low',
    seed: 99,
  });
  expect(
    askedFor(done({ id: 'elsewhere', num_inference_steps: 4, guidance_scale: 3.5, seed: 7 })),
  ).toMatchObject({
    num_inference_steps: 4,
    guidance_scale: 3.5,
    seed: 7,
  });
});

test('the oldest are forgotten', () => {
  for (let i = 0; i < 250; i += 1) remember([`n${i}`], { prompt: `p${i}`, model_id: 'a/painter' });
  expect(again(done({ id: 'n249' }))?.prompt).toBe('p249');
  expect(again(done({ id: 'n10' }))?.prompt).toBe('a fox');
});
