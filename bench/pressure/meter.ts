import type postgres from 'postgres';
import { hasProc, processorSeconds } from '../processes.ts';
import { OWN } from './cells.ts';

/** Where a database stands at a moment, all counted from the first look. */
export interface Reading {
  at: number;
  /** Seconds on a processor of the queue's backends; undefined where the system does not tell. */
  cpu: number | undefined;
  /** The same of autovacuum in this database; a worker that came and went between two looks is not in it. */
  vacuum: number | undefined;
  /** Bytes of WAL since the server was made. */
  wal: number;
  completed: number;
}

const LOOK_MS = 250;

/** Looks at the backends of a database four times a second. */
export class Meter {
  readonly readings: Reading[] = [];
  readonly #sql: postgres.Sql;
  readonly #completed: () => number;
  readonly #last = new Map<number, number>();
  #cpu = 0;
  #vacuum = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<unknown> = Promise.resolve();

  /** @param sql a connection of the harness's own to the database */
  constructor(sql: postgres.Sql, completed: () => number) {
    this.#sql = sql;
    this.#completed = completed;
  }

  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.look().catch(() => {}), LOOK_MS);
  }

  /** One look at a time. */
  look(): Promise<Reading> {
    const next = this.#looking.catch(() => {}).then(() => this.#take());
    this.#looking = next;
    return next;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking.catch(() => {});
  }

  /** Rows that are dead by the statistics of all tables of the database, the system's own aside. */
  async deadRows(): Promise<number> {
    const [row] = await this.#sql<{ dead: number }[]>`
      select coalesce(sum(n_dead_tup), 0)::float8 as dead from pg_stat_user_tables`;
    return row?.dead ?? 0;
  }

  /** The same once a VACUUM has returned what can be. */
  async deadAfterVacuum(): Promise<number> {
    await this.#sql`vacuum`;
    return this.deadRows();
  }

  async #take(): Promise<Reading> {
    const rows = await this.#sql<{ pid: number | null; kind: string; wal: number }[]>`
      select a.pid, a.backend_type as kind, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as wal
      from (select) as one left join pg_stat_activity as a
        on a.datname = current_database() and a.application_name <> ${OWN}
        and a.backend_type in ('client backend', 'parallel worker', 'autovacuum worker')`;
    const isFirst = this.readings.length === 0;
    for (const { pid, kind } of rows) {
      const seconds = pid === null ? undefined : processorSeconds(pid);
      if (pid === null || seconds === undefined) continue;
      // Who comes later has done all it did since then.
      const before = this.#last.get(pid) ?? (isFirst ? seconds : 0);
      const since = Math.max(0, seconds - before);
      if (kind === 'autovacuum worker') this.#vacuum += since;
      else this.#cpu += since;
      this.#last.set(pid, seconds);
    }
    const reading = {
      at: performance.now(),
      cpu: hasProc ? this.#cpu : undefined,
      vacuum: hasProc ? this.#vacuum : undefined,
      wal: rows[0]?.wal ?? 0,
      completed: this.#completed(),
    };
    this.readings.push(reading);
    return reading;
  }
}
