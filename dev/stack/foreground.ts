import { UserError } from '../../scripts/user-error.mjs';
import { Guardian } from './guardian.ts';
import { HELP, parseOptions } from './options.ts';
import { type ProjectFiles, Stack } from './stack.ts';

/** Ctrl-C reaches the whole group and npm hands it on once more: repeats within this time are one signal. */
const SAME_SIGNAL_MS = 1_000;
const PARENT_CHECK_MS = 300;

const log = (line: string) => process.stderr.write(`[stack] ${line}\n`);

/** What the Postgres client says of a server that went away. */
const LOST_DATABASE = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  '57P01',
  '57P02',
  '57P03',
]);

/** Runs a stack in the foreground until a signal ends it; the process exits with it. */
export function runInForeground(project: ProjectFiles): void {
  // stdout carries one line of JSON; whatever a library prints is not it.
  console.log = console.info = console.debug = console.error;
  // Who read them may have gone; writing of that failure would fail again, without end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  run(project).catch((error) => {
    log(
      error instanceof UserError ? error.message : `failed: ${error instanceof Error ? error.stack : error}`,
    );
    process.exit(1);
  });
}

async function run(project: ProjectFiles): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(HELP);
    return;
  }
  const guardian = new Guardian();
  const stack = new Stack({ options, project, env: process.env, guardian, log });
  let ready = false;
  let stoppingSince: number | undefined;
  const stop = async (reason: string) => {
    if (stoppingSince !== undefined && performance.now() - stoppingSince < SAME_SIGNAL_MS) return;
    // A second signal, or one during the start: leave at once, the guardian ends the children.
    if (stoppingSince !== undefined || !ready) process.exit(ready ? 1 : reason === 'SIGINT' ? 130 : 143);
    stoppingSince = performance.now();
    log(`${reason}: stopping`);
    await stack.stop();
    guardian.dismiss();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal));
  let reloaded = Promise.resolve();
  // From `npm start -- --watch`, when it has built something.
  process.on('message', (message) => {
    if (message !== 'reload') return;
    reloaded = reloaded
      .then(() => stack.reload())
      .catch((error: Error) => {
        log(`not reloaded: ${error.message}`);
      });
  });
  stopWithNpm(() => void stop('npm has ended'));
  process.on('uncaughtException', (error) => {
    // The Postgres client writes to a connection that was closed under a transaction, and throws
    // where nobody can catch it (postgres 3.4.9, nextWrite in connection.js). Fresh connections cure it.
    const isClosedSocket =
      error instanceof TypeError && /postgres\/src\/connection\.js/.test(error.stack ?? '');
    // So does a connection that was lost between two uses of it: Postgres itself is started again.
    if (isClosedSocket || LOST_DATABASE.has(String((error as { code?: unknown }).code))) {
      log(`a connection to Postgres was lost: ${error.message}`);
      return void stack.renewConnections();
    }
    log(`failed: ${error.stack}`);
    process.exit(1);
  });
  try {
    const begun = performance.now();
    const addresses = await stack.start();
    ready = true;
    log(`ready after ${((performance.now() - begun) / 1000).toFixed(1)} s; Ctrl-C stops it`);
    process.stdout.write(`${JSON.stringify(addresses)}\n`);
  } catch (error) {
    await stack.stop();
    guardian.dismiss();
    throw error;
  }
}

/** Started by npm, the stack ends with it: a stack without a parent would keep its ports. */
function stopWithNpm(stop: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    stop();
  }, PARENT_CHECK_MS);
  watch.unref();
}
