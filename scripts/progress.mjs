import { spawn } from 'node:child_process';
import { Fault } from './fault.mjs';
import { environment, ROOT } from './run.mjs';

const QUIET_MS = 20_000;
const REFRESH_MS = 500;
const LAST_LINES = 5;
const FIRST_ERRORS = 5;
/** Where in its own code a tool failed helps nobody here. */
const STACK_TRACE = /\bat .+:\d+:\d+\)?( \{)?$|^npm error\s*[{}]?$|debug-\d+\.log$/;

/** A line about what is going on; stdout stays free for results. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Runs a long command and shows that it lives: on a terminal one line that keeps changing, elsewhere a
 * line now and then. When it fails, its first errors, its last lines and `wayOut` are told.
 */
export function longStep(title, command, args, { wayOut, ...options }) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let lines = [];
  const errors = [];
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
    const keep = (chunk) => {
      for (const line of String(chunk).split(/[\r\n]+/)) {
        if (line.trim() === '' || STACK_TRACE.test(line)) continue;
        lines = [...lines, line.trim()].slice(-LAST_LINES);
        if (/\berror\b/i.test(line) && errors.length < FIRST_ERRORS) errors.push(line.trim());
      }
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (settle) => {
      clearInterval(tick);
      if (live) process.stderr.write('\r\x1b[2K');
      settle();
    };
    child.on('error', (error) =>
      end(() => reject(new Fault(`${title}: ${command} could not be started (${error.message}). ${wayOut}`))),
    );
    child.on('close', (code) =>
      end(() => {
        if (code === 0) {
          say(`✔ ${title} (${seconds()} s)`);
          resolve();
        } else {
          const said = [...new Set([...errors, ...lines])].map((line) => `    ${line}`).join('\n');
          reject(new Fault(`${title}: failed.\n${said}\n  ${wayOut}`));
        }
      }),
    );
  });
}
