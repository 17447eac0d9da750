/** What React Native has in place of a page that becomes visible. See docs/guides/client.md of the repository. */
import type { Client } from './client.ts';

/** What is used of React Native's `AppState`. */
export interface AppStateLike {
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void };
}

/**
 * Has the client poll, and check its live connection, each time that the app is in front again: while it was not, its
 * timers stood still and its connection may have been lost.
 *
 * @param appState `AppState` of `react-native`
 * @returns the function that stops it
 */
export function followAppState(client: Pick<Client, 'pollNow'>, appState: AppStateLike): () => void {
  const subscription = appState.addEventListener('change', (state) => {
    if (state === 'active') client.pollNow();
  });
  return () => subscription.remove();
}
