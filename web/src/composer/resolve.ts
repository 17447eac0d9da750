import { type Client, NotFoundError, type SourceImage } from 'picture-queue';
import type { Uploads } from '../lib/uploads.ts';
import { type Chosen, ownPicture } from './chosen.ts';

/**
 * What is known of an image that a request names; undefined: it is gone.
 *
 * @throws what the client throws where one of the user's own pictures cannot be had now
 */
export async function chosenOf(
  image: SourceImage,
  client: Client,
  uploads: Uploads,
): Promise<Chosen | undefined> {
  if ('source_image_url' in image) {
    const { source_image_url: address } = image;
    return { kind: 'address', id: address, name: address.replace(/^https:\/\/([^/?#]+).*$/s, '$1') };
  }
  if ('source_generation_id' in image) {
    const one = await client.get(image.source_generation_id).catch((error: unknown) => {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    });
    return one && ownPicture(one);
  }
  const { source_id: id } = image;
  const file = await uploads.read(id);
  return file && { kind: 'upload', id, name: 'Uploaded picture', ...(await sizeOf(file)) };
}

/** Pixels as stored; not of a JPEG, which a browser may turn as it says. */
async function sizeOf(file: Blob): Promise<{ width?: number; height?: number }> {
  if (file.type === 'image/jpeg') return {};
  const image = await createImageBitmap(file).catch(() => undefined);
  if (!image) return {};
  const { width, height } = image;
  image.close();
  return { width, height };
}
