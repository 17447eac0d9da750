import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../../scripts/user-error.mjs';
import { endChild, endOf, forwardLines } from '../processes.ts';
import { keepRunning, type Running } from '../supervise.ts';
import { workerdConfig } from './capnp.ts';
import { readWorkerConfigs, type WorkerConfig } from './config.ts';
import { startCron } from './cron.ts';

export interface WorkersOptions {
  /** The project's wrangler.toml; each worker is one of its named environments. */
  wranglerToml: string;
  /** Port of each worker, by environment; its keys say which workers run. */
  ports: Record<string, number>;
  /** Port of 127.0.0.1 through which scheduled events are sent. */
  cronPort: number;
  /** Variables and secrets of each worker, by environment, over what wrangler.toml says. */
  vars: Record<string, Record<string, string>>;
  /** In place of the limit of each rate-limit binding. */
  rateLimit?: number | undefined;
  /** Folder for the generated configuration and Durable Objects. */
  dir: string;
  /** false: scheduled events are sent only by scheduled(). */
  cron: boolean;
  log: (line: string) => void;
  /** Told of each workerd process as soon as it runs, and when it has ended. */
  onSpawn?: (pid: number, ended: Promise<unknown>) => void;
}

export interface RunningWorkers {
  /** By environment. */
  urls: Record<string, string>;
  /** Id of the workerd process that runs now. */
  readonly pid: number;
  /** Sends one scheduled event and waits until its handler has ended. */
  scheduled(env: string, cron?: string, time?: Date): Promise<{ outcome: string }>;
  /**
   * Starts workerd again with what wrangler.toml says and what is built now; cron expressions stay as they were.
   *
   * @throws when that cannot be used; what ran before goes on then
   */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Runs workers of wrangler.toml on workerd itself: one process, a port for each, nothing in between.
 * It reports an end of the process that was not asked for, and starts it again.
 */
export async function startWorkers(options: WorkersOptions): Promise<RunningWorkers> {
  await fs.mkdir(options.dir, { recursive: true });
  const cacheFile = path.join(options.dir, 'wrangler.json');
  const readConfigs = () => readWorkerConfigs(options.wranglerToml, Object.keys(options.ports), cacheFile);
  let workers = await readConfigs();
  const storageDir = path.join(options.dir, 'durable-objects');
  await fs.mkdir(storageDir, { recursive: true });
  const configFile = path.join(options.dir, 'workerd.capnp');
  const configure = async () => {
    const plan = {
      workers,
      ports: Object.fromEntries(workers.map(({ name, env }) => [name, options.ports[env] ?? 0])),
      cronPort: options.cronPort,
      vars: options.vars,
      rateLimit: options.rateLimit,
      storageDir,
    };
    await fs.writeFile(configFile, await workerdConfig(plan, options.dir), { mode: 0o600 }); // the keys are in it
  };
  await configure();
  const runtime = await keepRunning('workerd', () => startWorkerd(configFile, options), options.log);

  const scheduled = (env: string, cron = '* * * * *', time = new Date()) =>
    sendScheduled(options.cronPort, nameOf(workers, env), cron, time);
  const targets = workers.map(({ env, crons }) => ({ worker: env, crons }));
  const cron = options.cron
    ? startCron(targets, (env, expression, time) => {
        scheduled(env, expression, time).then(
          ({ outcome }) =>
            outcome === 'ok' || options.log(`scheduled event of ${env} ended with: ${outcome}`),
          (error) => options.log(`scheduled event of ${env} was lost: ${error.message}`),
        );
      })
    : undefined;
  return {
    urls: Object.fromEntries(
      Object.entries(options.ports).map(([env, port]) => [env, `http://127.0.0.1:${port}`]),
    ),
    get pid() {
      return runtime.pid;
    },
    scheduled,
    reload: async () => {
      workers = await readConfigs();
      await configure();
      runtime.restart();
    },
    stop: async () => {
      cron?.stop();
      await runtime.stop();
    },
  };
}

function nameOf(workers: WorkerConfig[], env: string): string {
  const worker = workers.find((one) => one.env === env);
  if (!worker) throw new UserError(`There is no worker ${env}.`);
  return worker.name;
}

async function sendScheduled(
  port: number,
  worker: string,
  cron: string,
  time: Date,
): Promise<{ outcome: string }> {
  const query = new URLSearchParams({ cron, time: String(time.getTime()) });
  const answer = await fetch(`http://127.0.0.1:${port}/${worker}?${query}`, { method: 'POST' });
  if (!answer.ok) throw new Error(`workerd answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as { outcome: string };
}

const START_TIMEOUT_MS = 20_000;

/** Starts workerd and waits until its sockets answer. */
async function startWorkerd(configFile: string, options: WorkersOptions): Promise<Running> {
  const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string };
  // Its own process group: on Ctrl-C the stack decides the order of the ends.
  const child = spawn(workerd, ['serve', '--experimental', configFile], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = endOf(child);
  forwardLines(child, options.log);
  if (child.pid !== undefined) options.onSpawn?.(child.pid, ended);
  const isListening = async () => {
    const answer = await fetch(`http://127.0.0.1:${options.cronPort}/`).catch(() => undefined);
    return answer?.status === 404;
  };
  const failed = ended.then((how) => {
    throw new UserError(`The workers did not start: workerd ended (${how}), see its lines above.`);
  });
  failed.catch(() => {}); // once it listens, an end is the supervisor's business
  for (const deadline = Date.now() + START_TIMEOUT_MS; !(await Promise.race([failed, isListening()])); ) {
    if (Date.now() > deadline) {
      await endChild(child, 'SIGKILL', 0);
      throw new UserError(`The workers did not start within ${START_TIMEOUT_MS / 1000} seconds.`);
    }
    await sleep(10);
  }
  return { pid: child.pid ?? 0, ended, stop: () => endChild(child, 'SIGTERM', 2_000) };
}
