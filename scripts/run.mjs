import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from './fault.mjs';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Tools that we build; git ignores the folder. */
export const TOOLS = path.join(ROOT, '.tools');

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

/** Runs a command that talks to the terminal itself; gives its exit code. Signals are handed on. */
export function foreground(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env: environment(), stdio: 'inherit', ...options });
    // Ctrl-C reaches the whole group; the child decides how it ends, and we end after it.
    const handOn = (signal) => child.kill(signal);
    const ignore = () => {};
    process.on('SIGTERM', handOn).on('SIGINT', ignore);
    child.on('error', (error) => reject(new Fault(`${command} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      process.off('SIGTERM', handOn).off('SIGINT', ignore);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
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
