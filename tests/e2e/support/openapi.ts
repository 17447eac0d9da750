import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** The parts of an OpenAPI document that are read here. */
export interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>> & { schemas: Record<string, Schema> };
}

export interface Operation {
  operationId: string;
  parameters?: { name: string; in: string; schema: Schema }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, Response>;
  callbacks?: Record<string, Record<string, Record<string, Operation>>>;
}

export interface Response {
  $ref?: string;
  headers?: Record<string, unknown>;
  content?: Record<string, Media>;
}

export interface Media {
  schema?: Schema;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
  'x-item-schema'?: Schema;
}

export type Schema = Record<string, unknown>;

/** An answer as it came. */
export interface Came {
  status: number;
  headers: Headers;
  body: unknown;
}

interface Header {
  schema: Schema;
  required?: boolean;
}

/** Holds answers against a document, strictly: what the document does not name may not be there. */
export class Judge {
  readonly document: Document;
  readonly #ajv: Ajv2020;

  constructor(document: Document) {
    this.document = document;
    // Strict about words that are no keywords; the rest would forbid schemas beside a reference.
    this.#ajv = new Ajv2020({ strictSchema: true, strictTypes: false, allErrors: true });
    addFormats.default(this.#ajv);
    for (const keyword of ['components', 'example', 'x-item-schema']) this.#ajv.addKeyword(keyword);
    this.#ajv.addSchema({
      $id: 'openapi.json',
      components: { schemas: closed(document.components.schemas) },
    });
  }

  /** What is wrong with a value of a schema; empty: nothing. */
  faults(schema: Schema, value: unknown): string[] {
    const validate: ValidateFunction = this.#ajv.compile(absolute(schema));
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
    );
  }

  /** What is wrong with an answer of an operation; empty: nothing. */
  judge(method: string, path: string, { status, headers, body }: Came): string[] {
    const operation = this.document.paths[path]?.[method.toLowerCase()];
    if (!operation) return [`${method} ${path} is not in the document`];
    const named = operation.responses[status];
    if (!named) return [`${method} ${path} does not name the status ${status}`];
    const response = this.resolve(named);
    const faults = Object.entries(response.headers ?? {}).flatMap(([name, header]) => {
      const value = headers.get(name);
      const { schema, required } = this.resolve(header as { $ref: string }) as unknown as Header;
      if (value === null) return required ? [`there is no header ${name}`] : [];
      const typed = schema.type === 'integer' ? Number(value) : value;
      return this.faults(schema, typed).map((fault) => `header ${name}: ${fault}`);
    });
    if (!response.content) return body === null ? faults : [...faults, 'there should be no body'];
    const type = headers.get('content-type') ?? '';
    const media = response.content[type];
    if (!media) return [...faults, `${type} is not among ${Object.keys(response.content)}`];
    return [...faults, ...this.faults(media.schema ?? {}, body)];
  }

  /** What a reference leads to, or the thing itself. */
  resolve<T extends { $ref?: string }>(thing: T): T {
    if (!thing.$ref) return thing;
    const found = thing.$ref
      .replace('#/', '')
      .split('/')
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], this.document);
    if (!found) throw new Error(`${thing.$ref} leads nowhere`);
    return found as T;
  }
}

/** Every object and list in a value, with where it is. */
export function* walk(value: unknown, at = '#'): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return;
  yield [at, value as Record<string, unknown>];
  for (const [name, member] of Object.entries(value)) yield* walk(member, `${at}/${name}`);
}

/** The same schemas, in which an object has no members but those that are named. */
function closed(schemas: Record<string, Schema>): Record<string, Schema> {
  return JSON.parse(JSON.stringify(schemas), (_, value) =>
    value?.type === 'object' && value.properties ? { ...value, unevaluatedProperties: false } : value,
  );
}

/** References lead into the document that was added. */
function absolute(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (name, value) =>
    name === '$ref' ? `openapi.json${value}` : value,
  );
}
