/**
 * The size of the picture that a model makes from its input. Tables come from the fact sheet; where it names
 * no pixels, the aspect ratio at the model's pixel count is taken, rounded to the model's multiple.
 */
import type { ModelFacts, Pixels, SizeRule } from './facts.ts';

const megapixel = 1024 * 1024;

/** A run time failure: the prediction ends as `failed` with this text. */
export class ModelFailure extends Error {}

type Input = Record<string, unknown>;

/** @param source the size of the source picture, where the input names one. */
export function outputSize(model: ModelFacts, input: Input, source: Pixels | undefined): Pixels {
  if (model.supports.task === 'background_removal') return source ?? [1024, 1024];
  if (model.supports.task === 'upscale') return upscaled(model, input, source ?? [1024, 1024]);
  const rule = model.supports.size ?? {};
  if (rule.pixels_at_1_megapixel !== undefined)
    return fluxSize(rule.pixels_at_1_megapixel, model, input, source);
  if (rule.pixels_optimize_for_quality !== undefined) {
    return qwenSize(rule.pixels_optimize_for_quality, model, input);
  }
  if (rule.fields?.[0] === 'resolution') return ideogramSize(model, input, source);
  if (rule.fields?.[0] === 'size') return recraftSize(model, input);
  if (rule.fields?.[0] === 'width') return freeSize(rule, model, input, source);
  return ratioSize(rule, model, input, source);
}

function get(model: ModelFacts, input: Input, name: string): unknown {
  return input[name] ?? model.inputs[name]?.default;
}

function upscaled(model: ModelFacts, input: Input, source: Pixels): Pixels {
  const [width, height] = source;
  // Real-ESRGAN's own limit and text (from memory of its predict.py).
  if (model.id === 'nightmareai/real-esrgan' && width * height > 2_096_704) {
    throw new ModelFailure(
      `Input image of dimensions (${height}, ${width}, 3) has a total number of pixels ${width * height} greater ` +
        'than the max size that fits in GPU memory on this hardware, 2096704. Resize input image and try again.',
    );
  }
  // Clarity puts what it has enlarged back into the picture that the mask is for (its predict.py).
  if (input.mask) return source;
  const named =
    get(model, input, 'scale') ?? get(model, input, 'scale_factor') ?? get(model, input, 'upscale_factor');
  // The sheet names no factor for `None` (taken as 1) nor where there is no such input (taken as 2).
  const wanted = typeof named === 'string' ? Number.parseFloat(named) || 1 : Number(named ?? 2);
  const largest = Math.sqrt((64 * megapixel) / (width * height));
  const factor = Math.min(Math.max(wanted, 1 / Math.min(width, height)), largest);
  return [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))];
}

function fluxSize(
  table: Record<string, Pixels>,
  model: ModelFacts,
  input: Input,
  source: Pixels | undefined,
): Pixels {
  const small = get(model, input, 'megapixels') === '0.25';
  const pixels = source === undefined ? table[String(get(model, input, 'aspect_ratio'))] : undefined;
  const [width, height] = pixels ?? pixelsOf(ratioOf(source ?? [1, 1]), megapixel, 16);
  return small ? [Math.floor(width / 2), Math.floor(height / 2)] : [width, height];
}

function qwenSize(table: Record<string, Pixels>, model: ModelFacts, input: Input): Pixels {
  const aspect = String(get(model, input, 'aspect_ratio'));
  const ratio = parseRatio(aspect) ?? 1;
  if (get(model, input, 'image_size') === 'optimize_for_speed') return longestSide(ratio, 1024, 16);
  return table[aspect] ?? pixelsOf(ratio, 1328 * 1328, 16);
}

function ideogramSize(model: ModelFacts, input: Input, source: Pixels | undefined): Pixels {
  if (source !== undefined && !input.mask)
    throw new ModelFailure('Inpainting needs both an image and a mask.');
  if (source !== undefined) return source;
  const named = parsePixels(get(model, input, 'resolution'));
  if (named !== undefined) return named;
  return nearest(parseRatio(get(model, input, 'aspect_ratio')) ?? 1, model.inputs.resolution?.enum ?? []);
}

function recraftSize(model: ModelFacts, input: Input): Pixels {
  const ratio = parseRatio(get(model, input, 'aspect_ratio'));
  if (ratio !== undefined) return nearest(ratio, model.inputs.size?.enum ?? []);
  return parsePixels(get(model, input, 'size')) ?? [1024, 1024];
}

