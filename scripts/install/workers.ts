/** What is deployed: each Worker's configuration, made of wrangler.toml and the installation's settings. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ROOT } from '../run.mjs';
import { UserError } from '../user-error.mjs';
import { WORKERS as NAMES } from '../workers.mjs';
import { type Values, writePrivately } from './env-file.ts';
import { nameOf } from './names.ts';
import type { Options } from './options.ts';
import { parseRoutes, valuesFor, type Worker } from './settings.ts';

/** In the order of deployment: bindings point backwards. */
export const WORKERS = NAMES as Worker[];

/** What we change of an environment of wrangler.toml; the rest is taken as it is. */
interface Config {
  main: string;
  vars?: Record<string, unknown>;
  durable_objects?: { bindings: { script_name?: string }[] };
  services?: { service: string }[];
  assets?: { directory: string };
  ratelimits?: { namespace_id: string; simple: { limit: number; period: number } }[];
  analytics_engine_datasets?: { binding: string; dataset: string }[];
  placement?: Record<string, string>;
  [key: string]: unknown;
}

type RawConfig = { env: Record<string, Config>; main?: string; name?: string } & Record<string, unknown>;

/** One Worker, for what asks about it or shares its requests out. */
export interface Named {
  worker: Worker;
  /** Its name at Cloudflare. */
  name: string;
  /** Its configuration, for `--config`. */
  config: string;
}

/** One Worker, ready for wrangler. */
export interface Prepared extends Named {
  secrets: Values;
  /** The same for the same code, variables, secrets and files. */
  fingerprint: string;
}

export const folderOf = ({ dir, name }: Pick<Options, 'dir' | 'name'>) => path.join(dir, '.local', name);

/** What hands a Worker's secrets to wrangler, for as long as the call lives. */
export const secretsFileOf = (folder: string, worker: Worker) => path.join(folder, `${worker}.secrets.json`);

/** Writes the configurations and the studio of this installation, and says what they are. */
export function prepare(options: Options, values: Values): Prepared[] {
  const raw = readWranglerToml();
  const studio = copyStudio(options, values.SUPABASE_URL ?? '');
  for (const worker of WORKERS) fs.rmSync(secretsFileOf(folderOf(options), worker), { force: true }); // of a killed run
  return WORKERS.map((worker) => {
    const config = configOf(worker, raw, options, values, studio);
    const file = path.join(folderOf(options), `${worker}.json`);
    const text = `${JSON.stringify(config, null, 2)}\n`;
    writePrivately(file, text);
    const secrets = valuesFor(worker, 'secrets', values);
    const hash = createHash('sha256').update(text.replaceAll(ROOT, '').replaceAll(options.dir, ''));
    addFolder(hash, path.dirname(path.join(ROOT, raw.env[worker]?.main ?? '')));
    if (config.assets) addFolder(hash, studio);
    // Mixed with all the rest, so that nothing about a secret can be learnt from it.
    hash.update(JSON.stringify(secrets));
    return {
      worker,
      name: nameOf(worker, options.name),
      config: file,
      secrets,
      fingerprint: hash.digest('hex').slice(0, 12),
    };
  });
}

/** The Workers by their names alone: a roll back brings nothing that would have to be built. */
export function nameAll(options: Options): Named[] {
  return WORKERS.map((worker) => {
    const [name, config] = [
      nameOf(worker, options.name),
      path.join(folderOf(options), `${worker}.name.json`),
    ];
    writePrivately(config, `${JSON.stringify({ name })}\n`);
    return { worker, name, config };
  });
}

