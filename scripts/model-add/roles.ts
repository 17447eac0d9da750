/** What the inputs of a model mean to the mapper, from their names, types and descriptions. */
import type { Input } from './schema.ts';

export type Role =
  | 'prompt'
  | 'negative_prompt'
  | 'seed'
  | 'steps'
  | 'guidance'
  | 'source'
  | 'mask'
  | 'scale'
  | 'strength'
  | 'source_weight'
  | 'style'
  | 'format'
  | 'width'
  | 'height'
  | 'size'
  | 'aspect_ratio'
  | 'megapixels';

export interface Roles {
  of: Map<Input, Role>;
  /** The colour of the mask where the model paints. */
  paints: 'white' | 'black';
  /** Whether there is no source image without a mask. */
  isMaskNeeded: boolean;
  /** What a person must look at. */
  doubts: string[];
}

/** Names in order of preference: of several inputs the first one gets the role. */
const NAMES: [Role, string[], (input: Input) => boolean][] = [
  ['prompt', ['prompt', 'text_prompt', 'instruction'], isText],
  ['negative_prompt', ['negative_prompt'], isText],
  ['seed', ['seed'], ({ kind }) => kind === 'integer'],
  ['steps', ['num_inference_steps', 'steps', 'num_steps', 'inference_steps'], isLimited('integer')],
  ['guidance', ['guidance_scale', 'guidance', 'cfg', 'cfg_scale'], isLimited('number')],
  ['width', ['width'], isLimited('integer')],
  ['height', ['height'], isLimited('integer')],
  ['size', ['size', 'resolution', 'image_size'], hasOption(/^\d+x\d+$/)],
  ['aspect_ratio', ['aspect_ratio', 'ratio'], hasOption(/^\d+:\d+$/)],
  ['megapixels', ['megapixels', 'output_megapixels'], hasOption(/^\d+(\.\d+)?$/)],
  ['format', ['output_format', 'format', 'image_format'], hasOption(/^(webp|png|jpg)$/)],
];
const MASKS = ['mask', 'mask_image', 'inpaint_mask'];
const SCALES = ['scale', 'scale_factor', 'upscale_factor', 'upscaling_factor'];
const STYLES = ['style', 'style_type', 'style_preset'];
const SOURCES = [
  'image',
  'input_image',
  'input_images',
  'image_input',
  'images',
  'image_prompt',
  'init_image',
  'source_image',
  'reference_images',
];
/** How much a source image is changed; and, the other way round, how much of it is kept. */
const STRENGTHS = ['prompt_strength', 'strength', 'denoising_strength', 'creativity', 'image_strength'];
const WEIGHTS = ['image_prompt_strength', 'image_weight', 'ip_adapter_scale'];
/** Descriptions of either direction, as published schemas word them. */
const DESTROYS =
  /1(\.0)? (corresponds to|is|means|=) (full|complete)?.{0,12}destr|higher.{0,40}(less|further|more change)/i;
const KEEPS =
  /weight of the (image|source)|influence of the (image|source|reference)|higher.{0,40}(closer|more (like|similar))|blend/i;

