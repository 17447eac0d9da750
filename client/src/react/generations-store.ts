import type { Client } from '../client.ts';
import type { PictureQueueError } from '../errors.ts';
import { isTransient } from '../http.ts';
import { platform, type SignalLike } from '../platform.ts';
import { hasEnded, isForward, type Progress } from '../progress.ts';
import type { Generation, GenerationPage } from '../types.ts';
import { backoff, onAbort, wait } from '../wait.ts';
import { type Change, onChange, withChange } from './changes.ts';
import { createStore, type Store, toError } from './store.ts';

export interface GenerationsState {
  /** The newest first. */
  generations: Generation[];
  /** Until the first page is there, and while another one is fetched. */
  isLoading: boolean;
  error: PictureQueueError | null;
  /** There are older ones. */
  hasMore: boolean;
}

export interface GenerationsStore extends Store<GenerationsState> {
  loadMore(): Promise<void>;
  refresh(): Promise<void>;
}

const EMPTY: GenerationsState = { generations: [], isLoading: true, error: null, hasMore: false };

/** The user's generations, page by page, kept up to date while they are shown. */
export function generationsStore(client: Client, limit: number | undefined): GenerationsStore {
  let cursor: string | null = null;
  let following: { readonly signal: SignalLike; abort(): void } | undefined;
  /** To be read anew: something has changed that only the whole generation holds. */
  const changed = new Set<string>();
  let isReading = false;
  /** Deleted: a page that was asked for before has them still. */
  const gone = new Set<string>();
  const store = createStore(EMPTY, (signal) => {
    refresh();
    onAbort(signal, () => following?.abort());
    onAbort(signal, onChange(client, take));
  });

  const page = async (from?: string | null): Promise<GenerationPage> => {
    const params = { ...(limit ? { limit } : {}), ...(from ? { cursor: from } : {}) };
    for await (const one of client.list(params).pages()) {
      return { ...one, generations: one.generations.filter(({ id }) => !gone.has(id)) };
    }
    return { generations: [], next_cursor: null };
  };

  function take(change: Change) {
    if (change.deleted) gone.add(change.deleted);
    store.set({ generations: withChange(store.get().generations, change) });
    if (change.generation) listenAnew();
    if (!change.started?.length) return;
    for (const id of change.started) changed.add(id);
    readChanged();
  }

  /** One that has ended goes on: who has heard of an end hears no more of it. */
  function listenAnew() {
    const before = following;
    following = undefined;
    listen();
    before?.abort();
  }

  /** Puts the newest page in front of what is there already. */
  function merge(newest: GenerationPage) {
    const { generations } = store.get();
    const before = new Map(generations.map((one) => [one.id, one]));
    const ids = new Set(newest.generations.map(({ id }) => id));
    const rest = generations.filter(({ id }) => !ids.has(id));
    const hasGap = newest.next_cursor !== null && rest.length === generations.length;
    if (hasGap || generations.length === 0) cursor = newest.next_cursor;
    store.set({
      generations: [
        ...newest.generations.map((one) => later(before.get(one.id), one)),
        ...(hasGap ? [] : rest),
      ],
      hasMore: cursor !== null,
    });
  }

  async function attempt(work: () => Promise<void>) {
    store.set({ isLoading: true });
    try {
      await work();
      store.set({ isLoading: false, error: null });
    } catch (error) {
      store.set({ isLoading: false, error: toError(error) });
    }
  }

  function listen() {
    if (!store.signal() || (following && !following.signal.aborted)) return;
    const own = new platform.AbortController();
    following = own;
    client.subscribeAll(onUpdate, {
      signal: own.signal,
      onError: (error) => {
        own.abort();
        store.set({ error: toError(error) });
      },
    });
  }

  function onUpdate(update: Progress) {
    const { generations } = store.get();
    const known = generations.find(({ id }) => id === update.generationId);
    // A completed one is shown with its images, or not yet.
    if (known && (update.status !== 'completed' || known.images.length > 0)) {
      const patched = {
        ...known,
        status: update.status,
        progress: update.progress,
        queue_position: update.queuePosition,
        estimated_seconds: update.estimatedSeconds,
        error: update.error ?? known.error,
      };
      store.set({ generations: generations.map((one) => (one === known ? later(one, patched) : one)) });
    }
    if (!known || hasEnded(update.status)) {
      changed.add(update.generationId);
      readChanged();
    }
  }

  /** One page for all that has changed since the last one; what is older than that page by itself. */
  async function read(ids: string[]) {
    const newest = await page();
    merge(newest);
    const shown = new Set(store.get().generations.map(({ id }) => id));
    const older = ids.filter((id) => shown.has(id) && !newest.generations.some((one) => one.id === id));
    for (const one of await Promise.all(older.map((id) => client.get(id)))) {
      const { generations } = store.get();
      store.set({ generations: generations.map((each) => (each.id === one.id ? one : each)) });
    }
  }

  /** Reads all that has changed, until nothing is left: no message comes a second time. */
  async function readChanged() {
    if (isReading) return;
    isReading = true;
    for (let failures = 0, signal = store.signal(); changed.size > 0 && signal && !signal.aborted; ) {
      const ids = [...changed];
      changed.clear();
      try {
        await read(ids);
        if (failures > 0) store.set({ error: null });
        failures = 0;
      } catch (error) {
        store.set({ error: toError(error) });
        if (!isTransient(error)) break;
        for (const id of ids) changed.add(id);
        await wait(backoff(failures), signal).catch(() => {});
        failures += 1;
      }
    }
    isReading = false;
  }

  const pending = new Map<() => Promise<void>, Promise<void>>();
  /**
   * One thing at a time, in the order in which they were asked for: a page is never put behind one that is just being
   * replaced. What is asked for again before it is over is the same.
   */
  const alone = (work: () => Promise<void>): Promise<void> => {
    const same = pending.get(work);
    if (same) return same;
    const before = [...pending.values()].at(-1);
    const own = (before ? before.then(() => attempt(work)) : attempt(work)).finally(() => {
      pending.delete(work);
    });
    pending.set(work, own);
    return own;
  };
  const newest = async () => {
    listen();
    merge(await page());
  };
  const older = async () => {
    if (cursor === null) return;
    const next = await page(cursor);
    cursor = next.next_cursor;
    const { generations } = store.get();
    const ids = new Set(generations.map(({ id }) => id));
    store.set({
      generations: [...generations, ...next.generations.filter(({ id }) => !ids.has(id))],
      hasMore: cursor !== null,
    });
  };
  const refresh = () => alone(newest);
  const loadMore = () => (cursor === null ? Promise.resolve() : alone(older));

  return { ...store, loadMore, refresh };
}

/** Of two states of one generation the one that is further on: an answer may be older than a message. */
function later(before: Generation | undefined, now: Generation): Generation {
  return hasEnded(now.status) || isForward(before, now) ? now : (before as Generation);
}
