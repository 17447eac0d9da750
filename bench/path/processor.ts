import { readdirSync, readFileSync } from 'node:fs';
import { statOf } from '../processes.ts';

/** Seconds of processor time since each process began, and what the whole machine did. */
export interface ProcessorTime {
  processes: Record<string, number>;
  busy: number;
  idle: number;
}

/** Linux tells processor time in hundredths of a second, whatever the kernel counts in. */
const TICKS = 100;

/** A server like Postgres: the process, its children, and those that have ended. */
function treeTime(root: number): number {
  const children = readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? statOf(name) : undefined;
    return stat?.parent === root ? [stat.own] : [];
  });
  const { own = 0, ended = 0 } = statOf(root) ?? {};
  return children.reduce((sum, time) => sum + time, own + ended);
}

/**
 * @param pids ids of processes by name; their children count only where asked for
 */
export function processorTime(pids: Record<string, { pid: number; withChildren?: boolean }>): ProcessorTime {
  const processes = Object.fromEntries(
    Object.entries(pids).map(([name, { pid, withChildren }]) => [
      name,
      withChildren ? treeTime(pid) : (statOf(pid)?.own ?? 0),
    ]),
  );
  // `cpu <user> <nice> <system> <idle> <waiting for the disk> <interrupts> <soft interrupts> ...`
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1).join().split(/\s+/).slice(1, 8);
  const [user = 0, nice = 0, system = 0, idle = 0, disk = 0, ...interrupts] = ticks.map(
    (time) => Number(time) / TICKS,
  );
  const busy = interrupts.reduce((sum, time) => sum + time, user + nice + system);
  return { processes, busy, idle: idle + disk };
}

export function elapsed(from: ProcessorTime, to: ProcessorTime): ProcessorTime {
  const processes = Object.fromEntries(
    Object.entries(to.processes).map(([name, time]) => [name, time - (from.processes[name] ?? 0)]),
  );
  return { processes, busy: to.busy - from.busy, idle: to.idle - from.idle };
}
