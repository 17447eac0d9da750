/** A model's OpenAPI document in the shape that Cog generates and `latest_version.openapi_schema` carries. */
import type { InputField, ModelFacts } from './facts.ts';

/** The document for one model; enums stand as schemas of their own, as Cog writes them. */
export function openapiSchema(model: ModelFacts): Record<string, unknown> {
  const schemas: Record<string, unknown> = {};
  const properties: Record<string, unknown> = {};
  for (const [order, [name, field]] of Object.entries(model.inputs).entries()) {
    properties[name] = property(name, field, order, schemas);
  }
  const required = Object.entries(model.inputs).flatMap(([name, field]) => (field.required ? [name] : []));
  schemas.Input = { type: 'object', title: 'Input', required, properties };
  const file = { type: 'string', format: 'uri' };
  schemas.Output =
    model.output.form === 'list'
      ? { type: 'array', items: file, title: 'Output' }
      : { ...file, title: 'Output' };
  return { openapi: '3.0.2', info: { title: 'Cog', version: '0.1.0' }, paths: {}, components: { schemas } };
}

function property(name: string, field: InputField, order: number, schemas: Record<string, unknown>): unknown {
  const { required: _required, maxItems: _maxItems, enum: values, ...rest } = field;
  if (values === undefined) return { ...rest, title: title(name), 'x-order': order };
  schemas[name] = { enum: values, type: field.type, title: name, description: 'An enumeration.' };
  const reference = { allOf: [{ $ref: `#/components/schemas/${name}` }], 'x-order': order };
  return field.default === undefined ? reference : { ...reference, default: field.default };
}

function title(name: string): string {
  return name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');
}
