import path from 'node:path';
import { ASSET_ROUTER } from './asset-router.ts';
import { readAssets } from './assets.ts';
import type { WorkerConfig } from './config.ts';
import { collectModules } from './modules.ts';
import { RATE_LIMITER, RATE_LIMITER_MODULE } from './rate-limiter.ts';

export interface RunningPlan {
  workers: WorkerConfig[];
  /** Port of each worker, by its name. */
  ports: Record<string, number>;
  /** Port on which a scheduled event can be sent to a worker: see CRON_WORKER. */
  cronPort: number;
  /** Values over a worker's own vars, by its environment. */
  vars: Record<string, Record<string, string>>;
  /** In place of the limit of each rate-limit binding. */
  rateLimit?: number | undefined;
  /** Folder for Durable Objects. */
  storageDir: string;
}

/** Turns `POST /<worker>?cron=&time=` into that worker's scheduled event; only here, no worker sees such a path. */
const CRON_WORKER = `
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const worker = env[url.pathname.slice(1)];
    if (!worker) return new Response('No such worker', { status: 404 });
    const scheduledTime = new Date(Number(url.searchParams.get('time')));
    return Response.json(await worker.scheduled({ scheduledTime, cron: url.searchParams.get('cron') }));
  },
};`;

const text = (value: string) => JSON.stringify(value);
const list = (entries: string[]) => `[\n${entries.map((entry) => `  ${entry},\n`).join('')}]`;

/** What Cloudflare tells beside a request, such as its country, as JSON: its clients cannot say it, and tests can. */
export const CF_HEADER = 'x-stack-cf';

/** The configuration of workerd (https://github.com/cloudflare/workerd, workerd.capnp) for the three workers. */
export async function workerdConfig(plan: RunningPlan, dir: string): Promise<string> {
  const services = [
    `(name = "internet", network = (allow = ["public", "private", "240.0.0.0/4"], tlsOptions = (trustBrowserCas = true)))`,
    `(name = "storage", disk = (path = ${text(plan.storageDir)}, writable = true))`,
    `(name = "cron", worker = ${cronWorker(plan.workers)})`,
  ];
  for (const worker of plan.workers) {
    services.push(`(name = ${text(worker.name)}, worker = ${await workerService(worker, plan, dir)})`);
    if (worker.assets) services.push(...(await assetServices(worker, worker.assets, plan)));
  }
  const sockets = [
    `(name = "cron", address = "127.0.0.1:${plan.cronPort}", http = (), service = "cron")`,
    ...plan.workers.map(({ name, assets }) => {
      const service = text(assets ? `${name}:front` : name);
      return `(name = ${text(name)}, address = "127.0.0.1:${plan.ports[name]}", http = (cfBlobHeader = ${text(CF_HEADER)}), service = ${service})`;
    }),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = ${list(services)},
  sockets = ${list(sockets)},
  extensions = [(modules = [(name = ${text(RATE_LIMITER_MODULE)}, internal = true, esModule = ${text(RATE_LIMITER)})])]);
`;
}

function cronWorker(workers: WorkerConfig[]): string {
  const bindings = workers.map(({ name }) => `(name = ${text(name)}, service = ${text(name)})`);
  return `(
    modules = [(name = "cron.js", esModule = ${text(CRON_WORKER)})],
    compatibilityDate = "2026-01-01",
    compatibilityFlags = ["service_binding_extra_handlers"],
    bindings = ${list(bindings)})`;
}

/** What stands in front of a worker with static assets, and the folder they are read from. */
async function assetServices(worker: WorkerConfig, folder: string, plan: RunningPlan): Promise<string[]> {
  const { name, env } = worker;
  const supabaseUrl = plan.vars[env]?.SUPABASE_URL;
  const assets = JSON.stringify(await readAssets(folder, supabaseUrl));
  return [
    `(name = ${text(`${name}:files`)}, disk = (path = ${text(folder)}))`,
    `(name = ${text(`${name}:front`)}, worker = (
    modules = [(name = "asset-router.js", esModule = ${text(ASSET_ROUTER)})],
    compatibilityDate = "2026-01-01",
    bindings = [
      (name = "WORKER", service = ${text(name)}),
      (name = "FILES", service = ${text(`${name}:files`)}),
      (name = "ASSETS", json = ${text(assets)}),
    ]))`,
  ];
}

async function workerService(worker: WorkerConfig, plan: RunningPlan, dir: string): Promise<string> {
  const modules = (await collectModules(worker.main)).map(
    // `embed` reads relative to the configuration's own file.
    ({ name, kind, file }) => `(name = ${text(name)}, ${kind} = embed ${text(path.relative(dir, file))})`,
  );
  const vars = { ...worker.vars, ...plan.vars[worker.env] };
  const bindings = Object.entries(vars).map(([name, value]) =>
    typeof value === 'string'
      ? `(name = ${text(name)}, text = ${text(value)})`
      : `(name = ${text(name)}, json = ${text(JSON.stringify(value))})`,
  );
  for (const { binding, service, entrypoint, props } of worker.services) {
    const target = [`name = ${text(service)}`];
    if (entrypoint) target.push(`entrypoint = ${text(entrypoint)}`);
    if (props) target.push(`props = (json = ${text(JSON.stringify(props))})`);
    bindings.push(`(name = ${text(binding)}, service = (${target.join(', ')}))`);
  }
  for (const { binding, className, worker: owner } of worker.durableObjects) {
    const designator = `className = ${text(className)}, serviceName = ${text(owner)}`;
    bindings.push(`(name = ${text(binding)}, durableObjectNamespace = (${designator}))`);
  }
  for (const { binding, limit, period } of worker.rateLimits) {
    const inner = `(name = "limit", json = "${plan.rateLimit ?? limit}"), (name = "period", json = "${period}")`;
    const wrapped = `moduleName = ${text(RATE_LIMITER_MODULE)}, innerBindings = [${inner}]`;
    bindings.push(`(name = ${text(binding)}, wrapped = (${wrapped}))`);
  }
  const namespaces = worker.classes.map(
    (name) => `(className = ${text(name)}, uniqueKey = ${text(`${worker.name}-${name}`)}, enableSql = true)`,
  );
  return `(
    modules = ${list(modules)},
    compatibilityDate = ${text(worker.compatibilityDate)},
    compatibilityFlags = [${worker.compatibilityFlags.map(text).join(', ')}],
    bindings = ${list(bindings)},
    durableObjectNamespaces = ${list(namespaces)},
    durableObjectStorage = (localDisk = "storage"))`;
}
