import { GenerationFailedError } from './errors.ts';
import { baseOf, createHttp, type HttpOptions } from './http.ts';
import { connectors, type LiveOptions } from './live/connectors.ts';
import { createLive } from './live/live.ts';
import { type Pages, pages } from './pages.ts';
import { type SignalLike, uuid } from './platform.ts';
import { type PollingOptions, polling } from './polling.ts';
import { onlyForward, type Progress } from './progress.ts';
import { type SourceFile, uploadSource } from './source.ts';
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
  /** Puts a generation, or a batch, into the queue. */
  start(params: GenerateParams, options?: StartOptions): Promise<Started>;
  /**
   * Waits for what `start()` has put into the queue, or for a generation by its id: one that was started
   * before the app was closed, for example.
   *
   * @throws GenerationFailedError where no image came of it
   */
  wait(started: Started | string, options?: WaitOptions): Promise<Generated>;
  get(id: string, options?: CallOptions): Promise<Generation>;
  /** The user's generations, the newest first; pages are fetched as they are needed. */
  list(params?: ListParams, options?: CallOptions): Pages;
  /** Ends a generation. ConflictError: its image is made (`downloading`), or it has ended already. */
  cancel(id: string, options?: CallOptions): Promise<Cancelled>;
  /** Follows a generation until it has ended. */
  subscribe(id: string, onUpdate?: (update: Progress) => void, options?: SubscribeOptions): Subscription;
  /** Follows all of the user's generations, also those that are started elsewhere. It does not end by itself. */
  subscribeAll(onUpdate?: (update: Progress) => void, options?: SubscribeOptions): Subscription;
  /** Stores an image to start from, for a day. Its `source_id` goes into `generate()`. */
  uploadSource(file: SourceFile, options?: CallOptions): Promise<Source>;
  /** The models that a request may name. Needs no token. */
  models(options?: CallOptions): Promise<Model[]>;
}

/** A client for one user of one installation. */
export function createClient(options: ClientOptions): Client {
  const http = createHttp(options);
  const path = (id: string) => `/generations/${encodeURIComponent(id)}`;

  const start: Client['start'] = (params, { idempotencyKey = uuid(), signal } = {}) =>
    http<Started>({
      method: 'POST',
      path: '/start-generation',
      body: params,
      headers: { 'idempotency-key': idempotencyKey },
      signal,
    });
  const get: Client['get'] = (id, { signal } = {}) =>
    http<Generation>({ method: 'GET', path: path(id), signal });
  const page = (params: ListParams, signal?: SignalLike) => {
    const query = Object.entries(params)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return http<GenerationPage>({ method: 'GET', path: `/generations?${query.join('&')}`, signal });
  };
  const live = connectors(baseOf(options), options);
  const transport = polling(
    async (ids, batchId, signal) =>
      ids && !batchId
        ? Promise.all(ids.map((id) => get(id, { signal })))
        : (await page(batchId ? { batch_id: batchId } : {}, signal)).generations,
    options.polling,
    live.length > 0 ? createLive(live, async () => options.getToken()) : undefined,
  );

  const waitFor: Client['wait'] = async (started, { onUpdate, signal } = {}) => {
    const all = typeof started === 'string' ? undefined : (started.generations ?? [started]);
    const ids = all?.map(({ generation_id }) => generation_id) ?? [started as string];
    const emit = onlyForward(onUpdate ?? (() => {}));
    for (const one of all ?? []) emit(queued(one));
    const ended = new Map<string, Generation>();
    await transport.follow(
      { ids, batchId: (started as Partial<Started>).batch_id, isNew: !!all, whole: true },
      (update, generation) => {
        if (generation) ended.set(generation.id, generation);
        emit(update);
      },
      signal,
    );
    return generated(ids.flatMap((id) => ended.get(id) ?? []));
  };

  return {
    start,
    get,
    wait: waitFor,
    generate: async (params, more) => waitFor(await start(params, more), more),
    list: (params = {}, { signal } = {}) => pages((cursor) => page({ ...params, ...cursor }, signal)),
    async cancel(id, { signal } = {}) {
      const cancelled = await http<Cancelled>({ method: 'POST', path: `${path(id)}/cancel`, signal });
      transport.pollNow();
      return cancelled;
    },
    subscribe: (id, onUpdate, more) => subscription(transport, { ids: [id] }, onUpdate, more),
    subscribeAll: (onUpdate, more) => subscription(transport, {}, onUpdate, more),
    uploadSource: (file, { signal } = {}) => uploadSource(http, file, signal),
    models: async ({ signal } = {}) =>
      (await http<{ models: Model[] }>({ method: 'GET', path: '/models', anonymous: true, signal })).models,
  };
}

const queued = (one: Pick<Started, 'generation_id' | 'queue_position' | 'estimated_seconds'>): Progress => ({
  generationId: one.generation_id,
  status: 'queued',
  progress: 0,
  queuePosition: one.queue_position,
  estimatedSeconds: one.estimated_seconds,
});

function generated(generations: Generation[]): Generated {
  const [generation] = generations;
  if (!generation || !generations.some(({ status }) => status === 'completed')) {
    throw new GenerationFailedError(generations);
  }
  return { generation, generations, images: generations.flatMap(({ images }) => images) };
}
