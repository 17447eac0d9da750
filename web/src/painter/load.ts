import type { Paints } from '../../../client/src/openapi.ts';
import { type Bitmap, bitmapFor } from './bitmap.ts';
import { maskPng } from './png.ts';

/** Grey from here on counts as white. */
const MIDDLE = 128;

/** The pixels of a picture's file, as stored; undefined: it cannot be read. */
export async function sizeOf(file: Blob): Promise<{ width: number; height: number } | undefined> {
  const image = await createImageBitmap(file).catch(() => undefined);
  const size = image && { width: image.width, height: image.height };
  image?.close();
  return size;
}

/** A mask's file, as it was painted: where it has the colour `paints`. */
export async function bitmapOf(file: Blob, paints: Paints): Promise<Bitmap> {
  const image = await createImageBitmap(file);
  const bitmap = bitmapFor(image.width, image.height);
  const { width, height, pixels } = bitmap;
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('This browser has no canvas.');
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, width, height);
  image.close();
  const { data } = context.getImageData(0, 0, width, height);
  for (let at = 0; at < pixels.length; at += 1) {
    const [red = 0, green = 0, blue = 0] = data.subarray(at * 4, at * 4 + 3);
    const isWhite = (red + green + blue) / 3 >= MIDDLE;
    pixels[at] = isWhite === (paints === 'white') ? 1 : 0;
  }
  return bitmap;
}

/** The same mask for a model that reads its colours the other way round. */
export async function turned(file: Blob, from: Paints): Promise<Blob> {
  const size = await sizeOf(file);
  if (!size) throw new Error('The mask cannot be read. Paint or upload it again.');
  const to = from === 'white' ? 'black' : 'white';
  return maskPng(await bitmapOf(file, from), size.width, size.height, to);
}
