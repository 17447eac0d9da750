import { ConnectionError } from 'picture-queue';
import { toApiError } from '../../../client/src/errors.ts';
import type { Auth } from '../auth/session.ts';

/** Deletes a generation with its picture on the server. */
export interface Remover {
  remove: (id: string) => Promise<void>;
  /** Has a token at hand for leaving. */
  prepare: () => void;
  /** The same, sent at once: the page is going, or only hidden, and then the answer counts. */
  removeAndLeave: (id: string) => Promise<void>;
}

/** @param fetch renews the token where it has to */
export function remover(getToken: Auth['getToken'], fetch: typeof globalThis.fetch): Remover {
  let latest: string | undefined;
  const request = (id: string, token: string | undefined, keepalive: boolean) =>
    [
      `/generations/${encodeURIComponent(id)}`,
      { method: 'DELETE', keepalive, headers: { authorization: `Bearer ${token}` } },
    ] as const;
  return {
    prepare() {
      const note = (token: string | undefined) => {
        latest = token;
      };
      getToken().then(note, () => {});
    },
    remove: async (id) => removed(fetch(...request(id, await getToken(), false))),
    // What a page that goes has not sent by the end of its last event is not sent.
    removeAndLeave: (id) => removed(globalThis.fetch(...request(id, latest, true))),
  };
}

async function removed(sent: Promise<Response>): Promise<void> {
  const answer = await sent.catch((cause: unknown) => {
    throw new ConnectionError('The server could not be reached.', { cause });
  });
  // It has gone already: that is what was asked for.
  if (answer.ok || answer.status === 404) return;
  const text = await answer.text().catch(() => '');
  throw toApiError(answer.status, 'The server', text, (name) => answer.headers.get(name));
}
