import { renameSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../scripts/user-error.mjs';
import { defaultDir, forgetData, keysOf, type Memory, recall, remember } from './directory.ts';
import type { Guardian } from './guardian.ts';
import { lockDirectory } from './lock.ts';
import { type StackOptions, toOrigin } from './options.ts';
import { choosePortBase, type StackPorts, stackPorts } from './ports.ts';
import { startPostgres, stopLeftover } from './postgres.ts';
import { startSimulator } from './simulator.ts';
import { type RunningSupabase, startSupabase } from './supabase/index.ts';
import { keepRunning } from './supervise.ts';
import { type RunningWorkers, startWorkers } from './workers/index.ts';

/** The stack's one line on stdout. A value that is not known (of a project elsewhere) is empty. */
export interface StackAddresses {
  supabaseUrl: string;
  anonKey: string;
  serviceRoleKey: string;
  jwtSecret: string;
  databaseUrl: string;
  startGenerationUrl: string;
  processGenerationUrl: string;
  processJobsUrl: string;
  replicateUrl: string;
  replicateApiToken: string;
  replicateWebhookSecret: string;
  /** `sb_publishable_…`, for `apikey` in place of `anonKey`. */
  publishableKey: string;
  /** `sb_secret_…`, for `apikey` in place of `serviceRoleKey`. */
  secretKey: string;
}

type SupabaseAddresses = Pick<
  StackAddresses,
  'supabaseUrl' | 'anonKey' | 'serviceRoleKey' | 'jwtSecret' | 'databaseUrl' | 'publishableKey' | 'secretKey'
>;
type ReplicateAddresses = Pick<
  StackAddresses,
  'replicateUrl' | 'replicateApiToken' | 'replicateWebhookSecret'
>;

/** The files a stack runs. */
export interface ProjectFiles {
  wranglerToml: string;
  migrationsDir: string;
  seedFile: string;
}

export interface StackContext {
  options: StackOptions;
  project: ProjectFiles;
  env: NodeJS.ProcessEnv;
  guardian: Guardian;
  log: (line: string) => void;
}

/** start-generation faces the public: as in a deployment, it holds no key that could do more than its caller. */
const PUBLIC_WORKER_VARS = [
  'SUPABASE_URL',
  'SUPABASE_ANON_KEY',
  'SUPABASE_JWT_SECRET',
  'ALLOWED_ORIGINS',
  'WEBHOOK_ALLOWED_ORIGINS',
  'MODERATION_URL',
  'MODERATION_SECRET',
  'MODERATION_TIMEOUT_MS',
  'MODERATION_ON_FAILURE',
  'WAKE',
];

const REAL_REPLICATE = 'https://api.replicate.com';

/** One whole system on one directory. */
export class Stack {
  readonly #context: StackContext;
  /** What has been started, to be stopped in the opposite order. */
  readonly #started: (() => Promise<void>)[] = [];
  #local: RunningSupabase | undefined;
  #workersNow: RunningWorkers | undefined;
  readonly #processes: Record<string, number> = { stack: process.pid };

  constructor(context: StackContext) {
    this.#context = context;
  }

  async start(): Promise<StackAddresses> {
    const { options, env, log } = this.#context;
    const dir = options.dir ?? (await defaultDir(log));
    await fs.mkdir(dir, { recursive: true }).catch((error: Error) => {
      throw new UserError(
        `The folder ${dir} cannot be made (${error.message}); choose another one with --dir.`,
      );
    });
    const lock = await lockDirectory(dir);
    this.#started.push(() => lock.release());
    await stopLeftover(path.join(dir, 'postgres'));
    if (options.fresh) {
      if (env.SUPABASE_URL) log('--fresh empties nothing in the project at SUPABASE_URL');
      await forgetData(dir);
    }
    const memory = await recall(dir);
    memory.portBase = await choosePortBase(options.portBase, memory.portBase, lock.foundStale, log);
    const ports = stackPorts(memory.portBase);
    await remember(dir, memory);
    const supabase = await this.#supabase(dir, ports, memory);
    const replicate = await this.#replicate(dir, ports, memory);
    const workers = await this.#workers(dir, ports, supabase, replicate);
    const { publishableKey, secretKey, ...fixed } = supabase;
    return { ...fixed, ...workers, ...replicate, publishableKey, secretKey };
  }

  /** Gives the local Supabase new connections to Postgres: after a restart the old ones may be unusable. */
  async renewConnections(): Promise<void> {
    await this.#local?.reconnect();
  }

  /** Has the workers and the studio run as they are built now. */
  async reload(): Promise<void> {
    await this.#workersNow?.reload();
  }

  async stop(): Promise<void> {
    this.#local = undefined;
    this.#workersNow = undefined;
    for (let stop = this.#started.pop(); stop; stop = this.#started.pop()) {
      await stop().catch((error) => this.#context.log(`while stopping: ${error.message}`));
    }
  }

  /** Has the guardian watch a child, and notes its id in processes.json, for tests that kill one. */
  #onSpawn(dir: string, name: string): (pid: number, ended: Promise<unknown>) => void {
    return (pid, ended) => {
      this.#context.guardian.watch(pid, ended);
      this.#processes[name] = pid;
      // Renamed into place: who reads it meanwhile finds the old one whole.
      const file = path.join(dir, 'processes.json');
      writeFileSync(`${file}.new`, `${JSON.stringify(this.#processes)}\n`);
      renameSync(`${file}.new`, file);
    };
  }

  async #supabase(dir: string, ports: StackPorts, memory: Memory): Promise<SupabaseAddresses> {
    const { env, log, options, project } = this.#context;
    if (env.SUPABASE_URL) {
      const anonKey = env.SUPABASE_ANON_KEY;
      const serviceRoleKey = env.SUPABASE_SERVICE_ROLE_KEY;
      if (!anonKey || !serviceRoleKey) {
        throw new UserError(
          'SUPABASE_URL is set without SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY; set all three, or none for a local project.',
        );
      }
      log(`using the Supabase project at ${env.SUPABASE_URL}; its migrations are not touched`);
      return {
        supabaseUrl: env.SUPABASE_URL.replace(/\/+$/, ''),
        anonKey,
        serviceRoleKey,
        jwtSecret: env.SUPABASE_JWT_SECRET ?? '',
        databaseUrl: env.DATABASE_URL ?? '',
        publishableKey: anonKey.startsWith('sb_publishable_') ? anonKey : '',
        secretKey: serviceRoleKey.startsWith('sb_secret_') ? serviceRoleKey : '',
      };
    }
    if (env.SUPABASE_ANON_KEY || env.SUPABASE_SERVICE_ROLE_KEY) {
      log('SUPABASE_URL is not set: the keys in the environment are not used, the local project has its own');
    }
    log('starting Postgres');
    const startServer = () =>
      startPostgres({
        dir: path.join(dir, 'postgres'),
        binDir: this.#context.options.postgresBin,
        port: ports.postgres,
        onLog: (line) =>
          /FATAL|PANIC/.test(line) &&
          !/57P0\d|shut(ting)? down|starting up|terminating/.test(line) &&
          log(`postgres: ${line}`),
        onSpawn: this.#onSpawn(dir, 'postgres'),
      });
    let superuserUrl = '';
    const start = async () => {
      const server = await startServer();
      superuserUrl = server.superuserUrl;
      void this.renewConnections(); // after a restart; at first there are none
      return server;
    };
    const server = await keepRunning('Postgres', start, log);
    this.#started.push(() => server.stop());
    log('starting Supabase');
    const supabase = await startSupabase({
      superuserUrl,
      storageDir: path.join(dir, 'storage'),
      migrationsDir: project.migrationsDir,
      seedFile: project.seedFile,
      keys: keysOf(memory, env),
      userTokens: options.userTokens,
      port: ports.supabase,
      functionsUrl: `http://127.0.0.1:${ports.startGeneration}`,
    });
    this.#started.push(() => supabase.stop());
    this.#local = supabase;
    if (supabase.migrated.length > 0) log(`applied ${supabase.migrated.length} migrations`);
    const { url: supabaseUrl, anonKey, serviceRoleKey, jwtSecret, databaseUrl } = supabase;
    const { publishableKey, secretKey } = supabase;
    return { supabaseUrl, anonKey, serviceRoleKey, jwtSecret, databaseUrl, publishableKey, secretKey };
  }

  async #replicate(dir: string, ports: StackPorts, memory: Memory): Promise<ReplicateAddresses> {
    const { env, log, options } = this.#context;
    const elsewhere =
      options.replicateUrl ?? (env.REPLICATE_API_URL ? toOrigin(env.REPLICATE_API_URL) : undefined);
    const replicateApiToken = env.REPLICATE_API_TOKEN || memory.replicateApiToken;
    const replicateWebhookSecret = env.REPLICATE_WEBHOOK_SECRET ?? memory.replicateWebhookSecret;
    if (elsewhere) {
      log(`using the Replicate at ${elsewhere}`);
      return { replicateUrl: elsewhere, replicateApiToken, replicateWebhookSecret };
    }
    if (env.REPLICATE_API_TOKEN) {
      log('REPLICATE_API_TOKEN is set: using the real Replicate; each image costs money');
      if (!env.PUBLIC_URL) log('PUBLIC_URL is not set: without webhooks, results are picked up by the sweep');
      return {
        replicateUrl: REAL_REPLICATE,
        replicateApiToken,
        replicateWebhookSecret: env.REPLICATE_WEBHOOK_SECRET ?? '',
      };
    }
    log('starting the Replicate simulator');
    const start = () =>
      startSimulator({
        port: ports.replicate,
        token: replicateApiToken,
        webhookSecret: replicateWebhookSecret,
        generationMs: env.SIMULATOR_GENERATION_MS,
        stateFile: path.join(dir, 'replicate.jsonl'),
        log: (line) => log(`replicate: ${line}`),
        onSpawn: this.#onSpawn(dir, 'simulator'),
      });
    const simulator = await keepRunning('The Replicate simulator', start, log);
    this.#started.push(() => simulator.stop());
    return { replicateUrl: `http://127.0.0.1:${ports.replicate}`, replicateApiToken, replicateWebhookSecret };
  }

  async #workers(dir: string, ports: StackPorts, supabase: SupabaseAddresses, replicate: ReplicateAddresses) {
    const { env, log, options, project } = this.#context;
    log('starting the workers');
    const processGenerationUrl = `http://127.0.0.1:${ports.processGeneration}`;
    const withNewKeys = options.apiKeys === 'new' && supabase.publishableKey && supabase.secretKey;
    const isReal = replicate.replicateUrl === REAL_REPLICATE;
    const all: Record<string, string | undefined> = {
      SUPABASE_URL: supabase.supabaseUrl,
      SUPABASE_ANON_KEY: withNewKeys ? supabase.publishableKey : supabase.anonKey,
      // As while one replaces the other: the first is used, and callers may hold either.
      SUPABASE_SERVICE_ROLE_KEY: withNewKeys
        ? `${supabase.secretKey} ${supabase.serviceRoleKey}`
        : supabase.serviceRoleKey,
      // A project elsewhere says itself whether it has one.
      SUPABASE_JWT_SECRET:
        options.userTokens === 'ES256' && !env.SUPABASE_URL ? undefined : supabase.jwtSecret,
      REPLICATE_API_TOKEN: replicate.replicateApiToken,
      REPLICATE_API_URL: replicate.replicateUrl,
      REPLICATE_WEBHOOK_SECRET: replicate.replicateWebhookSecret,
      // The real Replicate cannot reach this machine under its own address.
      PUBLIC_URL: env.PUBLIC_URL ?? (isReal ? undefined : processGenerationUrl),
      MAX_PARALLEL_JOBS: env.MAX_PARALLEL_JOBS,
      MAX_JOBS_PER_INVOCATION: env.MAX_JOBS_PER_INVOCATION,
      ALLOWED_ORIGINS: env.ALLOWED_ORIGINS,
      WEBHOOK_ALLOWED_ORIGINS: env.WEBHOOK_ALLOWED_ORIGINS,
      DNS_OVER_HTTPS_URL: env.DNS_OVER_HTTPS_URL,
      MODERATION_URL: env.MODERATION_URL,
      MODERATION_SECRET: env.MODERATION_SECRET,
      MODERATION_TIMEOUT_MS: env.MODERATION_TIMEOUT_MS,
      MODERATION_ON_FAILURE: env.MODERATION_ON_FAILURE,
      WAKE: options.wake ? undefined : 'off',
    };
    // Empty means missing.
    const some = (names: string[]) =>
      Object.fromEntries(names.flatMap((name) => (all[name] ? [[name, all[name]] as const] : [])));
    const workers = await startWorkers({
      wranglerToml: project.wranglerToml,
      ports: {
        'start-generation': ports.startGeneration,
        'process-generation': ports.processGeneration,
        'process-jobs': ports.processJobs,
      },
      cronPort: ports.cron,
      vars: {
        'start-generation': some(PUBLIC_WORKER_VARS),
        'process-generation': some(Object.keys(all)),
        'process-jobs': some(Object.keys(all)),
      },
      rateLimit: options.rateLimit,
      dir: path.join(dir, 'workers'),
      cron: options.cron,
      log: (line) => log(`workers: ${line}`),
      onSpawn: this.#onSpawn(dir, 'workerd'),
    });
    this.#started.push(() => workers.stop());
    this.#workersNow = workers;
    return {
      startGenerationUrl: `http://127.0.0.1:${ports.startGeneration}`,
      processGenerationUrl,
      processJobsUrl: `http://127.0.0.1:${ports.processJobs}`,
    };
  }
}
