import postgres from 'postgres';
import type { Claims } from '../supabase/jwt.ts';
import { BadSubscription, type Filter, OPERATORS, type Selection } from './filters.ts';
import { PgOutput, type Relation, type RowChange } from './pgoutput.ts';

const PUBLICATION = 'supabase_realtime';
/** Changes taken from the slot at once, by default as many as the real server takes. */
const MAX_CHANGES = 100;

/** A column as it is now. */
export interface Column {
  name: string;
  /** Its name in the catalog, `timestamptz`: the client converts by it. */
  type: string;
  /** Its name in a cast. */
  cast: string;
  isPrimaryKey: boolean;
}

export interface Table {
  oid: number;
  columns: Column[];
  hasRowSecurity: boolean;
}

/** Values of a row as the API writes them; without those that the change did not have. */
export type Row = Record<string, unknown>;

/** An expression that holds or not, of parameters that are texts. */
export interface Condition {
  text: string;
  parameters: (string | null)[];
}

/**
 * The server's two sessions. One owns the replication slot and does nothing else: Postgres drops a temporary slot with
 * its session, and upon any error in it. The other one does the rest.
 *
 * The slot's plugin is pgoutput, which every Postgres has; the real server's is wal2json, which is an extension. Like
 * the real server, and unlike a stream, it looks for changes at intervals: who is subscribed is read at that time.
 */
export class Database {
  readonly #slotOwner: postgres.Sql;
  readonly #sql: postgres.Sql;
  readonly #output = new PgOutput();
  readonly #slot = `realtime_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  readonly #tables = new WeakMap<Relation, Table>();
  /** It has its slot, and has not been closed. */
  #lives = false;

