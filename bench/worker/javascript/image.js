/** What an image file says of itself in its first bytes, and whether all of it is there. */

const TYPES = { png: 'image/png', jpg: 'image/jpeg', webp: 'image/webp', gif: 'image/gif' };
const ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

/** @returns `{ format, contentType, size }`, or undefined: not an image that is stored */
export function inspect(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = (format, size) => ({ format, contentType: TYPES[format], size });
  if (ascii(bytes, 0, 8) === '\x89PNG\r\n\x1a\n')
    return found('png', bytes.length >= 24 ? [view.getUint32(16), view.getUint32(20)] : undefined);
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return found('jpg', jpegSize(view));
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return found('webp', webpSize(view));
  if (/^GIF8[79]a$/.test(ascii(bytes, 0, 6)))
    return found('gif', bytes.length >= 10 ? [view.getUint16(6, true), view.getUint16(8, true)] : undefined);
  return undefined;
}

function jpegSize(view) {
  for (let at = 2; at + 9 < view.byteLength; ) {
    const marker = view.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return [view.getUint16(at + 7), view.getUint16(at + 5)];
    at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

function webpSize(view) {
  if (view.byteLength < 30) return undefined;
  const u24 = (at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  switch (view.getUint8(15)) {
    case 0x58: // VP8X
      return [u24(24) + 1, u24(27) + 1];
    case 0x4c: {
      const bits = view.getUint32(21, true);
      return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    }
    default:
      return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  }
}

/** A walk through a PNG, WebP or JPEG, from header to header, as its pieces pass. */
export class Walk {
  size;
  isWhole = false;
  #format;
  #skip;
  #header = [];
  #ends = false;
  #inScan = false;

  constructor(format) {
    this.#format = format;
    this.#skip = { png: 8, webp: 4, jpg: 2 }[format];
  }

  chunk(bytes) {
    let at = 0;
    while (at < bytes.length && !this.isWhole) {
      if (this.#skip > 0) {
        const passed = Math.min(bytes.length - at, this.#skip);
        this.#skip -= passed;
        at += passed;
      } else if (this.#inScan) {
        at = this.#scan(bytes, at);
      } else {
        this.#header.push(bytes[at]);
        at += 1;
        this.#read(this.#header);
      }
      if (this.#ends && this.#skip === 0) this.isWhole = true;
    }
  }

  #next(skip) {
    this.#skip = skip;
    this.#header = [];
  }

  #read(header) {
    if (this.#format === 'png' && header.length === 8) {
      const [a, b, c, d, ...kind] = header;
      this.#ends = String.fromCharCode(...kind) === 'IEND';
      this.#next(a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d + 4);
    } else if (this.#format === 'webp' && header.length === 4) {
      const [a, b, c, d] = header;
      this.#ends = true;
      this.#next(a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24);
    } else if (this.#format === 'jpg') {
      this.#readJpeg(header);
    }
  }

  #readJpeg([ff, marker, a, b, , c, d, e, f]) {
    if (ff !== 0xff) return this.#next(0);
    if (marker === undefined) return;
    if (marker === 0xff) return void this.#header.pop();
    if (marker === 0xd9) {
      this.#ends = true;
      return this.#next(0);
    }
    if (marker <= 1 || (marker >= 0xd0 && marker <= 0xd8)) return this.#next(0);
    if (b === undefined) return;
    const length = a * 256 + b;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      if (f === undefined) return;
      this.size = [e * 256 + f, c * 256 + d];
      return this.#next(Math.max(length - 7, 0));
    }
    this.#inScan = marker === 0xda;
    this.#next(Math.max(length - 2, 0));
  }

  /** Looks for the marker of the end: within compressed data an 0xff is followed by 0. */
  #scan(bytes, from) {
    if (this.#header.pop() !== undefined && bytes[from] === 0xd9) {
      this.#ends = true;
      return from + 1;
    }
    const at = bytes.indexOf(0xff, from);
    if (at < 0) return bytes.length;
    this.#header.push(0xff);
    return at + 1;
  }
}
