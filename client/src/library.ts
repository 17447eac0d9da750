/**
 * What a user does with the images that are there: make them again, mark them, delete them, see what is left of the
 * plan. See docs/guides/client.md of the repository.
 */
import type { CallOptions, StartOptions } from './client.ts';
import { NotFoundError } from './errors.ts';
import { createHttp } from './http.ts';
import type {
  Deleted,
  GeneratedImage,
  Generation,
  ImageMarks,
  ImagesMarks,
  MarkedImages,
  RerunRequest,
  Started,
  Usage,
} from './openapi.ts';
import { baseOf, type HttpOptions } from './options.ts';
import { newKey } from './platform.ts';
import { uploadFiles, uploadSource } from './source.ts';
import type { WithFiles } from './types.ts';

export type { HttpOptions } from './options.ts';
export type { Deleted, ImageMarks, ImagesMarks, MarkedImages, RerunRequest, Usage };

/**
 * What is to be different; `source_id`, `mask` and each of `sources` may be the file itself. `null` takes a field away.
 */
export type RerunChanges = WithFiles<RerunRequest>;

export interface Library {
  /**
   * Makes a generation once more, with changes. Without a `seed` among them it has the same one; `{ seed: null }` draws
   * another. `client.wait()` takes what it resolves with.
   */
  rerun(id: string, changes?: RerunChanges, options?: StartOptions): Promise<Started>;
  /** Puts a failed generation back into the queue. One that waits already is left as it is. */
  retry(id: string, options?: CallOptions): Promise<Generation>;
  /** What is used of the user's plan and what is left, in requests, images and money. */
  usage(options?: CallOptions): Promise<Usage>;
  /** Sets marks on an image: favourite, public, archived. A mark that is not named stays as it is. */
  markImage(id: string, marks: ImageMarks, options?: CallOptions): Promise<GeneratedImage>;
  /** The same for 1 to 100 images; resolves with those of the ids that are the user's. */
  markImages(ids: readonly string[], marks: ImageMarks, options?: CallOptions): Promise<GeneratedImage[]>;
  /** Deletes a generation with its images, for good, in whatever state it is. One that has gone already is no error. */
  deleteGeneration(id: string, options?: CallOptions): Promise<void>;
  /** Deletes one image, and keeps its generation. One that has gone already is no error. */
  deleteImage(id: string, options?: CallOptions): Promise<void>;
}

/**
 * The library of one user of one installation.
 *
 * @param options those of `createClient()`: the same object will do
 * @throws InvalidOptionError where an option is missing or unusable
 */
export function createLibrary(options: HttpOptions): Library {
  const http = createHttp(baseOf(options), options);
  // Without an id the path would be the list's; nothing has this one.
  const generation = (id: string, step = '') => `/generations/${encodeURIComponent(id || 0)}${step}`;
  const image = (id: string) => `/images/${encodeURIComponent(id || 0)}`;
  const remove = async (path: string, { signal }: CallOptions = {}) => {
    try {
      await http<Deleted>({ method: 'DELETE', path, signal });
    } catch (error) {
      // Also where the answer of a first attempt was lost.
      if (!(error instanceof NotFoundError)) throw error;
    }
  };
  return {
    rerun: async (id, changes = {}, { idempotencyKey = newKey(), signal } = {}) =>
      http<Started>({
        method: 'POST',
        path: generation(id, '/rerun'),
        body: await uploadFiles(changes, (file) => uploadSource(http, file, signal)),
        headers: { 'idempotency-key': idempotencyKey },
        signal,
      }),
    retry: (id, { signal } = {}) =>
      http<Generation>({ method: 'POST', path: generation(id, '/retry'), signal }),
    usage: ({ signal } = {}) => http<Usage>({ method: 'GET', path: '/usage', signal }),
    markImage: (id, marks, { signal } = {}) =>
      http<GeneratedImage>({ method: 'PATCH', path: image(id), body: marks, signal }),
    markImages: async (ids, marks, { signal } = {}) => {
      const body = { ...marks, ids };
      const { images } = await http<MarkedImages>({ method: 'PATCH', path: '/images', body, signal });
      return images;
    },
    deleteGeneration: (id, more) => remove(generation(id), more),
    deleteImage: (id, more) => remove(image(id), more),
  };
}
