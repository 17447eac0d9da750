import type { Generation, Model, Operation } from 'picture-queue';
import { ago, duration, money, size } from '../lib/format.ts';

const OPERATIONS: Record<Operation, string> = {
  generate: '',
  variation: 'Variation',
  edit: 'Edit',
  upscale: 'Upscale',
  remove_background: 'Background removed',
};

/** What is known of a finished picture, each with its name; what is not known or was not set is left out. */
export function factsOf(one: Generation, model: string): [string, string][] {
  const [image] = one.images;
  const took =
    one.started_at && one.completed_at
      ? (Date.parse(one.completed_at) - Date.parse(one.started_at)) / 1_000
      : undefined;
  const facts: [string, string | number | null | undefined][] = [
    ['Model', model],
    ['Operation', OPERATIONS[one.operation]],
    ['Size', image && `${image.width} × ${image.height}`],
    ['Aspect ratio', one.aspect_ratio],
    ['Enlarged', one.scale === null ? '' : `${one.scale}×`],
    ['File', image && `${image.format.toUpperCase()}, ${size(image.bytes)}`],
    ['Style', one.style?.replaceAll('_', ' ')],
    ['Negative prompt', one.negative_prompt],
    ['Steps', one.num_inference_steps],
    ['Guidance', one.guidance_scale],
    ['Strength', one.strength],
    ['Seed', one.seed],
    ['Time', took === undefined ? '' : duration(took)],
    ['Cost', one.cost_usd === null ? '' : money(one.cost_usd)],
    ['Created', ago(one.created_at)],
  ];
  return facts.flatMap(([term, value]) =>
    value === null || value === undefined || value === '' ? [] : [[term, String(value)]],
  );
}

/** A setting that was not used as it was asked for. */
export interface Change {
  field: string;
  requested: string;
  used: string;
  /** A sentence of the API. */
  reason: string;
}

/** A request's fields, as the form calls them. */
const FIELDS: Record<string, string> = {
  prompt: 'Prompt',
  negative_prompt: 'Negative prompt',
  width: 'Width',
  height: 'Height',
  size: 'Size',
  aspect_ratio: 'Aspect ratio',
  num_inference_steps: 'Steps',
  guidance_scale: 'Guidance',
  seed: 'Seed',
  strength: 'Strength',
  scale: 'Enlarge',
  style: 'Style',
  output_format: 'File format',
  mask: 'Mask',
};

const LONGEST = 60;

/** What was adjusted. A prompt that the model takes none of is left out: nobody has written it. */
export function changesOf({ adjustments }: Pick<Generation, 'adjustments'>, model?: Model): Change[] {
  return adjustments
    .filter(({ field }) => field !== 'prompt' || model?.supports.prompt !== false)
    .map(({ field, requested, used, reason }) => ({
      field:
        FIELDS[field] ?? (field.startsWith('source') ? 'Picture to start from' : field.replaceAll('_', ' ')),
      requested: shown(requested) || 'not set',
      used: shown(used) || 'not used',
      reason,
    }));
}

/** A value of a request, or of a part of it, in few words; empty: there is none. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'object') return shown(JSON.stringify(value));
  const text = String(value).replace(/^(\d+)x(\d+)$/, '$1 × $2');
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
