/** workerd with some Workers, without what the local stack keeps around it. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../dev/stack/ports.ts';
import { endChild, endOf, forwardLines } from '../../dev/stack/processes.ts';
import { workerdConfig } from '../../dev/stack/workers/capnp.ts';
import type { WorkerConfig } from '../../dev/stack/workers/config.ts';
import { threadsSeconds } from '../processes.ts';

const START_TIMEOUT_MS = 30_000;
const KEPT_LINES = 20;

export interface Runtime {
  /** By the Workers' names. */
  urls: Record<string, string>;
  /** Where scheduled events are sent: `POST /<Worker>?cron=&time=`. */
  cronUrl: string;
  /** Where V8's inspector of each Worker listens, `/` and the Worker's name after it; empty unless asked for. */
  inspector: string;
  /** Seconds of processor time of all its threads. */
  cpu(): number;
  /** What the Workers have logged last. */
  lastLines(): string;
  stop(): Promise<void>;
}

/** Those that run, to be ended with this process, however it ends. */
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** @param varsFor the variables by environment, where each Worker has such a URL */
export async function startRuntime(
  workers: WorkerConfig[],
  varsFor: (urls: Record<string, string>) => Record<string, Record<string, string>>,
  options: { inspector?: boolean } = {},
): Promise<Runtime> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'bench-worker-'));
  const storageDir = path.join(dir, 'durable-objects');
  await fs.mkdir(storageDir, { recursive: true });
  const [cronPort = 0, inspectorPort = 0, ...free] = await freePorts(workers.length + 2);
  const ports = Object.fromEntries(workers.map(({ name }, index) => [name, free[index] ?? 0]));
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const urls = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, url(port)]));
  const plan = { workers, ports, cronPort, vars: varsFor(urls), rateLimit: 1_000_000_000, storageDir };
  const file = path.join(dir, 'workerd.capnp');
  await fs.writeFile(file, await workerdConfig(plan, dir), { mode: 0o600 });
  const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string };
  const inspector = options.inspector ? [`--inspector-addr=127.0.0.1:${inspectorPort}`] : [];
  const child = spawn(workerd, ['serve', '--experimental', ...inspector, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const lines: string[] = [];
  const lastLines = () => lines.join('\n');
  forwardLines(child, (line) => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  });
  let ended: string | undefined;
  void endOf(child).then((how) => {
    ended = how;
  });
  const stop = async () => {
    await endChild(child, 'SIGKILL', 0);
    children.delete(child);
    await fs.rm(dir, { recursive: true, force: true });
  };
  for (const deadline = Date.now() + START_TIMEOUT_MS; !(await isListening(cronPort)); await sleep(5)) {
    if (ended === undefined && Date.now() < deadline) continue;
    await stop();
    throw new Error(`workerd did not start (${ended ?? 'in time'}):\n${lastLines()}`);
  }
  return {
    urls,
    cronUrl: url(cronPort),
    inspector: options.inspector ? `ws://127.0.0.1:${inspectorPort}` : '',
    cpu: () => threadsSeconds(child.pid ?? 0),
    lastLines,
    stop,
  };
}

/** Without a request, which would cost the process something. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
