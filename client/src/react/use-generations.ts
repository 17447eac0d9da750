import type { Client } from '../client.ts';
import { type GenerationsState, type GenerationsStore, generationsStore } from './generations-store.ts';
import { usePictureQueue } from './provider.ts';
import { useStore } from './store.ts';

export interface GenerationsOptions {
  /** Generations a page, 1 to 100; default 20. */
  limit?: number | undefined;
  /** Instead of the provider's. */
  client?: Client | undefined;
}

export interface Generations extends GenerationsState {
  /** Fetches the next older page. */
  loadMore(): Promise<void>;
  /** Fetches the newest page anew; after an error that ended the updates these go on too. */
  refresh(): Promise<void>;
}

/** The user's generations, the newest first, live: also those that are started elsewhere. */
export function useGenerations({ limit, client }: GenerationsOptions = {}): Generations {
  const used = usePictureQueue(client);
  const [state, { loadMore, refresh }] = useStore<GenerationsState, GenerationsStore>(
    () => generationsStore(used, limit),
    used,
    limit,
  );
  return { ...state, loadMore, refresh };
}
