/** What is painted of a mask: a byte for each pixel, 1 where it is painted. No canvas: what is read back from one may differ. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

export interface Point {
  x: number;
  y: number;
}

/** What has changed, in whole pixels; the right and lower ends are outside. */
export interface Area {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The longer side of what is painted on, at most; a larger picture has its mask enlarged from that. */
const LONGEST = 2_048;

export function bitmapFor(width: number, height: number): Bitmap {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const [wide, high] = [side(width), side(height)];
  return { width: wide, height: high, pixels: new Uint8Array(wide * high) };
}

export const whole = ({ width, height }: Bitmap): Area => ({ left: 0, top: 0, right: width, bottom: height });

/**
 * Draws a line with round ends: all pixels whose middle is no further from it than `radius`.
 *
 * @param value 1 paints, 0 takes away
 * @returns where something may have changed
 */
export function drawLine(bitmap: Bitmap, from: Point, to: Point, radius: number, value: 0 | 1): Area {
  const { width, height, pixels } = bitmap;
  const area = {
    left: Math.max(0, Math.floor(Math.min(from.x, to.x) - radius)),
    top: Math.max(0, Math.floor(Math.min(from.y, to.y) - radius)),
    right: Math.min(width, Math.ceil(Math.max(from.x, to.x) + radius) + 1),
    bottom: Math.min(height, Math.ceil(Math.max(from.y, to.y) + radius) + 1),
  };
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  for (let y = area.top; y < area.bottom; y += 1) {
    for (let x = area.left; x < area.right; x += 1) {
      const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
      const along = length === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length));
      const [ox, oy] = [px - along * dx, py - along * dy];
      if (ox * ox + oy * oy <= radius * radius) pixels[y * width + x] = value;
    }
  }
  return area;
}

export function invert({ pixels }: Bitmap): void {
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = pixels[at] ? 0 : 1;
}

/** How much of it is painted, from 0 to 1. */
export function share({ pixels }: Bitmap): number {
  let painted = 0;
  for (const pixel of pixels) painted += pixel;
  return painted / pixels.length;
}

/** A state to come back to, in an eighth of the room. */
export function packed({ pixels }: Bitmap): Uint8Array {
  const bits = new Uint8Array(Math.ceil(pixels.length / 8));
  for (let at = 0; at < pixels.length; at += 1) {
    if (pixels[at]) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return bits;
}

export function unpack({ pixels }: Bitmap, bits: Uint8Array): void {
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = ((bits[at >> 3] ?? 0) >> (at & 7)) & 1;
}
