import { GenerationFailedError } from './errors.ts';
import { createHttp } from './http.ts';
import { limited } from './limited.ts';
import { connectors, type LiveOptions } from './live/connectors.ts';
import { createLive } from './live/live.ts';
import { baseOf, type HttpOptions } from './options.ts';
import { type Pages, pages } from './pages.ts';
import { newKey, returned, type SignalLike } from './platform.ts';
import { type PollingOptions, polling } from './polling.ts';
import { onlyForward, type Progress, toProgress, toUpdate } from './progress.ts';
import { type SourceFile, uploadFiles, uploadSource } from './source.ts';
import { type SubscribeOptions, type Subscription, subscription } from './subscription.ts';
import type {
  Cancelled,
  GeneratedImage,
  GenerateParams,
  Generation,
  GenerationPage,
  ListParams,
  Model,
  Source,
  Started,
} from './types.ts';

export interface ClientOptions extends HttpOptions, LiveOptions {
  polling?: PollingOptions;
}

export interface CallOptions {
  signal?: SignalLike | undefined;
}

export interface StartOptions extends CallOptions {
  /** Default: a new one for each call. Your own makes a call that is repeated later count once, for 24 hours. */
  idempotencyKey?: string;
}

export interface WaitOptions extends CallOptions {
  /** Gets the state at once and at each change; of a batch, each generation's. */
  onUpdate?: (update: Progress) => void;
  /** Milliseconds until a TimeoutError; the generation goes on. Default: the client's. */
  maxWaitMs?: number;
}

export interface GenerateOptions extends StartOptions, WaitOptions {}

/** What came of `generate()`. */
export interface Generated {
  /** The first one. */
  generation: Generation;
  /** All of them, in the order of the prompts. Of a batch some may have failed: see their `status`. */
  generations: Generation[];
  /** All images. */
  images: GeneratedImage[];
}

export interface Client {
  /**
   * Makes images and waits for them. Aborting the signal ends the waiting, not the generation: that is
   * what `cancel()` is for.
   *
   * @throws GenerationFailedError where no image came of it, and all that `start()` throws
   */
  generate(params: GenerateParams, options?: GenerateOptions): Promise<Generated>;
  /** Puts a generation, or a batch, into the queue; a file in it is uploaded first. */
  start(params: GenerateParams, options?: StartOptions): Promise<Started>;
  /** `start()` by the name that other clients give it. */
  submit(params: GenerateParams, options?: StartOptions): Promise<Started>;
  /**
   * Waits for what `start()` has put into the queue, or for generations by their ids: those that were started
   * before the app was closed, for example.
   *
   * @throws GenerationFailedError where no image came of it
   */
  wait(started: Started | string | readonly string[], options?: WaitOptions): Promise<Generated>;
  /** `wait()` by the name that other clients give it. */
  result(started: Started | string | readonly string[], options?: WaitOptions): Promise<Generated>;
  get(id: string, options?: CallOptions): Promise<Generation>;
  /** How a generation stands, in brief: one request. */
  status(id: string, options?: CallOptions): Promise<Progress>;
  /** The user's generations, the newest first; pages are fetched as they are needed. */
  list(params?: ListParams, options?: CallOptions): Pages;
  /** Ends a generation. ConflictError: its image is made (`downloading`), or it has ended already. */
  cancel(id: string, options?: CallOptions): Promise<Cancelled>;
  /** Follows a generation until it has ended. */
  subscribe(id: string, onUpdate?: (update: Progress) => void, options?: SubscribeOptions): Subscription;
  /** Follows all of the user's generations, also those that are started elsewhere. It does not end by itself. */
  subscribeAll(onUpdate?: (update: Progress) => void, options?: SubscribeOptions): Subscription;
  /**
   * Polls what is followed, and checks the live connection: for an app that was in the background, where no page says
   * that it is visible again.
   */
  pollNow(): void;
  /** Stores an image to start from, for a day. Its `source_id` goes into `generate()`. */
  uploadSource(file: SourceFile, options?: CallOptions): Promise<Source>;
  /** The models that a request may name. Needs no token. */
  models(options?: CallOptions): Promise<Model[]>;
}

