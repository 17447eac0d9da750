import type { Engine } from './options.ts';
import type { Missing, Queue } from './queue.ts';
import { awa } from './queues/awa.ts';
import { graphileWorker } from './queues/graphile-worker.ts';
import { original } from './queues/original.ts';
import { before, ours } from './queues/ours.ts';
import { pgBoss } from './queues/pg-boss.ts';
import { pgmq } from './queues/pgmq.ts';

export const NAMES = [ours.name, before.name, pgBoss.name, graphileWorker.name, 'pgmq', 'awa', original.name];

/** Ours first, which the others are compared with. */
export async function findQueues(engines: readonly Engine[]): Promise<(Queue | Missing)[]> {
  const own = { new: ours, old: before };
  return [
    ...(['new', 'old'] as const).filter((engine) => engines.includes(engine)).map((engine) => own[engine]),
    pgBoss,
    graphileWorker,
    await pgmq(),
    await awa(),
    original,
  ];
}
