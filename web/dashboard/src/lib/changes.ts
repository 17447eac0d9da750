import { useSyncExternalStore } from 'react';

let changes = 0;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Something was done here, or taken back. */
export function changed(): void {
  changes += 1;
  for (const listener of listeners) listener();
}

/** Goes up each time: what is shown may not be so any more. */
export const useChanges = (): number => useSyncExternalStore(subscribe, () => changes);
