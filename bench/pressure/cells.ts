import { setTimeout as sleep } from 'node:timers/promises';
import type postgres from 'postgres';
import type { Options } from './options.ts';

/** Connections of the harness's own carry this name: what they cost is no queue's. */
export const OWN = 'picture-queue-pressure';

/** Opens a connection of the harness's own to the queue's database, as a superuser. */
export type Connect = () => postgres.Sql;
/** Ends a stress. */
export type End = () => Promise<void>;

interface Cell {
  title: string;
  /** Whether the load is raised. */
  more: boolean;
  begin: (connect: Connect, options: Options) => Promise<End>;
}

const calm = async (): Promise<End> => async () => {};

export const CELLS = {
  none: { title: 'nothing besides the load', more: false, begin: calm },
  held: { title: 'a writing transaction that stays open', more: false, begin: hold },
  readers: { title: 'overlapping REPEATABLE READ readers of the hot tables', more: false, begin: read },
  load: { title: 'more load', more: true, begin: calm },
  'held-load': { title: 'both: the open transaction and more load', more: true, begin: hold },
} satisfies Record<string, Cell>;

export type CellName = keyof typeof CELLS;

/** It has written, and so no row that dies from now on may be removed before it ends. */
async function hold(connect: Connect): Promise<End> {
  const sql = connect();
  try {
    await sql`begin`;
    await sql`select pg_current_xact_id()`;
  } catch (error) {
    await sql.end();
    throw error;
  }
  return async () => {
    await sql`rollback`;
    await sql.end();
  };
}

/** Each reads the busiest tables once a second in one snapshot, then takes a new one; they begin by turns. */
async function read(connect: Connect, { readers, readerSeconds }: Options): Promise<End> {
  const first = connect();
  const tables = await hotTables(first);
  await first.end();
  const stop = new AbortController();
  const { signal } = stop;
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  const reader = async (place: number) => {
    const sql = connect();
    try {
      await pause((place * readerSeconds * 1000) / readers);
      while (!signal.aborted) {
        await sql`begin isolation level repeatable read`;
        for (let second = 0; second < readerSeconds && !signal.aborted; second++) {
          for (const table of tables) await sql.unsafe(`select count(*) from ${table}`);
          await pause(Math.min(1, readerSeconds - second) * 1000);
        }
        await sql`commit`;
      }
    } finally {
      await sql.end();
    }
  };
  const all = Promise.all(Array.from({ length: readers }, (_, place) => reader(place)));
  all.catch(() => {}); // told by the end
  return async () => {
    stop.abort();
    await all;
  };
}

/** The three tables that are written to most, whatever the queue calls them. */
async function hotTables(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select relid::regclass::text as name from pg_stat_user_tables
    where n_tup_ins + n_tup_upd + n_tup_del > 0
    order by n_tup_ins + n_tup_upd + n_tup_del desc limit 3`;
  return rows.map(({ name }) => name);
}
