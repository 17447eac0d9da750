import os from 'node:os';
import type { Missing, Queue } from '../queue/queue.ts';
import type { Server } from '../queue/server.ts';
import type { Options } from './options.ts';
import { type Report, reportOf } from './report.ts';
import type { Cell, Failed } from './results.ts';
import { playCell, type Say, secondsOf, setNaptime } from './run.ts';

/** Around the parts of a cell, in seconds: the installation, the rest of the jobs, a VACUUM. */
const AROUND = 6;

/** How long a whole run takes, in seconds. */
export const planned = (queues: number, options: Options) =>
  queues * options.cells.length * (secondsOf(options) + AROUND);

/** Every cell, queue by queue. A queue that fails in one goes on with the next. */
export async function play(
  found: (Queue | Missing)[],
  ours: string,
  options: Options,
  server: Server,
  say: Say,
  isLeaving: () => boolean = () => false,
): Promise<Report> {
  const loadBefore = os.loadavg()[0] ?? 0;
  const missing = found.filter((one): one is Missing => 'missing' in one);
  const queues = found.filter((one): one is Queue => !('missing' in one));
  for (const { name, missing: why } of missing) say(`${name} is left out: ${why}`);
  await setNaptime(server, options.naptime);
  const cells: (Cell | Failed)[] = [];
  const total = queues.length * options.cells.length;
  for (const cell of options.cells) {
    for (const queue of queues) {
      if (isLeaving()) break;
      const left = total - cells.length;
      const minutes = (left * (secondsOf(options) + AROUND)) / 60;
      const where = `${cells.length + 1}/${total} ${cell}, ${queue.name}`;
      say(`${where}; ${minutes < 1.5 ? `${Math.ceil(minutes * 60)} s` : `${Math.ceil(minutes)} min`} left`);
      try {
        cells.push(await playCell(queue, cell, server, options, (line) => say(`  ${line}`)));
      } catch (error) {
        if (isLeaving()) break;
        const failed = error instanceof Error ? error.message : String(error);
        say(`  failed: ${failed}`);
        cells.push({ queue: queue.name, version: queue.version, cell, failed });
      }
    }
  }
  return reportOf(
    {
      date: new Date().toISOString(),
      loadBefore,
      cores: os.availableParallelism(),
      settings: { ...server.settings, autovacuum_naptime: `${options.naptime}s` },
      options,
      cells,
      missing,
    },
    ours,
  );
}
