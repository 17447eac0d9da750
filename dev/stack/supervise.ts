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
  /** Ends it and starts it again, as what it is started from is by then. Does not wait. */
  restart(): void;
  stop(): Promise<void>;
}

/** Between attempts, so that what cannot start does not keep a core busy; longer after each. */
const RESTART_MS = 250;
const LONGEST_MS = 5_000;

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
  /** How many restarts have been asked for, and to how many of them the one that runs has answered. */
  let asked = 0;
  let answered = 0;
  let endPause = () => {};
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const stopRunning = () => void running.stop().catch((error) => log(`${name}: ${error.message}`));
  const watch = async () => {
    for (;;) {
      const how = await running.ended;
      if (stopping) return;
      if (asked === answered) log(`${name} ended (${how}); it is started again`);
      for (let ms = asked > answered ? 0 : RESTART_MS; ; ms = Math.min(2 * ms + RESTART_MS, LONGEST_MS)) {
        await pause(ms);
        if (stopping) return;
        const before = asked;
        try {
          running = await start();
          log(before > answered ? `${name} runs anew` : `${name} runs again`);
          answered = before;
          break;
        } catch (error) {
          log(error instanceof Error ? error.message : String(error));
        }
      }
      if (stopping) return running.stop(); // it was asked to stop while it was starting
      if (asked > answered) stopRunning(); // what it was started from has changed meanwhile
    }
  };
  const watched = watch();
  return {
    get pid() {
      return running.pid;
    },
    restart: () => {
      asked += 1;
      endPause();
      stopRunning();
    },
    stop: async () => {
      stopping = true;
      endPause();
      await running.stop();
      await watched;
    },
  };
}
