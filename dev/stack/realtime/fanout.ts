import type { Claims } from '../supabase/jwt.ts';
import { type Condition, conditionOf, type Database, type Row, type Table } from './database.ts';
import type { Selection } from './filters.ts';
import type { RowChange, Tuple } from './pgoutput.ts';

/** Somebody who wants to hear of changes. */
export interface Subscription {
  selection: Selection;
  claims: Claims;
  /** The oids of its tables. */
  tables: number[];
}

/** What a change looks like to some subscribers: the member `data` of the message. */
export interface Told<S extends Subscription> {
  to: S[];
  data: Record<string, unknown>;
}

/**
 * Who hears of a change, and what. As in the real server:
 *
 * - Filters see the new row; those of a deletion the old one, as far as the WAL has it.
 * - A new row is told where the subscriber may read it now, by grants and row-level security. A deleted one is told to
 *   all, but only its primary key where the table has row-level security.
 * - The old row of an UPDATE is its key, unless the table has `replica identity full`.
 * - A large value that an UPDATE left as it was is not there.
 *
 * https://github.com/supabase/walrus and the function realtime.apply_rls of
 * https://github.com/supabase/realtime/tree/main/lib/realtime/tenants/repo/migrations
 */
export async function fanOut<S extends Subscription>(
  database: Database,
  change: RowChange,
  subscriptions: Iterable<S>,
): Promise<Told<S>[]> {
  const { relation, action } = change;
  const interested = [...subscriptions].filter(
    ({ tables, selection }) =>
      tables.includes(relation.oid) && (selection.action === '*' || selection.action === action),
  );
  if (interested.length === 0) return [];
  const table = await database.tableOf(relation);
  const texts = new Texts(change);
  const matching = await thoseWhoseFiltersHold(database, table, texts, interested);
  const told: Told<S>[] = [];
  for (const role of new Set(matching.map(({ claims }) => String(claims.role)))) {
    const group = matching.filter(({ claims }) => String(claims.role) === role);
    const readable = await database.selectable(relation.oid, role);
    const key = table.columns.filter(({ isPrimaryKey }) => isPrimaryKey);
    const refusal =
      action === 'DELETE'
        ? undefined
        : refusalOf(
            key.map(({ name }) => name),
            readable,
          );
    if (refusal) {
      told.push({ to: group, data: { ...headOf(change), columns: [], record: {}, errors: [refusal] } });
      continue;
    }
    const allowed: S[] = [];
    const asked = new Map<string, boolean>();
    for (const one of group) {
      const who = JSON.stringify(one.claims);
      let may = asked.get(who) ?? (action === 'DELETE' || !table.hasRowSecurity || undefined);
      if (may === undefined) {
        const keys = key.map((column) => ({ column, text: texts.now.get(column.name) ?? null }));
        may = await database.mayRead(relation, keys, one.claims);
      }
      asked.set(who, may);
      if (may) allowed.push(one);
    }
    if (allowed.length === 0) continue;
    const rows = await rowsOf(database, table, texts, action);
    for (const [, to] of Map.groupBy(allowed, ({ selection }) => selection.columns?.toSorted().join())) {
      const chosen = to[0]?.selection.columns;
      const shown = table.columns.filter(
        ({ name, isPrimaryKey }) => readable.has(name) && (!chosen || isPrimaryKey || chosen.includes(name)),
      );
      const names = new Set(shown.map(({ name }) => name));
      told.push({
        to,
        data: {
          ...headOf(change),
          commit_timestamp: new Date(change.committedAt).toISOString(),
          columns: shown.map(({ name, type }) => ({ name, type })),
          ...(rows.now ? { record: only(rows.now, names) } : {}),
          ...(rows.before ? { old_record: only(rows.before, names) } : {}),
          errors: null,
        },
      });
    }
  }
  return told;
}

const headOf = ({ relation, action }: RowChange) => ({
  schema: relation.schema,
  table: relation.table,
  type: action,
});

function refusalOf(key: string[], readable: Set<string>): string | undefined {
  if (key.length === 0) return 'Error 400: Bad Request, no primary key';
  return key.every((name) => readable.has(name)) ? undefined : 'Error 401: Unauthorized';
}

/** A change's values by column. */
class Texts {
  readonly now: Map<string, string | null>;
  /** What the WAL has of the old row; of an UPDATE that kept the key: the key. */
  readonly before: Map<string, string | null>;

  constructor({ relation, row, old }: RowChange) {
    const { columns } = relation;
    const named = (tuple: Tuple | undefined, keyOnly: boolean) =>
      new Map(
        columns.flatMap(({ name, isKey }, i) => {
          const text = tuple?.[i];
          return text === undefined || (keyOnly && !isKey) ? [] : [[name, text] as const];
        }),
      );
    this.before = old ? named(old.tuple, old.isKeyOnly) : named(row, true);
    this.now = named(row, false);
    // What the change left as it was the old row has, where that is whole.
    if (row && old && !old.isKeyOnly) {
      for (const [name, text] of this.before) if (!this.now.has(name)) this.now.set(name, text);
    }
  }
}

async function thoseWhoseFiltersHold<S extends Subscription>(
  database: Database,
  table: Table,
  texts: Texts,
  subscriptions: S[],
): Promise<S[]> {
  const values = texts.now.size > 0 ? texts.now : texts.before;
  const conditions = subscriptions.map(({ selection }): Condition => {
    const all: Condition = { text: 'true', parameters: [] };
    for (const filter of selection.filters) {
      const cast = table.columns.find(({ name }) => name === filter.column)?.cast;
      const text = values.get(filter.column);
      if (cast === undefined || text === undefined) return { text: 'false', parameters: [] };
      const one = conditionOf(filter, cast, text);
      const first = all.parameters.length;
      all.text += ` and ${one.text.replace(/\$(\d+)/g, (_, n) => `$${first + Number(n)}`)}`;
      all.parameters.push(...one.parameters);
    }
    return { ...all, text: `(${all.text})` };
  });
  if (conditions.every(({ text }) => text === '(true)')) return subscriptions;
  const hold = await database.whichHold(conditions);
  return subscriptions.filter((_, i) => hold[i]);
}

async function rowsOf(database: Database, table: Table, texts: Texts, action: RowChange['action']) {
  const row = (values: Map<string, string | null>, ofKeyOnly: boolean) => {
    const columns = table.columns.filter(
      ({ name, isPrimaryKey }) => values.has(name) && (!ofKeyOnly || isPrimaryKey),
    );
    return database.toRow(
      columns,
      columns.map(({ name }) => values.get(name) ?? null),
    );
  };
  return {
    now: action === 'DELETE' ? undefined : await row(texts.now, false),
    before:
      action === 'INSERT' ? undefined : await row(texts.before, action === 'DELETE' && table.hasRowSecurity),
  };
}

const only = (row: Row, names: Set<string>): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => names.has(name)));
