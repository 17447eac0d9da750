/** Where the processor time of a request goes, by V8's sampling profiler over workerd's inspector. */
import { once } from 'node:events';
import { atOnce } from './client.ts';
import { Load, MB, SMALL } from './load.ts';
import {
  CONNECTIONS,
  DOOR,
  ENVIRONMENTS,
  javascript,
  ours,
  type RunningSide,
  type Side,
  startSide,
} from './sides.ts';
import type { Upstream } from './upstream.ts';

const INTERVAL_US = 100;

/** What samples are filed under. */
export const PARTS = ['WebAssembly', 'JavaScript', "workerd's own", 'garbage'] as const;
type Part = (typeof PARTS)[number];

export interface Profile {
  /** `POST /start-generation`, for example. */
  request: string;
  side: string;
  requests: number;
  /** Microseconds a request, in all Workers that serve it. */
  parts: Record<Part, number>;
  /** The functions with the most time of their own, in microseconds a request. */
  functions: { name: string; part: Part; us: number }[];
}

interface Work {
  /** As many of a third of these go before, to warm up. */
  count: number;
  connections: number;
  /** The Workers that serve it. */
  workers: string[];
  imageBytes?: number;
  one(load: Load, index: number): Promise<unknown>;
}

const WORKS: Record<string, Work> = {
  'POST /start-generation': {
    count: 3_000,
    connections: CONNECTIONS,
    workers: [DOOR],
    one: (load, index) => load.start(index),
  },
  'GET /generations/{id}': {
    count: 3_000,
    connections: CONNECTIONS,
    workers: [DOOR],
    one: (load, index) => load.read(index),
  },
  'an image of 21 kB': {
    count: 900,
    connections: CONNECTIONS,
    workers: ENVIRONMENTS,
    imageBytes: SMALL,
    one: (load, index) => load.image(index),
  },
  'a webhook with 1 MB': {
    count: 300,
    connections: 4,
    workers: ['process-generation'],
    one: (load) => load.webhook(MB),
  },
  'POST /sources with 1 MB': {
    count: 300,
    connections: 4,
    workers: [DOOR],
    one: (load, index) => load.upload(index, MB),
  },
};

/** Both sides, one after the other. The profiler costs something itself and its clock is the wall's: look at shares. */
export async function profileSides(upstream: Upstream, quick: boolean): Promise<Profile[]> {
  const found: Profile[] = [];
  for (const side of [ours, javascript]) found.push(...(await profileSide(side, upstream, quick ? 0.1 : 1)));
  return found;
}

async function profileSide(side: Side, upstream: Upstream, times: number): Promise<Profile[]> {
  const running = await startSide(side, upstream.origin, { inspector: true });
  try {
    const load = new Load(running, upstream);
    const found: Profile[] = [];
    for (const [request, { count, connections, workers, imageBytes, one }] of Object.entries(WORKS)) {
      if (imageBytes !== undefined) await upstream.set({ imageBytes });
      const send = (some: number) =>
        atOnce(connections, some, async (index) => void (await one(load, index)));
      const requests = Math.round(count * times);
      await send(Math.ceil(requests / 3));
      const profiles = await sampled(running, workers, () => send(requests));
      upstream.check();
      found.push({ request, side: side.name, requests, ...summary(profiles, requests) });
    }
    return found;
  } finally {
    await running.stop();
  }
}

/** https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile */
interface V8Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  samples: number[];
  timeDeltas: number[];
}

/** What the profilers of these Workers, each of which is an isolate, see of the work. */
async function sampled(
  side: RunningSide,
  [worker, ...others]: string[],
  work: () => Promise<void>,
): Promise<V8Profile[]> {
  if (worker === undefined) {
    await work();
    return [];
  }
  let found: V8Profile[] = [];
  const profile = await sampledOne(side, worker, async () => {
    found = await sampled(side, others, work);
  });
  return [profile, ...found];
}

async function sampledOne(side: RunningSide, worker: string, work: () => Promise<void>): Promise<V8Profile> {
  const socket = new WebSocket(`${side.inspector}/${worker}`);
  await once(socket, 'open');
  let last = 0;
  const ask = (method: string, params = {}) =>
    new Promise<unknown>((resolve, reject) => {
      last += 1;
      const id = last;
      const hear = ({ data }: MessageEvent) => {
        const answer = JSON.parse(String(data)) as {
          id?: number;
          error?: { message: string };
          result: unknown;
        };
        if (answer.id !== id) return;
        socket.removeEventListener('message', hear);
        if (answer.error) reject(new Error(`${method}: ${answer.error.message}`));
        else resolve(answer.result);
      };
      socket.addEventListener('message', hear);
      socket.send(JSON.stringify({ id, method, params }));
    });
  try {
    await ask('Profiler.enable');
    await ask('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await ask('Profiler.start');
    await work();
    const { profile } = (await ask('Profiler.stop')) as { profile: V8Profile };
    return profile;
  } finally {
    socket.close();
  }
}

/** A sample counts for the time until the next one of its isolate. */
export function summary(
  profiles: V8Profile[],
  requests: number,
): Omit<Profile, 'request' | 'side' | 'requests'> {
  const parts = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  const functions = new Map<string, { name: string; part: Part; us: number }>();
  for (const { nodes, samples, timeDeltas } of profiles) {
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    samples.forEach((id, index) => {
      const frame = frames.get(id);
      const part = frame && partOf(frame);
      if (!part) return;
      const us = (timeDeltas[index + 1] ?? 0) / requests;
      parts[part] += us;
      const name = frame.functionName || '(anonymous)';
      const known = functions.get(`${part} ${name}`) ?? { name, part, us: 0 };
      known.us += us;
      functions.set(`${part} ${name}`, known);
    });
  }
  const most = [...functions.values()].sort((a, b) => b.us - a.us);
  return { parts, functions: most.slice(0, 25) };
}

/** @returns undefined for time in which nothing ran */
function partOf({ functionName, url }: { functionName: string; url: string }): Part | undefined {
  if (functionName === '(idle)' || functionName === '(root)') return undefined;
  if (functionName === '(garbage collector)') return 'garbage';
  if (url.startsWith('wasm:')) return 'WebAssembly';
  return url === '' ? "workerd's own" : 'JavaScript';
}
