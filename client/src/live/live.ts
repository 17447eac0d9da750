import { platform, type SignalLike } from '../platform.ts';
import type { Progress } from '../progress.ts';
import type { LiveGeneration, LiveReady } from '../types.ts';
import { backoff, unlessAborted, wait } from '../wait.ts';
import { parse, toUpdate } from './message.ts';

/** What a way to connect gets. */
export interface Opening {
  token: string;
  /** The greatest `seq` that was seen: what has changed after it is told too. */
  since: number | undefined;
  /** Ends the connection. */
  signal: SignalLike;
  received(text: string): void;
}

/** Opens a connection. Ends when it has ended, whichever way. */
export type Way = (opening: Opening) => Promise<void>;

export interface Listener {
  heard(update: Progress): void;
  /** The connection stands, or stands no more. */
  changed(): void;
}

/** The connection that all who follow something share. */
export interface Live {
  /** Opened with the first listener, closed shortly after the last. Gives the way to stop. */
  listen(listener: Listener): () => void;
  /** It stands: from here on changes are told. */
  isUp(): boolean;
  /** What was told of a generation last, by the connection that stands. */
  last(id: string): Progress | undefined;
}

/** Milliseconds until a new connection has to say that it is ready. */
const READY_MS = 8_000;
/** Milliseconds for which a connection is kept for the next one who listens. */
const LINGER_MS = 1_000;
/** Failures in a row until another way is tried; one is enough where the way has never worked. */
const MAX_FAILURES = 3;
/** Milliseconds until the first way is tried again after none has worked; doubled each time, to 3 minutes. */
const REST_MS = 5_000;
const MAX_DOUBLINGS = 5;
/** Generations whose last message is kept. */
const MAX_KNOWN = 500;

/**
 * Keeps a connection while somebody listens: opened anew when it is lost, from where it was lost, and by
 * another way where one does not get through.
 *
 * @param ways from the best to the last resort
 */
export function createLive(ways: readonly Way[], getToken: () => Promise<string | null | undefined>): Live {
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
    for (const { changed } of [...listeners]) changed();
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
    if (isNew) for (const { heard } of [...listeners]) heard(update);
  }

  /** One connection, from its opening to its end. Gives whether it stood. */
  async function connect(way: Way, parent: SignalLike): Promise<boolean> {
    const own = new platform.AbortController();
    const end = () => own.abort();
    const timer = platform.setTimeout(() => isUp || end(), READY_MS);
    parent.addEventListener('abort', end);
    connection += 1;
    let stood = false;
    const received = (text: string) => {
      const message = own.signal.aborted ? undefined : parse(text);
      if (message) take(message);
      stood ||= isUp;
    };
    try {
      const token = await unlessAborted(getToken(), own.signal);
      if (token) await unlessAborted(way({ token, since, signal: own.signal, received }), own.signal);
    } catch {
      // Why it has ended is told by the next look, to those whom it concerns.
    } finally {
      end();
      platform.clearTimeout(timer);
      parent.removeEventListener('abort', end);
      setUp(false);
    }
    return stood;
  }

  async function run(signal: SignalLike) {
    let current = 0;
    let proven = -1;
    let failures = 0;
    let rests = 0;
    while (!signal.aborted) {
      const startedAt = Date.now();
      const stood = await connect(ways[current] as Way, signal);
      if (signal.aborted) return;
      // One that ends as soon as it stands is no better than one that fails.
      failures = stood && Date.now() - startedAt > READY_MS ? 0 : failures + 1;
      let pause = backoff(failures);
      if (stood) {
        proven = current;
        rests = 0;
      } else if (failures >= (current === proven ? MAX_FAILURES : 1)) {
        failures = 0;
        pause = 0;
        current = (current + 1) % ways.length;
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
          // What happens until somebody listens again is no change that was missed.
          since = undefined;
        }, LINGER_MS);
      };
    },
  };
}
