import { expect, test } from 'vitest';
import {
  type Chosen,
  type ChosenMask,
  fittedTo,
  imagesOf,
  keptAside,
  keyOf,
  stillThere,
} from '../../web/src/composer/chosen.ts';
import { type Draft, EMPTY_DRAFT, toParams, whatIsMissing } from '../../web/src/composer/draft.ts';
import { model } from './models.ts';

/** Several pictures, a mask and a factor: what goes to which model, and what is said of the rest. */

const picture = (id: string): Chosen => ({ kind: 'upload', id, name: `${id}.png` });
const [A, B, C] = [picture('a'), picture('b'), picture('c')];
const MASK: ChosenMask = { ...picture('m'), of: keyOf(A), paints: 'black' };
const ALL: Draft = { ...EMPTY_DRAFT, prompts: ['a fox'], sources: [A, B, C], mask: MASK, scale: 4 };

const PLAIN = model();
const ONE = model({ operations: ['variation'], supports: { source_image: true, max_source_images: 1 } });
const TWO = model({ operations: ['edit'], supports: { source_image: true, max_source_images: 2 } });
/** Takes a picture with a mask only. */
const INPAINTS = model({
  operations: ['generate', 'edit'],
  supports: { max_source_images: 1, mask: 'black' },
});
const UPSCALES = model({
  operations: ['upscale'],
  supports: {
    prompt: false,
    source_image: true,
    source_image_required: true,
    max_source_images: 1,
    scale: { min: 2, max: 6, default: 2 },
    scales: [2, 4, 6],
  },
});

test.each([
  [PLAIN, undefined, /not sent with this one: the 3 pictures to start from, the mask and the factor 4×\.$/],
  [ONE, { source_id: 'a' }, /: 2 more pictures, the mask and the factor 4×\.$/],
  [
    TWO,
    { sources: [{ source_id: 'a' }, { source_id: 'b' }] },
    /: 1 more picture, the mask and the factor 4×\.$/,
  ],
  [INPAINTS, { source_id: 'a', mask: { source_id: 'm' } }, /: 2 more pictures and the factor 4×\.$/],
  [UPSCALES, { source_id: 'a', scale: 4 }, /: 2 more pictures and the mask\.$/],
])('each model gets what it takes, and the rest is kept and said', (one, sent, said) => {
  const { source_id, sources, mask, scale } = toParams(ALL, one) as Record<string, unknown>;
  expect(JSON.parse(JSON.stringify({ source_id, sources, mask, scale }))).toEqual(sent ?? {});
  expect(keptAside(ALL, one)).toMatch(said);
  expect(keptAside(fittedTo(ALL, one), one), 'what is not kept is not said').toBeUndefined();
});

test('a mask is one of its picture: of another one it is not sent, and that is said', () => {
  const moved = { ...ALL, sources: [B, A], scale: undefined };
  expect(toParams(moved, INPAINTS)).not.toHaveProperty('mask');
  expect(keptAside({ ...moved, sources: [B] }, INPAINTS)).toMatch(/of another picture/);
});

test('what is missing: a mask where a picture needs one, or one of the right colours', () => {
  expect(whatIsMissing({ ...ALL, mask: undefined }, INPAINTS)).toMatch(/Paint one, upload one, or remove/);
  expect(whatIsMissing({ ...ALL, sources: [], mask: undefined }, INPAINTS)).toBeUndefined();
  expect(whatIsMissing(ALL, INPAINTS)).toBeUndefined();
  expect(whatIsMissing({ ...ALL, mask: { ...MASK, paints: 'white' } }, INPAINTS)).toMatch(/Turn it round/);
});

test('a factor in a range is brought into it; of choices, another one is not sent', () => {
  const ranged = model({ supports: { scale: { min: 1, max: 3, default: 2 } } });
  expect(toParams(ALL, ranged)).toMatchObject({ scale: 3 });
  expect(toParams({ ...ALL, scale: 5 }, UPSCALES)).not.toHaveProperty('scale');
  expect(toParams({ ...ALL, scale: undefined }, ranged)).not.toHaveProperty('scale');
});

test('of a request all images are found, however they are named', () => {
  const id = { source_id: 'x' };
  expect(imagesOf({ sources: ['x', { source_generation_id: 'g' }], mask: 'm' })).toEqual({
    sources: [id, { source_generation_id: 'g' }],
    mask: { source_id: 'm' },
  });
  const url = 'https://example.com/a.png';
  expect(imagesOf({ source_image_url: url })).toEqual({
    sources: [{ source_image_url: url }],
    mask: undefined,
  });
  expect(imagesOf({ source_id: 'x' })).toEqual({
    sources: [id],
    mask: undefined,
  });
});

test('what is kept in the browser is taken up again as long as it can be used', () => {
  const now = Date.parse('2026-11-29T12:00:00Z');
  const fresh = { ...A, until: '2026-11-29T12:00:01Z' };
  const old = { ...B, until: '2026-11-29T11:59:59Z' };
  expect(stillThere({ sources: [fresh, old, C], mask: { ...MASK, until: old.until } }, now)).toEqual({
    sources: [fresh, C],
    mask: undefined,
  });
  expect(stillThere({}, now), 'of earlier days').toEqual({ sources: [], mask: undefined });
});
