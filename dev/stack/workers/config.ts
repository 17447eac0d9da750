import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UserError } from '../../../scripts/user-error.mjs';

export interface WorkerConfig {
  /** Its environment in wrangler.toml. */
  env: string;
  /** The name other workers bind to. */
  name: string;
  /** Absolute path of the built entry module. */
  main: string;
  compatibilityDate: string;
  compatibilityFlags: string[];
  vars: Record<string, unknown>;
  services: { binding: string; service: string; entrypoint?: string; props?: unknown }[];
  durableObjects: { binding: string; className: string; worker: string }[];
  /** Durable Object classes this worker defines, all with SQLite storage. */
  classes: string[];
  /** `limit` requests of each key in `period` seconds. */
  rateLimits: { binding: string; limit: number; period: number }[];
  crons: string[];
  /** Absolute path of the folder of static assets in front of it. */
  assets?: string;
}

/** What wrangler's own reader makes of an environment: the part that is used here. */
interface WranglerConfig {
  name?: string;
  topLevelName?: string;
  main?: string;
  compatibility_date?: string;
  compatibility_flags?: string[];
  vars?: Record<string, unknown>;
  services?: { binding: string; service: string; entrypoint?: string; props?: unknown }[];
  durable_objects?: { bindings?: { name: string; class_name: string; script_name?: string }[] };
  ratelimits?: { name: string; simple: { limit: number; period: number } }[];
  migrations?: {
    new_classes?: string[];
    new_sqlite_classes?: string[];
    renamed_classes?: { from: string; to: string }[];
    deleted_classes?: string[];
  }[];
  triggers?: { crons?: string[] };
  assets?: { directory?: string };
  [other: string]: unknown;
}

/** Kinds of bindings that would have to be provided too, were they used. */
const UNSUPPORTED = ['kv_namespaces', 'r2_buckets', 'd1_databases', 'hyperdrive', 'vectorize', 'workflows'];

/**
 * Reads named environments of a wrangler.toml, as wrangler itself understands them.
 *
 * @param cacheFile keeps the result for the next time, for as long as the file and wrangler stay the same
 */
export async function readWorkerConfigs(
  wranglerToml: string,
  environments: string[],
  cacheFile: string,
): Promise<WorkerConfig[]> {
  const content = await fs.readFile(wranglerToml, 'utf8').catch(() => {
    throw new UserError(`${wranglerToml} is missing; run this from a complete checkout of the project.`);
  });
  const { version } = createRequire(import.meta.url)('wrangler/package.json') as { version: string };
  const key = createHash('sha256')
    .update(JSON.stringify([content, version, environments]))
    .digest('hex');
  const cached = await fs.readFile(cacheFile, 'utf8').then(JSON.parse, () => undefined);
  let configs: WranglerConfig[] | undefined = cached?.key === key ? cached.configs : undefined;
  if (!configs) {
    configs = await askWrangler(wranglerToml, environments);
    await fs.writeFile(cacheFile, JSON.stringify({ key, configs }));
  }
  return Promise.all(
    configs.map((config, index) => toWorkerConfig(config, environments[index] ?? '', wranglerToml)),
  );
}

async function askWrangler(wranglerToml: string, environments: string[]): Promise<WranglerConfig[]> {
  const script = fileURLToPath(new URL('read-wrangler.ts', import.meta.url));
  const args = [script, wranglerToml, ...environments];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 });
  const result = JSON.parse(stdout) as { configs?: WranglerConfig[]; error?: string };
  if (!result.configs) throw new UserError(`${wranglerToml} cannot be used: ${result.error}`);
  return result.configs;
}

async function toWorkerConfig(config: WranglerConfig, env: string, file: string): Promise<WorkerConfig> {
  const { name, main } = config;
  if (!name || !main) throw new UserError(`${file} has no complete [env.${env}]: name and main are needed.`);
  for (const kind of UNSUPPORTED) {
    const used = config[kind];
    if (Array.isArray(used) && used.length > 0) {
      throw new UserError(`${file} gives ${env} a binding of ${kind}, which the local stack does not have.`);
    }
  }
  const entry = path.resolve(path.dirname(file), main);
  await fs.access(entry).catch(() => {
    throw new UserError(`The worker ${env} is not built (${entry} is missing); run npm run build first.`);
  });
  return {
    env,
    name,
    main: entry,
    compatibilityDate: config.compatibility_date ?? '2026-01-01',
    compatibilityFlags: config.compatibility_flags ?? [],
    vars: config.vars ?? {},
    services: config.services ?? [],
    durableObjects: (config.durable_objects?.bindings ?? []).map((binding) => ({
      binding: binding.name,
      className: binding.class_name,
      worker: binding.script_name ?? name,
    })),
    classes: existingClasses(config.migrations ?? []),
    rateLimits: (config.ratelimits ?? []).map(({ name: binding, simple }) => ({ binding, ...simple })),
    crons: config.triggers?.crons ?? [],
    ...(config.assets?.directory
      ? { assets: path.resolve(path.dirname(file), config.assets.directory) }
      : {}),
  };
}

function existingClasses(migrations: NonNullable<WranglerConfig['migrations']>): string[] {
  const classes = new Set<string>();
  for (const step of migrations) {
    for (const added of [...(step.new_classes ?? []), ...(step.new_sqlite_classes ?? [])]) classes.add(added);
    for (const { from, to } of step.renamed_classes ?? []) {
      classes.delete(from);
      classes.add(to);
    }
    for (const gone of step.deleted_classes ?? []) classes.delete(gone);
  }
  return [...classes];
}
