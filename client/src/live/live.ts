import { platform, type SignalLike } from '../platform.ts';
import { type Progress, toUpdate } from '../progress.ts';
import type { LiveGeneration, LiveReady } from '../types.ts';
import { backoff, wait, withTimeLimit } from '../wait.ts';
import { parse } from './message.ts';

/** What a connector gets. */
export interface Opening {
  token: string;
  /** Path and query; with the greatest `seq` that was seen, so that the server also sends what has changed after it. */
  path: string;
  /** Ends the connection. */
  signal: SignalLike;
  onText(text: string): void;
}

/** Opens a connection. Resolves or rejects when it has ended. */
export type Connector = (opening: Opening) => Promise<void>;

export interface Listener {
  onMessage(update: Progress): void;
  /** The connection is up, or down again. */
  onChange(): void;
}

/** The one connection of a client: all subscriptions share it. */
export interface Live {
  /** Opened with the first listener, closed shortly after the last. Returns the function that stops it. */
  listen(listener: Listener): () => void;
  /** It is up: from here on changes arrive. */
  isUp(): boolean;
  /** The last message about a generation on the connection that is up. */
  last(id: string): Progress | undefined;
}

/** Milliseconds until a new connection has to say that it is ready. */
const READY_MS = 8_000;
/** Milliseconds for which a connection is kept for the next listener. */
const LINGER_MS = 1_000;
/** Failures in a row until the next connector is tried; one is enough where a connector has never worked. */
const MAX_FAILURES = 3;
/** Milliseconds until the first connector is tried again after none worked; doubled each time, to 3 minutes. */
const REST_MS = 5_000;
const MAX_DOUBLINGS = 5;
/** Generations whose last message is kept. */
const MAX_KNOWN = 500;

/**
 * Keeps a connection open while there is a listener. It reconnects from where the connection was lost, and
 * takes the next connector where one does not get through.
 *
 * @param connectors from the best to the last resort
 */
export function createLive(
  connectors: readonly Connector[],
  getToken: () => Promise<string | null | undefined>,
): Live {
  const listeners = new Set<Listener>();
  const known = new Map<string, { seq: number; connection: number; update: Progress }>();
  let since: number | undefined;
  let connection = 0;
  let isUp = false;
  let stop: { readonly signal: SignalLike; abort(): void } | undefined;
  let linger: unknown;

  function setUp(up: boolean) {
    if (isUp === up) return;
    isUp = up;
    for (const { onChange } of [...listeners]) onChange();
  }

  function take(message: LiveGeneration | LiveReady) {
    since = Math.max(since ?? 0, message.seq);
    if (message.type === 'ready') return setUp(true);
    const { generation_id: id, seq } = message;
    const before = known.get(id);
    const isNew = !before || seq > before.seq;
    const update = isNew ? toUpdate(message) : before.update;
    // Taken out and put in: the oldest are in front.
    known.delete(id);
    known.set(id, { seq: isNew ? seq : before.seq, connection, update });
    if (known.size > MAX_KNOWN) known.delete(known.keys().next().value as string);
    if (isNew) for (const { onMessage } of [...listeners]) onMessage(update);
  }

  /** One connection, from its opening to its end. Returns whether it was up. */
  async function connect(connector: Connector, parent: SignalLike): Promise<boolean> {
    connection += 1;
    let wasUp = false;
    await withTimeLimit(
      READY_MS,
      () => !isUp,
      parent,
      async (signal) => {
        const onText = (text: string) => {
          const message = signal.aborted ? undefined : parse(text);
          if (message) take(message);
          wasUp ||= isUp;
        };
        const token = await getToken();
        const path = since === undefined ? '/events' : `/events?since=${since}`;
        if (token && !signal.aborted) await connector({ token, path, signal, onText });
      },
      // The next poll reports why it ended, to those whom it concerns.
    ).catch(() => {});
    setUp(false);
    return wasUp;
  }

  async function run(signal: SignalLike) {
    let current = 0;
    let proven = -1;
    let failures = 0;
    let rests = 0;
    while (!signal.aborted) {
      const startedAt = Date.now();
      const wasUp = await connect(connectors[current] as Connector, signal);
      if (signal.aborted) return;
      // One that ends as soon as it is up is no better than one that fails.
      failures = wasUp && Date.now() - startedAt > READY_MS ? 0 : failures + 1;
      let pause = backoff(failures);
      if (wasUp) {
        proven = current;
        rests = 0;
      } else if (failures >= (current === proven ? MAX_FAILURES : 1)) {
        failures = 0;
        pause = 0;
        current = (current + 1) % connectors.length;
        if (current === 0) {
          pause = REST_MS * 2 ** Math.min(rests, MAX_DOUBLINGS) * (0.8 + Math.random() * 0.4);
          rests += 1;
        }
      }
      await wait(pause, signal, true).catch(() => {});
    }
  }

  return {
    isUp: () => isUp,
    last: (id) => {
      const entry = known.get(id);
      return isUp && entry?.connection === connection ? entry.update : undefined;
    },
    listen(listener) {
      listeners.add(listener);
      platform.clearTimeout(linger);
      if (!stop) {
        stop = new platform.AbortController();
        run(stop.signal);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        linger = platform.setTimeout(() => {
          stop?.abort();
          stop = undefined;
          // Without a listener: changes until the next one are not missed ones.
          since = undefined;
        }, LINGER_MS);
      };
    },
  };
}
