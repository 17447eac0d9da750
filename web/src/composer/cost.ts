import type { Model } from 'picture-queue';

/** What a picture costs: the same sums as the database's private.enlarged_cost and private.source_price. */

/** Width times height, where both are known. */
export function pixelsOf(image: {
  width?: number | null | undefined;
  height?: number | null | undefined;
}): number | undefined {
  return image.width && image.height ? image.width * image.height : undefined;
}

/** Pixels that a picture has whose size the server does not know. */
const UNKNOWN_PIXELS = 16_777_216;
const MEGAPIXEL = 1_048_576;

/** A picture to start from. */
export interface SourceSize {
  /** undefined: not known. */
  pixels?: number | undefined;
  /** The server knows them too: it is one of the user's own. */
  isOwn?: boolean;
}

export interface Price {
  /** US dollars for a picture, as far as can be told. */
  expected: number;
  /** What is set aside for it until it is done, and counts against the plan. */
  reserved: number;
}

/**
 * The price of one picture; undefined: it is not known.
 *
 * @param scale how many times as wide and as high; undefined: as the model does it
 * @param sources the pictures that it starts from; the first is the one that is enlarged
 */
export function priceFor(model: Model, scale?: number, sources: SourceSize[] = []): Price | undefined {
  const made = priceOfMaking(model, scale, sources[0]);
  const each = model.price?.usd_per_source_megapixel ?? 0;
  if (!made || each === 0) return made;
  const most = model.price?.max_source_megapixels ?? 16;
  const billed = (pixels: number | undefined) =>
    pixels === undefined ? most : Math.min(most, Math.max(1, Math.ceil(pixels / MEGAPIXEL)));
  const sum = (pixels: (source: SourceSize) => number | undefined) =>
    sources.reduce((all, source) => all + billed(pixels(source)) * each, 0);
  return {
    expected: made.expected + sum(({ pixels }) => pixels),
    reserved: made.reserved + sum(({ pixels, isOwn }) => (isOwn ? pixels : undefined)),
  };
}

/** Without what is billed for the pictures that it starts from. */
function priceOfMaking(model: Model, scale?: number, { pixels, isOwn }: SourceSize = {}): Price | undefined {
  if (!model.price) return undefined;
  const { usd_per_image, usd_per_megapixel, usd_per_second } = model.price;
  const range = model.supports.scale;
  const usual = range?.default ?? range?.max;
  if (!range || !usual) return same(usd_per_image);
  const asked = Math.min(scale ?? usual, range.max ?? usual);
  const most = Math.max(asked, usual);
  if (usd_per_second) return same(usd_per_image * (most / usual) ** 2);
  if (!usd_per_megapixel) return same(usd_per_image);
  const { width, height } = model.defaults;
  const megapixels = (count: number) => usd_per_megapixel * Math.ceil(count / MEGAPIXEL);
  // What it costs whatever its size.
  const base = Math.max(0, usd_per_image - megapixels(width && height ? width * height : MEGAPIXEL));
  const known = pixels ?? UNKNOWN_PIXELS;
  return {
    expected: base + megapixels(known * asked ** 2),
    reserved: base + megapixels((isOwn ? known : UNKNOWN_PIXELS) * most ** 2),
  };
}

const same = (price: number): Price => ({ expected: price, reserved: price });

/** Factors to choose from in a range. */
const USUAL = [1, 2, 3, 4, 6, 8, 10];

/**
 * The factors that a model offers, from small to large; empty: it has none.
 *
 * @param chosen one that is offered too, where the model takes it
 */
export function scalesOf({ supports: { scale, scales } }: Model, chosen?: number): number[] {
  if (!scale) return [];
  if (scales.length > 0) return scales.toSorted((a, b) => a - b);
  const { min, max, default: usual } = scale;
  const offered = [...USUAL, ...(usual === null ? [] : [usual]), ...(chosen === undefined ? [] : [chosen])];
  return [...new Set(offered)]
    .filter((one) => one >= (min ?? 1) && one <= (max ?? 10))
    .toSorted((a, b) => a - b);
}
