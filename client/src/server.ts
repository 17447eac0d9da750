/**
 * For your own server: what a user does, in the name of any user, with the project's secret key. See
 * docs/guides/client.md of the repository.
 */
import {
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type Generated,
  type GenerateOptions,
  type StartOptions,
  type WaitOptions,
} from './client.ts';
import { InvalidOptionError } from './errors.ts';
import { createHttp } from './http.ts';
import { createLibrary, type ImageMarks, type Library, type RerunRequest, type Usage } from './library.ts';
import { limited } from './limited.ts';
import type { ImagesMarks, MarkedImages } from './openapi.ts';
import { baseOf } from './options.ts';
import type { Pages } from './pages.ts';
import { type SourceFile, uploadFiles, uploadSource } from './source.ts';
import type { GeneratedImage, GenerateParams, ListParams, Source, StartBody, Started } from './types.ts';

export type * from './client.ts';
export * from './errors.ts';
export type { Deleted, ImageMarks, RerunRequest, Usage } from './library.ts';
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

/** By the id of a generation or an image its owner acts; all else says for whom it is. */
export interface ServerClient
  extends Pick<Client, 'get' | 'status' | 'cancel' | 'models'>,
    Pick<Library, 'retry' | 'markImage' | 'deleteGeneration' | 'deleteImage'> {
  /** Puts a generation, or a batch, into the queue in the name of a user. */
  submit(params: GenerateParams, options: StartOptions & ForUser): Promise<Started>;
  /**
   * The same, and waits for the images.
   *
   * @throws GenerationFailedError where no image came of it
   */
  generate(params: GenerateParams, options: GenerateOptions & ForUser): Promise<Generated>;
  /**
   * Waits for generations by their ids.
   *
   * @throws GenerationFailedError where no image came of it
   */
  result(id: string | readonly string[], options?: WaitOptions): Promise<Generated>;
  /** Makes a generation once more for its owner, as `createLibrary()` does; of files it takes the `source_id`. */
  rerun(id: string, changes?: RerunRequest, options?: StartOptions): Promise<Started>;
  /** A user's generations, newest first. */
  list(params: ListParams, options: CallOptions & ForUser): Pages;
  /** What is used of a user's plan and what is left, in requests, images and money. */
  usage(options: CallOptions & ForUser): Promise<Usage>;
  /** Sets marks on 1 to 100 images of a user's; resolves with those of the ids that are that user's. */
  markImages(
    ids: readonly string[],
    marks: ImageMarks,
    options: CallOptions & ForUser,
  ): Promise<GeneratedImage[]>;
  /** Uploads an image that a user can start from, as `source_id`, for a day. */
  uploadSource(file: SourceFile, options: CallOptions & ForUser): Promise<Source>;
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
  const http = createHttp(baseOf(asServer), asServer);
  const library = createLibrary(asServer);

  const upload: ServerClient['uploadSource'] = async (file, { userId, signal }) => {
    const query = `?user_id=${uuid(userId)}`;
    return uploadSource((call) => http({ ...call, path: call.path + query }), file, signal);
  };
  const submit: ServerClient['submit'] = async (params, { userId, ...more }) => {
    const user_id = uuid(userId);
    const { signal } = more;
    const body = await uploadFiles({ ...params, user_id }, (file) => upload(file, { userId, signal }));
    return client.submit(body as StartBody, more);
  };
  return {
    submit,
    uploadSource: upload,
    generate: (params, { maxWaitMs = options.maxWaitMs, signal: own, onUpdate, ...more }) =>
      limited('image', options.url, maxWaitMs, own, async (signal) => {
        const started = await submit(params, { ...more, signal });
        // By their ids, which say whose they are.
        const ids = (started.generations ?? [started]).map(({ generation_id }) => generation_id);
        return client.wait(ids, { signal, ...(onUpdate ? { onUpdate } : {}) });
      }),
    result: client.result,
    get: client.get,
    status: client.status,
    cancel: client.cancel,
    retry: library.retry,
    rerun: library.rerun,
    markImage: library.markImage,
    deleteGeneration: library.deleteGeneration,
    deleteImage: library.deleteImage,
    list: (params, { userId, ...more }) => {
      const ofUser: ListParams & { user_id: string } = { ...params, user_id: uuid(userId) };
      return client.list(ofUser, more);
    },
    usage: async ({ userId, signal }) =>
      http<Usage>({ method: 'GET', path: `/usage?user_id=${uuid(userId)}`, signal }),
    markImages: async (ids, marks, { userId, signal }) => {
      const body: ImagesMarks = { ...marks, ids: [...ids], user_id: uuid(userId) };
      const { images } = await http<MarkedImages>({ method: 'PATCH', path: '/images', body, signal });
      return images;
    },
    models: client.models,
  };
}

/** @throws InvalidOptionError */
function uuid(userId: string): string {
  if (!UUID.test(userId)) throw new InvalidOptionError('userId', 'must be the UUID of a user');
  return userId;
}
