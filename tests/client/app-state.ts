/** React Native's AppState, as far as apps without a native side can have it. */
export class AppState {
  readonly listeners = new Set<(state: string) => void>();

  addEventListener(_type: 'change', listener: (state: string) => void) {
    this.listeners.add(listener);
    return { remove: () => this.listeners.delete(listener) };
  }

  /** The system sends the app to the background, or brings it to the front. */
  become(state: string) {
    for (const listener of [...this.listeners]) listener(state);
  }
}
