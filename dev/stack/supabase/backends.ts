import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { databaseUrl } from '../postgres.ts';
import { FileStorage } from './file-storage.ts';
import type { ProjectKeys } from './jwt.ts';
import { type Lite, startLite } from './lite.ts';
import { Pool } from './pool.ts';
import { Rpc } from './rpc.ts';
import { Uploads } from './uploads.ts';

export interface BackendOptions {
  superuserUrl: string;
  database: string;
  keys: ProjectKeys;
  storageDir: string;
  maxConnections: number;
}

/** Rejects work that was under way on connections that have been given up. */
export class ConnectionsReplaced extends Error {}

/** What answers requests, with its connections to Postgres. */
export class Backends {
  readonly lite: Lite;
  readonly rpc: Rpc;
  readonly uploads: Uploads;
  readonly #close: ((graceSeconds: number) => Promise<unknown>)[];
  readonly #underWay = new Set<(reason: Error) => void>();

  private constructor(
    lite: Lite,
    rpc: Rpc,
    uploads: Uploads,
    close: ((graceSeconds: number) => Promise<unknown>)[],
  ) {
    this.lite = lite;
    this.rpc = rpc;
    this.uploads = uploads;
    this.#close = close;
  }

  static async connect(options: BackendOptions): Promise<Backends> {
    const { superuserUrl, database, keys, storageDir, maxConnections } = options;
    const files = new FileStorage(storageDir);
    const lite = await startLite({
      url: databaseUrl(superuserUrl, database, new URL(superuserUrl).username),
      keys,
      siteUrl: 'http://127.0.0.1:3000',
      files,
      maxConnections: Math.ceil(maxConnections / 2),
    });
    const url = databaseUrl(superuserUrl, database, 'authenticator');
    const session = {
      onnotice: () => {},
      fetch_types: false,
      connect_timeout: 5,
      connection: { TimeZone: 'UTC', application_name: 'postgrest' },
    };
    const pool = new Pool(url, maxConnections, session);
    const sql = postgres(url, { ...session, max: 1 });
    const close = [
      (timeout: number) => lite.close(timeout),
      (timeout: number) => pool.end(timeout),
      (timeout: number) => sql.end({ timeout }),
    ];
    try {
      const onSchemaChange = () => void lite.forgetSchema();
      const rpc = await Rpc.start({ pool, sql, schema: 'public', onSchemaChange });
      return new Backends(lite, rpc, new Uploads(pool, lite.pool, files), close);
    } catch (error) {
      for (const end of close) void end(0);
      throw error;
    }
  }

  /** The work's result, unless the connections are given up before. */
  run<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#underWay.add(reject);
      work.then(resolve, reject).finally(() => this.#underWay.delete(reject));
    });
  }

  async close(graceSeconds: number): Promise<void> {
    await Promise.all(this.#close.map((end) => end(graceSeconds)));
  }

  /** Whoever still waits need not: a connection of a dead server may never answer. */
  giveUp(): void {
    for (const reject of this.#underWay) reject(new ConnectionsReplaced());
    this.close(0).catch(() => {}); // of connections that are dead anyway
  }
}

const RETRY_MS = 250;

/** The backends that are in use, replaced when Postgres was restarted. */
export class CurrentBackends {
  readonly #options: BackendOptions;
  #current: Backends;
  #asked = 0;
  #replacing: Promise<void> | undefined;
  #closed = false;

  private constructor(options: BackendOptions, first: Backends) {
    this.#options = options;
    this.#current = first;
  }

  static async connect(options: BackendOptions): Promise<CurrentBackends> {
    return new CurrentBackends(options, await Backends.connect(options));
  }

  get(): Backends {
    return this.#current;
  }

  /** Replaces all connections, trying until Postgres can be reached. */
  replace(): Promise<void> {
    this.#asked++;
    this.#replacing ??= this.#replace().finally(() => {
      this.#replacing = undefined;
    });
    return this.#replacing;
  }

  async #replace(): Promise<void> {
    for (let done = 0; done !== this.#asked && !this.#closed; ) {
      const asked = this.#asked;
      try {
        const next = await Backends.connect(this.#options);
        this.#current.giveUp();
        this.#current = next;
        done = asked; // and once more, if it was asked for meanwhile
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#replacing;
    await this.#current.close(1);
  }
}
