import { setTimeout as sleep } from 'node:timers/promises';
import type postgres from 'postgres';
import { client, databaseUrl } from '../../stack/postgres.ts';

export interface DatabaseWork {
  commits: number;
  walBytes: number;
  walFlushes: number;
  functions: Record<string, FunctionWork>;
}

export interface FunctionWork {
  calls: number;
  /** Milliseconds, with what it calls and without. */
  total: number;
  self: number;
}

/** An idle connection hands in its statistics after ten seconds. */
const HANDED_IN_MS = 11_000;

/** Postgres' own statistics, as its superuser. */
export class DatabaseStatistics {
  readonly #sql: postgres.Sql;

  constructor(url: string) {
    this.#sql = client(databaseUrl(url, 'postgres', 'supabase_admin'));
  }

  /** Times each function from here on, at the price of a look at the clock per call. */
  async trackFunctions(): Promise<void> {
    await this.#sql`alter system set track_functions = 'all'`;
    await this.#sql`select pg_reload_conf()`;
  }

  /** What was done since the server started; to be called when the others are idle. */
  async read(): Promise<DatabaseWork> {
    await sleep(HANDED_IN_MS);
    const [row] = await this.#sql<{ commits: number; wal_bytes: number; wal_sync: number }[]>`
      select xact_commit::float8 as commits, wal_bytes::float8, wal_sync::float8
      from pg_stat_database, pg_stat_wal where datname = current_database()`;
    const functions = await this.#sql<({ name: string } & FunctionWork)[]>`
      select schemaname || '.' || funcname as name, sum(calls)::float8 as calls,
        sum(total_time) as total, sum(self_time) as self
      from pg_stat_user_functions group by name`;
    return {
      commits: row?.commits ?? 0,
      walBytes: row?.wal_bytes ?? 0,
      walFlushes: row?.wal_sync ?? 0,
      functions: Object.fromEntries(
        functions.map(({ name, calls, total, self }) => [name, { calls, total, self }]),
      ),
    };
  }

  async close(): Promise<void> {
    await this.#sql.end();
  }
}

export function workBetween(from: DatabaseWork, to: DatabaseWork): DatabaseWork {
  const functions: Record<string, FunctionWork> = {};
  for (const [name, { calls, total, self }] of Object.entries(to.functions)) {
    const before = from.functions[name] ?? { calls: 0, total: 0, self: 0 };
    const work = { calls: calls - before.calls, total: total - before.total, self: self - before.self };
    if (work.calls > 0) functions[name] = work;
  }
  return {
    commits: to.commits - from.commits,
    walBytes: to.walBytes - from.walBytes,
    walFlushes: to.walFlushes - from.walFlushes,
    functions,
  };
}
