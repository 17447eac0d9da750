import type { GenerateParams, Generation, Model } from 'picture-queue';
import { type Draft, EMPTY_DRAFT, pixelsOf } from './draft.ts';
import { shapesOf, takesAnySize } from './shapes.ts';

/** How far a picture's ratio may be from the one that was asked for: sizes are multiples of something. */
const TOLERANCE = 0.03;

/**
 * What was asked for, back in the composer.
 *
 * @param model that was asked, where there still is one
 * @param source the generation that it was made from, where it is known
 */
export function draftOf(
  asked: GenerateParams,
  model: Model | undefined,
  source: Generation | undefined,
): Draft {
  const [image] = source?.images ?? [];
  return {
    ...EMPTY_DRAFT,
    modelId: asked.model_id ?? '',
    prompts: [asked.prompt ?? ''],
    ...shapeOf(asked, model),
    steps: asked.num_inference_steps ?? undefined,
    guidance: asked.guidance_scale ?? undefined,
    strength: asked.strength ?? undefined,
    seed: asked.seed === undefined || asked.seed === null ? '' : String(asked.seed),
    negative: asked.negative_prompt ?? '',
    style: asked.style ?? '',
    format: asked.output_format ?? '',
    priority: asked.priority ?? 'normal',
    source: source &&
      image && {
        kind: 'generation',
        id: source.id,
        url: image.url,
        name: source.prompt,
        pixels: pixelsOf(image),
      },
  };
}

/** Whether a picture was started from that is not in the draft: an upload, or one that is not known here. */
export const lacksSource = (asked: GenerateParams, draft: Draft): boolean =>
  !draft.source &&
  Boolean(
    asked.source_id || asked.source_generation_id || (asked.operation && asked.operation !== 'generate'),
  );

function shapeOf(asked: GenerateParams, model: Model | undefined): Partial<Draft> {
  if (!model) return {};
  const { aspect_ratio, width, height } = asked;
  const shapes = shapesOf(model);
  const named = shapes.find(({ ratio }) => ratio === aspect_ratio);
  if (named) return { shape: named.ratio, width: named.width, height: named.height };
  if (!width || !height) return {};
  const same = shapes.find((shape) => shape.width === width && shape.height === height);
  if (same) return { shape: same.ratio, width, height };
  if (takesAnySize(model)) return { shape: 'custom', width, height };
  const near = shapes.find(
    (shape) => Math.abs((shape.width * height) / (shape.height * width) - 1) < TOLERANCE,
  );
  return near ? { shape: near.ratio, width: near.width, height: near.height } : {};
}
