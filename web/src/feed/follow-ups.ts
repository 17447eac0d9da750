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

/** Notes what was asked for: a generation does not tell its source, its steps and more, and retrying needs them. */
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

/** The same once more; undefined where this browser does not know from what picture it was made. */
export function again(one: Generation): GenerateParams | undefined {
  return remembered(one) ?? (one.operation === 'generate' ? known(one) : undefined);
}

/** What is known of what was asked for: all of it where it was started here, or else what a generation tells. */
export const askedFor = (one: Generation): GenerateParams => remembered(one) ?? known(one);

const remembered = ({ id }: Generation) =>
  recall<[string, GenerateParams][]>(NAME, []).find(([of]) => of === id)?.[1];

const known = (one: Generation): GenerateParams => ({
  prompt: one.prompt,
  model_id: one.model_id,
  ...(one.operation === 'generate' ? {} : { operation: one.operation }),
  ...(one.negative_prompt ? { negative_prompt: one.negative_prompt } : {}),
  ...(one.width && one.height ? { width: one.width, height: one.height } : {}),
  ...(one.seed === null ? {} : { seed: one.seed }),
});
