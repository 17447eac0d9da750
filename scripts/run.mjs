import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from './user-error.mjs';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Tools that we build; git ignores the folder. */
export const TOOLS = path.join(ROOT, '.tools');

const PARENT_CHECK_MS = 300;

/** The environment in which everything runs: our tools and our Node come first. */
export function environment(extra = {}) {
  const cargoHome = process.env.CARGO_HOME ?? path.join(process.env.HOME ?? '', '.cargo');
  const first = [path.join(TOOLS, 'bin'), path.join(ROOT, 'node_modules/.bin')];
  return {
    ...process.env,
    PATH: [...first, process.env.PATH ?? '', path.join(cargoHome, 'bin')].join(path.delimiter),
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    WRANGLER_HIDE_BANNER: 'true',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    ...extra,
  };
}

/** Runs a command that talks to the terminal itself; gives its exit code. */
export function foreground(command, args, options = {}) {
  return endOf(spawn(command, args, { cwd: ROOT, env: environment(), stdio: 'inherit', ...options }));
}

/**
 * Waits for a child and gives its exit code. A signal to us is handed on and we end after the child; the end
 * of npm counts as one.
 */
export function endOf(child) {
  const stop = (signal = 'SIGTERM') => child.kill(signal);
  process.on('SIGTERM', stop).on('SIGINT', stop);
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env.npm_lifecycle_event !== undefined && process.ppid !== parent) stop();
  }, PARENT_CHECK_MS);
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new UserError(`${child.spawnfile} could not be started: ${error.message}`)),
    );
    child.on('close', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  }).finally(() => {
    clearInterval(watch);
    process.off('SIGTERM', stop).off('SIGINT', stop);
  });
}

/** Runs a command quietly; gives its output, or undefined when it fails or does not exist. */
export function output(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.stderr.resume();
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve(code === 0 ? text.trim() : undefined));
  });
}
