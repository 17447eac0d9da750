import { ApiError, ConnectionError, toApiError } from './errors.ts';
import { limited } from './limited.ts';
import { logTo } from './logger.ts';
import { type HttpOptions, ownHeaders } from './options.ts';
import {
  type FetchLike,
  platform,
  type RequestLike,
  type ResponseLike,
  type SignalLike,
} from './platform.ts';
import { backoff, throwIfAborted, wait } from './wait.ts';

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  /** Sent as JSON; with a `contentType` as it is. */
  body?: unknown;
  contentType?: string | undefined;
  headers?: Record<string, string>;
  /** No token is sent. */
  anonymous?: boolean;
  /** Instead of the client's: an upload may take longer. */
  timeoutMs?: number;
  signal?: SignalLike | undefined;
}

/** Sends a call, again if need be, and gives the JSON that came back. */
export type Http = <T>(call: Call) => Promise<T>;

/** @param base where the server's paths begin */
export function createHttp(base: string, options: HttpOptions): Http {
  const maxRetries = options.maxRetries ?? 3;
  const log = logTo(options.logger);

  return async <T>(call: Call): Promise<T> => {
    // Written once: a repeated start must be the same, byte for byte, to be known again by its key.
    const body = call.body === undefined || call.contentType ? call.body : JSON.stringify(call.body);
    const url = base + call.path;
    const what = `${call.method} ${shown(url)}`;
    for (let attempt = 0; ; attempt += 1) {
      throwIfAborted(call.signal);
      try {
        const answer = await send(options, url, call, body);
        log('debug', `${what}: answered`);
        return answer as T;
      } catch (error) {
        throwIfAborted(call.signal);
        const pause = attempt < maxRetries ? pauseAfter(error, attempt) : undefined;
        log('warn', `${what}: ${error}`);
        if (pause === undefined) throw error;
        await wait(pause, call.signal);
      }
    }
  };
}

/** Whether the same call may succeed later. A gateway's answers count too. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 429 || error.status > 501;
  return error instanceof ConnectionError;
}

/** A URL in a message: cursors and other parameters are nobody else's business. */
const shown = (url: string): string => url.replace(/\?.*/, '');

/** Milliseconds until the next attempt; undefined: there is none. */
function pauseAfter(error: unknown, attempt: number): number | undefined {
  if (!isTransient(error)) return undefined;
  const asked = (error as Partial<ApiError>).retryAfter;
  if (asked === undefined) return backoff(attempt);
  // Seconds. After a longer pause the caller would rather know at once.
  const longest = 60;
  // Jitter: clients that were told the same time do not all come at once.
  return asked <= longest ? asked * 1_000 + backoff(0) : undefined;
}

/** One attempt. */
function send(options: HttpOptions, url: string, call: Call, body?: unknown): Promise<unknown> {
  const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? 30_000;
  return limited('answer', shown(url), timeoutMs, call.signal, async (signal) => {
    const token = call.anonymous ? undefined : await options.getToken();
    const request: RequestLike = {
      method: call.method,
      headers: {
        ...ownHeaders(options.headers),
        accept: 'application/json',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        ...call.headers,
      },
      body,
      signal,
    };
    return receive(options.fetch ?? platform.fetch, url, request);
  });
}

async function receive(fetch: FetchLike, url: string, request: RequestLike): Promise<unknown> {
  const asked = shown(url);
  let response: ResponseLike;
  let text: string | undefined;
  try {
    response = await fetch(url, request);
    text = await response.text();
    if (response.ok) return JSON.parse(text);
  } catch (cause) {
    // What is no JSON comes from something else: the sign-in page of a hotel's network, for one.
    const problem = `The server could not be ${text === undefined ? 'reached' : 'understood'}.`;
    throw new ConnectionError(problem, { url: asked, cause });
  }
  throw toApiError(response.status, asked, text, (name) => response.headers.get(name));
}
