import type { Client, SourceImage } from 'picture-queue';
import type { Uploads } from '../lib/uploads.ts';
import { type Chosen, ownPicture } from './chosen.ts';

/** What is known of an image that a request names; undefined: it is gone. */
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
    const one = await client.get(image.source_generation_id).catch(() => undefined);
    return one && ownPicture(one);
  }
  const url = await uploads.show(image.source_id);
  return url === undefined ? undefined : { kind: 'upload', id: image.source_id, name: 'Uploaded picture' };
}
