/** Reads a model's input out of the OpenAPI document that Cog generates. */
import { UserError } from '../user-error.mjs';

export type Kind = 'string' | 'integer' | 'number' | 'boolean' | 'array';

/** One input of a model, as its schema tells it. */
export interface Input {
  name: string;
  kind: Kind;
  required: boolean;
  nullable: boolean;
  /** A URL of a file, or a list of them. */
  isFile: boolean;
  options?: (string | number)[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  /** From the schema's keyword, or from the description. */
  multipleOf?: number;
  maxItems?: number;
  /** The provider's words, which often tell what no keyword does. */
  description: string;
}

export interface ModelSchema {
  inputs: Input[];
  /** Inputs of types that a request cannot fill. */
  leftOut: string[];
  output: 'string' | 'list';
}

/** A JSON Schema of OpenAPI 3.0, as far as it is read. */
interface Node {
  type?: string;
  format?: string;
  enum?: (string | number)[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  nullable?: boolean;
  description?: string;
  multipleOf?: number;
  maxItems?: number;
  items?: Node;
  required?: string[];
  properties?: Record<string, Node>;
  allOf?: Node[];
  anyOf?: Node[];
  oneOf?: Node[];
  $ref?: string;
  'x-order'?: number;
}

const KINDS = ['string', 'integer', 'number', 'boolean', 'array'];

/** @throws UserError when the document is none of a model that makes images */
export function readSchema(document: unknown): ModelSchema {
  const schemas = (document as { components?: { schemas?: Record<string, Node> } })?.components?.schemas;
  const input = schemas?.Input;
  if (!schemas || !input?.properties) {
    throw new UserError('Replicate gives no input schema for this model; its entry must be written by hand.');
  }
  const required = new Set(input.required);
  const inputs: Input[] = [];
  const leftOut: string[] = [];
  const ordered = Object.entries(input.properties)
    .map(([name, property]) => ({ name, property, order: property['x-order'] ?? Number.MAX_SAFE_INTEGER }))
    .sort((a, b) => a.order - b.order);
  for (const { name, property } of ordered) {
    const node = resolve(property, schemas);
    const kind = kindOf(node, schemas);
    if (kind) inputs.push(inputOf(name, kind, node, required.has(name), schemas));
    else if (!required.has(name)) leftOut.push(name);
    else throw new UserError(`The model requires ${name}, whose type ${node.type} a request cannot fill.`);
  }
  return { inputs, leftOut, output: outputOf(schemas) };
}

/** References and alternatives put together; `null` among the alternatives means that null is allowed. */
function resolve(node: Node, schemas: Record<string, Node>): Node {
  const target = node.$ref?.split('/').at(-1);
  const parts = [...(node.allOf ?? []), ...(target && schemas[target] ? [schemas[target]] : [])];
  const alternatives = [...(node.anyOf ?? []), ...(node.oneOf ?? [])];
  const real = alternatives.filter(({ type }) => type !== 'null');
  const first = real[0];
  if (first) parts.push(first);
  const own = Object.fromEntries(
    Object.entries(node).filter(([key]) => !/^(allOf|anyOf|oneOf|\$ref)$/.test(key)),
  );
  const nullable = real.length < alternatives.length ? { nullable: true } : {};
  return Object.assign({}, ...parts.map((part) => resolve(part, schemas)), own, nullable) as Node;
}

function kindOf(node: Node, schemas: Record<string, Node>): Kind | undefined {
  if (!node.type || !KINDS.includes(node.type)) return undefined;
  if (node.type !== 'array') return node.type as Kind;
  return resolve(node.items ?? {}, schemas).type === 'string' ? 'array' : undefined;
}

function inputOf(
  name: string,
  kind: Kind,
  node: Node,
  required: boolean,
  schemas: Record<string, Node>,
): Input {
  const { description = '' } = node;
  const item = kind === 'array' ? resolve(node.items ?? {}, schemas) : node;
  const multipleOf = node.multipleOf ?? numberIn(description, /multiple of (\d+)/i);
  const maxItems =
    node.maxItems ?? numberIn(description, /(?:up to|max(?:imum)?(?: of)?) (\d+) (?:\w+ )?images/i);
  return {
    name,
    kind,
    required,
    nullable: node.nullable === true,
    isFile: item.format === 'uri',
    ...(node.enum ? { options: node.enum } : {}),
    ...(node.minimum === undefined ? {} : { minimum: node.minimum }),
    ...(node.maximum === undefined ? {} : { maximum: node.maximum }),
    ...(node.default === undefined || node.default === null ? {} : { default: node.default }),
    ...(multipleOf === undefined ? {} : { multipleOf }),
    ...(maxItems === undefined || kind !== 'array' ? {} : { maxItems }),
    description,
  };
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function outputOf(schemas: Record<string, Node>): ModelSchema['output'] {
  const output = resolve(schemas.Output ?? {}, schemas);
  if (output.type === 'string') return 'string';
  if (output.type === 'array' && resolve(output.items ?? {}, schemas).type === 'string') return 'list';
  throw new UserError(
    `The model answers with ${output.type ?? 'something unknown'}, not with the URL of an image.`,
  );
}
