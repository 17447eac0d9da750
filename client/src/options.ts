import { InvalidOptionError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { FetchLike } from './platform.ts';

export interface HttpOptions {
  /** Origin of start-generation, with a path prefix if there is one. */
  url: string;
  /** The user's access token, asked for before each request, so that it can be a fresh one. */
  getToken: () => string | null | undefined | Promise<string | null | undefined>;
  /** Instead of the platform's. */
  fetch?: FetchLike;
  /** How often a request is sent again after a transient failure; default 3. */
  maxRetries?: number;
  /** Milliseconds that one attempt may take; default 30,000, and 300,000 for an upload. */
  timeoutMs?: number;
  /** Milliseconds that `generate()` and `wait()` may take in all; default: until the generation has ended. */
  maxWaitMs?: number;
  /** Sent with each request, except for a WebSocket's, which can have none. The client's own go before them. */
  headers?: Readonly<Record<string, string>>;
  /** Is told what the client does: `console`, for one. Default: nobody. */
  logger?: Logger;
}

/** No query or fragment, to which no path can be added, and no credentials, which `fetch` refuses. */
const USABLE = /^https?:\/\/[^\s?#@]+$/i;

/**
 * Where the server's paths begin.
 *
 * @throws InvalidOptionError where an option is missing or unusable
 */
export function baseOf({ url, getToken }: HttpOptions): string {
  // What was given instead is not repeated: it may hold a secret.
  if (!USABLE.test(url)) {
    throw new InvalidOptionError('url', 'must be the http(s) address of start-generation');
  }
  if (typeof getToken !== 'function') {
    throw new InvalidOptionError('getToken', 'must be a function that gives a token');
  }
  return `${url}`.replace(/\/+$/, '');
}

/** The app's own headers: names in small letters, so that the client's of the same name replace them. */
export const ownHeaders = (headers: HttpOptions['headers'] = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
