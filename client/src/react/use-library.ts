import type { CallOptions, Client, StartOptions } from '../client.ts';
import type { PictureQueueError } from '../errors.ts';
import type { ImageMarks, Library, RerunChanges } from '../library.ts';
import type { GeneratedImage, Generation, Started } from '../types.ts';
import { type Change, emit } from './changes.ts';
import { usePictureQueue, useProvidedLibrary } from './provider.ts';
import { createStore, type Store, toError, useStore } from './store.ts';

export interface LibraryOptions {
  /** Instead of the provider's. */
  library?: Library | undefined;
  /** Instead of the provider's: whose lists show what is done. */
  client?: Client | undefined;
}

export interface LibraryState {
  /** Something is under way. */
  isWorking: boolean;
  /** Why what was asked for last was not done; null otherwise. */
  error: PictureQueueError | null;
}

/**
 * What `createLibrary()` has; `useGenerations()` shows at once what it does. None of it rejects: it resolves with
 * undefined, or a deletion with false, where `error` says why.
 */
export interface LibraryActions {
  rerun(
    id: string,
    changes?: RerunChanges,
    options?: Omit<StartOptions, 'signal'>,
  ): Promise<Started | undefined>;
  retry(id: string): Promise<Generation | undefined>;
  markImage(id: string, marks: ImageMarks): Promise<GeneratedImage | undefined>;
  markImages(ids: readonly string[], marks: ImageMarks): Promise<GeneratedImage[] | undefined>;
  deleteGeneration(id: string): Promise<boolean>;
  deleteImage(id: string): Promise<boolean>;
}

export interface UsedLibrary extends LibraryState, LibraryActions {}

/** Makes images again, marks and deletes them, and shows how that stands. */
export function useLibrary({ library, client }: LibraryOptions = {}): UsedLibrary {
  const used = usePictureQueue(client);
  const its = useProvidedLibrary(library);
  const [state, { actions }] = useStore<LibraryState, LibraryStore>(() => libraryStore(used, its), used, its);
  return { ...state, ...actions };
}

interface LibraryStore extends Store<LibraryState> {
  actions: LibraryActions;
}

function libraryStore(client: Client, library: Library): LibraryStore {
  const store = createStore<LibraryState>({ isWorking: false, error: null }, () => {});
  let open = 0;

  /** @param changeOf what has become of it, for the lists */
  async function attempt<T>(work: Promise<T>, changeOf: (result: T) => Change): Promise<T | undefined> {
    open += 1;
    store.set({ isWorking: true, error: null });
    try {
      const result = await work;
      emit(client, changeOf(result));
      return result;
    } catch (error) {
      store.set({ error: toError(error) });
      return undefined;
    } finally {
      open -= 1;
      store.set({ isWorking: open > 0 });
    }
  }
  const remove = async (id: string, call: (id: string, options?: CallOptions) => Promise<void>) =>
    (await attempt(
      call(id).then(() => true),
      () => ({ deleted: id }),
    )) ?? false;

  const actions: LibraryActions = {
    rerun: (id, changes, options) =>
      attempt(library.rerun(id, changes, options), (started) => ({
        started: (started.generations ?? [started]).map(({ generation_id }) => generation_id),
      })),
    retry: (id) => attempt(library.retry(id), (generation) => ({ generation, started: [id] })),
    markImage: (id, marks) => attempt(library.markImage(id, marks), (image) => ({ images: [image] })),
    markImages: (ids, marks) => attempt(library.markImages(ids, marks), (images) => ({ images })),
    deleteGeneration: (id) => remove(id, library.deleteGeneration),
    deleteImage: (id) => remove(id, library.deleteImage),
  };
  return { ...store, actions };
}
