import type { Model } from 'picture-queue';

/** A model as GET /models tells it, that supports nothing but a prompt; `changes` over that. */
export function model(
  changes: Omit<Partial<Model>, 'supports'> & { supports?: Partial<Model['supports']> } = {},
): Model {
  const { supports, ...rest } = changes;
  return {
    id: 'maker/model',
    name: 'Model',
    description: 'A model',
    version: null,
    operation: 'generate',
    operations: ['generate'],
    defaults: { width: 1024, height: 1024, num_inference_steps: null, guidance_scale: null, strength: null },
    limits: { width: null, height: null },
    output: { format: 'webp', formats: ['webp'] },
    estimated_seconds: 4,
    price: { usd_per_image: 0.003 },
    is_active: true,
    is_available: true,
    is_default: true,
    ...rest,
    supports: {
      prompt: true,
      negative_prompt: false,
      seed: false,
      steps: null,
      guidance: null,
      source_image: false,
      max_source_images: 0,
      mask: null,
      scale: null,
      scales: [],
      source_image_required: false,
      strength: false,
      styles: [],
      aspect_ratios: [],
      sizes: [],
      ...supports,
    },
  };
}

/** A model that supports all that a draft can ask for. */
export const ABLE = model({
  operations: ['generate', 'variation'],
  supports: {
    steps: { min: 1, max: 50, default: 28 },
    guidance: { min: 0, max: 10, default: 3.5 },
    seed: true,
    negative_prompt: true,
    styles: ['ink'],
    source_image: true,
    max_source_images: 1,
    strength: true,
    aspect_ratios: ['1:1', '16:9'],
    sizes: ['1024x1024', '1344x768'],
  },
});
