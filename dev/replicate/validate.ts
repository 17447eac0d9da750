/**
 * Validation of create bodies: strict at the top level, tolerant of unknown fields inside `input`.
 * Texts and types are those of gojsonschema, which the recorded answers agree with.
 */
import type { InputField, ModelFacts } from './facts.ts';
import type { InvalidField } from './problems.ts';

export const webhookEvents = ['start', 'output', 'logs', 'completed'] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

/** A create body that passed `checkBody`. */
export interface CreateBody {
  version?: string;
  input: Record<string, unknown>;
  webhook?: string;
  webhook_events_filter?: WebhookEvent[];
  stream?: boolean;
}

const bodyFields: Record<string, InputField> = {
  input: { type: 'object', required: true },
  webhook: { type: 'string' },
  webhook_events_filter: { type: 'array', items: { type: 'string', enum: [...webhookEvents] } },
  stream: { type: 'boolean' },
};
const versionedFields: Record<string, InputField> = {
  version: { type: 'string', required: true },
  ...bodyFields,
};

/** Faults of the body's own keys. `versioned`: `POST /v1/predictions`, which needs `version`. */
export function checkBody(body: Record<string, unknown>, versioned: boolean): InvalidField[] {
  const fields = versioned ? versionedFields : bodyFields;
  const faults = checkFields(body, fields, '');
  for (const key of Object.keys(body)) {
    if (key in fields) continue;
    faults.push({
      type: 'additional_property_not_allowed',
      field: '',
      description: `Additional property ${key} is not allowed`,
    });
  }
  if (typeof body.webhook === 'string' && !isWebhookTarget(body.webhook)) {
    faults.push({ type: 'format', field: 'webhook', description: "Does not match format 'uri'" });
  }
  return faults;
}

/** Faults of `input` against the model's schema. */
export function checkInput(input: Record<string, unknown>, model: ModelFacts): InvalidField[] {
  return checkFields(input, model.inputs, 'input');
}

/** The input as the model sees and the API echoes it: fields that the schema does not know are dropped. */
export function knownInput(input: Record<string, unknown>, model: ModelFacts): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([key]) => key in model.inputs));
}

function checkFields(
  value: Record<string, unknown>,
  fields: Record<string, InputField>,
  path: string,
): InvalidField[] {
  const faults: InvalidField[] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (field.required && !(name in value)) {
      faults.push({ type: 'required', field: path, description: `${name} is required` });
    }
  }
  for (const [name, field] of Object.entries(fields)) {
    if (!(name in value)) continue;
    checkValue(value[name], field, path === '' ? name : `${path}.${name}`, name, faults);
  }
  return faults;
}

function checkValue(
  value: unknown,
  field: InputField,
  path: string,
  name: string,
  faults: InvalidField[],
): void {
  const given = typeOf(value);
  if (given === 'null' && field.nullable) return;
  if (given !== field.type && !(field.type === 'number' && given === 'integer')) {
    const description = `Invalid type. Expected: ${field.type}, given: ${given}`;
    faults.push({ type: 'invalid_type', field: path, description });
    return;
  }
  if (field.enum !== undefined && !field.enum.includes(value as string | number)) {
    const allowed = field.enum.map((item) => JSON.stringify(item)).join(', ');
    const description = `${name} must be one of the following: ${allowed}`;
    faults.push({ type: 'enum', field: path, description });
  }
  if (typeof value === 'number') checkRange(value, field, path, faults);
  if (field.format === 'uri' && typeof value === 'string' && !URL.canParse(value)) {
    faults.push({ type: 'format', field: path, description: "Does not match format 'uri'" });
  }
  if (Array.isArray(value) && field.items !== undefined) {
    for (const [index, item] of value.entries()) {
      checkValue(item, field.items, `${path}.${index}`, String(index), faults);
    }
  }
}

function checkRange(value: number, field: InputField, path: string, faults: InvalidField[]): void {
  if (field.minimum !== undefined && value < field.minimum) {
    const description = `Must be greater than or equal to ${field.minimum}`;
    faults.push({ type: 'number_gte', field: path, description });
  }
  if (field.maximum !== undefined && value > field.maximum) {
    const description = `Must be less than or equal to ${field.maximum}`;
    faults.push({ type: 'number_lte', field: path, description });
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** https anywhere, as the API demands; plain http only on loopback, where a simulator's receivers live. */
function isWebhookTarget(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
