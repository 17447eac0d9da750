import fs from 'node:fs';
import path from 'node:path';
import { say } from './progress.mjs';
import { output, TOOLS } from './run.mjs';
import { ensureCargoTools, ensurePackages, ensureRust } from './tools.mjs';
import { UserError } from './user-error.mjs';
import { ensureWeb } from './web.mjs';
import { ensureWorkers } from './workers.mjs';

const OLDEST_NODE = 20;
const WAIT_MS = 1000;

/** Brings about whatever is missing: packages, tools, built Workers, the built studio. Quick when nothing is. */
export async function setUp() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
    throw new UserError(
      `Node ${process.version} is too old: ${OLDEST_NODE} or newer is needed (https://nodejs.org).`,
    );
  }
  await oneAtATime(async () => {
    await ensureRust();
    await ensurePackages();
    await ensureCargoTools();
    await ensureWorkers();
    await ensureWeb();
  });
}

/**
 * Builds what has changed since the set-up.
 *
 * @returns what was built: names of Workers, `the studio`
 */
export function rebuild() {
  return oneAtATime(async () => {
    const workers = await ensureWorkers();
    return (await ensureWeb()) ? [...workers, 'the studio'] : workers;
  });
}

/** What a command with these arguments needs: its help is there before anything is compiled. */
export async function setUpFor(args) {
  await (asksForHelp(args) ? ensurePackages() : setUp());
}

export const asksForHelp = (args) => args.includes('--help') || args.includes('-h');

/** Two set-ups in one folder would undo each other's work; the second waits. */
async function oneAtATime(work) {
  const lock = path.join(TOOLS, 'setup.lock');
  let told = false;
  while (!(await take(lock))) {
    const holder = holderOf(lock);
    // None: it was given back since, and the next look takes it.
    if (!told && holder) say(`Another set-up (process ${holder}) is running in this folder; waiting for it.`);
    told ||= holder !== 0;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
  try {
    return await work();
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

/** The lock names its holder, so that one left by a killed set-up is taken over. */
async function take(lock) {
  try {
    fs.mkdirSync(TOOLS, { recursive: true });
    fs.writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw new UserError(`${lock} cannot be written: ${error.message}`);
  }
  // The id of a killed set-up may belong to anything by now: only a script of ours keeps the lock.
  const command = await output('ps', ['-o', 'args=', '-p', String(holderOf(lock))]);
  if (!command?.includes('scripts/')) fs.rmSync(lock, { force: true });
  return false;
}

function holderOf(lock) {
  try {
    return Number(fs.readFileSync(lock, 'utf8'));
  } catch {
    return 0; // it was given back meanwhile
  }
}
