import type { Model } from 'picture-queue';

/** A form that a picture can have, and the size that is asked for to get it. */
export interface Shape {
  /** `16:9` */
  ratio: string;
  width: number;
  height: number;
}

const USUAL = ['1:1', '4:3', '3:4', '3:2', '2:3', '16:9', '9:16'];
/** What models make where they do not say: about a megapixel, in pixels. */
const USUAL_AREA = 1024 * 1024;
/** Sizes are whole multiples of something, so that their ratio is only about what its name says. */
const TOLERANCE = 0.06;

const parse = (ratio: string): number => {
  const [wide = 1, high = 1] = ratio.split(':').map(Number);
  return wide / high;
};

/** What a model offers, the square first, then from wide to high. Empty: it has no choice. */
export function shapesOf(model: Model): Shape[] {
  const { supports, limits, defaults } = model;
  const isFree = limits.width?.multiple_of !== undefined && limits.height?.multiple_of !== undefined;
  const sizes = supports.sizes.map((text) => text.split('x').map(Number) as [number, number]);
  const ratios =
    supports.aspect_ratios.length > 0 ? supports.aspect_ratios : isFree || sizes.length ? USUAL : [];
  const area = defaults.width && defaults.height ? defaults.width * defaults.height : USUAL_AREA;
  const shapes = ratios.flatMap((ratio) => {
    const known = closest(sizes, parse(ratio), area);
    if (known) return { ratio, width: known[0], height: known[1] };
    // A ratio that none of the model's sizes has, where those are all it makes.
    if (sizes.length > 0 && !supports.aspect_ratios.includes(ratio)) return [];
    return { ratio, ...fitted(parse(ratio), area, model) };
  });
  const byWidth = shapes.sort((a, b) => parse(b.ratio) - parse(a.ratio));
  return [
    ...byWidth.filter(({ ratio }) => ratio === '1:1'),
    ...byWidth.filter(({ ratio }) => ratio !== '1:1'),
  ];
}

function closest(sizes: [number, number][], ratio: number, area: number): [number, number] | undefined {
  const same = sizes.filter(([width, height]) => Math.abs(width / height / ratio - 1) < TOLERANCE);
  const distance = ([width, height]: [number, number]) => Math.abs(Math.log((width * height) / area));
  return same.sort((a, b) => distance(a) - distance(b))[0];
}

/** A size of about this area, within the model's limits. */
function fitted(ratio: number, area: number, { limits }: Model): { width: number; height: number } {
  const side = (ideal: number, limit: Model['limits']['width']) => {
    const step = limit?.multiple_of ?? 8;
    const rounded = Math.max(step, Math.round(ideal / step) * step);
    return Math.min(limit?.max ?? 8_192, Math.max(limit?.min ?? 16, rounded));
  };
  const height = Math.sqrt(area / ratio);
  return { width: side(height * ratio, limits.width), height: side(height, limits.height) };
}

/** Whether a model makes any size within limits, so that width and height can be typed. */
export function takesAnySize({ limits }: Model): boolean {
  return limits.width?.multiple_of !== undefined && limits.height?.multiple_of !== undefined;
}
