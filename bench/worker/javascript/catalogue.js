/**
 * From a request to a model's input, by the roles of its fields. Of the catalogue's models the measured one is here:
 * the others would be more entries of the same map.
 */
import { Problem } from './frame.js';

const RATIOS = {
  '1:1': [1024, 1024],
  '16:9': [1344, 768],
  '21:9': [1536, 640],
  '3:2': [1216, 832],
  '2:3': [832, 1216],
  '4:5': [896, 1088],
  '5:4': [1088, 896],
  '3:4': [896, 1152],
  '4:3': [1152, 896],
  '9:16': [768, 1344],
  '9:21': [640, 1536],
};

const MODELS = new Map([
  [
    'black-forest-labs/flux-schnell',
    {
      operations: ['generate'],
      size: [1024, 1024],
      input: {
        prompt: { type: 'string', role: 'prompt', required: true },
        aspect_ratio: { type: 'string', role: 'aspect_ratio', enum: Object.keys(RATIOS), pixels: RATIOS },
        num_outputs: { type: 'integer', minimum: 1, maximum: 4, value: 1 },
        num_inference_steps: { type: 'integer', role: 'steps', minimum: 1, maximum: 4 },
        seed: { type: 'integer', role: 'seed' },
        output_format: { type: 'string', role: 'format', enum: ['webp', 'jpg', 'png'] },
        output_quality: { type: 'integer', minimum: 0, maximum: 100 },
        disable_safety_checker: { type: 'boolean' },
        go_fast: { type: 'boolean' },
        megapixels: { type: 'string', role: 'megapixels', enum: ['1', '0.25'] },
      },
    },
  ],
]);

const LIMITS = "outside the model's limits";
const CLOSEST = 'the closest size the model offers';
const NOT_TAKEN = 'not supported by this model, left out';

const unsupported = (field, detail) => new Problem('unsupported', detail, { field });
const distance = (a, b) => Math.max(a / b, b / a);

/** The choice with the closest aspect ratio, by its name or by the pixels that it makes. */
function closestRatio(field, [width, height]) {
  let best;
  for (const text of field.enum) {
    const [a, b] = text.split(':').map(Number);
    const [w, h] = field.pixels[text];
    const shape = Math.min(distance(a / b, width / height), distance(w / h, width / height));
    if (!best || shape < best.shape) best = { shape, text, pixels: [w, h] };
  }
  return best;
}

function closestArea(field, [width, height]) {
  const wanted = (width * height) / 1e6;
  return field.enum.reduce((best, text) =>
    distance(Number(text), wanted) < distance(Number(best), wanted) ? text : best,
  );
}

function planSize({ size, input }, asked) {
  const wanted = asked ?? size;
  const ratio = closestRatio(input.aspect_ratio, wanted);
  const megapixels = closestArea(input.megapixels, wanted);
  const scale = Math.sqrt(Number(megapixels));
  return {
    values: { aspect_ratio: ratio.text, megapixels },
    output: ratio.pixels.map((side) => Math.trunc(side * scale)),
  };
}

function isValid(field, value) {
  if (field.enum && !field.enum.includes(value)) return false;
  if (field.type === 'integer')
    return Number.isInteger(value) && !(value < field.minimum) && !(value > field.maximum);
  return field.type === 'boolean' ? typeof value === 'boolean' : typeof value === 'string';
}

/** @returns `{ version, input, output, operation, adjustments }` */
export function mapParams(params) {
  const model = MODELS.get(params.model_id);
  if (!model) {
    const detail = 'There is no model with this id. GET /models lists the models.';
    throw new Problem('unknown_model', detail, { field: 'model_id' });
  }
  const operation = params.operation ?? model.operations[0];
  if (!model.operations.includes(operation))
    throw unsupported('operation', `This model cannot do that; it can: ${model.operations.join(', ')}.`);
  for (const field of ['source_image_url', 'source_generation_id', 'source_id'])
    if (params[field]) throw unsupported(field, 'This model takes no source image.');
  const adjustments = [];
  const report = (field, requested, used, reason) => {
    if (requested !== used) adjustments.push({ field, requested, used, reason });
  };
  const { width, height } = params;
  const asked = (width ?? height) && [width ?? model.size[0], height ?? model.size[1]];
  const plan = planSize(model, asked);
  const input = {};
  for (const [name, field] of Object.entries(model.input)) {
    const value = inputOf(field, params, plan, report);
    if (value !== undefined) input[name] = value;
  }
  if (asked) {
    report('width', asked[0], plan.output[0], CLOSEST);
    report('height', asked[1], plan.output[1], CLOSEST);
  }
  for (const field of ['negative_prompt', 'guidance_scale', 'style'])
    if (params[field] !== undefined) report(field, params[field], null, NOT_TAKEN);
  for (const [name, field] of Object.entries(model.input))
    if (name in input ? !isValid(field, input[name]) : field.required)
      throw unsupported('model_id', 'This model cannot be used for this request. Please choose another one.');
  return { version: params.model_id, input, output: plan.output, operation, adjustments };
}

function inputOf(field, params, plan, report) {
  switch (field.role) {
    case 'prompt':
      return params.prompt;
    case 'steps': {
      const asked = params.num_inference_steps;
      if (asked === undefined) return undefined;
      const used = Math.min(Math.max(asked, field.minimum), field.maximum);
      report('num_inference_steps', asked, used, LIMITS);
      return used;
    }
    case 'seed':
      return params.seed;
    case 'format':
      return ['webp', 'png', 'jpg'].find((format) => field.enum.includes(format));
    case undefined:
      return field.value;
    default:
      return plan.values[field.role];
  }
}
