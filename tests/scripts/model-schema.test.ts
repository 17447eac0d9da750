import { expect, test } from 'vitest';
import { derive } from '../../scripts/model-add/entry.ts';

/** Shapes of published schemas that the simulator's do not have, and what their descriptions tell. */

const properties = {
  seed: { anyOf: [{ type: 'integer' }, { type: 'null' }], 'x-order': 9 },
  prompt: { type: 'string', description: 'What to paint', 'x-order': 0 },
  width: {
    type: 'integer',
    minimum: 256,
    maximum: 1440,
    description: 'Must be a multiple of 32 (if it is not, it is rounded)',
    'x-order': 1,
  },
  height: { type: 'integer', minimum: 256, maximum: 1440, multipleOf: 32, 'x-order': 2 },
  aspect_ratio: { $ref: '#/components/schemas/aspect_ratio', default: '1:1', 'x-order': 3 },
  images: {
    type: 'array',
    items: { type: 'string', format: 'uri' },
    description: 'Up to 6 reference images',
    'x-order': 4,
  },
  strength: { type: 'number', minimum: 0, maximum: 1, 'x-order': 5 },
  lora: { type: 'object', 'x-order': 6 },
  num_images: { type: 'integer', minimum: 1, maximum: 4, default: 1, 'x-order': 7 },
  guidance: { type: 'number', 'x-order': 8 },
};

const document = (
  more: object = {},
  output: object = { type: 'string', format: 'uri' },
  required = ['prompt'],
) => ({
  components: {
    schemas: {
      Input: { type: 'object', required, properties: { ...properties, ...more } },
      Output: output,
      aspect_ratio: { type: 'string', enum: ['custom', '1:1', '16:9'] },
    },
  },
});

const made = (schema: unknown, isSure = true) =>
  derive(
    { id: 'a/new-one', description: 'Paints.\n It does more.', version: undefined, isSure, schema },
    {},
    '2026-11-24',
  );

test('a whole entry', () => {
  const { entry, doubts } = made(document());
  expect(entry).toEqual({
    id: 'a/new-one',
    name: 'New One',
    description: 'Paints',
    operations: ['generate', 'variation', 'edit'],
    output: 'string',
    source_size: 'unknown',
    size: '1024x1024',
    estimated_seconds: 12,
    active: true,
    facts: 'api 2026-11-24; name, operations, seconds: ours',
    input: {
      prompt: { type: 'string', role: 'prompt', required: true },
      width: { type: 'integer', role: 'width', minimum: 256, maximum: 1440, multiple_of: 32 },
      height: { type: 'integer', role: 'height', minimum: 256, maximum: 1440, multiple_of: 32 },
      aspect_ratio: {
        type: 'string',
        role: 'aspect_ratio',
        enum: ['custom', '1:1', '16:9'],
        default: '1:1',
        when_sized: 'custom',
      },
      images: { type: 'array', role: 'source', max_items: 6 },
      strength: { type: 'number', role: 'strength', minimum: 0, maximum: 1 },
      num_images: { type: 'integer', minimum: 1, maximum: 4, default: 1, value: 1 },
      guidance: { type: 'number' },
      seed: { type: 'integer', role: 'seed', nullable: true },
    },
  });
  const told = doubts.join('\n');
  for (const part of [
    'strength: role strength',
    'guidance: give it limits',
    'left out',
    'lora',
    'price_source',
  ]) {
    expect(told).toContain(part);
  }
});

test.each([
  ['1.0 corresponds to full destruction of information in the image', 'strength'],
  ['Weight of the image: 1 copies it', 'source_weight'],
  ['Higher values stay closer to the source', 'source_weight'],
])('the description tells the direction of a strength: %s', (description, role) => {
  const { entry, doubts } = made(document({ strength: { ...properties.strength, description } }));
  expect(entry.input.strength?.role).toBe(role);
  expect(doubts.join('\n')).not.toContain('check the direction');
});

test('an optional image beside a mask, without a strength, is for inpainting', () => {
  const file = { type: 'string', format: 'uri' };
  const { images: _images, strength: _strength, ...rest } = properties;
  const schema = document();
  Object.assign(schema.components.schemas.Input, { properties: { ...rest, image: file, mask: file } });
  const { entry, doubts } = made(schema);
  expect(entry.operations).toEqual(['generate']);
  expect(doubts.join('\n')).toMatch(/image: taken for inpainting only/);
});

test('whether it is official is asked for where Replicate does not say', () => {
  expect(made(document(), false).doubts.join('\n')).toContain('whether the model is official');
});

test.each<[string, unknown, RegExp]>([
  ['no schema', {}, /no input schema/],
  ['an output that is no picture', document({}, { type: 'object' }), /answers with object/],
  ['a list of objects', document({}, { type: 'array', items: { type: 'object' } }), /answers with array/],
  ['a required input of an odd type', document({}, { type: 'string' }, ['lora']), /requires lora/],
])('%s: refused', (_name, schema, message) => {
  expect(() => made(schema)).toThrow(message);
});