function configOf(worker: Worker, raw: RawConfig, options: Options, values: Values, studio: string): Config {
  const { env, main: _main, name: _name, ...top } = raw;
  const own = env[worker];
  if (!own) throw new UserError(`wrangler.toml has no [env.${worker}].`);
  const named = (name: string) => nameOf(name, options.name);
  const config: Config = {
    ...top,
    ...own,
    name: named(worker),
    main: path.resolve(ROOT, own.main),
    vars: { ...own.vars, ...valuesFor(worker, 'variables', values) },
    ...routesOf(worker, values),
  };
  if (own.durable_objects) {
    const bindings = own.durable_objects.bindings.map((each) =>
      each.script_name === undefined ? each : { ...each, script_name: named(each.script_name) },
    );
    config.durable_objects = { ...own.durable_objects, bindings };
  }
  if (own.services) config.services = own.services.map((each) => ({ ...each, service: named(each.service) }));
  if (own.assets) config.assets = { ...own.assets, directory: studio };
  // Those that run near the database: surer by its region than by what Cloudflare measures.
  if (own.placement && values.PLACEMENT_REGION) config.placement = { region: values.PLACEMENT_REGION };
  if (own.ratelimits) {
    const namespace_id = values.RATE_LIMIT_NAMESPACE_ID ?? namespaceOf(options.name);
    config.ratelimits = own.ratelimits.map((each) => ({
      ...each,
      ...(namespace_id ? { namespace_id } : {}),
      simple: limitOf(values.RATE_LIMIT) ?? each.simple,
    }));
  }
  if (values.ANALYTICS_DATASET)
    config.analytics_engine_datasets = [{ binding: 'EVENTS', dataset: values.ANALYTICS_DATASET }];
  return config;
}

function routesOf(worker: Worker, values: Values): Record<string, unknown> {
  const text = {
    'start-generation': values.START_GENERATION_ROUTES,
    'process-generation': values.PROCESS_GENERATION_ROUTES,
  };
  const routes = parseRoutes(text[worker as keyof typeof text] ?? '').map(({ pattern, zone }) =>
    zone === undefined ? { pattern, custom_domain: true } : { pattern, zone_name: zone },
  );
  // Beside routes wrangler would turn the workers.dev address off, and running predictions call it.
  return routes.length > 0 ? { routes, workers_dev: true } : {};
}

/** `600`: requests in a minute; `100/10`: in ten seconds. */
function limitOf(text: string | undefined): { limit: number; period: number } | undefined {
  if (text === undefined) return undefined;
  const [limit, period = '60'] = text.split('/');
  return { limit: Number(limit), period: Number(period) };
}

/** Installations in one account would share their counters. */
function namespaceOf(installation: string): string | undefined {
  if (installation === 'production') return undefined;
  return String(10_000 + (createHash('sha256').update(installation).digest().readUInt32BE() % 1_000_000_000));
}

/** The studio as built, allowed to talk to this installation's project. */
function copyStudio(options: Options, supabaseUrl: string): string {
  const [from, to] = [path.join(ROOT, 'web/dist'), path.join(folderOf(options), 'web')];
  if (!fs.existsSync(from)) throw new UserError('The studio is not built: leave out --no-build.');
  fs.rmSync(to, { recursive: true, force: true });
  fs.cpSync(from, to, { recursive: true });
  const headers = fs.readFileSync(path.join(ROOT, 'web/_headers'), 'utf8');
  fs.writeFileSync(
    path.join(to, '_headers'),
    headers.replaceAll('{SUPABASE_ORIGIN}', supabaseUrl || 'https:'),
  );
  return to;
}

function readWranglerToml(): RawConfig {
  type Read = (args: { config: string }) => { rawConfig: RawConfig };
  const { experimental_readRawConfig: read } = createRequire(import.meta.url)('wrangler') as {
    experimental_readRawConfig: Read;
  };
  return read({ config: path.join(ROOT, 'wrangler.toml') }).rawConfig;
}

function addFolder(hash: ReturnType<typeof createHash>, folder: string): void {
  if (!fs.existsSync(folder)) throw new UserError(`${folder} is not there: leave out --no-build.`);
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
  for (const file of files.map((entry) => path.join(entry.parentPath, entry.name)).sort()) {
    hash.update(path.relative(folder, file)).update('\0').update(fs.readFileSync(file)).update('\0');
  }
}
