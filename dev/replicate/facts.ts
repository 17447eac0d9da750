/**
 * The provider's fact sheet (`models.json`): input schemas, output forms and size rules of Replicate's
 * image models, collected from public copies. It is kept apart from the project's own catalogue on
 * purpose: a judge must not share the data of what it judges.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export type JsonType = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';

/** One input field of a model, in the words of JSON schema. */
export interface InputField {
  type: JsonType;
  required?: boolean;
  nullable?: boolean;
  format?: string;
  enum?: (string | number)[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  items?: InputField;
  /** From the field's description, not a schema keyword: broken at run time, not at the door. */
  maxItems?: number;
}

export type Pixels = [width: number, height: number];

/** How a model decides its output size; which members are there differs by model. */
export interface SizeRule {
  fields?: string[];
  only_when?: string;
  multiple_of?: number;
  /** `rounded to ...`: the model rounds. Absent: the model fails on sizes that are no multiple. */
  else?: string;
  pixels_at_1_megapixel?: Record<string, Pixels>;
  pixels_optimize_for_quality?: Record<string, Pixels>;
  presets?: Record<string, number>;
}

export interface ModelFacts {
  id: string;
  kind: 'official' | 'version';
  description: string;
  /** 64 hex digits. Always there for kind `version`. */
  version?: string;
  inputs: Record<string, InputField>;
  output: { form: 'string' | 'list'; default_format?: string };
  supports: {
    image_to_image: { field: string } | null;
    size?: SizeRule | null;
    task?: 'upscale' | 'background_removal';
  };
}

interface FactSheet {
  models: ModelFacts[];
}

const sheet = JSON.parse(readFileSync(new URL('./models.json', import.meta.url), 'utf8')) as FactSheet;

/** Every model of the fact sheet. */
export const models: readonly ModelFacts[] = sheet.models;

const byId = new Map(models.map((model) => [model.id, model]));
const byVersion = new Map(models.map((model) => [versionId(model), model]));

/** The 64-hex id of the model's version; official models whose id is not known get a made-up one. */
export function versionId(model: ModelFacts): string {
  return model.version ?? createHash('sha256').update(`version of ${model.id}`).digest('hex');
}

export function findModel(id: string): ModelFacts | undefined {
  return byId.get(id);
}

/**
 * Resolves the `version` of `POST /v1/predictions` in its three forms: `owner/name` (official models only),
 * `owner/name:<64 hex>` and the bare 64 hex digits.
 */
export function resolveVersion(reference: string): ModelFacts | undefined {
  const [name = '', hash] = reference.split(':');
  if (!name.includes('/')) return byVersion.get(reference);
  const model = byId.get(name);
  if (model === undefined) return undefined;
  if (hash === undefined) return model.kind === 'official' ? model : undefined;
  return hash === versionId(model) ? model : undefined;
}