/** Models with width and height, always or only when another field says `custom`. */
function freeSize(rule: SizeRule, model: ModelFacts, input: Input, source: Pixels | undefined): Pixels {
  if (rule.only_when !== undefined) {
    const [field = '', value] = rule.only_when.split(' = ');
    if (get(model, input, field) !== value) return ratioSize(rule, model, input, source);
  } else if (source !== undefined) {
    // diffusers cuts a source picture down to the multiple.
    const multiple = rule.multiple_of ?? 1;
    return [source[0] - (source[0] % multiple), source[1] - (source[1] % multiple)];
  }
  const width = Number(get(model, input, 'width') ?? 1024);
  const height = Number(get(model, input, 'height') ?? 1024);
  const multiple = rule.multiple_of ?? 1;
  if (rule.else !== undefined) return [roundTo(width, multiple), roundTo(height, multiple)];
  if (width % multiple !== 0 || height % multiple !== 0 || width < 1 || height < 1) {
    // The text of diffusers' check_inputs.
    throw new ModelFailure(
      `\`height\` and \`width\` have to be divisible by ${multiple} but are ${height} and ${width}.`,
    );
  }
  return [width, height];
}

function ratioSize(rule: SizeRule, model: ModelFacts, input: Input, source: Pixels | undefined): Pixels {
  const multiple = rule.multiple_of ?? 16;
  const named = ignoresRatio(model) && source !== undefined ? undefined : get(model, input, 'aspect_ratio');
  const shape = parseRatio(named) ?? ratioOf(source ?? [1, 1]);
  const size = get(model, input, 'size');
  if (size === 'small') return shortestSide(shape, 512, multiple);
  if (size === 'big') return longestSide(shape, 2048, multiple);
  return pixelsOf(shape, pixelCount(rule, model, input, source), multiple);
}

/** Stable Diffusion 3.5: the ratio is ignored when an image is given. */
function ignoresRatio(model: ModelFacts): boolean {
  return model.inputs.image !== undefined && model.inputs.prompt_strength !== undefined;
}

function pixelCount(rule: SizeRule, model: ModelFacts, input: Input, source: Pixels | undefined): number {
  const preset = rule.presets?.[String(get(model, input, 'size'))];
  if (preset !== undefined) return preset * preset;
  const named = get(model, input, 'resolution') ?? get(model, input, 'output_megapixels');
  if (named === 'match_input_image') return source === undefined ? megapixel : source[0] * source[1];
  const count = Number.parseFloat(String(named));
  if (count > 0) return Math.min(count, 4) * megapixel;
  return model.id.endsWith('-ultra') && model.id.startsWith('black-forest-labs/') ? 4 * megapixel : megapixel;
}

function parseRatio(text: unknown): number | undefined {
  const match = /^(\d+):(\d+)$/.exec(String(text));
  return match === null ? undefined : Number(match[1]) / Number(match[2]);
}

function parsePixels(text: unknown): Pixels | undefined {
  const match = /^(\d+)x(\d+)$/.exec(String(text));
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

/** The `WxH` of the list that is nearest to the ratio; among equals the largest. */
function nearest(ratio: number, list: (string | number)[]): Pixels {
  let best: Pixels = [1024, 1024];
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const text of list) {
    const size = parsePixels(text);
    if (size === undefined) continue;
    const distance = Math.abs(Math.log(ratioOf(size) / ratio));
    const larger = size[0] * size[1] > best[0] * best[1];
    if (distance < bestDistance - 1e-9 || (Math.abs(distance - bestDistance) <= 1e-9 && larger)) {
      best = size;
      bestDistance = distance;
    }
  }
  return best;
}

function ratioOf(size: Pixels): number {
  return size[0] / size[1];
}

function pixelsOf(ratio: number, pixels: number, multiple: number): Pixels {
  return [roundTo(Math.sqrt(pixels * ratio), multiple), roundTo(Math.sqrt(pixels / ratio), multiple)];
}

function longestSide(ratio: number, side: number, multiple: number): Pixels {
  return ratio >= 1 ? [side, roundTo(side / ratio, multiple)] : [roundTo(side * ratio, multiple), side];
}

function shortestSide(ratio: number, side: number, multiple: number): Pixels {
  return ratio >= 1 ? [roundTo(side * ratio, multiple), side] : [side, roundTo(side / ratio, multiple)];
}

function roundTo(value: number, multiple: number): number {
  return Math.max(multiple, Math.round(value / multiple) * multiple);
}
