import { act, createElement, type ReactElement, StrictMode } from 'react';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type Client, type ClientOptions, createClient } from '../../../client/src/index.ts';
import { createLibrary, type Library } from '../../../client/src/library.ts';
import { PictureQueueProvider } from '../../../client/src/react/index.ts';
import { LiveServer } from '../live/server.ts';

/** What the tests need of a renderer: React DOM's, or one without a DOM. */
export interface Renderer {
  mount(element: ReactElement): { update(element: ReactElement): void; unmount(): void };
}

const LIMIT_MS = 10_000;

/** Runs what changes state, and lets React finish. */
export const doing = <T>(work: () => T | Promise<T>): Promise<T> => act(async () => work());

export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`in vain: ${what}`);
    await doing(() => new Promise((resolve) => setTimeout(resolve, 2)));
  }
}

/** A component that shows what a hook gives. */
export interface Shown<T> {
  /** What it gave last. */
  now(): T;
  /** What it gave, one for each rendering. */
  readonly all: T[];
  /** Renders it anew; another hook function is one with other parameters. */
  update(hook: () => T, client?: Client): Promise<void>;
  unmount(): Promise<void>;
}

function Probe({ read }: { read: () => void }) {
  read();
  return null;
}

/** Shows a hook, in StrictMode and, with a client, below a provider. */
export async function show<T>(
  renderer: Renderer,
  client: Client | undefined,
  hook: () => T,
): Promise<Shown<T>> {
  const all: T[] = [];
  const element = (hook: () => T, provided: Client | undefined) => {
    const probe = createElement(Probe, { read: () => void all.push(hook()) });
    const props = provided && { client: provided, library: libraries.get(provided) };
    const shown = props ? createElement(PictureQueueProvider, props, probe) : probe;
    return createElement(StrictMode, null, shown);
  };
  const root = await doing(() => renderer.mount(element(hook, client)));
  return {
    all,
    now: () => all.at(-1) as T,
    update: (next, provided = client) => doing(() => root.update(element(next, provided))),
    unmount: () => doing(() => root.unmount()),
  };
}

export interface Stage {
  server: LiveServer;
  client(more?: Partial<ClientOptions>): Client;
}

/** What is provided beside each client. */
const libraries = new WeakMap<Client, Library>();

/** A server for each test; React may complain of nothing, and nothing may be left on the server. */
export function setStage(): Stage {
  const stage: Stage = {
    server: undefined as unknown as LiveServer,
    client: (more) => {
      const options = { url: stage.server.url, getToken: () => 'token', ...more };
      const client = createClient(options);
      libraries.set(client, createLibrary(options));
      return client;
    },
  };
  beforeEach(async () => {
    vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
    vi.spyOn(console, 'error');
    stage.server = await LiveServer.start();
  });
  afterEach(async () => {
    expect(vi.mocked(console.error).mock.calls, 'React complains').toEqual([]);
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
    await stage.server.stop();
  });
  return stage;
}
