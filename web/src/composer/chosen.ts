import type { GenerateParams, Generation, Model, SourceImage } from 'picture-queue';
import type { NamedImage, Paints } from '../../../client/src/openapi.ts';

/** A picture to start from, or a mask: an upload, one of the user's own pictures, or one at a public address. */
export interface Chosen {
  kind: 'upload' | 'generation' | 'address';
  /** The id of the upload or of the generation; the address itself. */
  id: string;
  name: string;
  /** What to show of it; an upload is shown by its id. */
  url?: string | undefined;
  /** Pixels, as stored; absent: not known. */
  width?: number | undefined;
  height?: number | undefined;
  /** Until when an upload can be used, RFC 3339; absent: not known. */
  until?: string | undefined;
}

export interface ChosenMask extends Chosen {
  /** The picture that it lies over, by its key. */
  of: string;
  /** The colour in it that is made anew. */
  paints: Paints;
}

export const keyOf = ({ kind, id }: Chosen): string => `${kind} ${id}`;

/** One of the user's own pictures; undefined: it has no image. */
export function ownPicture({ id, prompt, images: [image] }: Generation): Chosen | undefined {
  return (
    image && {
      kind: 'generation',
      id,
      name: prompt,
      url: image.url,
      width: image.width,
      height: image.height,
    }
  );
}

export function named({ kind, id }: Chosen): SourceImage {
  if (kind === 'upload') return { source_id: id };
  return kind === 'generation' ? { source_generation_id: id } : { source_image_url: id };
}

type Asked = Pick<
  GenerateParams,
  'source_id' | 'source_generation_id' | 'source_image_url' | 'sources' | 'mask'
>;

const isId = (one: unknown): one is string => typeof one === 'string';

/** Of a request, the images that it names; files, which were never sent, are none. */
export function imagesOf(asked: Asked): { sources: SourceImage[]; mask: SourceImage | undefined } {
  const { source_id, source_generation_id, source_image_url, sources, mask } = asked;
  const image = (one: NamedImage | object): SourceImage[] => {
    if (isId(one)) return [{ source_id: one }];
    return 'source_id' in one || 'source_generation_id' in one || 'source_image_url' in one
      ? [one as SourceImage]
      : [];
  };
  return {
    sources: [
      ...(sources ?? []).flatMap(image),
      ...(isId(source_id) ? [{ source_id }] : []),
      ...(source_generation_id ? [{ source_generation_id }] : []),
      ...(source_image_url ? [{ source_image_url }] : []),
    ],
    mask: mask ? image(mask)[0] : undefined,
  };
}

interface Fields {
  sources: Chosen[];
  mask?: ChosenMask | undefined;
  scale?: number | undefined;
}

/** The pictures that go to this model: the first ones, as many as it takes. */
export const sourcesFor = ({ sources }: Fields, { supports }: Model): Chosen[] =>
  sources.slice(0, supports.max_source_images);

/** The mask that goes to it: that of the first picture. */
export function maskFor(fields: Fields, model: Model): ChosenMask | undefined {
  const [source] = sourcesFor(fields, model);
  const { mask } = fields;
  return model.supports.mask && source && mask?.of === keyOf(source) ? mask : undefined;
}

/** The factor that is asked of it; undefined: its usual one, or it has none. */
export function scaleFor({ scale }: Fields, { supports }: Model): number | undefined {
  if (scale === undefined || !supports.scale) return undefined;
  if (supports.scales.length > 0) return supports.scales.includes(scale) ? scale : undefined;
  return Math.min(supports.scale.max ?? scale, Math.max(supports.scale.min ?? scale, scale));
}

/** What of these goes to this model, and nothing else. */
export const fittedTo = (fields: Fields, model: Model) => ({
  sources: sourcesFor(fields, model),
  mask: maskFor(fields, model),
  scale: scaleFor(fields, model),
});

/** What stays behind with this model, in a sentence; undefined: nothing does. */
export function keptAside(fields: Fields, model: Model): string | undefined {
  const sent = sourcesFor(fields, model).length;
  const more = fields.sources.length - sent;
  const parts = [
    ...(more > 0 ? [pictures(more, sent > 0)] : []),
    ...(fields.mask && !maskFor(fields, model) ? ['the mask'] : []),
    ...(fields.scale !== undefined && scaleFor(fields, model) === undefined
      ? [`the factor ${fields.scale}×`]
      : []),
  ];
  if (parts.length === 0) return undefined;
  const all = parts.length > 1 ? `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}` : parts[0];
  const isMaskOfAnother = model.supports.mask && sent > 0 && parts.length === 1 && all === 'the mask';
  return isMaskOfAnother
    ? 'The mask is of another picture. It is kept, and not sent.'
    : `Kept for another model, and not sent with this one: ${all}.`;
}

function pictures(count: number, isMore: boolean): string {
  if (isMore) return count === 1 ? '1 more picture' : `${count} more pictures`;
  return count === 1 ? 'the picture to start from' : `the ${count} pictures to start from`;
}

/** Of what was kept in this browser, that which can still be used. */
export function stillThere(fields: Partial<Fields>, now = Date.now()): Pick<Fields, 'sources' | 'mask'> {
  const isThere = ({ until }: Chosen) => until === undefined || Date.parse(until) > now;
  const { sources, mask } = fields;
  return {
    sources: Array.isArray(sources) ? sources.filter(isThere) : [],
    mask: mask && isThere(mask) ? mask : undefined,
  };
}
