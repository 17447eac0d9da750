import { ApiError, ConnectionError, TimeoutError, toApiError } from './errors.ts';
import {
  type FetchLike,
  platform,
  type RequestLike,
  type ResponseLike,
  type SignalLike,
} from './platform.ts';
import { abortReason, backoff, onAbort, throwIfAborted, unlessAborted, wait } from './wait.ts';

export interface HttpOptions {
  /** Origin of start-generation, with a path prefix if there is one. */
  url: string;
  /** The user's access token, asked for before each request, so that it can be a fresh one. */
  getToken: () => string | null | undefined | Promise<string | null | undefined>;
  /** Instead of the platform's. */
  fetch?: FetchLike;
  /** How often a request is sent again after a transient failure; default 3. */
  maxRetries?: number;
  /** Milliseconds that one attempt may take; default 30,000. */
  timeoutMs?: number;
}

export interface Call {
  method: 'GET' | 'POST';
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

/** Seconds. If the server asks for a longer pause, the caller gets the error at once. */
const LONGEST_PAUSE = 60;

/** Where the server's paths begin. */
export const baseOf = ({ url }: HttpOptions): string => url.replace(/\/+$/, '');

export function createHttp(options: HttpOptions): Http {
  const base = baseOf(options);
  const maxRetries = options.maxRetries ?? 3;

  return async <T>(call: Call): Promise<T> => {
    // Written once: a repeated start must be the same, byte for byte, to be known again by its key.
    const body = call.body === undefined || call.contentType ? call.body : JSON.stringify(call.body);
    for (let attempt = 0; ; attempt += 1) {
      throwIfAborted(call.signal);
      try {
        return (await send(options, base, call, body)) as T;
      } catch (error) {
        const pause = attempt < maxRetries ? pauseAfter(error, attempt) : undefined;
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

/** Milliseconds until the next attempt; undefined: there is none. */
function pauseAfter(error: unknown, attempt: number): number | undefined {
  if (!isTransient(error)) return undefined;
  const asked = (error as Partial<ApiError>).retryAfter;
  if (asked === undefined) return backoff(attempt);
  // Jitter: clients that were told the same time do not all come at once.
  return asked <= LONGEST_PAUSE ? asked * 1_000 + backoff(0) : undefined;
}

/** One attempt. It ends with the signal and with the time, whatever `fetch` makes of its own signal. */
async function send(options: HttpOptions, base: string, call: Call, body?: unknown): Promise<unknown> {
  const controller = new platform.AbortController();
  const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? 30_000;
  let reason: unknown;
  const cut = (why: unknown) => {
    reason = why;
    controller.abort();
  };
  const timer = platform.setTimeout(
    () => cut(new TimeoutError(`No answer within ${timeoutMs} ms.`)),
    timeoutMs,
  );
  const stop = onAbort(call.signal, () => cut(abortReason(call.signal as SignalLike)));
  const exchange = async () => {
    const token = call.anonymous ? undefined : await options.getToken();
    const request: RequestLike = {
      method: call.method,
      headers: {
        accept: 'application/json',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        ...call.headers,
      },
      ...(body === undefined ? {} : { body }),
      signal: controller.signal,
    };
    return receive(options.fetch ?? platform.fetch, base + call.path, request);
  };
  try {
    return await unlessAborted(exchange(), controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? reason : error;
  } finally {
    platform.clearTimeout(timer);
    stop();
  }
}

async function receive(fetch: FetchLike, url: string, request: RequestLike): Promise<unknown> {
  let response: ResponseLike;
  let text: string;
  try {
    response = await fetch(url, request);
    text = await response.text();
  } catch (cause) {
    throw new ConnectionError('The server could not be reached.', { cause });
  }
  if (!response.ok) throw toApiError(response.status, text, (name) => response.headers.get(name));
  try {
    return JSON.parse(text);
  } catch (cause) {
    // A sign-in page of a hotel's network, for one.
    throw new ConnectionError('Something else than the server has answered.', { cause });
  }
}
