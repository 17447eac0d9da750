import { existsSync, readdirSync, readFileSync } from 'node:fs';

export const hasProc = existsSync('/proc/self/stat');

/** Linux tells processor time in hundredths of a second, whatever the kernel counts in. */
const TICKS = 100;

export interface Stat {
  parent: number;
  /** Seconds on a processor. */
  own: number;
  /** Of children that have ended and been waited for. */
  ended: number;
}

export function statOf(pid: number | string): Stat | undefined {
  try {
    // `<pid> (<name, which may hold anything>) <state> <parent> ...`
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const at = (index: number) => Number(fields[index]);
    return { parent: at(1), own: (at(11) + at(12)) / TICKS, ended: (at(13) + at(14)) / TICKS };
  } catch {
    return undefined; // ended meanwhile
  }
}

/** Seconds a process has been on a processor, to the nanosecond where the kernel counts them. */
export function processorSeconds(pid: number): number | undefined {
  try {
    const [running] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Number(running) / 1e9;
  } catch {
    return statOf(pid)?.own;
  }
}

/** The same of all of its threads that run now: `/proc/<pid>/schedstat` is that of the first one alone. */
export function threadsSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    try {
      const [running] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      return sum + Number(running) / 1e9;
    } catch {
      return sum; // ended meanwhile
    }
  }, 0);
}
