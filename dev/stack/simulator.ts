import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../scripts/user-error.mjs';
import { endChild, endOf, forwardLines } from './processes.ts';
import type { Running } from './supervise.ts';

export interface SimulatorOptions {
  port: number;
  token: string;
  webhookSecret: string;
  /** How long a generation takes; the simulator's own default when absent. */
  generationMs?: string | undefined;
  /** File that keeps predictions over restarts. */
  stateFile: string;
  log: (line: string) => void;
  onSpawn?: (pid: number, ended: Promise<unknown>) => void;
}

/** Starts the Replicate simulator as a process of its own and waits for its line of JSON. */
export async function startSimulator(options: SimulatorOptions): Promise<Running> {
  const main = fileURLToPath(new URL('../replicate/main.ts', import.meta.url));
  const args = [main, '--host', '127.0.0.1', '--port', String(options.port)];
  args.push(
    '--token',
    options.token,
    '--webhook-secret',
    options.webhookSecret,
    '--state',
    options.stateFile,
  );
  if (options.generationMs) args.push('--generation-ms', options.generationMs);
  const child = spawn(process.execPath, args, {
    cwd: path.dirname(main),
    detached: true, // on Ctrl-C the stack decides the order of the ends
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = endOf(child);
  if (child.pid !== undefined) options.onSpawn?.(child.pid, ended);
  await new Promise<void>((resolve, reject) => {
    forwardLines(child, (line) => (line.startsWith('{"replicateUrl"') ? resolve() : options.log(line)));
    void ended.then((how) =>
      reject(new UserError(`The Replicate simulator did not start (${how}), see its lines above.`)),
    );
  });
  return { pid: child.pid ?? 0, ended, stop: () => endChild(child, 'SIGTERM', 3_000) };
}
