/**
 * For your own server: generations in the name of any user, with the project's secret key. See docs/guides/client.md
 * of the repository.
 */
import {
  type Client,
  type ClientOptions,
  createClient,
  type Generated,
  type GenerateOptions,
  type StartOptions,
  type WaitOptions,
} from './client.ts';
import { InvalidOptionError } from './errors.ts';
import { createLibrary, type Library } from './library.ts';
import { limited } from './limited.ts';
import type { StartBody, Started } from './types.ts';

export type * from './client.ts';
export * from './errors.ts';
export type * from './types.ts';

/** As for `createClient`. A secret key takes the place of a user's token; live updates are for users, so it polls. */
export interface ServerClientOptions extends Omit<ClientOptions, 'getToken' | 'live' | 'WebSocket'> {
  /** `sb_secret_…`, or the legacy `service_role` key. It belongs on a server, never into an app or a page. */
  secretKey: string;
}

export interface ForUser {
  /** Whose the images are and whose plan they count on: the id in Supabase Auth, a UUID. */
  userId: string;
}

export interface ServerClient
  extends Pick<Client, 'get' | 'status' | 'cancel' | 'models'>,
    Pick<Library, 'retry'> {
  /** Puts a generation, or a batch, into the queue in the name of a user. */
  submit(params: StartBody, options: StartOptions & ForUser): Promise<Started>;
  /**
   * The same, and waits for the images.
   *
   * @throws GenerationFailedError where no image came of it
   */
  generate(params: StartBody, options: GenerateOptions & ForUser): Promise<Generated>;
  /**
   * Waits for generations by their ids.
   *
   * @throws GenerationFailedError where no image came of it
   */
  result(id: string | readonly string[], options?: WaitOptions): Promise<Generated>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * A client for your server.
 *
 * @throws InvalidOptionError where an option is missing or unusable
 */
export function createServerClient({ secretKey, ...options }: ServerClientOptions): ServerClient {
  if (typeof secretKey !== 'string' || !/^\S+$/.test(secretKey)) {
    throw new InvalidOptionError('secretKey', 'must be the secret key of the Supabase project');
  }
  const asServer = { ...options, getToken: () => secretKey };
  const client = createClient({ ...asServer, live: 'polling' });

  const submit: ServerClient['submit'] = async (params, { userId, ...more }) => {
    if (!UUID.test(userId)) throw new InvalidOptionError('userId', 'must be the UUID of a user');
    const body: StartBody & { user_id: string } = { ...params, user_id: userId };
    return client.submit(body, more);
  };
  return {
    submit,
    generate: (params, { maxWaitMs = options.maxWaitMs, signal: own, onUpdate, ...more }) =>
      limited('image', options.url, maxWaitMs, own, async (signal) => {
        const started = await submit(params, { ...more, signal });
        // By their ids, which a server may ask for; a list is a user's.
        const ids = (started.generations ?? [started]).map(({ generation_id }) => generation_id);
        return client.wait(ids, { signal, ...(onUpdate ? { onUpdate } : {}) });
      }),
    result: client.result,
    get: client.get,
    status: client.status,
    cancel: client.cancel,
    retry: createLibrary(asServer).retry,
    models: client.models,
  };
}
