const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Length, type and checksum of a chunk. */
const FRAME = 12;
const END = chunk('IEND', Buffer.alloc(0));

/** A chunk without a true checksum: what decodes the image would mind, the Workers look at the frame alone. */
function chunk(type: string, data: Buffer): Buffer {
  const framed = Buffer.alloc(FRAME + data.length);
  framed.writeUInt32BE(data.length);
  framed.write(type, 4, 'latin1');
  data.copy(framed, 8);
  return framed;
}

const made = new Map<number, Buffer>();

/** A file of so many bytes that begins, goes on and ends like a PNG of 1024 × 1024. */
export function imageFile(bytes: number): Buffer {
  const known = made.get(bytes);
  if (known) return known;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(1024, 0);
  header.writeUInt32BE(1024, 4);
  header.set([8, 2], 8);
  const begin = Buffer.concat([SIGNATURE, chunk('IHDR', header)]);
  const data = Buffer.alloc(bytes - begin.length - FRAME - END.length, 0x5a);
  const file = Buffer.concat([begin, chunk('IDAT', data), END]);
  made.set(bytes, file);
  return file;
}