  private constructor(url: string, onLost: () => void) {
    const options = {
      max: 1,
      fetch_types: false,
      onnotice: () => {},
      connect_timeout: 5,
      max_lifetime: null,
      connection: { TimeZone: 'UTC', application_name: 'realtime' },
    };
    const onclose = () => {
      if (this.#lives) onLost();
      this.#lives = false;
    };
    this.#slotOwner = postgres(url, { ...options, onclose });
    this.#sql = postgres(url, options);
  }

  /**
   * Connects, forgets subscriptions of before, and from now on keeps the changes of the publication's tables.
   *
   * @param onLost the session has ended by itself, and with it the slot
   */
  static async connect(url: string, onLost: () => void): Promise<Database> {
    const database = new Database(url, onLost);
    try {
      await database.#forgetSubscriptions();
      await database.#slotOwner`select pg_create_logical_replication_slot(${database.#slot}, 'pgoutput', true)`;
      database.#lives = true;
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#lives) await this.#forgetSubscriptions().catch(() => {}); // the next one does
    this.#lives = false;
    const ended = [this.#slotOwner, this.#sql].map((sql) => sql.end({ timeout: 1 }));
    await Promise.allSettled(ended); // a dead connection has ended already
  }

  async #forgetSubscriptions(): Promise<void> {
    await this.#sql`delete from realtime.subscription where true`;
  }

  /** What was committed since the last call, in its order. */
  async changes(): Promise<RowChange[]> {
    const rows = await this.#slotOwner<{ data: Buffer }[]>`
      select data from pg_logical_slot_get_binary_changes(
        ${this.#slot}, null, ${MAX_CHANGES}, 'proto_version', '1', 'publication_names', ${PUBLICATION}
      )`;
    return rows.flatMap(({ data }) => this.#output.read(data) ?? []);
  }

  async tableOf(relation: Relation): Promise<Table> {
    let table = this.#tables.get(relation);
    if (!table) {
      const rows = await this.#sql<
        { name: string; type: string; cast: string; pkey: boolean; secured: boolean }[]
      >`
        select a.attname as name, t.typname as type, format_type(a.atttypid, null) as cast,
          coalesce(a.attnum = any(i.indkey), false) as pkey, c.relrowsecurity as secured
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        join pg_type as t on t.oid = a.atttypid
        left join pg_index as i on i.indrelid = c.oid and i.indisprimary
        where c.oid = ${relation.oid}::oid order by a.attnum`;
      table = {
        oid: relation.oid,
        hasRowSecurity: rows[0]?.secured ?? false,
        columns: rows.map(({ name, type, cast, pkey }) => ({ name, type, cast, isPrimaryKey: pkey })),
      };
      this.#tables.set(relation, table);
    }
    return table;
  }

  /** The columns that a role may select. */
  async selectable(oid: number, role: string): Promise<Set<string>> {
    const rows = await this.#sql<{ name: string }[]>`
      select attname as name from pg_attribute
      where attrelid = ${oid}::oid and attnum > 0 and not attisdropped
        and has_column_privilege(${role}, attrelid, attnum, 'SELECT')`;
    return new Set(rows.map(({ name }) => name));
  }

  /** Values as `to_jsonb` writes them, out of their texts. */
  async toRow(columns: Column[], texts: (string | null)[]): Promise<Row> {
    if (columns.length === 0) return {};
    const list = columns.map(({ name, cast }, i) => `($${i + 1}::text)::${cast} as ${quoted(name)}`);
    const [row] = await this.#sql.unsafe<{ json: string }[]>(
      `select to_jsonb(r)::text as json from (select ${list.join()}) as r`,
      texts,
    );
    return JSON.parse(row?.json ?? '{}');
  }

  /** Which of the conditions hold; one that is neither true nor false does not. */
  async whichHold(conditions: Condition[]): Promise<boolean[]> {
    const parameters: (string | null)[] = [];
    const list = conditions.map(({ text, parameters: own }) => {
      const first = parameters.length;
      parameters.push(...own);
      return `coalesce(${text.replace(/\$(\d+)/g, (_, n) => `$${first + Number(n)}`)}, false)`;
    });
    const [row] = await this.#sql.unsafe<{ held: string }[]>(
      `select array_to_json(array[${list.join()}]::boolean[])::text as held`,
      parameters,
    );
    return JSON.parse(row?.held ?? '[]');
  }

  /** Whether row-level security shows a row, of which the key is given, to somebody. */
  async mayRead(
    relation: Relation,
    key: { column: Column; text: string | null }[],
    claims: Claims,
  ): Promise<boolean> {
    const same = key.map(({ column }, i) => `${quoted(column.name)} = ($${i + 1}::text)::${column.cast}`);
    const table = `${quoted(relation.schema)}.${quoted(relation.table)}`;
    return this.#sql.begin(async (transaction) => {
      await transaction`select set_config('role', ${String(claims.role)}, true),
        set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
      const [row] = await transaction.unsafe<{ visible: boolean }[]>(
        `select exists (select from ${table} where ${same.join(' and ')}) as visible`,
        key.map(({ text }) => text),
      );
      return row?.visible === true;
    }) as Promise<boolean>;
  }

  /**
   * Records a subscription, or its new claims.
   *
   * @returns the oids of its tables; none: no table of the publication is meant
   * @throws what Postgres says of claims, a column or a value that cannot be
   */
  async subscribe(id: string, selection: Selection, claims: Claims): Promise<number[]> {
    const { schema, table, filters, action, columns } = selection;
    return this.#sql.begin(async (transaction) => {
      const rows = await transaction<{ oid: number }[]>`
        insert into realtime.subscription
          (subscription_id, entity, filters, claims, claims_role, action_filter, selected_columns)
        select ${id}, format('%I.%I', p.schemaname, p.tablename)::regclass,
          array(
            select row(f ->> 'column', (f ->> 'operator')::realtime.equality_op, f ->> 'value',
              (f ->> 'negate')::boolean)::realtime.user_defined_filter
            from jsonb_array_elements(${JSON.stringify(filters)}::text::jsonb) as f
          ),
          ${JSON.stringify(claims)}::text::jsonb, ${String(claims.role)}::regrole, ${action},
          case when ${columns !== undefined} then array(
            select jsonb_array_elements_text(${JSON.stringify(columns ?? [])}::text::jsonb)
          ) end
        from pg_publication_tables as p
        where p.pubname = ${PUBLICATION} and ${schema}::text in ('*', p.schemaname::text)
          and ${table}::text in ('*', p.tablename::text)
        on conflict (subscription_id, entity) do update
        set claims = excluded.claims, claims_role = excluded.claims_role, created_at = excluded.created_at
        returning entity::oid::int as oid`;
      for (const { oid } of rows) await check(transaction, oid, selection, String(claims.role));
      return rows.map(({ oid }) => oid);
    }) as Promise<number[]>;
  }

  async unsubscribe(ids: string[]): Promise<void> {
    await this.#sql`delete from realtime.subscription
      where subscription_id::text in (select jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`;
  }
}

/** Refuses columns that the role may not read and values that its filters cannot be compared with. */
async function check(
  sql: postgres.TransactionSql,
  oid: number,
  { filters, columns }: Selection,
  role: string,
) {
  const all = await sql<{ name: string; cast: string }[]>`
    select attname as name, format_type(atttypid, null) as cast from pg_attribute
    where attrelid = ${oid}::oid and attnum > 0 and not attisdropped
      and has_column_privilege(${role}, attrelid, attnum, 'SELECT')`;
  for (const filter of filters) {
    const column = all.find(({ name }) => name === filter.column);
    if (!column) throw new BadSubscription(`invalid column for filter ${filter.column}`);
    const { text, parameters } = conditionOf(filter, column.cast, null);
    await sql.unsafe(`select ${text}`, parameters);
  }
  for (const name of columns ?? []) {
    if (!all.some((one) => one.name === name)) throw new BadSubscription(`invalid column for select ${name}`);
  }
}

/** @param text of the column's value */
export function conditionOf(filter: Filter, cast: string, text: string | null): Condition {
  const { operator, value, negate } = filter;
  const left = `($1::text)::${cast}`;
  if (operator === 'is') {
    if (!['null', 'true', 'false', 'unknown'].includes(value)) {
      throw new BadSubscription('invalid value for is filter: must be null, true, false, or unknown');
    }
    return { text: `(${left} is ${negate ? 'not ' : ''}${value})`, parameters: [text] };
  }
  const right = `($2::text)::${cast}${operator === 'in' ? '[]' : ''}`;
  const compared = `(${left} ${OPERATORS[operator]} (${right}))`;
  return { text: negate ? `(not ${compared})` : compared, parameters: [text, value] };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
