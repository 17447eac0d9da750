import { randomInt } from 'node:crypto';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../scripts/user-error.mjs';

export interface StackPorts {
  supabase: number;
  startGeneration: number;
  processGeneration: number;
  processJobs: number;
  replicate: number;
  postgres: number;
  cron: number;
}

/** How many ports a stack uses, from its base on. */
export const PORT_COUNT = 7;

/**
 * Below the ports that systems give to outgoing connections (Linux from 32768 on): a port that is free now is still free
 * when a program listens on it a second later.
 */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 200;

export function stackPorts(base: number): StackPorts {
  return {
    supabase: base,
    startGeneration: base + 1,
    processGeneration: base + 2,
    processJobs: base + 3,
    replicate: base + 4,
    postgres: base + 5,
    cron: base + 6,
  };
}

/**
 * The first of the ports to use: those asked for, or else those used last time, or else free ones.
 *
 * @param afterKill a predecessor was killed and its children may be ending at this moment
 * @throws UserError when ports that were asked for are taken
 */
export async function choosePortBase(
  asked: number | undefined,
  last: number | undefined,
  afterKill: boolean,
  log: (line: string) => void,
): Promise<number> {
  const wanted = asked ?? last;
  if (wanted === undefined) return findPortBase();
  const end = Date.now() + (afterKill ? 5_000 : 0);
  let taken = await takenPort(wanted);
  for (; taken !== undefined && Date.now() < end; taken = await takenPort(wanted)) await sleep(50);
  if (taken === undefined) return wanted;
  if (asked !== undefined) {
    throw new UserError(
      `Port ${taken} is taken; choose another base with --port-base N (${PORT_COUNT} ports from N on are used).`,
    );
  }
  log(`port ${taken}, used here before, is taken: using others`);
  return findPortBase();
}

/** The first one of a stack's ports that another process uses. */
async function takenPort(base: number): Promise<number | undefined> {
  for (const port of Object.values(stackPorts(base))) if (!(await isFree(port))) return port;
  return undefined;
}

/** Drawn, so that two stacks that start at the same moment do not find the same ones free. */
export const drawPortBase = () => randomInt(LOWEST, HIGHEST - PORT_COUNT);

/** A base with all its ports free. */
async function findPortBase(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const base = drawPortBase();
    if ((await takenPort(base)) === undefined) return base;
  }
  throw new UserError(
    `No ${PORT_COUNT} free ports in a row were found between ${LOWEST} and ${HIGHEST}; stop something, or use --port-base N.`,
  );
}

/** Whether this port of 127.0.0.1 is free now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A port that is free on 127.0.0.1 at this moment, and not one that an outgoing connection may be given. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new UserError(`No free port was found between ${LOWEST} and ${HIGHEST}; stop something.`);
}
