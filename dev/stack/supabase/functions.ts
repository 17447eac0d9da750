import type postgres from 'postgres';
import { type ApiError, apiError } from './postgrest-errors.ts';
import { toSettings } from './role-settings.ts';

interface Parameter {
  name: string;
  type: string;
  required: boolean;
  variadic: boolean;
}

/** A function of the exposed schema, as much of it as calling it needs. */
export interface SqlFunction {
  name: string;
  parameters: Parameter[];
  returnsSet: boolean;
  returnsRow: boolean;
  returnsVoid: boolean;
  /** STABLE or IMMUTABLE: runs in a READ ONLY transaction. */
  readsOnly: boolean;
  /** Settings of its own that PostgREST sets for the whole transaction. */
  settings: Record<string, string>;
  /** Statements made for it so far, by the arguments given. */
  statements: Map<string, string>;
}

export interface Call {
  fn: SqlFunction;
  /** Names of the arguments given; undefined: the whole body is the one unnamed json parameter. */
  given: string[] | undefined;
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
const MAX_ROWS = 1000;

/** All functions of a schema, by name. The search path is empty meanwhile, so that type names are qualified. */
export async function loadFunctions(sql: postgres.Sql, schema: string): Promise<Map<string, SqlFunction[]>> {
  const rows = await sql.begin('read only', async (transaction) => {
    await transaction`select set_config('search_path', '', true)`;
    return transaction<FunctionRow[]>`
      select p.proname as name, p.pronargs as count, p.pronargdefaults as defaults, p.provariadic > 0 as variadic,
        array_to_json(p.proargnames) as names, array_to_json(p.proargmodes) as modes,
        (select json_agg(format_type(type, null) order by position)
           from unnest(p.proargtypes) with ordinality as argument (type, position)) as types,
        p.provolatile <> 'v' as reads_only, array_to_json(p.proconfig) as settings,
        p.proretset as returns_set, p.prorettype = 'void'::regtype as returns_void,
        t.typtype = 'c' or t.typname = 'record'
          or coalesce(p.proargmodes::text[] && '{t,b,o}'::text[], false) as returns_row
      from pg_proc p
        join pg_namespace n on n.oid = p.pronamespace
        join pg_type t on t.oid = p.prorettype
      where n.nspname = ${schema} and p.prokind = 'f' and t.typname not in ('trigger', 'event_trigger')
      order by p.oid`;
  });
  const functions = new Map<string, SqlFunction[]>();
  for (const row of rows) functions.set(row.name, [...(functions.get(row.name) ?? []), toFunction(row)]);
  return functions;
}

interface FunctionRow {
  name: string;
  count: number;
  defaults: number;
  variadic: boolean;
  names: string[] | null;
  modes: string[] | null;
  types: string[] | null;
  returns_set: boolean;
  returns_void: boolean;
  returns_row: boolean;
  reads_only: boolean;
  settings: string[] | null;
}

/** PostgREST's default of `db-hoisted-tx-settings`, as far as it is here. */
const HOISTED = ['statement_timeout'];

function toFunction(row: FunctionRow): SqlFunction {
  const inputs = (row.names ?? []).filter((_, index) => !row.modes || 'ibv'.includes(row.modes[index] ?? ''));
  return {
    name: row.name,
    parameters: (row.types ?? []).map((type, index) => ({
      name: inputs[index] ?? '',
      type,
      required: index < row.count - row.defaults,
      variadic: row.variadic && index === row.count - 1,
    })),
    returnsSet: row.returns_set,
    returnsRow: row.returns_row,
    returnsVoid: row.returns_void,
    readsOnly: row.reads_only,
    settings: Object.fromEntries(toSettings(row.settings ?? []).filter(([name]) => HOISTED.includes(name))),
    statements: new Map(),
  };
}

/** PostgREST's choice among functions of one name, by the names of the arguments given. */
export function chooseFunction(
  schema: string,
  name: string,
  candidates: SqlFunction[],
  given: string[],
): Call | ApiError {
  const matching = candidates.filter(
    (fn) =>
      fn.parameters.every(({ name }) => name !== '') &&
      fn.parameters.every(({ name, required }) => !required || given.includes(name)) &&
      given.every((argument) => fn.parameters.some(({ name }) => name === argument)),
  );
  const [fn, ...others] = matching;
  if (fn && others.length === 0)
    return { fn, given: fn.parameters.map((p) => p.name).filter((p) => given.includes(p)) };
  if (fn) {
    const shown = matching.map(
      ({ parameters }) => `${schema}.${name}(${parameters.map((p) => `${p.name} => ${p.type}`).join(', ')})`,
    );
    return apiError(
      300,
      'PGRST203',
      `Could not choose the best candidate function between: ${shown.join(', ')}`,
      null,
      'Try renaming the parameters or the function itself in the database so function overloading can be resolved',
    );
  }
  const whole = candidates.find(
    ({ parameters: [first, ...more] }) =>
      first?.name === '' && more.length === 0 && /^jsonb?$/.test(first.type),
  );
  if (whole) return { fn: whole, given: undefined };
  const sorted = [...given].sort().join(', ');
  return apiError(
    404,
    'PGRST202',
    `Could not find the function ${schema}.${name}${sorted ? `(${sorted})` : ' without parameters'} in the schema cache`,
    `Searched for the function ${schema}.${name} ${sorted ? `with parameters ${sorted}` : 'without parameters'} or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.`,
  );
}

/** The statement for a call: takes the body as text, gives `body` (JSON made by Postgres), `count`, `status`, `headers`. */
export function statementFor(schema: string, { fn, given }: Call): string {
  const key = given?.join() ?? '*';
  const known = fn.statements.get(key);
  if (known) return known;
  const statement = buildStatement(schema, fn, given);
  fn.statements.set(key, statement);
  return statement;
}

function buildStatement(schema: string, fn: SqlFunction, given: string[] | undefined): string {
  const used = fn.parameters.filter(({ name }) => given?.includes(name));
  const passed = given
    ? used.map((p) => `${p.variadic ? 'variadic ' : ''}${quote(p.name)} := args.${quote(p.name)}`).join(', ')
    : `$1::text::${fn.parameters[0]?.type}`;
  const call = `${quote(schema)}.${quote(fn.name)}(${passed})`;
  const columns = used.map((p) => `${quote(p.name)} ${p.type}`).join(', ');
  const source = columns ? `from json_to_record($1::text::json) as args(${columns}), lateral ` : 'from ';
  const rows = fn.returnsRow
    ? `select result.* ${source}${call} as result`
    : `select result.value ${source}(select ${call} as value) as result`;
  const value = fn.returnsRow ? 'rows' : 'rows.value';
  // Of a void function too: what is not asked for, Postgres need not run.
  const body = fn.returnsSet ? `coalesce(json_agg(${value}), '[]')` : `json_agg(${value})->0`;
  return `select (${body})::text as body, count(*)::int as count,
    nullif(current_setting('response.status', true), '') as status,
    nullif(current_setting('response.headers', true), '') as headers
    from (${rows}${fn.returnsSet ? ` limit ${MAX_ROWS}` : ''}) as rows`;
}
