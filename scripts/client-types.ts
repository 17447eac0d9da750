// npm run client:types: writes client/src/openapi.ts, the types of the HTTP interface as its description has them.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile, type JSONSchema } from 'json-schema-to-typescript';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const DOCUMENT = path.join(ROOT, 'shared/src/http/openapi.json');
export const TYPES = path.join(ROOT, 'client/src/openapi.ts');

const BANNER = `/* Written by npm run client:types from shared/src/http/openapi.json, which is written from the types in
 * shared/src/http/types: change those. */`;

/** What is read of the document. */
interface Document {
  paths: { '/generations': { get: { parameters: Parameter[] } } };
  components: { schemas: Record<string, JSONSchema> };
}

interface Parameter {
  name: string;
  description: string;
  schema: JSONSchema;
}

/** The text of client/src/openapi.ts. */
export async function clientTypes(): Promise<string> {
  const document = JSON.parse(fs.readFileSync(DOCUMENT, 'utf8')) as Document;
  const list = document.paths['/generations'].get.parameters;
  const { StartRequest = {} } = document.components.schemas;
  const given = Object.entries(StartRequest.properties ?? {}).map(([name, field]) => [
    name,
    withoutNull(field),
  ]);
  const schemas = {
    ...document.components.schemas,
    StartRequest: { ...StartRequest, properties: Object.fromEntries(given) },
    ListQuery: {
      type: 'object',
      description: 'Which of the generations are wanted.',
      properties: Object.fromEntries(
        list.map(({ name, description, schema }) => [name, { ...schema, description }]),
      ),
    },
  };
  // A root that names them all: of a schema that its root does not lead to, the compiler says so in its comment.
  const named = Object.keys(schemas).map((name) => [name, { $ref: `#/definitions/${name}` }]);
  const text = JSON.stringify({
    type: 'object',
    description: 'All of them by name.',
    properties: Object.fromEntries(named),
    required: Object.keys(schemas),
    definitions: schemas,
  });
  const root = JSON.parse(text.replaceAll('#/components/schemas/', '#/definitions/'), forTypes);
  return await compile(root, 'Schemas', {
    additionalProperties: false,
    bannerComment: BANNER,
    // Lengths are checked by the server: as tuples they would be in everybody's way.
    ignoreMinAndMaxItems: true,
    style: { singleQuote: true, printWidth: 110, trailingComma: 'all', bracketSpacing: true },
  });
}

/** A field of a request that is null counts as left out: in TypeScript it is left out. Null comes last. */
function withoutNull({ type, anyOf, ...field }: JSONSchema): JSONSchema {
  const [one = type] = Array.isArray(type) ? type : [];
  return { ...field, ...anyOf?.[0], ...(one && { type: one }) } as JSONSchema;
}

/** A schema as json-schema-to-typescript understands it best. */
function forTypes(name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || name === 'properties') return value;
  const { $ref, not, anyOf, ...schema } = value as JSONSchema;
  // Which of the members go together: client/src/types.ts says it in TypeScript.
  if (schema.properties && (not || anyOf?.every(({ required }) => required))) return schema;
  // Words beside a reference would make it another type.
  if ($ref && schema.const !== undefined) return schema;
  if ($ref && schema.description) return { description: schema.description, allOf: [{ $ref }] };
  if (Object.keys(value).join() === 'description') return { ...schema, tsType: 'unknown' };
  return value;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) fs.writeFileSync(TYPES, await clientTypes());
