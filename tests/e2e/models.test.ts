import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findModel } from '../../dev/replicate/facts.ts';
import { TestStack } from './support/stack.ts';
import { call, TestUser } from './support/user.ts';

interface Model {
  id: string;
  operations: string[];
  supports: { prompt: boolean; source_image_required: boolean };
  price: { usd_per_image: number } | null;
  output: { formats: string[] };
}

const REPRICED = 'black-forest-labs/flux-schnell';
const SWITCHED_OFF = 'google/imagen-4-fast';

let stack: TestStack;
let user: TestUser;
let models: Model[];

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  // Before the first look, which is kept for a minute.
  await stack.sql`update public.models set cost_per_generation = 0.5 where replicate_id = ${REPRICED}`;
  await stack.sql`update public.models set is_active = false where replicate_id = ${SWITCHED_OFF}`;
  const answer = await call<{ models: Model[] }>('GET', `${stack.addresses.startGenerationUrl}/models`);
  models = answer.body.models;
});
afterAll(() => stack?.stop());

/** Of the models that the simulator knows: one that was added since has its facts elsewhere. */
const fromPromptAlone = () =>
  models.filter(
    ({ id, operations, supports }) =>
      findModel(id) && operations.includes('generate') && supports.prompt && !supports.source_image_required,
  );

test('the catalogue and the models table name the same models', async () => {
  const rows = await stack.sql<{ replicate_id: string }[]>`
    select replicate_id from public.models where is_active`;
  expect(rows.map((row) => row.replicate_id).sort()).toEqual(models.map(({ id }) => id).sort());
  expect(fromPromptAlone().length, 'models that need no source image').toBeGreaterThan(20);
});

test('it tells the operator’s prices, which a start is charged at, and not what is switched off', async () => {
  expect(models.map(({ id }) => id)).not.toContain(SWITCHED_OFF);
  const refused = await user.call('POST', '/start-generation', { prompt: 'x', model_id: SWITCHED_OFF });
  expect(refused).toMatchObject({ status: 404, body: { code: 'unknown_model' } });
  expect(models.find(({ id }) => id === REPRICED)?.price).toEqual({ usd_per_image: 0.5 });
  const later = {
    prompt: 'x',
    model_id: REPRICED,
    scheduled_at: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const { generation_id } = await user.start(later);
  const [row] =
    await stack.sql`select reserved_usd from public.image_generations where id = ${generation_id}`;
  expect(Number(row?.reserved_usd)).toBe(0.5);
  await user.call('POST', `/generations/${generation_id}/cancel`);
  await stack.sql`delete from public.image_generations where id = ${generation_id}`;
  expect(
    models.filter(({ price }) => price === null).map(({ id }) => id),
    'every model has a price',
  ).toEqual([]);
});

test('each of them makes an image of the size that its row tells', { timeout: 120_000 }, async () => {
  const chosen = fromPromptAlone();
  const started = new Map<string, string>();
  for (const { id } of chosen) {
    const { generation_id } = await user.start({
      prompt: `a lighthouse, by ${id}`,
      model_id: id,
      width: 1344,
      height: 768,
    });
    started.set(id, generation_id);
  }
  const wrong: unknown[] = [];
  for (const [id, generationId] of started) {
    const generation = await user.ended(generationId);
    const image = generation.images[0];
    if (generation.status !== 'completed' || !image) {
      wrong.push({ id, status: generation.status, error: generation.error });
      continue;
    }
    const file = await sharp(Buffer.from(await (await fetch(image.url)).arrayBuffer())).metadata();
    const stored = { width: file.width, height: file.height, format: file.format?.replace('jpeg', 'jpg') };
    const told = { width: image.width, height: image.height, format: image.format };
    const isSame = JSON.stringify(stored) === JSON.stringify(told);
    const rowAgrees = generation.width === image.width && generation.height === image.height;
    const isLandscape = image.width > image.height;
    // A model that names no formats may choose one.
    const formats = models.find((model) => model.id === id)?.output.formats ?? [];
    const isOffered = formats.length === 0 || formats.includes(image.format);
    if (!isSame || !rowAgrees || !isLandscape || !isOffered) {
      wrong.push({ id, stored, told, row: [generation.width, generation.height], formats });
    }
  }
  expect(wrong).toEqual([]);
});

test('no prediction was refused, and none was made twice', async () => {
  const stats = await stack.simulator.stats();
  const creates = Object.entries(stats.answers).filter(([answer]) => answer.startsWith('create '));
  expect(creates).toEqual([['create 201', fromPromptAlone().length]]);
  expect(stats).toMatchObject({ jobs_with_several_predictions: 0, running: 0 });
});

test('a size other than the one asked for is among the adjustments', async () => {
  const rows = await stack.sql<{ model: string; width: number; height: number; adjustments: unknown[] }[]>`
    select model, width, height, adjustments from public.image_generations order by model`;
  const silent = rows.filter(
    ({ width, height, adjustments }) => (width !== 1344 || height !== 768) && adjustments.length === 0,
  );
  expect(silent, 'models whose other size is not among the adjustments').toEqual([]);
});
