/** What each kind of invocation of our Workers costs, for the limits of Cloudflare's plans. */
import { WebSocket } from 'ws';
import { median } from '../queue/statistics.ts';
import { atOnce, send } from './client.ts';
import { LARGEST_UPLOAD, Load, MB, SEVERAL_MB, SMALL } from './load.ts';
import { costOf } from './measure.ts';
import { change } from './samples.ts';
import { DOOR, MOST_JOBS, ours, startSide } from './sides.ts';
import type { Upstream } from './upstream.ts';

export interface Invocation {
  name: string;
  /** The Worker whose invocation it is. */
  worker: string;
  /** Milliseconds, the median of the rounds. */
  ms: number;
}

/** As many as one user may have. */
export const LISTENERS = 20;
const JOBS = [1, 3, MOST_JOBS];
/** So many a wake-up hands over, where MAX_PARALLEL_JOBS is not set. */
const HANDED_OVER = 3;
const WORKERS = { start: 'start-generation', jobs: 'process-jobs', webhook: 'process-generation' };

interface Kind {
  name: string;
  worker: string;
  count: number;
  connections?: number;
  one(load: Load, index: number): Promise<unknown>;
}

const jobs = (count: number) => (count === 1 ? '1 job' : `${count} jobs`);

const KINDS: Kind[] = [
  {
    name: 'start',
    worker: WORKERS.start,
    count: 800,
    connections: 16,
    one: (load, index) => load.start(index),
  },
  {
    name: 'read',
    worker: WORKERS.start,
    count: 800,
    connections: 16,
    one: (load, index) => load.read(index),
  },
  {
    name: 'upload of 10 MiB',
    worker: WORKERS.start,
    count: 8,
    one: (load, index) => load.upload(index, LARGEST_UPLOAD),
  },
  ...JOBS.map((count) => ({
    name: `wake-up with ${jobs(count)}`,
    worker: WORKERS.jobs,
    count: 40,
    one: async (load: Load) => {
      const handed = Math.min(count, HANDED_OVER);
      await load.upstream.set({ ready: count - handed });
      await load.wakeUp(handed, count > handed);
    },
  })),
  ...JOBS.map((count) => ({
    name: `sweep with ${jobs(count)}`,
    worker: WORKERS.jobs,
    count: 40,
    one: async (load: Load) => {
      await load.upstream.set({ ready: count });
      await load.sweep();
    },
  })),
  ...[SMALL, MB, SEVERAL_MB * MB].map((bytes) => ({
    name: `webhook with ${bytes < MB ? `${bytes / 1000} kB` : `${bytes / MB} MB`}`,
    worker: WORKERS.webhook,
    count: bytes < MB ? 160 : Math.round((40 * MB) / bytes),
    connections: 4,
    one: (load: Load) => load.webhook(bytes),
  })),
];

/** Runs each kind in each round. */
export async function measureInvocations(
  upstream: Upstream,
  { rounds, quick }: { rounds: number; quick: boolean },
  say: (line: string) => void,
): Promise<Invocation[]> {
  await upstream.set({ reports: false });
  const side = await startSide(ours, upstream.origin);
  const load = new Load(side, upstream);
  const found = new Map<string, number[]>();
  const note = (name: string, ms: number) => found.set(name, [...(found.get(name) ?? []), ms]);
  try {
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      if (round === 1) found.clear();
      for (const { name, count, connections = 1, one } of KINDS) {
        const times = quick ? Math.max(Math.round(count / 10), 2) : count;
        const work = () => atOnce(connections, times, async (index) => void (await one(load, index)));
        note(name, await costOf(side, upstream, times, work));
      }
      const live = await measureLive(load, quick ? 10 : 100);
      note('a listener connects', live.connect);
      note(`a change, told to ${LISTENERS} listeners`, live.tell);
      say(round === 0 ? 'warmed up' : `round ${round} of ${rounds}`);
    }
  } finally {
    await side.stop();
  }
  return [...found].map(([name, costs]) => {
    const worker = KINDS.find((kind) => kind.name === name)?.worker ?? 'live channel';
    return { name, worker, ms: median(costs) };
  });
}

/** Milliseconds for each listener that connects, and for each change that all are told. */
async function measureLive({ side, upstream }: Load, changes: number) {
  const user = side.users.shift();
  if (!user) throw new Error('no user is left');
  side.users.push(user);
  const sockets: WebSocket[] = [];
  let heard = 0;
  let onAll = () => {};
  const url = `${side.urls[DOOR]?.replace('http', 'ws')}/events`;
  const open = () =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(url, ['picture-queue.v1', `bearer.${user.token}`]);
      sockets.push(socket);
      socket.once('open', resolve).once('error', reject);
      socket.on('message', (data) => {
        if (!String(data).includes('"generation"')) return;
        heard += 1;
        if (heard % LISTENERS === 0) onAll();
      });
    });
  const connect = await costOf(side, upstream, LISTENERS, async () => {
    for (let n = 0; n < LISTENERS; n += 1) await open();
  });
  const first = Date.now();
  const tell = await costOf(side, upstream, changes, async () => {
    for (let n = 0; n < changes; n += 1) {
      const all = new Promise<void>((resolve) => {
        onAll = resolve;
      });
      const body = JSON.stringify([change(user.id, first + n)]);
      const reply = await send(side.agent, 'POST', `${side.urls.caller}/publish/${user.id}`, {}, body);
      if (reply.status !== 204) throw new Error(`a change was answered ${reply.status}: ${reply.text}`);
      await all;
    }
  });
  for (const socket of sockets) socket.terminate();
  return { connect, tell };
}
