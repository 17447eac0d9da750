import type { GenerateParams, Model, Priority, Range } from 'picture-queue';
import type { OutputFormat } from '../../../client/src/openapi.ts';
import { type Chosen, type ChosenMask, keyOf, maskFor, named, scaleFor, sourcesFor } from './chosen.ts';
import { type Price, pixelsOf, priceFor } from './cost.ts';
import { shapesOf, takesAnySize } from './shapes.ts';

export const MOST_PICTURES = 10;
export const LONGEST_PROMPT = 4_000;

/** What stands in the composer. What a model does not support stays, for when another one is chosen. */
export interface Draft {
  modelId: string;
  /** `one`: the first prompt, `count` times; `several`: a picture of each. */
  mode: 'one' | 'several';
  prompts: string[];
  count: number;
  /** `auto`, a ratio, or `custom` with width and height. */
  shape: string;
  width: number;
  height: number;
  /** Absent: as the model does it. */
  steps?: number | undefined;
  guidance?: number | undefined;
  strength?: number | undefined;
  seed: string;
  negative: string;
  style: string;
  /** The file's format; empty: as the model does it. */
  format: string;
  priority: Priority;
  /** To start from, in the order in which the prompt speaks of them. */
  sources: Chosen[];
  mask?: ChosenMask | undefined;
  /** How many times as wide and as high; absent: as the model does it. */
  scale?: number | undefined;
  /** Taken over from a picture of which this is gone: nothing is made until another is chosen, or it is waived. */
  lacks?: 'picture' | 'mask' | undefined;
}

/** The draft after a change: what was missing is chosen with another picture, or another mask. */
export function changed(before: Draft, changes: Partial<Draft>): Draft {
  const after = { ...before, ...changes };
  const had = new Set(before.sources.map(keyOf));
  const isChosen = after.sources.some((one) => !had.has(keyOf(one)));
  const isMasked = after.mask !== undefined && after.mask !== before.mask;
  if (!('lacks' in changes) && (isChosen || (before.lacks === 'mask' && isMasked))) after.lacks = undefined;
  return after;
}

/** Puts something into the composer: some fields, or what follows from those that stand there by then. */
export type Change = (change: Partial<Draft> | ((before: Draft) => Partial<Draft>)) => void;

export const EMPTY_DRAFT: Draft = {
  modelId: '',
  mode: 'one',
  prompts: [''],
  count: 1,
  shape: 'auto',
  width: 1024,
  height: 1024,
  seed: '',
  negative: '',
  style: '',
  format: '',
  priority: 'normal',
  sources: [],
};

/** The prompts that count. A model without any still needs a name for its picture. */
export function promptsOf(draft: Draft, model: Model): string[] {
  if (!model.supports.prompt) return [draft.sources[0]?.name ?? ''];
  const prompts = draft.mode === 'several' ? draft.prompts : draft.prompts.slice(0, 1);
  return prompts.map((prompt) => prompt.trim()).filter(Boolean);
}

export function picturesOf(draft: Draft, model: Model): number {
  if (draft.mode === 'several' && model.supports.prompt) return promptsOf(draft, model).length;
  return draft.count;
}

/** Why it cannot be sent yet; undefined: it can. */
export function whatIsMissing(draft: Draft, model: Model): string | undefined {
  const { supports } = model;
  const [source] = sourcesFor(draft, model);
  if (draft.lacks)
    return `The ${draft.lacks} that it was made from is gone. Choose another one, or press Do without it.`;
  if (supports.source_image_required && !source) return 'This model needs a picture to start from.';
  const mask = maskFor(draft, model);
  if (source && !mask && needsMask(model))
    return 'This model changes a picture under a mask. Paint one, upload one, or remove the picture.';
  if (mask && mask.paints !== supports.mask)
    return 'The mask was made for a model that reads its colours the other way round. Turn it round first.';
  const prompts = promptsOf(draft, model);
  if (prompts.length === 0) return 'Describe the picture first.';
  if (prompts.some((prompt) => [...prompt].length > LONGEST_PROMPT)) {
    return `A prompt has at most ${LONGEST_PROMPT.toLocaleString('en')} characters.`;
  }
  if (draft.seed !== '' && !/^\d{1,10}$/.test(draft.seed)) return 'A seed is a whole number.';
  if (Number(draft.seed) > 4_294_967_295) return 'A seed is at most 4,294,967,295.';
  return undefined;
}

