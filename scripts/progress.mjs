import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { environment, ROOT } from './run.mjs';
import { UserError } from './user-error.mjs';

const QUIET_MS = 20_000;
const REFRESH_MS = 500;
const LAST_LINES = 5;
const FIRST_ERRORS = 5;
/** Of what a compiler says. */
const MOST_LINES = 60;
const MOST_KEPT = 5_000;
/** Lines that say where in its own code a tool failed: no help here. */
const STACK_TRACE = /\bat .+:\d+:\d+\)?( \{)?$|^npm error\s*[{}]?$|debug-\d+\.log$/;

/** A line about what is going on; stdout stays free for results. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Runs a long command and shows that it lives: on a terminal one line that keeps changing, elsewhere a
 * line now and then. When it fails, it prints its first errors, its last lines and `wayOut`.
 */
export function longStep(title, command, args, { wayOut, ...options }) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const lines = [];
  const live = process.stderr.isTTY;
  let toldAt = started;
  if (!live) say(`▸ ${title} …`);
  const tick = setInterval(() => {
    const last = lines.at(-1) ?? '';
    if (live) {
      const width = (process.stderr.columns ?? 80) - 1;
      process.stderr.write(`\r\x1b[2K${`▸ ${title} (${seconds()} s) ${last}`.slice(0, width)}`);
    } else if (Date.now() - toldAt >= QUIET_MS) {
      toldAt = Date.now();
      say(`  … ${seconds()} s: ${last}`);
    }
  }, REFRESH_MS);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: environment(options.env),
    });
    const keep = (line) => {
      if (line.trim() === '' || STACK_TRACE.test(line)) return;
      if (lines.push(line.trimEnd()) > MOST_KEPT) lines.splice(0, MOST_KEPT / 2);
    };
    createInterface({ input: child.stdout }).on('line', keep);
    createInterface({ input: child.stderr }).on('line', keep);
    const end = (settle) => {
      clearInterval(tick);
      if (live) process.stderr.write('\r\x1b[2K');
      settle();
    };
    child.on('error', (error) =>
      end(() =>
        reject(new UserError(`${title}: ${command} could not be started (${error.message}). ${wayOut}`)),
      ),
    );
    child.on('close', (code) =>
      end(() => {
        if (code === 0) {
          say(`✔ ${title} (${seconds()} s)`);
          resolve();
        } else {
          const said = whatFailed(lines).map((line) => `\n    ${line}`);
          const inSources = lines.some((line) => /^error: could not compile/.test(line));
          reject(new UserError(`${title}: failed.${said.join('')}${inSources ? '' : `\n  ${wayOut}`}`));
        }
      }),
    );
  });
}

/** A compiler's errors with the lines that they point at; of other programs the first errors and the last lines. */
export function whatFailed(lines) {
  const isError = (line) => /^error(\[\w+\])?: /.test(line);
  const first = lines.findIndex(isError);
  if (first >= 0) return lines.slice(first, lines.findLastIndex(isError) + 1).slice(0, MOST_LINES);
  const errors = lines.filter((line) => /\berror\b/i.test(line)).slice(0, FIRST_ERRORS);
  return [...new Set([...errors, ...lines.slice(-LAST_LINES)].map((line) => line.trim()))];
}
