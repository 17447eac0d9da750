/** One rehearsal: an empty database, the stand-ins, and the commands run as an operator runs them. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import { EnvFile, type Values } from '../../scripts/install/env-file.ts';
import { environment, ROOT } from '../../scripts/run.mjs';
import { createDatabase, EMPTY } from '../stack/testing.ts';
import { ACCOUNT, Cloudflare, TOKEN } from './cloudflare.ts';
import { ACCESS_TOKEN, PUBLISHABLE, REF, SECRET, SupabaseApi } from './supabase-api.ts';

export interface Ended {
  code: number | null;
  output: string;
}

export class Installation {
  readonly cloudflare = new Cloudflare();
  readonly supabase = new SupabaseApi();
  readonly dir: string;
  readonly file: EnvFile;
  readonly sql: postgres.Sql;
  readonly replicate: Simulator;
  /** What must be seen nowhere. */
  readonly secrets: string[];
  readonly #databaseUrl: string;
  #profile = '';
  #child: ChildProcess | undefined;

  private constructor(dir: string, databaseUrl: string, replicate: Simulator) {
    this.dir = dir;
    this.file = new EnvFile(path.join(dir, '.env.production'));
    this.#databaseUrl = databaseUrl;
    this.sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    this.replicate = replicate;
    this.secrets = [SECRET, PUBLISHABLE, replicate.token, replicate.webhookSecret, TOKEN, ACCESS_TOKEN];
  }

  static async start(): Promise<Installation> {
    const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-install-'));
    const { url } = await createDatabase(EMPTY);
    const replicate = await startSimulator();
    const made = new Installation(dir, url, replicate);
    await made.cloudflare.start();
    await made.supabase.start();
    made.#profile = await made.supabase.profile(dir);
    return made;
  }

  async stop(): Promise<void> {
    await this.sql.end();
    await this.cloudflare.stop();
    await this.supabase.stop();
    await this.replicate.close();
    await fs.rm(this.dir, { recursive: true, force: true });
  }

  /** What an operator has exported for the first run. */
  settings(): Values {
    return {
      SUPABASE_PROJECT_REF: REF,
      SUPABASE_DB_URL: `${this.#databaseUrl}?sslmode=disable`,
      REPLICATE_API_TOKEN: this.replicate.token,
      REPLICATE_API_URL: this.replicate.url,
    };
  }

  /**
   * Runs a command to its end, or until `kill()`.
   *
   * @param clone a checkout that keeps its own settings, in place of this one with them elsewhere
   */
  async run(
    command: 'setup' | 'deploy',
    args: string[],
    settings: Values = {},
    clone?: string,
  ): Promise<Ended> {
    const where = clone === undefined ? ['--dir', this.dir] : [];
    const all = ['scripts/install/main.ts', command, ...where, '--no-build', ...args];
    const env: NodeJS.ProcessEnv = environment({
      ...settings,
      HOME: this.dir,
      CLOUDFLARE_API_BASE_URL: this.cloudflare.url,
      CLOUDFLARE_API_TOKEN: TOKEN,
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
      SUPABASE_PROFILE: this.#profile,
      SUPABASE_ACCESS_TOKEN: ACCESS_TOKEN,
      SUPABASE_NO_KEYRING: '1',
    });
    // Of its own group: a kill takes what it has started with it.
    const child = spawn('node', all, {
      cwd: clone ?? ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    this.#child = undefined;
    return { code, output };
  }

  /** As the power goes off. */
  kill(): void {
    if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
  }

  /** The migrations that the database has noted. */
  async migrations(): Promise<string[]> {
    const [{ there } = { there: false }] = await this.sql<{ there: boolean }[]>`
      select to_regclass('supabase_migrations.schema_migrations') is not null as there`;
    if (!there) return [];
    const rows = await this.sql<{ version: string }[]>`
      select version from supabase_migrations.schema_migrations order by version`;
    return rows.map(({ version }) => version);
  }

  /** Everything that setup has brought about, without what differs between two rehearsals. */
  async state(): Promise<unknown> {
    const workers = [...this.cloudflare.scripts.keys()].sort().map((name) => {
      const { bindings, annotations } = this.cloudflare.current(name);
      const { crons, migrationTag } = this.cloudflare.scripts.get(name) ?? {};
      return {
        name,
        crons,
        migrationTag,
        isNoted: /^\d{12}-[0-9a-f]{12}$/.test(annotations['workers/tag'] ?? ''),
        bindings: bindings.map(({ name: binding, type, text }) => ({ binding, type, text })).sort(byName),
      };
    });
    const state = { workers, migrations: await this.migrations(), settings: this.file.read() };
    const own = { ...this.settings(), REPLICATE_WEBHOOK_SECRET: this.replicate.webhookSecret };
    const text = Object.entries(own).reduce(
      (all, [name, value]) => all.replaceAll(JSON.stringify(value), `"<${name}>"`),
      JSON.stringify(state),
    );
    return JSON.parse(text);
  }

  /** Files below the folder that hold a secret, but for the one that is meant to. */
  async filesWithSecrets(): Promise<string[]> {
    const entries = await fs.readdir(this.dir, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
    const found: string[] = [];
    for (const file of files) {
      const text = await fs.readFile(file, 'latin1');
      if (file !== this.file.file && this.secrets.some((secret) => text.includes(secret)))
        found.push(path.relative(this.dir, file));
    }
    return found;
  }
}

const byName = (a: { binding: string }, b: { binding: string }) => a.binding.localeCompare(b.binding);
