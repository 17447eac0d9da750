/** Pixels of the page, or nearly: what no phone has. */
export const SIZE = { width: 1024, height: 768 };

/** A browser that runs. */
export interface Engine {
  /** A window of its own that shares nothing with the others: neither storage nor who has signed in. */
  visit(): Promise<Browser>;
  stop(): Promise<void>;
}

/** What the stories ask of a window: little enough for each engine's own protocol. */
export interface Browser {
  /** Loads a page and waits until it has loaded. */
  open(url: string): Promise<void>;
  /**
   * Runs a function in the page.
   *
   * @param work is sent as text: it can use nothing but its parameters and the page
   * @param given JSON
   * @returns what it gives, or resolves to: JSON
   * @throws what it throws
   */
  ask<G extends unknown[], T>(work: (...given: G) => T | Promise<T>, ...given: G): Promise<T>;
  /** Runs a script in the page, whatever its content security policy says. */
  load(script: string): Promise<void>;
  /** Does what a person's hands do, in the terms that both protocols have: https://w3c.github.io/webdriver/#actions. */
  act(sources: ActionSource[]): Promise<void>;
  /** A PNG of what is on the screen. */
  picture(): Promise<Buffer>;
  close(): Promise<void>;
}

export interface ActionSource {
  type: 'key' | 'pointer';
  id: string;
  parameters?: { pointerType: 'mouse' };
  actions: Record<string, unknown>[];
}

export const callOf = (work: (...given: never[]) => unknown, given: unknown[]): string =>
  `(${work})(...${JSON.stringify(given)})`;
