/**
 * A stand-in for the part of Cloudflare's API that wrangler calls for us. It keeps accounts of scripts, versions and
 * deployments as Cloudflare does, and refuses what Cloudflare refuses: see the comments at each refusal.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';

export const ACCOUNT = '0123456789abcdef0123456789abcdef';
export const TOKEN = 'a-token-of-cloudflare-0123456789abcdef';
export const SUBDOMAIN = 'rehearsal';

export interface Binding {
  type: string;
  name: string;
  text?: string;
  service?: string;
  script_name?: string;
}

export interface Version {
  id: string;
  number: number;
  created: string;
  annotations: Record<string, string>;
  bindings: Binding[];
  placement: unknown;
}

interface Deployment {
  id: string;
  created_on: string;
  annotations: Record<string, string>;
  versions: { version_id: string; percentage: number }[];
}

export interface Script {
  versions: Version[];
  /** The newest first. */
  deployments: Deployment[];
  migrationTag?: string;
  /** Names of files of the last upload of assets. */
  crons: string[];
  routes: string[];
  domains: string[];
}

interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Buffer;
  type: string;
}

type Answer = { status: number; body: unknown };

class Refusal extends Error {
  readonly code: number;
  readonly status: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Cloudflare {
  readonly scripts = new Map<string, Script>();
  /** `METHOD path` of every call that changes something. */
  readonly writes: string[] = [];
  /** Paths that nobody has thought of: a test fails on them. */
  readonly unknown: string[] = [];
  /** Called when a write is done and not answered yet. */
  onWrite: (what: string) => void = () => {};
  #server: http.Server | undefined;
  url = '';

  async start(): Promise<void> {
    const server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', async () => {
        const { status, body } = await this.#answer(request, Buffer.concat(chunks));
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** What callers get: the versions with their shares. */
  traffic(name: string): { version: Version; percentage: number }[] {
    const script = this.scripts.get(name);
    return (script?.deployments[0]?.versions ?? []).map(({ version_id, percentage }) => {
      const version = script?.versions.find(({ id }) => id === version_id);
      if (!version) throw new Error(`${name} has no version ${version_id}`);
      return { version, percentage };
    });
  }

  /** The one version that has all requests. */
  current(name: string): Version {
    const [only, ...more] = this.traffic(name);
    if (!only || more.length > 0) throw new Error(`${name} has ${more.length + (only ? 1 : 0)} versions`);
    return only.version;
  }

  async #answer(request: http.IncomingMessage, body: Buffer): Promise<Answer> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const method = request.method ?? 'GET';
    const what = `${method} ${url.pathname}`;
    try {
      if (request.headers.authorization !== `Bearer ${TOKEN}`)
        throw new Refusal(401, 10000, 'Authentication error');
      const call = {
        method,
        path: url.pathname,
        query: url.searchParams,
        body,
        type: request.headers['content-type'] ?? '',
      };
      const result = await this.#route(call);
      if (method !== 'GET') {
        this.writes.push(what);
        this.onWrite(what);
      }
      return { status: 200, body: { success: true, errors: [], messages: [], result } };
    } catch (error) {
      if (!(error instanceof Refusal)) {
        this.unknown.push(`${what}: ${(error as Error).stack}`);
        return {
          status: 500,
          body: { success: false, errors: [{ code: 1, message: String(error) }], messages: [], result: null },
        };
      }
      if (error.code === 7003) this.unknown.push(what);
      const { code, message, status } = error;
      return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null } };
    }
  }

  async #route(call: Request): Promise<unknown> {
    const { method, path } = call;
    if (path === '/user') return { id: 'u', email: 'operator@example.com' };
    if (path === '/user/tokens/verify') return { id: 't', status: 'active' };
    if (path === '/accounts') return [{ id: ACCOUNT, name: 'Rehearsal' }];
    if (path === '/memberships') return [{ id: 'm', account: { id: ACCOUNT, name: 'Rehearsal' } }];
    const workers = `/accounts/${ACCOUNT}/workers/`;
    if (!path.startsWith(workers)) throw new Refusal(404, 7003, `no route ${path}`);
    const [kind, name = '', ...rest] = path.slice(workers.length).split('/');
    if (kind === 'subdomain') return { subdomain: SUBDOMAIN };
    if (kind === 'assets' && name === 'upload') return { jwt: 'uploaded' };
    if (kind === 'workers') {
      if (!this.scripts.has(name))
        throw new Refusal(404, 10007, 'This Worker does not exist on your account.');
      return { id: name, name, subdomain: { enabled: true, previews_enabled: true } };
    }
    if (kind === 'services') {
      const there = this.scripts.get(name);
      if (!there) throw new Refusal(404, 10090, 'This service does not exist');
      return this.#service(name, there, rest);
    }
    if (kind !== 'scripts') throw new Refusal(404, 7003, `no route ${path}`);
    if (name === '')
      return [...this.scripts].map(([id, { migrationTag }]) => ({ id, migration_tag: migrationTag }));
    const action = `${method} ${rest.join('/').replace(/[0-9a-f-]{36}/, 'ID')}`;
    if (action === 'POST assets-upload-session') return { jwt: 'complete', buckets: [] };
    if (action === 'PUT ') return this.#put(name, call);
    const script = this.scripts.get(name);
    if (!script) throw new Refusal(404, 10007, 'This Worker does not exist on your account.');
    switch (action) {
      case 'POST versions':
        return this.#version(name, script, await formOf(call));
      case 'GET secrets':
        return (script.versions.at(-1)?.bindings ?? [])
          .filter(({ type }) => type === 'secret_text')
          .map(({ name: one, type }) => ({ name: one, type }));
      case 'GET versions/ID':
        return versionView(find(script, rest[1] ?? ''));
      case 'GET versions':
        return { items: script.versions.toReversed().map(versionView) };
      case 'GET deployments':
        return { deployments: script.deployments };
      case 'POST deployments':
        return this.#deploy(script, JSON.parse(call.body.toString()));
      case 'GET settings':
      case 'GET script-settings':
      case 'PATCH script-settings':
        return { bindings: [], tags: [], logpush: false, observability: { enabled: true } };
      case 'GET subdomain':
      case 'POST subdomain':
        return { enabled: true, previews_enabled: true };
      case 'GET schedules':
        return { schedules: script.crons.map((cron) => ({ cron })) };
      case 'PUT schedules':
        script.crons = (JSON.parse(call.body.toString()) as { cron: string }[]).map(({ cron }) => cron);
        return { schedules: [] };
      default:
        throw new Refusal(404, 7003, `no route ${action}`);
    }
  }

  #service(name: string, script: Script, rest: string[]): unknown {
    if (rest.length === 0)
      return {
        id: name,
        default_environment: {
          environment: 'production',
          script: {
            id: name,
            tag: 'tag',
            tags: [],
            last_deployed_from: 'wrangler',
            migration_tag: script.migrationTag,
          },
        },
        environments: [{ environment: 'production' }],
      };
    throw new Refusal(404, 7003, `no route services/${name}/${rest.join('/')}`);
  }

  /** A deployment as of old: code, migrations and all requests at once. */
  async #put(name: string, call: Request): Promise<unknown> {
    const form = await formOf(call);
    const script = this.scripts.get(name) ?? {
      versions: [],
      deployments: [],
      crons: [],
      routes: [],
      domains: [],
    };
    const version = this.#version(name, script, form, true);
    this.scripts.set(name, script);
    script.deployments.unshift(deploymentOf([[version.id, 100]], {}));
    return { id: name, etag: 'etag', deployment_id: version.id.replaceAll('-', ''), startup_time_ms: 5 };
  }

  #version(name: string, script: Script, metadata: Metadata, isPut = false): { id: string } & object {
    const migrations = metadata.migrations as { new_tag?: string; old_tag?: string } | undefined;
    // https://developers.cloudflare.com/durable-objects/reference/durable-objects-migrations/
    if (migrations && !isPut)
      throw new Refusal(400, 10211, 'migrations must be fully applied via a non-versioned script upload');
    if (migrations && (migrations.old_tag ?? undefined) !== script.migrationTag)
      throw new Refusal(412, 10079, 'the migration tag is not the expected one');
    for (const binding of metadata.bindings as Binding[]) {
      const other = binding.type === 'service' ? binding.service : binding.script_name;
      if (other && other !== name && !this.scripts.has(other))
        throw new Refusal(400, 10143, `binding ${binding.name} refers to ${other}, which does not exist`);
      if (
        binding.type === 'durable_object_namespace' &&
        !binding.script_name &&
        !script.migrationTag &&
        !migrations
      )
        throw new Refusal(400, 10070, 'no such Durable Object class');
    }
    const annotations = (metadata.annotations ?? {}) as Record<string, string>;
    // "workers/tag": at most 25 bytes; "workers/message": at most 100.
    if ((annotations['workers/tag']?.length ?? 0) > 25) throw new Refusal(400, 10021, 'the tag is too long');
    if ((annotations['workers/message']?.length ?? 0) > 100)
      throw new Refusal(400, 10021, 'the message is too long');
    if (migrations?.new_tag) script.migrationTag = migrations.new_tag;
    const kept = (metadata.keep_bindings ?? []) as string[];
    const given = metadata.bindings as Binding[];
    const inherited = (script.versions.at(-1)?.bindings ?? []).filter(
      ({ type, name: one }) => kept.includes(type) && !given.some((each) => each.name === one),
    );
    const version = {
      id: randomUUID(),
      number: script.versions.length + 1,
      created: new Date().toISOString(),
      annotations,
      bindings: [...given, ...inherited],
      placement: metadata.placement,
    };
    script.versions.push(version);
    return versionView(version);
  }

  #deploy(
    script: Script,
    wish: { versions: { version_id: string; percentage: number }[]; annotations?: Record<string, string> },
  ) {
    const shares = wish.versions.map(({ version_id, percentage }): [string, number] => [
      find(script, version_id).id,
      percentage,
    ]);
    if (shares.length > 2 || shares.reduce((sum, [, share]) => sum + share, 0) !== 100)
      throw new Refusal(400, 10021, 'one or two versions, 100 percent in all');
    const deployment = deploymentOf(shares, wish.annotations ?? {});
    script.deployments.unshift(deployment);
    return deployment;
  }
}