/**
 * A client for one user of one installation.
 *
 * @throws InvalidOptionError where an option is missing or unusable
 */
export function createClient(options: ClientOptions): Client {
  const base = baseOf(options);
  const http = createHttp(base, options);
  // Without an id the path would be the list's; nothing has this one.
  const path = (id: string) => `/generations/${encodeURIComponent(id || 0)}`;

  const start: Client['start'] = async (params, { idempotencyKey = newKey(), signal } = {}) =>
    http<Started>({
      method: 'POST',
      path: '/start-generation',
      body: await uploadFiles(params, (file) => uploadSource(http, file, signal)),
      headers: { 'idempotency-key': idempotencyKey },
      signal,
    });
  const get: Client['get'] = (id, { signal } = {}) =>
    http<Generation>({ method: 'GET', path: path(id), signal });
  const page = (
    params: { [K in keyof ListParams]: ListParams[K] | null | undefined },
    signal?: SignalLike,
  ) => {
    const query = Object.entries(params).flatMap(([name, value]) =>
      value == null ? [] : `${name}=${encodeURIComponent(value)}`,
    );
    return http<GenerationPage>({ method: 'GET', path: `/generations?${query.join('&')}`, signal });
  };
  const live = connectors(base, options);
  const transport = polling(
    async (ids, batchId, signal) =>
      ids && !batchId
        ? Promise.all(ids.map((id) => get(id, { signal })))
        : (await page({ batch_id: batchId }, signal)).generations,
    options.polling,
    live.length > 0 ? createLive(live, async () => options.getToken()) : undefined,
  );

  /** @param begin gives what is waited for, within the time of the whole wait */
  const finish = (
    begin: (signal: SignalLike) => Started | string | readonly string[] | Promise<Started>,
    { maxWaitMs = options.maxWaitMs, signal: own, onUpdate }: WaitOptions,
  ) =>
    limited('image', base, maxWaitMs, own, async (signal) => {
      const started = await begin(signal);
      const isNew = typeof started === 'object' && 'generation_id' in started;
      const all = isNew ? (started.generations ?? [started]) : [];
      const ids = isNew ? all.map(({ generation_id }) => generation_id) : [started].flat();
      const emit = onlyForward(onUpdate ?? (() => {}));
      for (const one of all) emit(toUpdate({ ...one, progress: 0 }));
      const last = new Map<string, Generation>();
      await transport.follow(
        { ids, batchId: isNew ? started.batch_id : undefined, isNew, whole: true },
        (update, generation) => {
          if (generation) last.set(generation.id, generation);
          emit(update);
        },
        signal,
      );
      return generated(ids.flatMap((id) => last.get(id) ?? []));
    });
  const waitFor: Client['wait'] = (started, more = {}) => finish(() => started, more);

  return {
    start,
    submit: start,
    get,
    status: async (id, more) => toProgress(await get(id, more)),
    wait: waitFor,
    result: waitFor,
    generate: (params, more = {}) => finish((signal) => start(params, { ...more, signal }), more),
    list: (params = {}, { signal } = {}) =>
      pages((cursor = params.cursor) => page({ ...params, cursor }, signal)),
    async cancel(id, { signal } = {}) {
      const cancelled = await http<Cancelled>({
        method: 'POST',
        path: `${path(id)}/cancel`,
        signal,
      });
      transport.pollNow();
      return cancelled;
    },
    subscribe: (id, onUpdate, more) => subscription(transport, { ids: [id] }, onUpdate, more),
    subscribeAll: (onUpdate, more) => subscription(transport, {}, onUpdate, more),
    pollNow: returned,
    uploadSource: (file, { signal } = {}) => uploadSource(http, file, signal),
    models: async ({ signal } = {}) =>
      (await http<{ models: Model[] }>({ method: 'GET', path: '/models', anonymous: true, signal })).models,
  };
}

function generated(generations: Generation[]): Generated {
  const [generation] = generations as [Generation, ...Generation[]];
  if (!generations.some(({ status }) => status === 'completed')) throw new GenerationFailedError(generations);
  return { generation, generations, images: generations.flatMap(({ images }) => images) };
}
