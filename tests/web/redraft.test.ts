import type { GenerateParams, Generation } from 'picture-queue';
import { expect, test } from 'vitest';
import { type Draft, EMPTY_DRAFT, toParams } from '../../web/src/composer/draft.ts';
import { draftOf, lacksSource } from '../../web/src/composer/redraft.ts';
import { asCurl, asTypeScript } from '../../web/src/feed/snippets.ts';
import { ABLE, model } from './models.ts';

const PLAIN: GenerateParams = { prompt: 'x', model_id: 'maker/model' };
const SOURCE = { id: 'g', prompt: 'a lake', images: [{ url: 'u' }] } as Generation;

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
    source: { kind: 'generation', id: 'g', url: 'u', name: 'a lake' },
  };
  const back = draftOf(toParams(draft, ABLE), ABLE, SOURCE);
  expect(back).toEqual(draft);
  expect(lacksSource(toParams(draft, ABLE), back)).toBe(false);
});

test('a size that is not the model’s is its nearest ratio, or none', () => {
  const asked = (width: number, height: number): GenerateParams => ({
    ...PLAIN,
    width,
    height,
  });
  expect(draftOf(asked(1365, 768), ABLE, undefined).shape).toBe('16:9');
  expect(draftOf(asked(500, 1_500), ABLE, undefined).shape).toBe('auto');
  const side = { min: 64, max: 2_048, multiple_of: 8 };
  const free = model({ limits: { width: side, height: side } });
  expect(draftOf(asked(512, 1_536), free, undefined)).toMatchObject({ shape: 'custom', width: 512 });
});

test('a picture to start from that cannot be brought back is said', () => {
  const upload = { prompt: 'x', source_id: 's', operation: 'variation' } as GenerateParams;
  expect(lacksSource(upload, draftOf(upload, ABLE, undefined))).toBe(true);
  expect(lacksSource(PLAIN, draftOf(PLAIN, ABLE, undefined))).toBe(false);
});

test('code has the request as it is, whatever is in its prompt', () => {
  const params = { ...PLAIN, prompt: 'it\'s\n"seed": 1, $HOME', seed: 2 };
  expect(asCurl('https://pq.example', params)).toContain(`"prompt": "it'\\''s\\n\\"seed\\": 1, $HOME"`);
  const code = asTypeScript('https://pq.example', params);
  expect(code).toContain(`  prompt: ${JSON.stringify(params.prompt)},`);
  expect(code).toContain('process.env.PICTURE_QUEUE_TOKEN');
});
