import type { GeneratedImage, Started } from 'picture-queue';
import { createHttp } from '../../../client/src/http.ts';
import type { ImageMarks, RerunRequest, Usage } from '../../../client/src/openapi.ts';
import type { HttpOptions } from '../../../client/src/options.ts';

/**
 * What the client has no method for. It is asked for by the client's own way of asking: with its patience, and its
 * errors.
 */
export interface Calls {
  /** Makes a generation of the user's once more; what `changes` does not name stays as it was. */
  rerun: (id: string, changes: RerunRequest, idempotencyKey: string) => Promise<Started>;
  /** Sets marks on an image; those that are not named stay. */
  mark: (imageId: string, marks: ImageMarks) => Promise<GeneratedImage>;
  /** The user's plan, and what is used of it. */
  usage: () => Promise<Usage>;
}

/** @param options as the client's */
export function calls(options: HttpOptions): Calls {
  const http = createHttp(options.url, options);
  return {
    rerun: (id, changes, idempotencyKey) =>
      http<Started>({
        method: 'POST',
        path: `/generations/${encodeURIComponent(id)}/rerun`,
        body: changes,
        headers: { 'idempotency-key': idempotencyKey },
      }),
    mark: (imageId, marks) =>
      http<GeneratedImage>({
        method: 'PATCH',
        path: `/images/${encodeURIComponent(imageId)}`,
        body: marks,
      }),
    usage: () => http<Usage>({ method: 'GET', path: '/usage' }),
  };
}
