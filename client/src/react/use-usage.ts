import type { Client } from '../client.ts';
import type { PictureQueueError } from '../errors.ts';
import type { Library, Usage } from '../library.ts';
import { onAbort } from '../wait.ts';
import { onChange } from './changes.ts';
import { usePictureQueue, useProvidedLibrary } from './provider.ts';
import { createStore, type Store, toError, useStore } from './store.ts';
import type { LibraryOptions } from './use-library.ts';

export interface UsageState {
  /** Null until it is there. */
  usage: Usage | null;
  isLoading: boolean;
  error: PictureQueueError | null;
}

export interface UsedPlan extends UsageState {
  /** Asks for it anew. */
  refresh(): Promise<void>;
}

interface UsageStore extends Store<UsageState> {
  refresh(): Promise<void>;
}

/** What is used of the user's plan and what is left; asked for anew after each start and end that a hook makes. */
export function useUsage({ library, client }: LibraryOptions = {}): UsedPlan {
  const used = usePictureQueue(client);
  const its = useProvidedLibrary(library);
  const [state, { refresh }] = useStore<UsageState, UsageStore>(() => usageStore(used, its), used, its);
  return { ...state, refresh };
}

function usageStore(client: Client, library: Library): UsageStore {
  let loading: Promise<void> | undefined;
  let isDue = false;
  const load = async () => {
    store.set({ isLoading: true });
    // What is asked for while an answer is on its way may no longer be in it.
    while (isDue) {
      isDue = false;
      await library.usage().then(
        (usage) => store.set({ usage, error: null }),
        (error) => store.set({ error: toError(error) }),
      );
    }
    store.set({ isLoading: false });
    loading = undefined;
  };
  const refresh = () => {
    isDue = true;
    loading ??= load();
    return loading;
  };
  const store = createStore<UsageState>({ usage: null, isLoading: true, error: null }, (signal) => {
    void refresh();
    onAbort(
      signal,
      onChange(client, ({ started }) => {
        if (started) void refresh();
      }),
    );
  });
  return { ...store, refresh };
}
