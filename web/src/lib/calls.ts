import type { Started } from 'picture-queue';
import { createHttp } from '../../../client/src/http.ts';
import type { RerunRequest } from '../../../client/src/openapi.ts';
import type { HttpOptions } from '../../../client/src/options.ts';

/**
 * What the client has no method for. It is asked for by the client's own way of asking: with its patience, and its
 * errors.
 */
export interface Calls {
  /** Makes a generation of the user's once more; what `changes` does not name stays as it was. */
  rerun: (id: string, changes: RerunRequest, idempotencyKey: string) => Promise<Started>;
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
  };
}
