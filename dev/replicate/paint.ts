/** Encodes pictures, lazily and through a cache: at generation time 0 hundreds are asked for each second. */
import { createHash } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { scenery } from './scenery.ts';

export type Format = 'webp' | 'jpg' | 'png' | 'svg';

export interface SourceImage {
  bytes: Buffer;
  digest: string;
  width: number;
  height: number;
}

/** What a picture will show; painted when it is first fetched. */
export interface Picture {
  width: number;
  height: number;
  format: Format;
  /** Which of the hues; see `scenery`. */
  bucket: number;
  caption?: string;
  /** `edit` blends the source with the scenery, `upscale` resizes it, `cutout` makes its rim transparent. */
  mode: 'paint' | 'edit' | 'upscale' | 'cutout';
  source?: SourceImage;
}

export interface Encoded {
  bytes: Buffer;
  etag: string;
}

export const contentTypes: Record<Format, string> = {
  webp: 'image/webp',
  jpg: 'image/jpeg',
  png: 'image/png',
  svg: 'image/svg+xml',
};

const cacheBytes = 128 * 1024 * 1024;
// The machine is shared with what is tested; one picture uses one core.
sharp.concurrency(1);

/** A cache of encoded pictures, least recently used out first. */
export class Painter {
  readonly #cache = new Map<string, Encoded>();
  readonly #painting = new Map<string, Promise<Encoded>>();
  #bytes = 0;

  async encode(picture: Picture): Promise<Encoded> {
    const { width, height, format, bucket, mode } = picture;
    const key = [width, height, format, bucket, mode, picture.source?.digest, picture.caption].join('/');
    const cached = this.#cache.get(key);
    if (cached !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached;
    }
    const running = this.#painting.get(key) ?? this.#start(key, picture);
    return running;
  }

  #start(key: string, picture: Picture): Promise<Encoded> {
    const running = paint(picture)
      .then((bytes) => this.#keep(key, bytes))
      .finally(() => this.#painting.delete(key));
    this.#painting.set(key, running);
    return running;
  }

  #keep(key: string, bytes: Buffer): Encoded {
    const encoded = { bytes, etag: `"${createHash('md5').update(bytes).digest('hex')}"` };
    this.#cache.set(key, encoded);
    this.#bytes += bytes.length;
    for (const [oldest, entry] of this.#cache) {
      if (this.#bytes <= cacheBytes) break;
      this.#cache.delete(oldest);
      this.#bytes -= entry.bytes.length;
    }
    return encoded;
  }
}

async function paint(picture: Picture): Promise<Buffer> {
  const drawing = Buffer.from(scenery(picture.width, picture.height, picture.bucket, picture.caption));
  if (picture.format === 'svg') return drawing;
  const image = await compose(picture, drawing);
  // Formats without an alpha channel would turn transparent pixels black.
  if (picture.mode !== 'cutout') image.flatten({ background: '#ffffff' });
  if (picture.format === 'webp') return image.webp({ effort: 0 }).toBuffer();
  if (picture.format === 'jpg') return image.flatten({ background: '#ffffff' }).jpeg().toBuffer();
  return image.png({ compressionLevel: 4 }).toBuffer();
}

async function compose(picture: Picture, drawing: Buffer): Promise<Sharp> {
  const { width, height, mode, source } = picture;
  const fit = mode === 'edit' ? 'cover' : 'fill';
  const base = source === undefined ? sharp(drawing) : sharp(source.bytes).resize(width, height, { fit });
  if (mode === 'cutout') {
    const oval =
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
      '<ellipse cx="50%" cy="50%" rx="42%" ry="46%" fill="#fff"/></svg>';
    return base.ensureAlpha().composite([{ input: Buffer.from(oval), blend: 'dest-in' }]);
  }
  if (mode === 'edit' && source !== undefined) {
    const tint = await sharp(drawing).removeAlpha().ensureAlpha(0.45).png({ compressionLevel: 0 }).toBuffer();
    return base.composite([{ input: tint, blend: 'over' }]);
  }
  return base;
}
