import type { Generation } from 'picture-queue';
import { expect, test } from 'vitest';
import { changesOf, factsOf } from '../../web/src/feed/facts.ts';
import { model } from './models.ts';

const NOTHING = {
  operation: 'generate',
  images: [],
  adjustments: [],
  scale: null,
  aspect_ratio: null,
  style: null,
  negative_prompt: null,
  num_inference_steps: null,
  guidance_scale: null,
  strength: null,
  seed: null,
  cost_usd: null,
  started_at: null,
  completed_at: null,
  created_at: '2020-01-01T00:00:00Z',
} as unknown as Generation;

test('a picture tells how it was made; what was not set is left out', () => {
  expect(factsOf(NOTHING, 'FLUX').map(([term]) => term)).toEqual(['Model', 'Created']);
  const one: Generation = {
    ...NOTHING,
    operation: 'upscale',
    scale: 2,
    aspect_ratio: '16:9',
    style: 'digital_illustration',
    num_inference_steps: 20,
    guidance_scale: 3.5,
    strength: 0,
    seed: 0,
    cost_usd: 0.000_02,
  };
  expect(Object.fromEntries(factsOf(one, 'FLUX'))).toMatchObject({
    Operation: 'Upscale',
    Enlarged: '2×',
    'Aspect ratio': '16:9',
    Style: 'digital illustration',
    Steps: '20',
    Guidance: '3.5',
    Strength: '0',
    Seed: '0',
    Cost: 'under $0.0001',
  });
});

test('what was adjusted is named, with what was asked for and what was used', () => {
  const reason = 'It was brought into the limits.';
  const adjustments = [
    { field: 'num_inference_steps', requested: 60, used: 50, reason },
    { field: 'size', requested: '999x500', used: '16:9', reason },
    { field: 'style', requested: 'ink', used: null, reason },
    { field: 'prompt', requested: 'a fox', used: null, reason },
    { field: 'source_image_url', requested: 'x'.repeat(200), used: null, reason },
  ];
  const told = (of = model()) =>
    changesOf({ adjustments }, of).map(({ field, requested, used }) => [field, requested, used]);
  expect(told()).toEqual([
    ['Steps', '60', '50'],
    ['Size', '999 × 500', '16:9'],
    ['Style', 'ink', 'not used'],
    ['Prompt', 'a fox', 'not used'],
    ['Picture to start from', `${'x'.repeat(60)}…`, 'not used'],
  ]);
  const without = told(model({ supports: { prompt: false } }));
  expect(
    without.map(([field]) => field),
    'it takes none',
  ).not.toContain('Prompt');
});