/** Whether it takes a picture with a mask only. */
export const needsMask = ({ supports }: Model): boolean =>
  supports.max_source_images > 0 && !supports.source_image && supports.mask !== null;

/** The request, with what this model supports and nothing else. */
export function toParams(draft: Draft, model: Model): GenerateParams {
  const { supports } = model;
  const prompts = promptsOf(draft, model);
  const sources = sourcesFor(draft, model);
  const [source] = sources;
  const mask = maskFor(draft, model);
  const scale = scaleFor(draft, model);
  const operation = source && operationWithSource(model);
  const seed = supports.seed && draft.seed !== '' ? { seed: Number(draft.seed) } : {};
  const common = {
    model_id: model.id,
    ...sizeOf(draft, model),
    ...within('num_inference_steps', draft.steps, supports.steps),
    ...within('guidance_scale', draft.guidance, supports.guidance),
    ...seed,
    ...(supports.negative_prompt && draft.negative.trim() ? { negative_prompt: draft.negative.trim() } : {}),
    ...(supports.styles.includes(draft.style) ? { style: draft.style } : {}),
    ...(model.output.formats.includes(draft.format) ? { output_format: draft.format as OutputFormat } : {}),
    ...(draft.priority === 'normal' ? {} : { priority: draft.priority }),
    ...(sources.length > 1 ? { sources: sources.map(named) } : source ? named(source) : {}),
    ...(mask ? { mask: named(mask) } : {}),
    ...(scale === undefined ? {} : { scale }),
    ...(source && supports.strength && draft.strength !== undefined ? { strength: draft.strength } : {}),
    ...(operation ? { operation } : {}),
  };
  if (prompts.length > 1) return { ...common, prompts };
  const count = picturesOf(draft, model);
  return { ...common, prompt: prompts[0] ?? '', ...(count > 1 ? { num_images: count } : {}) };
}

/** A number where the model takes one, in the range that it takes. */
function within<K extends string>(name: K, value: number | undefined, range: Range | null) {
  if (value === undefined || !range) return {};
  const most = Math.min(value, range.max ?? value);
  return { [name]: Math.max(most, range.min ?? most) } as { [name in K]: number };
}

/** What a model does with a picture: follow what is said about it, or else make another one like it. */
function operationWithSource({ operations }: Model) {
  return (['edit', 'variation'] as const).find((one) => operations.includes(one)) ?? operations[0];
}

/** The ratio by its name where the model knows it, which then decides the size; else the size that has it. */
function sizeOf(draft: Draft, model: Model): { aspect_ratio?: string; width?: number; height?: number } {
  if (draft.shape === 'custom' && takesAnySize(model)) return { width: draft.width, height: draft.height };
  const shape = shapesOf(model).find(({ ratio }) => ratio === draft.shape);
  if (!shape) return {};
  if (model.supports.aspect_ratios.includes(shape.ratio)) return { aspect_ratio: shape.ratio };
  return { width: shape.width, height: shape.height };
}

/** US dollars for all of it; undefined: the model has no known price. */
export function costOf(draft: Draft, model: Model): Price | undefined {
  const sources = sourcesFor(draft, model).map((source) => ({
    pixels: pixelsOf(source),
    isOwn: source.kind === 'generation',
  }));
  const price = priceFor(model, scaleFor(draft, model), sources);
  const pictures = picturesOf(draft, model);
  return price && { expected: price.expected * pictures, reserved: price.reserved * pictures };
}
