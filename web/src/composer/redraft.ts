import type { GenerateParams, Model } from 'picture-queue';
import { type Chosen, imagesOf, keyOf } from './chosen.ts';
import { type Draft, EMPTY_DRAFT } from './draft.ts';
import { shapesOf, takesAnySize } from './shapes.ts';

/** How far a picture's ratio may be from the one that was asked for: sizes are multiples of something. */
const TOLERANCE = 0.03;

/** The images of a request that are still there. */
export interface Found {
  sources: Chosen[];
  mask?: Chosen | undefined;
}

/**
 * What was asked for, back in the composer.
 *
 * @param model that was asked, where there still is one
 * @param found what it was made from
 */
export function draftOf(asked: GenerateParams, model: Model | undefined, found: Found): Draft {
  const sources = withName(found.sources, asked, model);
  const [first] = sources;
  const paints = model?.supports.mask;
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
    sources,
    mask: found.mask && first && paints ? { ...found.mask, of: keyOf(first), paints } : undefined,
    scale: asked.scale ?? undefined,
    lacks: lackOf(asked, sources.length, found.mask !== undefined),
  };
}

/** A model without a prompt has had the picture's name for one; an upload has lost its own. */
function withName(sources: Chosen[], { prompt }: GenerateParams, model: Model | undefined): Chosen[] {
  if (!prompt || !model || model.supports.prompt) return sources;
  return sources.map((one, index) => (index === 0 && one.kind === 'upload' ? { ...one, name: prompt } : one));
}

/** What it was started from and is not found: it is gone, or not known here. */
function lackOf(asked: GenerateParams, found: number, hasMask: boolean): Draft['lacks'] {
  const { sources, mask } = imagesOf(asked);
  const startsFromOne = asked.operation !== undefined && asked.operation !== 'generate';
  if (found < Math.max(sources.length, startsFromOne ? 1 : 0)) return 'picture';
  return mask && !hasMask ? 'mask' : undefined;
}

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
