/** Makes a catalogue entry of what Replicate tells about a model. */
import type { ProviderModel } from './replicate.ts';
import { findRoles, type Role } from './roles.ts';
import { type Input, type Kind, readSchema } from './schema.ts';

/** A field of an entry's input; docs/guides/models.md tells its members. */
export interface Field {
  type: Kind;
  role?: Role;
  required?: true;
  enum?: (string | number)[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  nullable?: true;
  multiple_of?: number;
  max_items?: number;
  value?: unknown;
  when_source?: string;
  when_sized?: string;
  paints?: 'white' | 'black';
  with_source?: true;
  pixels?: Record<string, string>;
}

/** An entry of models.json, its members in the file's order. */
export interface Entry {
  id: string;
  name: string;
  description: string;
  operations: string[];
  version?: string;
  output: 'string' | 'list';
  format?: string;
  source_size?: string;
  size?: string;
  estimated_seconds: number;
  price?: {
    image?: number;
    megapixel?: number;
    source_megapixel?: number;
    source_megapixels?: number;
    second?: number;
    seconds?: number;
  };
  price_source?: string;
  active: boolean;
  default?: true;
  facts: string;
  input: Record<string, Field>;
}

/** What a person said about it. */
export interface Given {
  name?: string;
  description?: string;
  cost?: number;
  seconds?: number;
}

export interface Derived {
  entry: Entry;
  /** What a person must decide or check. */
  doubts: string[];
}

/** Inputs that say how many images are made: each generation is one. */
const COUNTS = ['num_outputs', 'num_images', 'number_of_images', 'max_images', 'batch_size'];

/** @param day when it was read, YYYY-MM-DD */
export function derive(model: ProviderModel, given: Given, day: string): Derived {
  const { inputs, leftOut, output } = readSchema(model.schema);
  const roles = findRoles(inputs);
  const doubts = [...roles.doubts];
  const has = (role: Role) => [...roles.of.values()].includes(role);
  const byRole = (role: Role) => [...roles.of].find(([, its]) => its === role)?.[0];
  const isExact = has('width') || has('size');
  const maskOf = (input: Input): Pick<Field, 'paints' | 'with_source'> =>
    roles.of.get(input) === 'mask'
      ? { paints: roles.paints, ...(roles.isMaskNeeded ? { with_source: true } : {}) }
      : {};
  const fields = inputs.map(
    (input) =>
      [
        input.name,
        { ...fieldOf(input, roles.of.get(input), isExact, has('source')), ...maskOf(input) },
      ] as const,
  );
  const input = Object.fromEntries(fields);

  const operations = operationsOf(model, byRole('source'), has('prompt'), roles.isMaskNeeded);
  const sized = isExact || has('aspect_ratio');
  const follows = fields.some(([, field]) => field.when_source !== undefined);
  const formatOf = inputs.find(({ name }) => /^(output_|image_)?format$/.test(name))?.default;
  const format = typeof formatOf === 'string' ? formatOf.replace('jpeg', 'jpg') : undefined;
  const sourceSize = has('source') && sized && !follows ? 'unknown' : undefined;
  const entry: Entry = {
    id: model.id,
    name: given.name ?? titleOf(model.id),
    description: given.description ?? firstSentence(model.description),
    operations,
    ...(model.version === undefined ? {} : { version: model.version }),
    output,
    ...(format === undefined ? {} : { format }),
    ...(sourceSize === undefined ? {} : { source_size: sourceSize }),
    ...(sized ? { size: sizeOf(byRole('width'), byRole('height'), byRole('size')) } : {}),
    estimated_seconds: given.seconds ?? secondsOf(model, operations, byRole('steps')),
    ...(given.cost === undefined
      ? {}
      : { price: { image: given.cost }, price_source: `ours, ${day}: as given by --cost` }),
    active: true,
    facts: `api ${day}; name, operations, seconds: ours`,
    input,
  };

  if (given.name === undefined) doubts.push(`name: ${JSON.stringify(entry.name)}, from the id (--name)`);
  if (given.description === undefined)
    doubts.push(`description: ${JSON.stringify(entry.description)} (--description)`);
  if (given.cost === undefined)
    doubts.push('price, price_source: what Replicate asks, which the API does not tell (--cost, or by hand)');
  if (given.seconds === undefined)
    doubts.push(`estimated_seconds: ${entry.estimated_seconds}, by class (--seconds)`);
  doubts.push(`operations: ${operations.join(', ')}, from the inputs and the description`);
  if (!model.isSure) doubts.push('version: not told whether the model is official; an official one has none');
  if (format === undefined) doubts.push('format: what the files are; left out means not known');
  if (sourceSize)
    doubts.push('source_size: unknown; ignored or kept, if you know what a source image does to the size');
  if (has('aspect_ratio') && !isExact)
    doubts.push('aspect_ratio: pixels, if you know what comes out for each ratio');
  if (has('width') && input.width?.multiple_of === undefined)
    doubts.push('width, height: multiple_of, if the model wants one');
  if (!has('prompt') && operations.includes('generate'))
    doubts.push('no input takes the prompt: give one the role prompt');
  if (leftOut.length > 0) doubts.push(`left out, as a request cannot fill them: ${leftOut.join(', ')}`);
  return { entry, doubts };
}

function fieldOf(input: Input, role: Role | undefined, isExact: boolean, hasSource: boolean): Field {
  const { kind, required, options, minimum, maximum, nullable, multipleOf, maxItems } = input;
  const offers = (option: string) => options?.includes(option) === true;
  const isCount = kind === 'integer' && COUNTS.includes(input.name) && (minimum ?? 1) <= 1;
  const follows = role === 'aspect_ratio' && hasSource && offers('match_input_image');
  const unset = ['custom', 'Not set'].find(offers);
  const steps = role === 'width' || role === 'height' ? multipleOf : undefined;
  return {
    type: kind,
    ...(role ? { role } : {}),
    ...(required ? { required } : {}),
    ...(options ? { enum: options } : {}),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(input.default === undefined ? {} : { default: input.default }),
    ...(nullable ? { nullable } : {}),
    ...(steps === undefined ? {} : { multiple_of: steps }),
    ...(maxItems === undefined ? {} : { max_items: maxItems }),
    ...(isCount ? { value: 1 } : {}),
    ...(follows ? { when_source: 'match_input_image' } : {}),
    ...(unset && isExact && /ratio|size/.test(input.name) ? { when_sized: unset } : {}),
  };
}

function operationsOf(
  { id, description }: ProviderModel,
  source: Input | undefined,
  hasPrompt: boolean,
  isMaskNeeded: boolean,
): string[] {
  const words = `${id} ${description}`;
  if (source && (source.required || !hasPrompt)) {
    if (/upscal|super.?resolution|esrgan/i.test(words)) return ['upscale'];
    if (/background|rembg|remove-bg/i.test(words)) return ['remove_background'];
    return ['edit', 'variation'];
  }
  if (!source) return ['generate'];
  if (isMaskNeeded) return ['generate', 'edit'];
  const edits = source.kind === 'array' || /\bedit|kontext|instruct/i.test(words);
  return ['generate', 'variation', ...(edits ? ['edit'] : [])];
}

function sizeOf(width: Input | undefined, height: Input | undefined, size: Input | undefined): string {
  if (typeof width?.default === 'number' && typeof height?.default === 'number') {
    return `${width.default}x${height.default}`;
  }
  return typeof size?.default === 'string' && /^\d+x\d+$/.test(size.default) ? size.default : '1024x1024';
}

/** The rough classes of docs/guides/models.md. */
function secondsOf({ id }: ProviderModel, operations: string[], steps: Input | undefined): number {
  if (operations[0] === 'upscale') return 20;
  if (operations[0] === 'remove_background') return 5;
  if ((steps?.maximum ?? Number.POSITIVE_INFINITY) <= 10 || /turbo|fast|lightning|schnell|klein/.test(id))
    return 4;
  return /max|ultra|quality/.test(id) ? 20 : 12;
}

function titleOf(id: string): string {
  const words = (id.split('/')[1] ?? id).split(/[-_]/);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ');
}

function firstSentence(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return (/^.*?[.!?](?=\s|$)/.exec(line)?.[0] ?? line).replace(/\.$/, '');
}
