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

test('an optional image beside a mask, without a strength, goes with the mask only', () => {
  const file = { type: 'string', format: 'uri' };
  const { images: _images, strength: _strength, ...rest } = properties;
  const schema = document();
  const mask = { ...file, description: 'Black pixels are inpainted, white pixels are preserved.' };
  Object.assign(schema.components.schemas.Input, { properties: { ...rest, image: file, mask } });
  const { entry, doubts } = made(schema);
  expect(entry.operations).toEqual(['generate', 'edit']);
  expect(entry.input.image).toMatchObject({ role: 'source' });
  expect(entry.input.mask).toMatchObject({ role: 'mask', paints: 'black', with_source: true });
  expect(doubts.join('\n')).toMatch(/image: with a mask only/);
});

test.each([
  ['Black areas will be preserved, white areas will be inpainted.', 'white', false],
  ['White is changed', 'white', false],
  ['A mask', 'white', true],
])('the colours of a mask: %s', (description, paints, isDoubtful) => {
  const file = { type: 'string', format: 'uri' };
  const { entry, doubts } = made(document({ mask: { ...file, description } }));
  expect(entry.input.mask).toMatchObject({ role: 'mask', paints });
  expect(entry.input.mask, 'its strength tells how much is changed').not.toHaveProperty('with_source');
  expect(doubts.join('\n').includes('white or black')).toBe(isDoubtful);
});

test.each<[string, object, object | undefined]>([
  [
    'a number with limits',
    { type: 'number', minimum: 1, maximum: 8, default: 2 },
    { role: 'scale', maximum: 8 },
  ],
  ['choices', { type: 'string', enum: ['None', '2x', '4x'] }, { role: 'scale', enum: ['None', '2x', '4x'] }],
  ['a number without limits', { type: 'number', default: 2 }, undefined],
])('a scale of %s', (_, schema, expected) => {
  const { entry, doubts } = made(document({ scale_factor: schema }));
  if (expected) expect(entry.input.scale_factor).toMatchObject(expected);
  else expect(entry.input.scale_factor).not.toHaveProperty('role');
  expect(doubts.join('\n').includes('scale_factor: give it limits')).toBe(!expected);
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
