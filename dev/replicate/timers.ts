/** Timers that can all be stopped together, at a reset or at the end. */
export class Timers {
  readonly #running = new Set<NodeJS.Timeout>();
  #stopped = false;

  /** Calls `action` after `ms` milliseconds; the answer stops it. */
  after(ms: number, action: () => void): () => void {
    if (this.#stopped) return () => {};
    const timer = setTimeout(() => {
      this.#running.delete(timer);
      action();
    }, ms);
    this.#running.add(timer);
    return () => {
      clearTimeout(timer);
      this.#running.delete(timer);
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (ms > 0) this.after(ms, resolve);
      else setImmediate(() => this.#stopped || resolve());
    });
  }

  /** Stops all timers for good; a sleeper never wakes. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#running) clearTimeout(timer);
    this.#running.clear();
  }
}
