import { onReturn, platform, type WebSocketConstructor } from '../platform.ts';
import { onAbort } from '../wait.ts';
import type { Connector } from './live.ts';

/**
 * Milliseconds between two pings. The server needs them too: it may take a client that sends nothing for 25
 * seconds for dead, so other messages do not replace them.
 */
const PING_MS = 10_000;

/** By WebSocket. Pings, and one more when the page is back, find out whether it is still up. */
export function webSocket(WebSocket: WebSocketConstructor, base: string): Connector {
  return ({ token, path, signal, onText }) =>
    new Promise<void>((resolve) => {
      const socket = new WebSocket(base.replace(/^http/i, 'ws') + path, [
        'picture-queue.v1',
        `bearer.${token}`,
      ]);
      let timer: unknown;
      let hasEnded = false;
      let isSilent = false;
      const ping = () => {
        try {
          socket.send('ping');
        } catch {
          return; // It is not up yet.
        }
        isSilent = true;
        wait();
      };
      const wait = () => {
        platform.clearTimeout(timer);
        timer = platform.setTimeout(() => (isSilent ? end() : ping()), PING_MS);
      };
      const stops = [onReturn(ping), onAbort(signal, end)];
      function end() {
        // close() may call onclose before it returns.
        if (hasEnded) return;
        hasEnded = true;
        platform.clearTimeout(timer);
        for (const stop of stops) stop();
        resolve();
        try {
          socket.close();
        } catch {
          // It was never up.
        }
      }
      socket.onclose = end;
      socket.onerror = end;
      socket.onopen = wait;
      socket.onmessage = ({ data }: { data: unknown }) => {
        if (hasEnded) return;
        isSilent = false;
        if (typeof data === 'string') onText(data);
      };
    });
}
