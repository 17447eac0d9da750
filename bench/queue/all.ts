import type { Engine } from './options.ts';
import type { Missing, Queue } from './queue.ts';

/** Of the project, as it is. */
export const OURS = 'picture-queue';

/** By name: ours first, which the others are compared with. Each is loaded, looked for or installed when wanted. */
const QUEUES: Record<string, () => Promise<Queue | Missing>> = {
  [OURS]: async () => (await import('./queues/ours.ts')).ours,
  before: async () => (await import('./queues/ours.ts')).before,
  'pg-boss': async () => (await import('./queues/pg-boss.ts')).pgBoss,
  'graphile-worker': async () => (await import('./queues/graphile-worker.ts')).graphileWorker,
  pgmq: async () => (await import('./queues/pgmq.ts')).pgmq(),
  awa: async () => (await import('./queues/awa.ts')).awa(),
  original: async () => (await import('./queues/original.ts')).original,
};

export const NAMES = Object.keys(QUEUES);
/** Queues of today by others. */
export const PEERS = NAMES.filter((name) => ![OURS, 'before', 'original'].includes(name));

export async function findNamed(names: readonly string[]): Promise<(Queue | Missing)[]> {
  const found: (Queue | Missing)[] = [];
  for (const [name, find] of Object.entries(QUEUES)) {
    if (!names.includes(name)) continue;
    const one = await find();
    if (one.name !== name) throw new Error(`${one.name} is listed as ${name}`);
    found.push(one);
  }
  return found;
}

export function findQueues(engines: readonly Engine[]): Promise<(Queue | Missing)[]> {
  const own: Record<string, Engine> = { [OURS]: 'new', before: 'old' };
  return findNamed(NAMES.filter((name) => own[name] === undefined || engines.includes(own[name])));
}
