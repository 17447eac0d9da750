import type { GenerateParams, Generation, Model, Operation } from 'picture-queue';
import { keep, recall } from '../lib/storage.ts';

/** Another picture that can be made from a finished one with one click. */
export type FollowUp = 'variation' | 'upscale' | 'remove_background';

/** The model that does it: the picture's own where it can, or else the first one that costs something known. */
export function modelFor(operation: Operation, models: Model[], own?: string): Model | undefined {
  const able = models.filter(({ operations }) => operations.includes(operation));
  return able.find(({ id }) => id === own) ?? able.find(({ price }) => price !== null) ?? able[0];
}

export function followUp(operation: FollowUp, from: Generation, models: Model[]): GenerateParams | undefined {
  const model = modelFor(operation, models, operation === 'variation' ? from.model_id : undefined);
  if (!model) return undefined;
  return { prompt: from.prompt, model_id: model.id, operation, source_generation_id: from.id };
}

const LIMIT = 200;
const NAME = 'asked';

/** Notes what was asked for: a generation tells what came of it, such as the size that was made. */
export function remember(ids: string[], params: GenerateParams): void {
  const { prompts, num_images, seed, ...common } = params;
  const isOnePrompt = prompts === undefined;
  const asked = recall<[string, GenerateParams][]>(NAME, []);
  const added = ids.map((id, index): [string, GenerateParams] => [
    id,
    {
      ...common,
      prompt: prompts?.[index] ?? params.prompt ?? '',
      // Of one prompt each further picture has taken the next seed.
      ...(seed === undefined ? {} : { seed: isOnePrompt ? seed + index : seed }),
    } as GenerateParams,
  ]);
  keep(NAME, [...added, ...asked].slice(0, LIMIT));
}

/** The same once more; undefined where the picture that it was made from is gone. */
export function again(one: Generation): GenerateParams | undefined {
  return remembered(one) ?? (one.operation === 'generate' || hasSource(one) ? known(one) : undefined);
}

/** What was asked for, and the seed that was used, so that it can be made the same. */
export const askedFor = (one: Generation): GenerateParams => ({
  ...(remembered(one) ?? known(one)),
  ...(one.seed === null ? {} : { seed: one.seed }),
});

const hasSource = ({ sources }: Generation) => sources.length > 0;

const remembered = ({ id }: Generation) =>
  recall<[string, GenerateParams][]>(NAME, []).find(([of]) => of === id)?.[1];

const known = (one: Generation): GenerateParams => ({
  prompt: one.prompt,
  model_id: one.model_id,
  ...(one.operation === 'generate' ? {} : { operation: one.operation }),
  // The ratio by its name decides the size.
  ...(one.width && one.height && !one.aspect_ratio ? { width: one.width, height: one.height } : {}),
  ...told(one, 'aspect_ratio', 'output_format'),
  ...told(one, 'negative_prompt', 'style', 'num_inference_steps', 'guidance_scale', 'seed', 'strength'),
  ...told(one, 'source_image_url', 'source_generation_id', 'source_id', 'mask', 'scale'),
  ...(one.sources.length > 1 ? { sources: one.sources } : {}),
});

type Told = keyof Generation & keyof GenerateParams;

/** Those of its fields that it has a value for. */
const told = (one: Generation, ...fields: Told[]) =>
  Object.fromEntries(fields.flatMap((field) => (one[field] == null ? [] : [[field, one[field]]])));
