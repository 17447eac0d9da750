import { useState, useSyncExternalStore } from 'react';
import { PictureQueueError } from '../errors.ts';
import { platform, type SignalLike } from '../platform.ts';

/** A state outside of React that works while a component shows it. */
export interface Store<T> {
  /** Before anything has happened: what a server renders. */
  readonly first: T;
  get(): T;
  set(changes: Partial<T>): void;
  subscribe(listener: () => void): () => void;
  /** While a component shows it: aborted when none does any more. */
  signal(): SignalLike | undefined;
}

/** @param work what to do while a component shows it, from the first subscriber to the last */
export function createStore<T extends object>(first: T, work: (signal: SignalLike) => void): Store<T> {
  const listeners = new Set<() => void>();
  let state = first;
  let running: { readonly signal: SignalLike; abort(): void } | undefined;

  return {
    first,
    get: () => state,
    set(changes) {
      state = { ...state, ...changes };
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      if (!running) {
        running = new platform.AbortController();
        work(running.signal);
      }
      return () => {
        listeners.delete(listener);
        // StrictMode removes each component once and puts it back at once: that is not an end.
        Promise.resolve().then(() => {
          if (listeners.size > 0) return;
          running?.abort();
          running = undefined;
        });
      };
    },
    signal: () => running?.signal,
  };
}

/** One store for a component, and a new one when the inputs change. */
export function useStore<T, S extends Store<T>>(make: () => S, ...inputs: readonly unknown[]): [T, S] {
  const [entry, setEntry] = useState(() => ({ store: make(), inputs }));
  let { store } = entry;
  if (inputs.some((input, index) => input !== entry.inputs[index])) {
    store = make();
    setEntry({ store, inputs });
  }
  return [useSyncExternalStore(store.subscribe, store.get, () => store.first), store];
}

/** The error as one of this package's: `getToken()` may throw any. */
export function toError(error: unknown): PictureQueueError {
  if (error instanceof PictureQueueError) return error;
  return new PictureQueueError(error instanceof Error ? error.message : String(error), { cause: error });
}
