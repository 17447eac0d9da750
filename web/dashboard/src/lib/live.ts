import { useSyncExternalStore } from 'react';

/** What keeps a page from being up to date. */
export interface Trouble {
  error: unknown;
  /** When it is asked again. Milliseconds since 1970. */
  nextAt: number;
  retry: () => void;
}

interface Live {
  /** By whoever looks at it; a hidden page needs no button. */
  isPaused: boolean;
  /** When anything was answered last; 0: not yet. Milliseconds since 1970. */
  answeredAt: number;
  troubles: readonly Trouble[];
}

let live: Live = { isPaused: false, answeredAt: 0, troubles: [] };
const listeners = new Set<() => void>();

function change(changes: Partial<Live>): void {
  live = { ...live, ...changes };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether and since when the page is up to date: of all that asks. */
export const useLive = (): Live => useSyncExternalStore(subscribe, () => live);

/** That alone: who asks need not be drawn anew with each answer. */
export const useIsPaused = (): boolean => useSyncExternalStore(subscribe, () => live.isPaused);

export const pause = (isPaused: boolean) => change({ isPaused });
export const answered = () => change({ answeredAt: Date.now() });
export function clear(trouble: Trouble | undefined): void {
  if (trouble) change({ troubles: live.troubles.filter((one) => one !== trouble) });
}
export const report = (trouble: Trouble) => change({ troubles: [...live.troubles, trouble] });
