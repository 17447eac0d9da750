import type { Client } from '../client.ts';
import type { PictureQueueError } from '../errors.ts';
import type { Model } from '../types.ts';
import { usePictureQueue } from './provider.ts';
import { createStore, type Store, toError, useStore } from './store.ts';

export interface ModelsOptions {
  /** Instead of the provider's. */
  client?: Client | undefined;
}

interface State {
  models: Model[];
  isLoading: boolean;
  error: PictureQueueError | null;
}

export interface Models extends State {
  refresh(): Promise<void>;
}

interface ModelsStore extends Store<State> {
  refresh(): Promise<void>;
}

/** The catalogue is the same for all users: all components with a client share one read. */
const stores = new WeakMap<Client, ModelsStore>();

/** What can be asked for: fetched once, and shared by all components with this client. */
export function useModels({ client }: ModelsOptions = {}): Models {
  const used = usePictureQueue(client);
  const [state, { refresh }] = useStore<State, ModelsStore>(() => storeOf(used), used);
  return { ...state, refresh };
}

function storeOf(client: Client): ModelsStore {
  const existing = stores.get(client);
  if (existing) return existing;
  let loading: Promise<void> | undefined;
  const load = async () => {
    store.set({ isLoading: true });
    try {
      store.set({ models: await client.models(), isLoading: false, error: null });
    } catch (error) {
      store.set({ isLoading: false, error: toError(error) });
    }
    loading = undefined;
  };
  const refresh = () => {
    loading ??= load();
    return loading;
  };
  const store = createStore<State>({ models: [], isLoading: true, error: null }, () => {
    if (store.get().models.length === 0) refresh();
  });
  const made = { ...store, refresh };
  stores.set(client, made);
  return made;
}
