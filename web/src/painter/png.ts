import type { Paints } from '../../../client/src/openapi.ts';
import type { Bitmap } from './bitmap.ts';

/** Masks as files: a PNG of 8 bits of grey a pixel, black and white alone, as https://www.w3.org/TR/png-3/ has it. */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const [WHITE, BLACK] = [255, 0];

/**
 * @param width, height of the picture, in pixels: a mask is as large
 * @param paints the colour where the bitmap is painted; the rest has the other one
 */
export async function maskPng(bitmap: Bitmap, width: number, height: number, paints: Paints): Promise<Blob> {
  const [painted, kept] = paints === 'white' ? [WHITE, BLACK] : [BLACK, WHITE];
  const stream = new CompressionStream('deflate');
  const compressed = new Response(stream.readable).arrayBuffer();
  const writer = stream.writable.getWriter();
  const columns = Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * bitmap.width) / width));
  for (let y = 0; y < height; y += 1) {
    const from = Math.floor(((y + 0.5) * bitmap.height) / height) * bitmap.width;
    // In front of each line stands its filter: none.
    const line = new Uint8Array(width + 1);
    for (let x = 0; x < width; x += 1) line[x + 1] = bitmap.pixels[from + (columns[x] ?? 0)] ? painted : kept;
    await writer.write(line);
  }
  await writer.close();
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits; grey, no interlacing are 0
  const parts = [
    new Uint8Array(SIGNATURE),
    ...chunk('IHDR', new Uint8Array(header.buffer)),
    ...chunk('IDAT', new Uint8Array(await compressed)),
    ...chunk('IEND', new Uint8Array()),
  ];
  return new Blob(parts, { type: 'image/png' });
}

/** Length, name and data, checksum. */
function chunk(name: string, data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const named = new Uint8Array(4 + data.length);
  named.set([...name].map((letter) => letter.charCodeAt(0)));
  named.set(data, 4);
  return [four(data.length), named, four(crc(named))];
}

function four(number: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, number);
  return new Uint8Array(view.buffer);
}

/** CRC-32 of ISO 3309, bit by bit: a mask has few bytes. */
function crc(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
