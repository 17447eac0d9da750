/**
 * What this package uses of its surroundings, and no more: browsers, Node 22, Workers and React Native
 * have it. Typed here, so that no platform's own types are needed to compile against the package.
 */

/** An `AbortSignal`. */
export interface SignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** What is read of a `Response`. */
export interface ResponseLike {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

export interface RequestLike {
  method: string;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: JSON as text, or an image's bytes, which each platform's types name otherwise.
  body?: any;
  // biome-ignore lint/suspicious/noExplicitAny: an AbortSignal, which each platform's types name otherwise.
  signal?: any;
}

/** `fetch`, or anything that stands in for it. */
export type FetchLike = (url: string, request: RequestLike) => Promise<ResponseLike>;

/** What is used of a `WebSocket`. */
export interface WebSocketLike {
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
  send(text: string): void;
  close(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

interface DocumentLike {
  readonly visibilityState: string;
  addEventListener(type: 'visibilitychange', listener: () => void): void;
  removeEventListener(type: 'visibilitychange', listener: () => void): void;
}

interface Platform {
  readonly fetch: FetchLike;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  readonly AbortController: new () => { readonly signal: SignalLike; abort(): void };
  readonly crypto?: { randomUUID?(): string };
  readonly document?: Partial<DocumentLike>;
  addEventListener?(type: 'online', listener: () => void): void;
  removeEventListener?(type: 'online', listener: () => void): void;
  readonly navigator?: { readonly userAgent?: string };
  readonly WebSocket?: WebSocketConstructor;
  readonly Response?: { prototype?: object };
  readonly TextDecoder: new () => { decode(bytes: unknown, options: { stream: boolean }): string };
}

export const platform = globalThis as unknown as Platform;

/**
 * Where `for await` finds how to go through something. Hermes, React Native's engine, has no
 * `Symbol.asyncIterator` (https://github.com/facebook/hermes/issues/1879); a loop compiled by Babel then uses
 * this name.
 */
export const asyncIterator: typeof Symbol.asyncIterator =
  Symbol.asyncIterator ?? ('@@asyncIterator' as unknown as typeof Symbol.asyncIterator);

/**
 * A key that is used once: a UUID where there is one. `crypto.randomUUID` exists in secure contexts only, and React
 * Native may have no `crypto` at all; chance that cannot be guessed is not needed, since a key counts for its user
 * alone.
 */
export const newKey = (): string => platform.crypto?.randomUUID?.() ?? `${Math.random()}-${Math.random()}`;

const returnListeners = new Set<() => void>();

/** Says what a platform without a page cannot be asked: the app is in front again. */
export function returned(): void {
  for (const callback of [...returnListeners]) callback();
}

/**
 * Calls back each time the page becomes visible again, the device is online again, or `returned()` says so. Returns the function that stops it.
 */
export function onReturn(callback: () => void): () => void {
  const { document } = platform;
  const changed = () => {
    if (document?.visibilityState === 'visible') callback();
  };
  document?.addEventListener?.('visibilitychange', changed);
  platform.addEventListener?.('online', callback);
  returnListeners.add(callback);
  return () => {
    returnListeners.delete(callback);
    document?.removeEventListener?.('visibilitychange', changed);
    platform.removeEventListener?.('online', callback);
  };
}
