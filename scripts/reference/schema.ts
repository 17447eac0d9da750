/** JSON schemas in words. Only what the description of our interface uses is understood; the rest is an error. */
import { blocks, here, table } from './markdown.ts';

export interface Schema {
  $ref?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  type?: string | string[];
  const?: unknown;
  enum?: string[];
  format?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  description?: string;
  default?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

const FORMATS: Record<string, string> = { uuid: 'UUID', uri: 'URL', 'date-time': 'time' };

/** The last part of a reference, such as `#/components/schemas/Status`. */
export function nameOf(reference: string): string {
  return reference.split('/').at(-1) ?? '';
}

/** `integer (16 to 8192)`. */
export function typeOf(schema: Schema): string {
  if (schema.$ref) return here(nameOf(schema.$ref));
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.type === undefined) return 'any';
  return [schema.type]
    .flat()
    .map((type) => oneType(type, schema))
    .join(' or ');
}

function oneType(type: string, schema: Schema): string {
  switch (type) {
    case 'array':
      return bounded(`list of ${typeOf(schema.items ?? {})}`, schema.minItems, schema.maxItems);
    case 'string':
      return bounded(
        FORMATS[schema.format ?? ''] ?? 'string',
        schema.minLength,
        schema.maxLength,
        ' characters',
      );
    case 'integer':
    case 'number':
      return bounded(type, schema.minimum, schema.maximum);
    case 'boolean':
    case 'null':
    case 'object':
      return type;
    default:
      throw new Error(`a schema of an unknown type: ${type}`);
  }
}

function bounded(name: string, least?: number, most?: number, unit = ''): string {
  if (most !== undefined)
    return `${name} (${least === undefined ? 'at most ' : `${least} to `}${most}${unit})`;
  return least ? `${name} (at least ${least}${unit})` : name;
}

/** A type of its own: what it is, and its members or values. */
export function typeSection(name: string, schema: Schema): string {
  const parts = [`### ${name}`, schema.description ?? ''];
  const isOneAtLeast = schema.anyOf?.every(({ required }) => required);
  if (isOneAtLeast) parts.push(`It has at least one of: ${schema.anyOf?.map(alternative).join(', ')}.`);
  const variants = schema.anyOf?.map((each) => `- ${typeOf(each)}: ${each.description ?? ''}`);
  if (variants && !isOneAtLeast) parts.push(variants.join('\n'));
  if (schema.oneOf) parts.push(`It has one of: ${schema.oneOf.map(alternative).join(', ')}.`);
  if (schema.properties) {
    const required = schema.required ?? [];
    const rows = Object.entries(schema.properties).map(([member, each]) => [
      `\`${member}\``,
      typeOf(each),
      required.includes(member) ? 'yes' : '',
      each.description ?? '',
    ]);
    parts.push(table(['member', 'type', 'required', ''], rows));
  }
  return blocks(...parts);
}

function alternative({ required = [] }: Schema): string {
  return required.map((member) => `\`${member}\``).join(' and ');
}
