import { onReturn, platform, type WebSocketConstructor } from '../platform.ts';
import { onAbort } from '../wait.ts';
import type { Way } from './live.ts';

const PING_MS = 25_000;
const PONG_MS = 10_000;

/** By WebSocket. A `ping` now and then, and when the page is back, finds out whether it still stands. */
export function webSocket(WebSocket: WebSocketConstructor, base: string): Way {
  return ({ token, since, signal, received }) =>
    new Promise<void>((resolve) => {
      const url = `${base.replace(/^http/, 'ws')}/events${since === undefined ? '' : `?since=${since}`}`;
      const socket = new WebSocket(url, ['picture-queue.v1', `bearer.${token}`]);
      let timer: unknown;
      let hasEnded = false;
      const after = (ms: number, callback: () => void) => {
        platform.clearTimeout(timer);
        timer = platform.setTimeout(callback, ms);
      };
      const ping = () => {
        try {
          socket.send('ping');
          after(PONG_MS, end);
        } catch {
          // It does not stand yet.
        }
      };
      const stops = [onReturn(ping), onAbort(signal, end)];
      function end() {
        // close() may tell that it has closed before it returns.
        if (hasEnded) return;
        hasEnded = true;
        platform.clearTimeout(timer);
        for (const stop of stops) stop();
        resolve();
        try {
          socket.close();
        } catch {
          // It never stood.
        }
      }
      socket.onclose = end;
      socket.onerror = end;
      socket.onopen = () => after(PING_MS, ping);
      socket.onmessage = ({ data }: { data: unknown }) => {
        if (hasEnded) return;
        after(PING_MS, ping);
        if (typeof data === 'string') received(data);
      };
    });
}
