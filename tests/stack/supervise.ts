import { setTimeout as sleep } from 'node:timers/promises';

/** A process that runs and is ready. */
export interface Running {
  readonly pid: number;
  /** Resolves with how it ended, such as `SIGKILL` or `code 1`. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface Supervised {
  /** Of the process that runs now. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Between attempts, so that what cannot start does not keep a core busy. */
const RESTART_MS = 250;

/**
 * Starts something and starts it again whenever it ends without having been told to, saying so.
 *
 * @throws what the first start throws; later ones are tried for ever
 */
export async function keepRunning(
  name: string,
  start: () => Promise<Running>,
  log: (line: string) => void,
): Promise<Supervised> {
  let running = await start();
  let stopping = false;
  const watch = async () => {
    for (;;) {
      const how = await running.ended;
      if (stopping) return;
      log(`${name} ended (${how}); it is started again`);
      for (;;) {
        await sleep(RESTART_MS);
        if (stopping) return;
        try {
          running = await start();
          break;
        } catch (error) {
          log(error instanceof Error ? error.message : String(error));
        }
      }
      if (stopping) return running.stop(); // it was asked to stop while it was starting
      log(`${name} runs again`);
    }
  };
  const watched = watch();
  return {
    get pid() {
      return running.pid;
    },
    stop: async () => {
      stopping = true;
      await running.stop();
      await watched;
    },
  };
}
