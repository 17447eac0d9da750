import { type HttpOptions, ownHeaders } from '../options.ts';
import { platform, type WebSocketConstructor } from '../platform.ts';
import { eventStream } from './event-stream.ts';
import type { Connector } from './live.ts';
import { webSocket } from './websocket.ts';

export interface LiveOptions {
  /**
   * How updates come. `auto`, the default: by WebSocket; where that does not get through by server-sent
   * events; where neither does by polling. The client falls back to polling with any of them. In Cloudflare
   * Workers `polling` is the default.
   */
  live?: 'auto' | 'websocket' | 'sse' | 'polling';
  /** Instead of the platform's. */
  WebSocket?: WebSocketConstructor;
}

/** A Worker's connections end with the request that opened them: nothing can be shared there. */
const isWorker = () => platform.navigator?.userAgent === 'Cloudflare-Workers';

/** The connectors that the options ask for and this platform has, the best first. */
export function connectors(
  base: string,
  {
    live = isWorker() ? 'polling' : 'auto',
    WebSocket = platform.WebSocket,
    fetch,
    headers,
  }: LiveOptions & Pick<HttpOptions, 'fetch' | 'headers'>,
): Connector[] {
  const mayBe = (kind: string) => live === kind || live === 'auto';
  // React Native's fetch gives an answer when it is complete, which this one never is.
  const streams = fetch ?? ('body' in (platform.Response?.prototype ?? {}) ? platform.fetch : undefined);
  return [
    ...(WebSocket && mayBe('websocket') ? [webSocket(WebSocket, base)] : []),
    ...(streams && mayBe('sse') ? [eventStream(streams, base, ownHeaders(headers))] : []),
  ];
}
