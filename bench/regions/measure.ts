import { LiveSocket } from '../../tests/e2e/support/live.ts';
import { TestStack } from '../../tests/e2e/support/stack.ts';
import { TestUser } from '../../tests/e2e/support/user.ts';
import { percentile } from '../queue/statistics.ts';
import { type Distance, startDistance } from './distance.ts';
import { startOriginal } from './original.ts';
import { type Placement, workersAt } from './workers.ts';

/** Fills the connections and the isolates at a new distance. */
const WARM_UP = 2;
const QUARTER = 0.25;

/**
 * Milliseconds, of the faster quarter: what distance costs is in each of them, what a busy machine costs in the
 * others.
 */
export interface Times {
  /** From the request to its answer. */
  start: number;
  /** From the request to the prediction at Replicate. */
  pickUp: number;
  /** From the moment in which Replicate sends its webhook to the `completed` event. */
  live: number;
  /** From the request to the `completed` event, with a model that takes no time. */
  whole: number;
  /** The original's five requests, from the app's request to its answer. */
  original: number;
}

export interface Cell extends Times {
  placement: Placement;
  /** Round trip between edge and database, milliseconds. */
  database: number;
  /** Between user and edge. */
  user: number;
  /** Connections that the Workers opened to a far Supabase while it was measured. */
  opened: number;
}

/** All distances of users at one distance of the database, on a stack of its own. */
export async function measureDistance(
  placement: Placement,
  database: number,
  users: number[],
  images: number,
  say: (line: string) => void,
): Promise<Cell[]> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    // The Workers are told its address before the stack is there that it leads to.
    const supabase = await startDistance();
    undo.push(supabase.stop);
    const workers = await workersAt(placement, supabase.url, database);
    undo.push(workers.remove);
    const stack = await TestStack.start({
      wranglerToml: workers.wranglerToml,
      args: ['--rate-limit', '1000000'],
    });
    undo.push(() => stack.stop());
    Object.assign(supabase, { target: stack.addresses.supabaseUrl, roundTrip: database });
    await stack.sql`update private.plans set requests_per_minute = 1000000, images_per_day = 1000000`;
    const user = await TestUser.signUp(stack);
    const original = await startOriginal(stack, user, supabase.url);
    undo.push(original.stop);
    const [toUs, toOriginal] = await Promise.all([
      startDistance(stack.addresses.startGenerationUrl),
      startDistance(original.url),
    ]);
    undo.push(toUs.stop, toOriginal.stop);
    stack.addresses.startGenerationUrl = toUs.url; // the user's calls and sockets go the long way from here on
    const cells: Cell[] = [];
    for (const distance of users) {
      toUs.roundTrip = toOriginal.roundTrip = distance;
      const times = await measureUser(stack, user, toOriginal, images, () => supabase.opened);
      cells.push({ placement, database, user: distance, ...times });
      say(`${placement}, ${database} ms, user at ${distance} ms: whole ${Math.round(times.whole)} ms`);
    }
    return cells;
  } finally {
    for (const each of undo.reverse()) await each();
  }
}

async function measureUser(
  stack: TestStack,
  user: TestUser,
  original: Distance,
  images: number,
  opened: () => number,
): Promise<Times & { opened: number }> {
  const socket = await LiveSocket.open(user);
  const samples: Omit<Times, 'original'>[] = [];
  for (let n = 0; n < WARM_UP; n += 1) await oneImage(stack, user, socket, n);
  const before = opened();
  while (samples.length < images) samples.push(await oneImage(stack, user, socket, samples.length));
  const connections = opened() - before;
  socket.close();
  const originals: number[] = [];
  for (let n = 0; n < WARM_UP + images; n += 1) {
    const sentAt = now();
    const answer = await fetch(original.url);
    if (!answer.ok) throw new Error(`the original's start failed: ${await answer.text()}`);
    await answer.text();
    if (n >= WARM_UP) originals.push(now() - sentAt);
  }
  const of = (name: keyof Omit<Times, 'original'>) =>
    percentile(
      samples.map((sample) => sample[name]),
      QUARTER,
    );
  return {
    start: of('start'),
    pickUp: of('pickUp'),
    live: of('live'),
    whole: of('whole'),
    original: percentile(originals, QUARTER),
    opened: connections,
  };
}

async function oneImage(stack: TestStack, user: TestUser, socket: LiveSocket, n: number) {
  const sentAt = now();
  const { generation_id, job_id } = await user.start({ prompt: `from afar ${n}` });
  const answeredAt = now();
  const { at } = await socket.reaches(generation_id, 'completed');
  const record = await stack.until('the delivery in the simulator’s records', async () => {
    const [entry] = await stack.simulator.predictions(job_id);
    const delivery = entry?.deliveries.find(({ event }) => event === 'completed');
    return entry && delivery && { created: entry.prediction.created_at, told: delivery.at };
  });
  return {
    start: answeredAt - sentAt,
    pickUp: Date.parse(String(record.created)) - sentAt,
    live: at - Date.parse(record.told),
    whole: at - sentAt,
  };
}

const now = () => performance.timeOrigin + performance.now();
