import { createStore, type Store, toError } from '../../react/store.ts';
import { onAbort } from '../../wait.ts';
import { follow } from '../follow.ts';
import { isQueued } from '../generations.ts';
import { CANCELLED, type GenerationProgress } from '../progress.ts';
import type { GenerationRow, ImageRow } from '../rows.ts';
import { query, type SupabaseLike } from '../supabase.ts';

interface Row extends GenerationRow {
  images: ImageRow[];
}

/** A generation with its images, of which there is one at most. */
export interface HistoryGeneration extends Row {
  /** In the original's words, as a progress has it. */
  status: GenerationProgress['status'];
}

export interface HistoryState {
  generations: HistoryGeneration[];
  /** Until the first answer, and while `refresh` fetches. */
  loading: boolean;
  error: string | null;
}

export interface HistoryStore extends Store<HistoryState> {
  refresh(): Promise<void>;
}

/** Milliseconds between two polls while the channel is silent: mostly nothing is under way. */
const QUIET_MS = 10_000;

/** The user's newest generations, live while a component shows them. */
export function historyStore(clientOf: () => SupabaseLike, limit: number): HistoryStore {
  let last = '';
  const store = createStore<HistoryState>({ generations: [], loading: true, error: null }, (shown) => {
    try {
      const supabase = clientOf();
      const stop = follow(supabase, {
        table: 'image_generations',
        event: '*',
        read: () => load(supabase),
        emit: () => false,
        quickMs: QUIET_MS,
      });
      onAbort(shown, stop);
    } catch (error) {
      fail(error);
    }
  });

  function fail(error: unknown) {
    store.set({ error: toError(error).message, loading: false });
  }

  async function load(supabase: SupabaseLike): Promise<void> {
    const asked = supabase
      .from('image_generations')
      .select('*, images(*)')
      .order('created_at', { ascending: false })
      .limit(limit);
    try {
      const rows = await query<Row[]>(asked);
      const generations = rows.map(inItsWords);
      const now = JSON.stringify(generations);
      const { loading, error } = store.get();
      if (now === last && !loading && error === null) return;
      last = now;
      store.set({ generations, loading: false, error: null });
    } catch (error) {
      fail(error);
      throw error;
    }
  }

  return {
    ...store,
    async refresh() {
      store.set({ loading: true, error: null });
      try {
        await load(clientOf());
      } catch (error) {
        fail(error);
      }
    },
  };
}

/** The original's apps show what is neither completed nor failed as under way. */
function inItsWords(row: Row): HistoryGeneration {
  const { status } = row;
  if (status === 'cancelled') return { ...row, status: 'failed', error_message: CANCELLED };
  return { ...row, status: isQueued(row) ? 'queued' : status };
}
