import type { Cancelled, Generation, Model, Source, SourceImage, Started } from '../../client/src/index.ts';

/**
 * The types of client/src/types.ts as checks at run time. The compiler keeps the two in step: a member
 * that is missing here, or checked as something else, does not compile.
 */
type Guard<T> = (value: unknown, at: string) => asserts value is T;
type Shape<T> = { [K in keyof Required<T>]: Guard<T[K]> };

function is<T>(what: string, holds: (value: unknown) => boolean): Guard<T> {
  return (value, at) => {
    if (!holds(value)) throw new Error(`${at} should be ${what}; it is ${JSON.stringify(value)}`);
  };
}

const text: Guard<string> = is('text', (value) => typeof value === 'string');
const number: Guard<number> = is('a number', Number.isFinite);
const bool: Guard<boolean> = is('true or false', (value) => typeof value === 'boolean');
const anything: Guard<unknown> = () => {};

function word<T extends string>(...words: T[]): Guard<T> {
  return is(`one of ${words.join(', ')}`, (value) => words.includes(value as T));
}

function nullable<T>(guard: Guard<T>): Guard<T | null> {
  return (value, at) => {
    if (value !== null) guard(value, at);
  };
}

function optional<T>(guard: Guard<T>): Guard<T | undefined> {
  return (value, at) => {
    if (value !== undefined) guard(value, at);
  };
}

function list<T>(guard: Guard<T>): Guard<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new Error(`${at} should be a list; it is ${JSON.stringify(value)}`);
    for (const [index, one] of value.entries()) guard(one, `${at}[${index}]`);
  };
}

/** Exactly these members: an answer that has grown must be in the types too. */
function object<T>(shape: Shape<T>): Guard<T> {
  return (value, at) => {
    if (typeof value !== 'object' || value === null) throw new Error(`${at} should be an object: ${value}`);
    const unknown = Object.keys(value).filter((name) => !(name in shape));
    if (unknown.length > 0) throw new Error(`${at} has ${unknown}, which client/src/types.ts does not`);
    for (const name of Object.keys(shape)) {
      const guard: Guard<unknown> = shape[name as keyof T];
      guard((value as Record<string, unknown>)[name], `${at}.${name}`);
    }
  };
}

const status = word('queued', 'processing', 'downloading', 'completed', 'failed', 'cancelled');
const operation = word('generate', 'variation', 'edit', 'upscale', 'remove_background');

/** Exactly one of the three. */
const sourceImage: Guard<SourceImage> = is('a source image', (value) => {
  const [[name, at] = [], ...more] = Object.entries(value ?? {});
  const names = ['source_image_url', 'source_generation_id', 'source_id'];
  return more.length === 0 && names.includes(name ?? '') && typeof at === 'string';
});

const startedOne = {
  generation_id: text,
  job_id: text,
  status: word('queued'),
  queue_position: nullable(number),
  estimated_seconds: nullable(number),
  urls: object({ self: text, cancel: text, events: text }),
};

export const started: Guard<Started> = object<Started>({
  ...startedOne,
  success: is<true>('true', (value) => value === true),
  message: text,
  batch_id: optional(text),
  generations: optional(list(object(startedOne))),
});

export const generation: Guard<Generation> = object<Generation>({
  id: text,
  batch_id: nullable(text),
  status,
  progress: number,
  queue_position: nullable(number),
  estimated_seconds: nullable(number),
  operation,
  model_id: text,
  prompt: text,
  negative_prompt: nullable(text),
  width: nullable(number),
  height: nullable(number),
  aspect_ratio: nullable(text),
  output_format: nullable(word('webp', 'png', 'jpg', 'svg')),
  seed: nullable(number),
  num_inference_steps: nullable(number),
  guidance_scale: nullable(number),
  strength: nullable(number),
  style: nullable(text),
  model_version: nullable(text),
  scale: nullable(number),
  sources: list(sourceImage),
  mask: nullable(sourceImage),
  source_image_url: nullable(text),
  source_generation_id: nullable(text),
  source_id: nullable(text),
  parent_id: nullable(text),
  adjustments: list(object({ field: text, requested: anything, used: anything, reason: text })),
  error: nullable(object({ code: nullable(text), message: nullable(text) })),
  images: list(
    object({
      id: text,
      generation_id: nullable(text),
      url: text,
      thumbnail_url: text,
      format: text,
      width: number,
      height: number,
      bytes: number,
      is_favorite: bool,
      is_public: bool,
      archived_at: nullable(text),
    }),
  ),
  cost_usd: nullable(number),
  created_at: text,
  started_at: nullable(text),
  completed_at: nullable(text),
});

export const cancelled: Guard<Cancelled> = object<Cancelled>({ generation_id: text, status });

export const source: Guard<Source> = object<Source>({
  source_id: text,
  format: word('png', 'jpg', 'webp'),
  bytes: number,
  width: number,
  height: number,
  expires_at: text,
});

const range = nullable(object({ min: nullable(number), max: nullable(number), default: nullable(number) }));
const side = nullable(
  object<NonNullable<Model['limits']['width']>>({
    min: nullable(number),
    max: nullable(number),
    multiple_of: optional(number),
  }),
);

export const model: Guard<Model> = object<Model>({
  id: text,
  name: text,
  description: text,
  version: nullable(text),
  operation,
  operations: list(operation),
  supports: object({
    prompt: bool,
    negative_prompt: bool,
    seed: bool,
    steps: range,
    guidance: range,
    source_image: bool,
    max_source_images: number,
    mask: nullable(word('white', 'black')),
    scale: range,
    scales: list(number),
    source_image_required: bool,
    strength: bool,
    styles: list(text),
    aspect_ratios: list(text),
    sizes: list(text),
  }),
  defaults: object({
    width: nullable(number),
    height: nullable(number),
    num_inference_steps: nullable(number),
    guidance_scale: nullable(number),
    strength: nullable(number),
  }),
  limits: object({ width: side, height: side }),
  output: object({ format: nullable(text), formats: list(text) }),
  estimated_seconds: number,
  price: nullable(
    object({
      usd_per_image: number,
      usd_per_megapixel: optional(number),
      usd_per_second: optional(number),
      usd_per_source_megapixel: optional(number),
      max_source_megapixels: optional(number),
    }),
  ),
  is_active: bool,
  is_available: bool,
  is_default: bool,
});