type Metadata = Record<string, unknown>;

async function formOf({ body, type }: Request): Promise<Metadata> {
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
  const metadata = form.get('metadata');
  return JSON.parse(
    typeof metadata === 'string' ? metadata : ((await (metadata as unknown as Blob)?.text()) ?? '{}'),
  );
}

function find(script: Script, id: string): Version {
  const version = script.versions.find((each) => each.id === id);
  if (!version) throw new Refusal(404, 10222, `no version ${id}`);
  return version;
}

/** As Cloudflare shows it: secrets by their names only. */
function versionView({ id, number, created, annotations, bindings }: Version) {
  return {
    id,
    number,
    annotations,
    metadata: {
      created_on: created,
      author_email: 'operator@example.com',
      source: 'wrangler',
      has_preview: false,
    },
    resources: {
      bindings: bindings.map(({ text, ...each }) => (each.type === 'secret_text' ? each : { ...each, text })),
      script: { etag: 'etag', handlers: ['fetch'], last_deployed_from: 'wrangler' },
      script_runtime: { compatibility_date: '2026-11-01', usage_model: 'standard' },
    },
    startup_time_ms: 5,
  };
}

const deploymentOf = (shares: [string, number][], annotations: Record<string, string>): Deployment => ({
  id: randomUUID(),
  created_on: new Date().toISOString(),
  annotations,
  versions: shares.map(([version_id, percentage]) => ({ version_id, percentage })),
});
