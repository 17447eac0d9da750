import type { GenerateParams } from 'picture-queue';
import { expect, test } from 'vitest';
import type { Chosen } from '../../web/src/composer/chosen.ts';
import { type Draft, EMPTY_DRAFT, toParams } from '../../web/src/composer/draft.ts';
import { draftOf } from '../../web/src/composer/redraft.ts';
import { asCurl, asTypeScript } from '../../web/src/feed/snippets.ts';
import { ABLE, model } from './models.ts';

const PLAIN: GenerateParams = { prompt: 'x', model_id: 'maker/model' };
const SOURCE: Chosen = { kind: 'generation', id: 'g', url: 'u', name: 'a lake', width: 8, height: 8 };
const NONE = { sources: [] };

test('a request comes back as the draft that it was made of', () => {
  const draft: Draft = {
    ...EMPTY_DRAFT,
    modelId: ABLE.id,
    prompts: ['a fox'],
    shape: '16:9',
    width: 1344,
    height: 768,
    steps: 30,
    guidance: 4.5,
    strength: 0.4,
    seed: '0',
    negative: 'rain',
    style: 'ink',
    priority: 'high',
    sources: [SOURCE],
  };
  const back = draftOf(toParams(draft, ABLE), ABLE, { sources: [SOURCE] });
  expect(back).toEqual(draft);
  expect(back.lacks).toBeUndefined();
});

test('a size that is not the model’s is its nearest ratio, or none', () => {
  const asked = (width: number, height: number): GenerateParams => ({
    ...PLAIN,
    width,
    height,
  });
  expect(draftOf(asked(1365, 768), ABLE, NONE).shape).toBe('16:9');
  expect(draftOf(asked(500, 1_500), ABLE, NONE).shape).toBe('auto');
  const side = { min: 64, max: 2_048, multiple_of: 8 };
  const free = model({ limits: { width: side, height: side } });
  expect(draftOf(asked(512, 1_536), free, NONE)).toMatchObject({ shape: 'custom', width: 512 });
});

test('a picture to start from that cannot be brought back is said', () => {
  const upload = { prompt: 'x', source_id: 's', operation: 'variation' } as GenerateParams;
  expect(draftOf(upload, ABLE, NONE).lacks).toBe('picture');
  expect(draftOf(PLAIN, ABLE, NONE).lacks).toBeUndefined();
});

test('several pictures, a mask and a factor come back too', () => {
  const second: Chosen = { kind: 'upload', id: 'u', name: 'Uploaded picture' };
  const mask: Chosen = { kind: 'upload', id: 'm', name: 'Uploaded picture' };
  const able = model({
    operations: ['edit'],
    supports: {
      source_image: true,
      max_source_images: 3,
      mask: 'black',
      scale: { min: 1, max: 10, default: 2 },
    },
  });
  const draft: Draft = {
    ...EMPTY_DRAFT,
    modelId: able.id,
    prompts: ['a fox'],
    sources: [SOURCE, second],
    mask: { ...mask, of: 'generation g', paints: 'black' },
    scale: 2.5,
  };
  const asked = toParams(draft, able);
  expect(asked).toEqual({
    prompt: 'a fox',
    model_id: 'maker/model',
    operation: 'edit',
    sources: [{ source_generation_id: 'g' }, { source_id: 'u' }],
    mask: { source_id: 'm' },
    scale: 2.5,
  });
  const back = draftOf(asked, able, { sources: [SOURCE, second], mask });
  expect(back).toEqual(draft);
  expect(back.lacks).toBeUndefined();
  expect(draftOf(asked, able, { sources: [SOURCE], mask }).lacks, 'one is gone').toBe('picture');
  expect(draftOf(asked, able, { sources: [SOURCE, second] }).lacks, 'the mask').toBe('mask');
  for (const code of [asCurl('https://pq.example', asked), asTypeScript('https://pq.example', asked)]) {
    for (const part of ['source_generation_id', 'mask', 'scale']) expect(code).toContain(part);
  }
});

test('an upload that a model without a prompt has made larger keeps its name', () => {
  const upscaler = model({ operations: ['upscale'], supports: { prompt: false, max_source_images: 1 } });
  const upload: Chosen = { kind: 'upload', id: 'u', name: 'Uploaded picture' };
  const asked: GenerateParams = { ...PLAIN, prompt: 'hill.png', source_id: 'u', operation: 'upscale' };
  expect(draftOf(asked, upscaler, { sources: [upload] }).sources[0]?.name).toBe('hill.png');
  expect(draftOf(asked, ABLE, { sources: [upload] }).sources[0]?.name).toBe('Uploaded picture');
});

test('code has the request as it is, whatever is in its prompt', () => {
  const params = { ...PLAIN, prompt: 'it\'s\n"seed": 1, $HOME', seed: 2 };
  expect(asCurl('https://pq.example', params)).toContain(`"prompt": "it'\\''s\\n\\"seed\\": 1, $HOME"`);
  const code = asTypeScript('https://pq.example', params);
  expect(code).toContain(`  prompt: ${JSON.stringify(params.prompt)},`);
  expect(code).toContain('process.env.PICTURE_QUEUE_TOKEN');
});
