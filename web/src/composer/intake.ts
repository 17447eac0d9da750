/** What the server takes for a picture, said before it is sent. */

export const LARGEST_BYTES = 10 * 1024 * 1024;

const NAMELESS = 'The picture';
const called = (name: string | undefined) => (name ? `“${name}”` : NAMELESS);

/** Why a file cannot be used, in a sentence; undefined: it can, as far as its beginning tells. */
export async function refusalOf(file: Blob & { name?: string }): Promise<string | undefined> {
  const it = called(file.name);
  if (file.size === 0) return `${it} is empty.`;
  if (file.size > LARGEST_BYTES) return `${it} is larger than 10 MB.`;
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return isPicture(head) ? undefined : `${it} is not a PNG, JPEG or WebP picture.`;
}

const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];
const RIFF = [0x52, 0x49, 0x46, 0x46];
const WEBP = [0x57, 0x45, 0x42, 0x50];

/** By its bytes: phones and browsers have many names for the same type, or none. */
function isPicture(head: Uint8Array): boolean {
  const has = (bytes: number[], at = 0) => bytes.every((byte, index) => head[at + index] === byte);
  return has(PNG) || has(JPEG) || (has(RIFF) && has(WEBP, 8));
}

/**
 * Of some files those that can be uploaded, and why the others cannot.
 *
 * @param room so many more fit
 * @param most so many the model takes
 */
export async function judged<F extends Blob & { name?: string }>(
  files: F[],
  room: number,
  most: number,
): Promise<{ taken: F[]; why: string[] }> {
  const reasons = await Promise.all(files.map(refusalOf));
  const usable = files.filter((_, index) => reasons[index] === undefined);
  const left = Math.max(0, usable.length - room);
  const why = reasons.filter((reason) => reason !== undefined);
  if (left > 0) {
    const out = left === 1 ? '1 was left out' : `${left} were left out`;
    why.push(`This model takes ${most} ${most === 1 ? 'picture' : 'pictures'} at most: ${out}.`);
  }
  return { taken: usable.slice(0, Math.max(0, room)), why };
}

/** Why a mask does not fit its picture; undefined: it does, or the size of one is not known. */
export function misfitOf(
  mask: { width?: number | undefined; height?: number | undefined },
  picture: { width?: number | undefined; height?: number | undefined },
): string | undefined {
  if (!mask.width || !mask.height || !picture.width || !picture.height) return undefined;
  if (mask.width === picture.width && mask.height === picture.height) return undefined;
  return `The mask has ${mask.width} × ${mask.height} pixels, and the picture ${picture.width} × ${picture.height}. A mask is as large as its picture.`;
}
