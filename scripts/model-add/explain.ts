/** An entry in words, for the person who adds it. */
import type { Derived, Entry, Field } from './entry.ts';
import type { Role } from './roles.ts';

export function explain({ entry, doubts }: Derived): string {
  const lines = [
    ['called by', entry.version ? `version ${entry.version}` : `${entry.id}, an official model`],
    ['operations', entry.operations.join(', ')],
    ['prompt', named(entry, 'prompt')],
    ['negative prompt', named(entry, 'negative_prompt')],
    ['size', sizeOf(entry)],
    ['aspect ratios', choices(entry, 'aspect_ratio', /^\d+:\d+$/)],
    ['steps', range(entry, 'steps')],
    ['guidance', range(entry, 'guidance')],
    ['seed', named(entry, 'seed')],
    ['source image', sourceOf(entry)],
    ['mask', maskOf(entry)],
    ['scale', scaleOf(entry)],
    ['strength', strengthOf(entry)],
    ['styles', choices(entry, 'style')],
    ['files', choices(entry, 'format') === NONE ? (entry.format ?? 'not known') : choices(entry, 'format')],
    ['always sent', fixed(entry)],
  ];
  const width = Math.max(...lines.map(([name = '']) => name.length));
  return [
    `${entry.id}: understood`,
    ...lines.map(([name = '', value]) => `  ${name.padEnd(width)}  ${value}`),
    'To decide or check:',
    ...doubts.map((doubt) => `  - ${doubt}`),
    '',
  ].join('\n');
}

const NONE = 'none';

function fieldOf({ input }: Entry, role: Role): [string, Field] | undefined {
  return Object.entries(input).find(([, field]) => field.role === role);
}

function named(entry: Entry, role: Role): string {
  const found = fieldOf(entry, role);
  return found ? `${found[0]}${found[1].required ? ', required' : ''}` : NONE;
}

function range(entry: Entry, role: Role): string {
  const found = fieldOf(entry, role);
  if (!found) return NONE;
  const [name, field] = found;
  const usual = field.default === undefined ? '' : `, usually ${field.default}`;
  const step = field.multiple_of === undefined ? '' : `, a multiple of ${field.multiple_of}`;
  return `${name}: ${field.minimum} to ${field.maximum}${step}${usual}`;
}

function choices(entry: Entry, role: Role, pattern = /./): string {
  const found = Object.entries(entry.input).filter(([, field]) => field.role === role);
  if (found.length === 0) return NONE;
  return found
    .map(([name, field]) => {
      const options = (field.enum ?? []).filter((option) => pattern.test(String(option)));
      const shown = options.slice(0, 12).join(', ');
      return `${name}: ${shown}${options.length > 12 ? `, … ${options.length} in all` : ''}`;
    })
    .join('; ');
}

function sizeOf(entry: Entry): string {
  if (entry.size === undefined) return 'cannot be chosen';
  const usual = `usually ${entry.size}`;
  if (fieldOf(entry, 'width')) return `${range(entry, 'width')}; ${range(entry, 'height')}; ${usual}`;
  if (fieldOf(entry, 'size')) return `${choices(entry, 'size', /^\d+x\d+$/)}; ${usual}`;
  const area = fieldOf(entry, 'megapixels') ? ` and ${choices(entry, 'megapixels')}` : '';
  return `by aspect ratio${area}; ${usual}`;
}

function sourceOf(entry: Entry): string {
  const found = fieldOf(entry, 'source');
  if (!found) return NONE;
  const [name, { type, max_items: most, required }] = found;
  const many = type === 'array' ? `, a list${most === undefined ? '' : ` of at most ${most}`}` : '';
  return `${name}${many}${required ? ', required' : ''}`;
}

function maskOf(entry: Entry): string {
  const found = fieldOf(entry, 'mask');
  if (!found) return NONE;
  const [name, { paints, with_source: isNeeded }] = found;
  return `${name}: ${paints} is made anew${isNeeded ? '; no source image without it' : ''}`;
}

function scaleOf(entry: Entry): string {
  const found = fieldOf(entry, 'scale');
  return found?.[1].enum ? choices(entry, 'scale', /x$/) : range(entry, 'scale');
}

function strengthOf(entry: Entry): string {
  if (fieldOf(entry, 'strength')) return `${named(entry, 'strength')}: 1 changes everything`;
  if (fieldOf(entry, 'source_weight')) {
    return `${named(entry, 'source_weight')}: 1 keeps everything; requests' strength is turned round`;
  }
  return NONE;
}

function fixed({ input }: Entry): string {
  const values = Object.entries(input).filter(([, field]) => field.value !== undefined);
  return values.map(([name, { value }]) => `${name} ${JSON.stringify(value)}`).join(', ') || NONE;
}
