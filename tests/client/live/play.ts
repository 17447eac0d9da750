import { afterEach, beforeEach, vi } from 'vitest';
import { type Client, type ClientOptions, createClient, type Progress } from '../../../client/src/index.ts';
import { type Kind, LiveServer } from './server.ts';

/** Real time that an event may take, in milliseconds. */
const LIMIT_MS = 10_000;

/** Waits until it holds, in real time, while the faked clock stands still. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Lets the faked clock run in small steps until it holds, slowly enough for real sockets to keep up.
 *
 * @returns the milliseconds that have passed on the clock
 */
export async function passUntil(what: string, holds: () => boolean, stepMs = 100): Promise<number> {
  const start = Date.now();
  const end = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > end)
      throw new Error(`in vain: ${what}, after ${Date.now() - start} ms on the clock`);
    await vi.advanceTimersByTimeAsync(stepMs);
    const turn = performance.now() + 2;
    while (!holds() && performance.now() < turn) await new Promise((resolve) => setImmediate(resolve));
  }
  return Date.now() - start;
}

/** Fakes the clock that the client sees; sockets are real and do not see it. */
async function fakeClock(server: LiveServer): Promise<void> {
  // Node's fetch keeps one timer of its own from the first request on: that one is to be a real one.
  await (await fetch(`${server.url}/generations`)).text();
  server.requests.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
}

export const clientOf = (server: LiveServer, more: Partial<ClientOptions> = {}) =>
  createClient({ url: server.url, getToken: () => 'token', ...more });

export const brief = (updates: Progress[]) => updates.map(({ status, progress }) => `${status} ${progress}`);

/** A server and what was told, anew for each test, on a clock that the test moves. */
export interface Scene {
  server: LiveServer;
  updates: Progress[];
  note: (update: Progress) => void;
  startedAt: number;
  /** Waits, while the clock stands still, until connections of this kind stand. */
  standing(kind: Kind): Promise<void>;
  /** Follows g1, which runs, over a connection of this kind that stands. */
  following(client: Client, kind: Kind): Promise<() => void>;
  /** Nothing is left: no connection, no timer. */
  expectQuiet(): Promise<void>;
}

export function setScene(): Scene {
  const scene: Scene = {
    server: undefined as unknown as LiveServer,
    updates: [],
    note: (update) => scene.updates.push(update),
    startedAt: 0,
    standing: (kind) => until(`a connection by ${kind} stands`, () => scene.server.of(kind).length === 1),
    async following(client, kind) {
      scene.server.change('g1', 'processing', 10);
      const stop = client.subscribe('g1', scene.note);
      await scene.standing(kind);
      // The clock stands still: only a message can tell this.
      await until('the state is told', () => scene.updates.length > 0);
      scene.server.change('g1', 'processing', 20);
      await until('a change is told', () => scene.updates.at(-1)?.progress === 20);
      return stop;
    },
    async expectQuiet() {
      await passUntil('nobody listens, all is closed', () => scene.server.connections.size === 0, 250);
      await passUntil('no timer is left', () => vi.getTimerCount() === 0, 250);
    },
  };
  beforeEach(async () => {
    scene.server = await LiveServer.start();
    scene.updates = [];
    await fakeClock(scene.server);
    scene.startedAt = Date.now();
  });
  afterEach(async () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
    await scene.server.stop();
  });
  return scene;
}
