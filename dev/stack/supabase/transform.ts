import type http from 'node:http';
import sharp from 'sharp';
import { notAsDescribed, refusal, type StorageAnswer } from './storage-errors.ts';

/**
 * Supabase's image transformation of public images.
 *
 * https://supabase.com/docs/guides/storage/serving/image-transformations; where that is silent, as the Storage server
 * and imgproxy behind it do it.
 */

const PUBLIC = '/storage/v1/render/image/public/';
const FITS = { cover: 'cover', contain: 'inside', fill: 'fill' } as const;
/** What Storage raises or lowers a side to. */
const SIDE = [1, 2500] as const;

/** A small version that is asked for. */
export interface Transformation {
  width: number | undefined;
  height: number | undefined;
  fit: (typeof FITS)[keyof typeof FITS];
  quality: number;
  /** WebP where the caller takes it, unless it asks for the image's own format. */
  webp: boolean;
}

/** The transformation that a request asks for, or why it gets none; undefined: it is no such request. */
export function transformationOf(
  { method, headers }: http.IncomingMessage,
  url: URL,
): Transformation | StorageAnswer | undefined {
  if (method !== 'GET' || !url.pathname.startsWith(PUBLIC)) return undefined;
  const number = (name: string) => {
    const text = url.searchParams.get(name);
    return text === null ? undefined : /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  };
  const [width, height, quality = 80] = [number('width'), number('height'), number('quality')];
  for (const [name, value] of Object.entries({ width, height, quality })) {
    if (Number.isNaN(value)) return notAsDescribed(`querystring/${name} must be integer`);
  }
  if (quality < 20) return notAsDescribed('querystring/quality must be >= 20');
  if (quality > 100) return notAsDescribed('querystring/quality must be <= 100');
  const resize = url.searchParams.get('resize') ?? 'cover';
  if (!Object.hasOwn(FITS, resize)) {
    return notAsDescribed('querystring/resize must be equal to one of the allowed values');
  }
  return {
    width: clamp(width),
    height: clamp(height),
    fit: FITS[resize as keyof typeof FITS],
    quality,
    webp: url.searchParams.get('format') !== 'origin' && (headers.accept ?? '').includes('image/webp'),
  };
}

/** Where the whole image is that a transformation starts from. */
export function sourceOf(url: URL): URL {
  const source = new URL(url);
  source.pathname = source.pathname.replace(PUBLIC, '/storage/v1/object/public/');
  source.search = '';
  return source;
}

/** @param whole the answer with the whole image */
export async function transform(whole: Response, wanted: Transformation): Promise<Response | StorageAnswer> {
  try {
    const image = sharp(Buffer.from(await whole.arrayBuffer()));
    const { width = 0, height = 0 } = await image.metadata();
    // A side that is not asked for stays as it is: with `cover` the image is cropped.
    const size = {
      width: wanted.width ?? (wanted.fit === 'inside' ? undefined : width),
      height: wanted.height ?? (wanted.fit === 'inside' ? undefined : height),
    };
    const small = image.resize({ ...size, fit: wanted.fit, withoutEnlargement: true });
    const bytes = wanted.webp
      ? await small.webp({ quality: wanted.quality }).toBuffer({ resolveWithObject: true })
      : await small.toBuffer({ resolveWithObject: true });
    const headers = new Headers({ 'content-type': `image/${bytes.info.format}` });
    for (const name of ['cache-control', 'etag', 'last-modified']) {
      const value = whole.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    headers.set('content-length', String(bytes.data.length));
    return new Response(new Uint8Array(bytes.data), { headers });
  } catch {
    return refusal(422, 'InternalError', 'Invalid source image', 'ImageProcessingError');
  }
}

function clamp(side: number | undefined): number | undefined {
  // A zero counts as none.
  return side ? Math.min(Math.max(side, SIDE[0]), SIDE[1]) : undefined;
}
