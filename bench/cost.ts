import type postgres from 'postgres';
import { hasProc, processorSeconds } from './processes.ts';

/** Where Postgres stands at a moment. */
export interface Mark {
  /** Bytes of WAL since the server was made. */
  wal: number;
  /** Seconds of processor time of each backend, by its process id; undefined where the system does not tell. */
  backends: Map<number, number> | undefined;
}

/** What some work has cost Postgres. */
export interface Cost {
  /** Seconds that the backends were on a processor; undefined where the system does not tell. */
  cpu: number | undefined;
  /** Bytes, whole pages after a checkpoint and what autovacuum writes included. */
  wal: number;
}

/**
 * To be called while the clients are idle: a backend's time is complete once it waits.
 *
 * @param sql one connection to the same server, as a superuser
 * @param database whose backends count; not the one that `sql` uses, nor parallel workers, which end too soon
 * @param without backends that do not count either: the benchmark's own
 */
export async function mark(sql: postgres.Sql, database: string, without: number[] = []): Promise<Mark> {
  const rows = await sql<{ pid: number | null; wal: number }[]>`
    select pid, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as wal
    from (select) as one left join pg_stat_activity
      on datname = ${database} and backend_type = 'client backend' and pid <> pg_backend_pid()`;
  const times = rows.flatMap(({ pid }): [number, number][] => {
    if (pid === null || without.includes(pid)) return [];
    const seconds = processorSeconds(pid);
    return seconds === undefined ? [] : [[pid, seconds]];
  });
  return { wal: rows[0]?.wal ?? 0, backends: hasProc ? new Map(times) : undefined };
}

/** A backend that has ended in between is not in it: clients keep their connections while they are measured. */
export function costBetween(from: Mark, to: Mark): Cost {
  const before = from.backends;
  return {
    cpu:
      before &&
      to.backends &&
      [...to.backends].reduce((sum, [pid, seconds]) => sum + seconds - (before.get(pid) ?? 0), 0),
    wal: to.wal - from.wal,
  };
}