export function findRoles(inputs: Input[]): Roles {
  const of = new Map<Input, Role>();
  const doubts: string[] = [];
  const named = (names: string[]) => names.flatMap((name) => inputs.filter((input) => input.name === name));
  for (const [role, names, fits] of NAMES) {
    const found = named(names).find((input) => fits(input) && !of.has(input));
    if (found) of.set(found, role);
    for (const input of named(names)) {
      const numeric = ['steps', 'guidance', 'width', 'height'].includes(role);
      if (!found && numeric)
        doubts.push(`${input.name}: give it limits and the role ${role}, or it stays unused`);
    }
  }
  for (const input of named(STYLES)) if (input.kind === 'string' && input.options) of.set(input, 'style');
  pairOnly(of, 'width', 'height');
  pairOnly(of, 'height', 'width');
  if (![...of.values()].includes('aspect_ratio')) drop(of, 'megapixels');
  findSource(named(SOURCES), named([...STRENGTHS, ...WEIGHTS]), of, doubts);
  const source = [...of].find(([, role]) => role === 'source')?.[0];
  const mask = source && named(MASKS).find(({ kind, isFile }) => kind === 'string' && isFile);
  if (mask) of.set(mask, 'mask');
  if (source) findScale(named(SCALES), of, doubts);
  const hasAmount = [...of.values()].some((role) => role === 'strength' || role === 'source_weight');
  const isMaskNeeded = mask !== undefined && source?.required !== true && !hasAmount;
  if (isMaskNeeded)
    doubts.push(
      `${source?.name}: with a mask only, as no input tells how much of it is changed (with_source)`,
    );
  return { of, doubts, paints: mask ? coloursOf(mask, doubts) : 'white', isMaskNeeded };
}

/** How many times as large an upscaler makes an image: a number, or a choice such as `2x`. */
function findScale(candidates: Input[], of: Roles['of'], doubts: string[]): void {
  const isChoice = hasOption(/^\d+(\.\d+)?x$/);
  const scale = candidates.find(
    (input) => isLimited('number')(input) || isLimited('integer')(input) || isChoice(input),
  );
  if (scale) of.set(scale, 'scale');
  else
    for (const { name } of candidates)
      doubts.push(`${name}: give it limits and the role scale, or it stays unused`);
}

/** What a mask's colours mean: models differ, and only the description tells. */
function coloursOf({ name, description }: Input, doubts: string[]): Roles['paints'] {
  const [white, black] = ['white', 'black'].map((colour) =>
    new RegExp(`${colour}[^.,;]{0,40}(inpaint|paint|edit|fill|generat|chang|replac)`, 'i').test(description),
  );
  if (white !== black) return white ? 'white' : 'black';
  doubts.push(`${name}: paints white, which its description does not tell; white or black is made anew`);
  return 'white';
}

function findSource(candidates: Input[], amounts: Input[], of: Roles['of'], doubts: string[]): void {
  const files = candidates.filter(({ kind, isFile }) => kind === 'array' || (kind === 'string' && isFile));
  const source = files.find(({ required }) => required) ?? files[0];
  if (!source) return;
  of.set(source, 'source');
  const others = files.filter((file) => file !== source).map(({ name }) => name);
  if (others.length > 0) doubts.push(`${source.name} takes the source image; unused: ${others.join(', ')}`);
  const amount = amounts.find(
    ({ kind, minimum, maximum }) => kind === 'number' && minimum === 0 && maximum === 1,
  );
  if (amount) of.set(amount, directionOf(amount, doubts));
}

/** Which end of 0..1 changes everything: the description knows better than the name. */
function directionOf({ name, description }: Input, doubts: string[]): 'strength' | 'source_weight' {
  if (DESTROYS.test(description)) return 'strength';
  if (KEEPS.test(description)) return 'source_weight';
  const role = WEIGHTS.includes(name) ? 'source_weight' : 'strength';
  const meaning = role === 'strength' ? 'changes' : 'keeps';
  doubts.push(`${name}: role ${role} (1 ${meaning} everything) by its name alone; check the direction`);
  return role;
}

function pairOnly(of: Roles['of'], role: Role, partner: Role): void {
  if (![...of.values()].includes(partner)) drop(of, role);
}

function drop(of: Roles['of'], role: Role): void {
  for (const [input, its] of of) if (its === role) of.delete(input);
}

function isText({ kind, options }: Input): boolean {
  return kind === 'string' && options === undefined;
}

function isLimited(kind: Input['kind']): (input: Input) => boolean {
  return (input) => input.kind === kind && input.minimum !== undefined && input.maximum !== undefined;
}

function hasOption(pattern: RegExp): (input: Input) => boolean {
  return ({ kind, options = [] }) =>
    kind === 'string' && options.some((option) => pattern.test(String(option)));
}
