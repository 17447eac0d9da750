import { expect, test } from 'vitest';
import type { Chosen } from '../../web/src/composer/chosen.ts';
import {
  changed,
  costOf,
  type Draft,
  EMPTY_DRAFT,
  picturesOf,
  toParams,
  whatIsMissing,
} from '../../web/src/composer/draft.ts';
import { ABLE, model } from './models.ts';

const OWN: Chosen = { kind: 'generation', id: 'g', url: 'u', name: 'n', width: 640, height: 384 };

const draft = (changes: Partial<Draft> = {}): Draft => ({ ...EMPTY_DRAFT, prompts: ['a fox'], ...changes });
const FULL: Partial<Draft> = {
  steps: 30,
  guidance: 4.5,
  strength: 0.4,
  seed: '7',
  negative: ' rain ',
  style: 'ink',
  shape: '1:1',
  sources: [{ kind: 'upload', id: 'source', name: 'x.png' }],
};

test('what a model does not support is not asked of it', () => {
  expect(toParams(draft(FULL), model())).toEqual({ prompt: 'a fox', model_id: 'maker/model' });
});

test('what it supports is', () => {
  expect(toParams(draft({ ...FULL, priority: 'high' }), ABLE)).toEqual({
    prompt: 'a fox',
    model_id: 'maker/model',
    aspect_ratio: '1:1',
    num_inference_steps: 30,
    guidance_scale: 4.5,
    seed: 7,
    negative_prompt: 'rain',
    style: 'ink',
    priority: 'high',
    source_id: 'source',
    strength: 0.4,
    operation: 'variation',
  });
});

test('an own picture goes by its generation; strength without a picture is left out', () => {
  const own = toParams(draft({ sources: [OWN] }), ABLE);
  expect(own).toMatchObject({ source_generation_id: 'g', operation: 'variation' });
  expect(own).not.toHaveProperty('source_id');
  expect(toParams(draft({ strength: 0.4 }), ABLE)).not.toHaveProperty('strength');
});

test('a model that follows instructions about a picture is asked to edit it', () => {
  const editor = model({
    operations: ['generate', 'variation', 'edit'],
    supports: { source_image: true, max_source_images: 1 },
  });
  expect(toParams(draft({ sources: [OWN] }), editor).operation).toBe('edit');
});

test('numbers outside a model’s range are brought into it', () => {
  expect(toParams(draft({ steps: 500, guidance: -1 }), ABLE)).toMatchObject({
    num_inference_steps: 50,
    guidance_scale: 0,
  });
});

test('several prompts are a batch, one prompt may be made several times', () => {
  const several = draft({ mode: 'several', prompts: ['a', ' ', 'b'], count: 4 });
  expect(toParams(several, model())).toEqual({ prompts: ['a', 'b'], model_id: 'maker/model' });
  expect(picturesOf(several, model())).toBe(2);
  expect(costOf(several, model())?.expected).toBeCloseTo(0.006);
  const one = draft({ prompts: ['a', 'b'], count: 4 });
  expect(toParams(one, model())).toEqual({ prompt: 'a', num_images: 4, model_id: 'maker/model' });
  expect(costOf(one, model({ price: null }))).toBeUndefined();
});

test('a source image that is billed by the megapixel is in the price, as the queue reserves it', () => {
  const price = { usd_per_image: 0.03, usd_per_source_megapixel: 0.02, max_source_megapixels: 4 };
  const billing = model({ price, supports: { source_image: true, max_source_images: 1 } });
  const of = (...sources: Chosen[]) => costOf(draft({ sources, count: 2 }), billing)?.reserved;
  expect(of()).toBeCloseTo(0.06);
  const upload: Chosen = { id: 'x', kind: 'upload', name: 'n' };
  expect(of(upload), 'of unknown size: the most').toBeCloseTo(0.22);
  expect(of({ ...upload, kind: 'generation', width: 1500, height: 1000 })).toBeCloseTo(0.14);
  expect(of({ ...upload, kind: 'generation', width: 9000, height: 9000 })).toBeCloseTo(0.22);
  expect(
    costOf(draft({ sources: [upload], count: 2 }), model({ price }))?.reserved,
    'a model that takes none',
  ).toBeCloseTo(0.06);
});

