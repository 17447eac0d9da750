import type postgres from 'postgres';
import type { PredictionRecord } from '../../dev/replicate/control.ts';
import type { Played } from './scene.ts';

/** Rows and a checksum of each table, in the order of their names. */
export type Tables = Record<string, string>;

const SCHEMAS = ['public', 'private', 'auth', 'storage'];
/** What a new project has of its own. */
const ITS_OWN = ['auth.schema_migrations', 'storage.migrations', 'storage.buckets'];

export async function tablesOf(sql: postgres.Sql): Promise<Tables> {
  const names = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ${sql(SCHEMAS)} order by 1`;
  const tables: Tables = {};
  for (const { name } of names) {
    if (ITS_OWN.includes(name)) continue;
    const [row] = await sql.unsafe(
      `select count(*) || ' rows ' || coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') as sum from ${name} as t`,
    );
    tables[name] = row?.sum;
  }
  return tables;
}

/** The names of the tables that are not the same. */
export function differences(one: Tables, other: Tables): string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]);
}

export interface Line {
  state: string;
  /** How many stood there at the dump. */
  generations: number;
  /** How they have ended, after the restore. */
  ended: string;
  /** Predictions that were paid for, of all of them, since the beginning. */
  paid: number;
}

export interface Findings {
  lines: Line[];
  /** Sentences on what must not be. */
  wrong: string[];
  /** Predictions of generations that were started after the dump. */
  unknown: { predictions: number; usd: number };
}

interface Ledger {
  id: string;
  status: string | null;
  cost_usd: string | null;
}

/** Sets the restored database beside what the provider has made and is paid for. */
export async function compareLedger(
  sql: postgres.Sql,
  played: Played[],
  lost: Played[],
  predictions: PredictionRecord[],
): Promise<Findings> {
  const wrong: string[] = [];
  const rows = await sql<{ id: string; status: string; images: number }[]>`
    select g.id, g.status, (select count(*)::int from public.images as i where i.generation_id = g.id) as images
    from public.image_generations as g`;
  const byId = new Map(rows.map((row) => [row.id, row]));
  const ledger = new Map(
    (await sql<Ledger[]>`select id, status, cost_usd from private.predictions`).map((row) => [row.id, row]),
  );
  const paidOf = (job: string) =>
    predictions.filter((one) => one.job === job && one.status === 'succeeded').length;
  for (const { id, job, state } of played) {
    const row = byId.get(id);
    if (!row) wrong.push(`a generation that was ${state} at the dump is not there`);
    else if (row.status === 'completed' && row.images !== 1)
      wrong.push(`${state}: completed without its image`);
    if (paidOf(job) > 1) wrong.push(`${state}: paid for ${paidOf(job)} times`);
  }
  for (const { id } of lost) {
    if (byId.has(id))
      wrong.push('a generation that was started after the dump is there: the dump is a later one');
  }
  const known = new Set(played.map(({ job }) => job));
  for (const one of predictions.filter(({ job }) => known.has(job ?? ''))) {
    const entry = ledger.get(one.id);
    if (!entry) wrong.push(`prediction ${one.id} (${one.status}) is not in the ledger`);
    else if (entry.status !== one.status)
      wrong.push(`prediction ${one.id} is ${one.status} at the provider and ${entry.status} in the ledger`);
    else if (one.status === 'succeeded' && entry.cost_usd === null)
      wrong.push(`prediction ${one.id} has no price in the ledger`);
  }
  const strangers = [...ledger.keys()].filter((id) => !predictions.some((one) => one.id === id));
  if (strangers.length > 0) wrong.push(`the ledger has predictions that the provider has not: ${strangers}`);

  const states = [...new Set(played.map(({ state }) => state))];
  const lines = states.map((state) => {
    const ones = played.filter((one) => one.state === state);
    const ends = ones.map(({ id }) => byId.get(id)?.status ?? 'lost');
    return {
      state,
      generations: ones.length,
      ended: [...new Set(ends)].join(', '),
      paid: ones.reduce((sum, { job }) => sum + paidOf(job), 0),
    };
  });
  const price = Number([...ledger.values()].find(({ cost_usd }) => cost_usd !== null)?.cost_usd ?? 0);
  const paidUnknown = lost.reduce((sum, { job }) => sum + paidOf(job), 0);
  return { lines, wrong, unknown: { predictions: paidUnknown, usd: paidUnknown * price } };
}
