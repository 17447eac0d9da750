import fs from 'node:fs';
import { expect, test } from 'vitest';
import { shapesOf, takesAnySize } from '../../web/src/composer/shapes.ts';
import { model } from './models.ts';

const FREE = { min: 256, max: 1440, multiple_of: 32 };

test('a model that lists its sizes is asked for one of them, of about its usual area', () => {
  const listed = model({
    supports: { aspect_ratios: ['16:9', '1:1'], sizes: ['1344x768', '672x384', '1024x1024', '512x512'] },
  });
  expect(shapesOf(listed)).toEqual([
    { ratio: '1:1', width: 1024, height: 1024 },
    { ratio: '16:9', width: 1344, height: 768 },
  ]);
});

test('a model that takes any size is offered the usual ratios, within its limits and steps', () => {
  const free = model({ limits: { width: FREE, height: FREE } });
  expect(takesAnySize(free)).toBe(true);
  const shapes = shapesOf(free);
  expect(shapes.map(({ ratio }) => ratio)).toEqual(['1:1', '16:9', '3:2', '4:3', '3:4', '2:3', '9:16']);
  for (const { ratio, width, height } of shapes) {
    expect([width % 32, height % 32], ratio).toEqual([0, 0]);
    expect(Math.max(width, height), ratio).toBeLessThanOrEqual(1440);
    expect(Math.min(width, height), ratio).toBeGreaterThanOrEqual(256);
    const [wide = 0, high = 0] = ratio.split(':').map(Number);
    expect(Math.abs(Math.log(width / height / (wide / high))), ratio).toBeLessThan(0.1);
  }
});

test('ratios whose sizes nobody knows are asked for at a megapixel', () => {
  const named = model({ supports: { aspect_ratios: ['3:2'] } });
  expect(shapesOf(named)).toEqual([{ ratio: '3:2', width: 1256, height: 840 }]);
});

test('a model without a choice has none', () => {
  expect(shapesOf(model())).toEqual([]);
  expect(takesAnySize(model())).toBe(false);
});

test('of listed sizes only the ratios that they have are offered', () => {
  const listed = model({ supports: { sizes: ['1024x1024', '1365x1024'] } });
  expect(shapesOf(listed).map(({ ratio }) => ratio)).toEqual(['1:1', '4:3']);
});

test('no ratio of the catalogue is unreadable', () => {
  const file = new URL('../../shared/src/catalogue/models.json', import.meta.url);
  const { models } = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    models: { id: string; input: Record<string, { role?: string; enum?: string[] }> }[];
  };
  const ratios = models.flatMap(({ input }) =>
    Object.values(input).flatMap(({ role, enum: choices }) =>
      role === 'aspect_ratio' ? (choices ?? []).filter((choice) => /^\d+:\d+$/.test(choice)) : [],
    ),
  );
  expect(ratios.length).toBeGreaterThan(50);
  for (const { width, height, ratio } of shapesOf(
    model({ supports: { aspect_ratios: [...new Set(ratios)] } }),
  )) {
    expect(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0, ratio).toBe(true);
  }
});
