import { type FetchLike, onReturn, platform } from '../platform.ts';
import type { Connector } from './live.ts';

/** Milliseconds of silence after which it is given up; the server sends something each 15 seconds. */
const SILENCE_MS = 40_000;
/** The same when the page is back. */
const RETURN_MS = 20_000;

/** What is read of a body that arrives bit by bit. */
interface Streamed {
  readonly body?: {
    getReader?(): { read(): Promise<{ done: boolean; value?: unknown }>; cancel(): Promise<unknown> };
  };
}

/** By server-sent events, read with `fetch`, since an EventSource cannot send a token. */
export function eventStream(fetch: FetchLike, base: string, own: Record<string, string>): Connector {
  return async ({ token, path, signal, onText }) => {
    const response = await fetch(base + path, {
      method: 'GET',
      headers: { ...own, accept: 'text/event-stream', authorization: `Bearer ${token}` },
      signal,
    });
    const reader = response.ok ? (response as Streamed).body?.getReader?.() : undefined;
    if (!reader) return;
    const decoder = new platform.TextDecoder();
    let timer: unknown;
    let receivedAt = 0;
    // What is being read is `done` then.
    const cut = () => void reader.cancel().catch(() => {});
    const stop = onReturn(() => Date.now() - receivedAt < RETURN_MS || cut());
    try {
      for (let rest = ''; ; ) {
        receivedAt = Date.now();
        timer = platform.setTimeout(cut, SILENCE_MS);
        const { done, value } = await reader.read();
        platform.clearTimeout(timer);
        if (done) return;
        const events = (rest + decoder.decode(value, { stream: true })).split('\n\n');
        rest = events.pop() ?? '';
        for (const event of events) {
          // A message is one line, since it is JSON.
          const data = /^data:(.*)/m.exec(event)?.[1];
          if (data) onText(data);
        }
      }
    } finally {
      platform.clearTimeout(timer);
      stop();
    }
  };
}
