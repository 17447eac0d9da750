/** The two that are compared: our Workers, and others with the same settings and bindings. */
import fs from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROJECT_ROOT } from '../../dev/stack/options.ts';
import { readWorkerConfigs, type WorkerConfig } from '../../dev/stack/workers/config.ts';
import { KEYS, signIn } from './identities.ts';
import { type Runtime, startRuntime } from './workerd.ts';

export const ENVIRONMENTS = ['start-generation', 'process-jobs', 'process-generation'];
const JAVASCRIPT = fileURLToPath(new URL('javascript', import.meta.url));

/** A start-generation that wakes nobody, so that its requests are measured alone. */
export const DOOR = 'door';
/** Reaches over bindings what cannot be reached otherwise. */
const CALLER = 'caller';

/** So many of an invocation's jobs are images where 24 are allowed: a sixth is kept for webhooks. */
export const MOST_JOBS = 20;
const JOBS_PER_INVOCATION = '24';

export const CONNECTIONS = 16;

export interface Side {
  name: string;
  /** The entry module of a Worker. */
  main(worker: string): string;
}

export const ours: Side = { name: 'ours', main: (worker) => built(PROJECT_ROOT, worker) };
export const javascript: Side = {
  name: 'JavaScript',
  main: (worker) => path.join(JAVASCRIPT, `${worker}.js`),
};
export const empty: Side = { name: 'empty', main: () => path.join(JAVASCRIPT, 'empty.js') };
/** The built Workers of another checkout. */
export const checkout = (dir: string): Side => ({ name: 'the other', main: (worker) => built(dir, worker) });

const built = (dir: string, worker: string) => path.join(dir, 'functions', worker, 'build/index.js');

/** What is deployed is stripped and optimised; a build for development is several times larger. */
const MAX_RELEASE_BYTES = 2_000_000;

export async function isReleaseBuild(): Promise<boolean> {
  const sizes = ENVIRONMENTS.map(async (worker) => {
    const { size } = await fs.stat(path.join(path.dirname(ours.main(worker)), 'index_bg.wasm'));
    return size;
  });
  return (await Promise.all(sizes)).every((size) => size < MAX_RELEASE_BYTES);
}

/** A side that runs, with signed-in users and connections of its own. */
export interface RunningSide extends Runtime {
  name: string;
  users: ReturnType<typeof signIn>[];
  agent: http.Agent;
}

/** All three Workers of a side, the door and the caller. */
export async function startSide(
  side: Side,
  upstream: string,
  options: { inspector?: boolean } = {},
): Promise<RunningSide> {
  const workers = (await configs()).map((config) => ({ ...config, main: side.main(config.env) }));
  const start = named(workers, 'start-generation');
  const door = { ...start, name: DOOR, env: DOOR };
  const caller = { ...start, name: CALLER, env: CALLER, main: path.join(JAVASCRIPT, 'caller.js') };
  const runtime = await startRuntime([...workers, door, caller], settings(upstream), options);
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  return {
    ...runtime,
    name: side.name,
    users: Array.from({ length: CONNECTIONS }, signIn),
    agent,
    stop: async () => {
      agent.destroy();
      await runtime.stop();
    },
  };
}

/** start-generation alone, in a process that has done nothing yet. */
export async function startCold(side: Side, upstream: string): Promise<Runtime> {
  const config = named(await configs(), 'start-generation');
  const main = side.main(config.env);
  const alone = { ...config, name: DOOR, env: DOOR, main, services: [], durableObjects: [] };
  return startRuntime([alone], settings(upstream));
}

/** The variables of each Worker, by its environment; the same for both sides. */
const settings = (upstream: string) => (urls: Record<string, string>) => {
  const forUsers = { SUPABASE_URL: upstream, SUPABASE_ANON_KEY: KEYS.anon };
  const forService = {
    SUPABASE_URL: upstream,
    SUPABASE_SERVICE_ROLE_KEY: KEYS.service,
    REPLICATE_API_URL: upstream,
    REPLICATE_API_TOKEN: KEYS.replicate,
    REPLICATE_WEBHOOK_SECRET: KEYS.webhook,
    PUBLIC_URL: urls['process-generation'] ?? '',
    MAX_JOBS_PER_INVOCATION: JOBS_PER_INVOCATION,
  };
  return {
    'start-generation': forUsers,
    'process-jobs': forService,
    'process-generation': forService,
    [DOOR]: { ...forUsers, WAKE: 'off' },
  };
};

let known: Promise<WorkerConfig[]> | undefined;

/** wrangler.toml, read once, without the static files: Cloudflare serves them before a Worker is asked. */
function configs(): Promise<WorkerConfig[]> {
  known ??= readConfigs();
  return known;
}

async function readConfigs(): Promise<WorkerConfig[]> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'bench-worker-'));
  try {
    const file = path.join(PROJECT_ROOT, 'wrangler.toml');
    const all = await readWorkerConfigs(file, ENVIRONMENTS, path.join(dir, 'wrangler.json'));
    return all.map(({ assets: _, ...config }) => config);
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

function named(workers: WorkerConfig[], env: string): WorkerConfig {
  const found = workers.find((one) => one.env === env);
  if (!found) throw new Error(`wrangler.toml has no environment ${env}`);
  return found;
}
