import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { UserError } from '../../scripts/user-error.mjs';
import { commandOf } from './processes.ts';

export interface Lock {
  /** Whether an earlier stack on this directory ended without giving its lock back. */
  foundStale: boolean;
  release(): Promise<void>;
}

/** How long a stack that is just stopping is waited for. */
const HANDOVER_MS = 2_000;

/** Makes sure that one stack at a time uses a directory. */
export async function lockDirectory(dir: string): Promise<Lock> {
  const file = path.join(dir, 'lock');
  const giveUpAt = performance.now() + HANDOVER_MS;
  let foundStale = false;
  for (;;) {
    try {
      await fs.writeFile(file, `${process.pid}\n`, { flag: 'wx' });
      return { foundStale, release: () => fs.rm(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const pid = Number.parseInt(await fs.readFile(file, 'utf8').catch(() => ''), 10);
    // The id of a killed stack may belong to anything by now: only a stack keeps the lock.
    if (pid !== process.pid && (await commandOf(pid)).match(/stack\S*main\.ts/)) {
      if (performance.now() < giveUpAt) {
        await setTimeout(100);
        continue;
      }
      throw new UserError(`Another stack (process ${pid}) runs on ${dir}; stop it, or choose another --dir.`);
    }
    foundStale = true;
    await fs.rm(file, { force: true });
  }
}
