import { setTimeout as sleep } from 'node:timers/promises';
import type postgres from 'postgres';
import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import { type Cost, costBetween, type Mark, mark } from '../cost.ts';

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
  /** Backends of the benchmark itself. */
  readonly #own: number[];

  private constructor(sql: postgres.Sql, own: number[]) {
    this.#sql = sql;
    this.#own = own;
  }

  /** @param others connections, of one backend each, that cost nothing of what is measured */
  static async open(url: string, others: postgres.Sql[]): Promise<DatabaseStatistics> {
    const own = await Promise.all(
      others.map(async (sql) => {
        const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
        return row?.pid ?? 0;
      }),
    );
    return new DatabaseStatistics(client(databaseUrl(url, 'postgres', 'supabase_admin')), own);
  }

  mark(): Promise<Mark> {
    return mark(this.#sql, 'postgres', this.#own);
  }

  async costSince(from: Mark): Promise<Cost> {
    return costBetween(from, await this.mark());
  }

  /** Whether these generations are completed, and no job is left. */
  async areDone(generations: string[]): Promise<boolean> {
    const [row] = await this.#sql<{ done: boolean }[]>`
      select count(*) = ${generations.length} and not exists (
        select from public.job_queue where status in ('pending', 'processing')
      ) as done
      from public.image_generations where id in ${this.#sql(generations)} and status = 'completed'`;
    return row?.done ?? false;
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

  /** Bytes of a stored image's file, on the average. */
  async imageBytes(): Promise<number> {
    const [row] = await this.#sql<{ bytes: number | null }[]>`
      select avg(file_size)::float8 as bytes from public.images`;
    return row?.bytes ?? 0;
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
