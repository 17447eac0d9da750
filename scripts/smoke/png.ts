import { crc32, deflateSync } from 'node:zlib';

/** A square image of one colour, as PNG. */
export function png(side: number): Uint8Array<ArrayBuffer> {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8); // eight bits a channel, RGB
  const row = Buffer.alloc(1 + side * 3, 0x80);
  row[0] = 0; // no filter
  const pixels = deflateSync(Buffer.concat(Array.from({ length: side }, () => row)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const file = [signature, chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))];
  return Uint8Array.from(Buffer.concat(file));
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** What kind of image a file is by its first bytes; undefined: none. */
export function formatOf(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.subarray(0, 512)).toString('latin1');
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  if (/^GIF8[79]a/.test(text)) return 'gif';
  if (/^....ftypavi[fs]/s.test(text)) return 'avif';
  if (/^(\s*<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*<svg[\s>]/s.test(text)) return 'svg';
  return undefined;
}