test('several prompts of which one is left are one prompt, made once', () => {
  const params = toParams(draft({ mode: 'several', prompts: ['a', ''], count: 4 }), model());
  expect(params).toEqual({ prompt: 'a', model_id: 'maker/model' });
});

test('a model without a prompt takes the picture’s name for one', () => {
  const upscaler = model({
    operations: ['upscale'],
    supports: { prompt: false, source_image: true, max_source_images: 1, source_image_required: true },
  });
  expect(whatIsMissing(draft(), upscaler)).toMatch(/picture/);
  const sources: Chosen[] = [{ kind: 'upload', id: 's', name: 'fox.png' }];
  expect(whatIsMissing(draft({ sources }), upscaler)).toBeUndefined();
  expect(toParams(draft({ sources }), upscaler)).toEqual({
    prompt: 'fox.png',
    model_id: 'maker/model',
    source_id: 's',
    operation: 'upscale',
  });
});

test.each<[string, Partial<Draft>, RegExp | undefined]>([
  ['all there', {}, undefined],
  ['no prompt', { prompts: ['  '] }, /Describe/],
  ['a prompt too long', { prompts: ['x'.repeat(4_001)] }, /4,000/],
  ['4,000 characters of two units each', { prompts: ['🦊'.repeat(4_000)] }, undefined],
  ['a seed too large', { seed: '4294967296' }, /4,294,967,295/],
  ['the largest seed', { seed: '4294967295' }, undefined],
])('whether it can be sent: %s', (_, changes, expected) => {
  const missing = whatIsMissing(draft(changes), model({ supports: { seed: true } }));
  if (expected) expect(missing).toMatch(expected);
  else expect(missing).toBeUndefined();
});

test('a ratio goes by its name where the model knows it, else by a size that has it', () => {
  expect(toParams(draft({ shape: '16:9' }), ABLE)).toMatchObject({ aspect_ratio: '16:9' });
  expect(toParams(draft({ shape: '16:9' }), ABLE)).not.toHaveProperty('width');
  const side = { min: 256, max: 2048, multiple_of: 16, only: [] };
  const free = model({ limits: { width: side, height: side } });
  expect(toParams(draft({ shape: '1:1' }), free)).toMatchObject({ width: 1024, height: 1024 });
  expect(toParams(draft({ shape: '1:1' }), free)).not.toHaveProperty('aspect_ratio');
});

test('a file format is asked for where the model makes it', () => {
  const many = model({ output: { format: 'webp', formats: ['webp', 'png'] } });
  expect(toParams(draft({ format: 'png' }), many)).toMatchObject({ output_format: 'png' });
  expect(toParams(draft({ format: 'jpg' }), many)).not.toHaveProperty('output_format');
});

test('what is gone is asked for until another picture is chosen, or it is waived', () => {
  const lacking = draft({ lacks: 'picture', sources: [OWN] });
  expect(whatIsMissing(lacking, ABLE)).toMatch(/is gone/);
  expect(changed(lacking, { prompts: ['x'], sources: [OWN] }).lacks).toBe('picture');
  expect(changed(lacking, { sources: [] }).lacks, 'removing is not choosing').toBe('picture');
  const other = changed(lacking, { sources: [OWN, { ...OWN, id: 'h' }] });
  expect(whatIsMissing(other, ABLE)).toBeUndefined();
  expect(changed(lacking, { lacks: undefined }).lacks).toBeUndefined();
  expect(changed(draft(), { ...lacking }).lacks, 'taken over').toBe('picture');
  const mask = { ...OWN, of: 'generation g', paints: 'white' as const };
  expect(changed(draft({ lacks: 'mask' }), { mask }).lacks).toBeUndefined();
  expect(changed(lacking, { mask }).lacks, 'a mask is no picture').toBe('picture');
});
