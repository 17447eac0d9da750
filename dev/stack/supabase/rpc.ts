import type { IncomingHttpHeaders } from 'node:http';
import type postgres from 'postgres';
import type { Caller } from './credentials.ts';
import { type Call, chooseFunction, loadFunctions, type SqlFunction, statementFor } from './functions.ts';
import type { Pool } from './pool.ts';
import { type ApiError, apiError, fromSqlError } from './postgrest-errors.ts';
import { RoleSettings } from './role-settings.ts';
import { runAs } from './transaction.ts';

export interface RpcRequest {
  name: string;
  headers: IncomingHttpHeaders;
  body: string;
  caller: Caller;
}

export interface RpcAnswer {
  status: number;
  headers: Record<string, string>;
  /** undefined: no content. */
  body?: string;
}

export interface RpcOptions {
  /** Connections as `authenticator`, which may become the roles of the API and nothing else. */
  pool: Pool;
  /** The same, to read the catalog with and to be told of changes. */
  sql: postgres.Sql;
  schema: string;
  /** Called when the database said that its schema has changed. */
  onSchemaChange?: () => void;
}

interface ResultRow {
  body: string | null;
  count: number;
  status: string | null;
  headers: string | null;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const SINGULAR = 'application/vnd.pgrst.object+json';

/**
 * POST /rest/v1/rpc/<function> as PostgREST answers it, straight on Postgres: each call is one transaction
 * under the caller's role, sent in one round trip; arguments and result are JSON that Postgres reads and writes.
 */
export class Rpc {
  readonly #pool: Pool;
  readonly #sql: postgres.Sql;
  readonly #schema: string;
  #functions: Promise<Map<string, SqlFunction[]>>;
  #roles: Promise<RoleSettings>;

  private constructor({ pool, sql, schema }: RpcOptions) {
    this.#pool = pool;
    this.#sql = sql;
    this.#schema = schema;
    this.#functions = loadFunctions(sql, schema);
    this.#roles = RoleSettings.load(sql);
  }

  static async start(options: RpcOptions): Promise<Rpc> {
    const rpc = new Rpc(options);
    await Promise.all([rpc.#functions, rpc.#roles]);
    const reload = () => {
      rpc.#reload();
      options.onSchemaChange?.();
    };
    await options.sql.listen('pgrst', reload);
    return rpc;
  }

  #reload(): Promise<Map<string, SqlFunction[]>> {
    const loading = loadFunctions(this.#sql, this.#schema);
    const before = this.#functions;
    // When the database cannot be asked now, what was known stays in use.
    this.#functions = loading.catch(() => before);
    const rolesBefore = this.#roles;
    this.#roles = RoleSettings.load(this.#sql).catch(() => rolesBefore);
    return loading;
  }

  /** What `ALTER ROLE` and the session of `authenticator` say for a role, on another role's connection. */
  async settingsOf(role: string): Promise<Record<string, string>> {
    return (await this.#roles).withSession(role);
  }

  /** Whether a call by that name can change nothing, whatever its arguments. */
  async readsOnly(name: string): Promise<boolean> {
    const candidates = (await this.#functions).get(name) ?? [];
    return candidates.length > 0 && candidates.every((fn) => fn.readsOnly);
  }

  /** Why a request cannot be run under a role that is none of the three of the API. */
  async refusalOf(caller: Caller): Promise<ApiError> {
    try {
      await runAs(this.#pool, { text: 'select', parameters: [] }, { caller, settings: {} });
    } catch (error) {
      return withChallenge(fromSqlError(error, false));
    }
    const why = `The local stack's tables, files and users know no role "${caller.role}"; its functions do.`;
    return apiError(403, '42501', why);
  }

  async call(request: RpcRequest): Promise<RpcAnswer> {
    const isAnonymous = request.caller.role === 'anon';
    try {
      const text = request.body === '' ? '{}' : request.body;
      const call = await this.#choose(request.name, text);
      if ('status' in call) return fail(call);
      const row = await this.#run(call, text, request);
      return answer(call, row, request.headers);
    } catch (error) {
      if (error instanceof Refused) return fail(error.answer);
      if (error instanceof SyntaxError) return fail(apiError(400, 'PGRST102', 'Empty or invalid json'));
      return fail(fromSqlError(error, isAnonymous));
    }
  }

  async #choose(name: string, text: string): Promise<Call | ApiError> {
    const body: unknown = JSON.parse(text);
    const given = body && typeof body === 'object' && !Array.isArray(body) ? Object.keys(body) : [];
    const find = (functions: Map<string, SqlFunction[]>) =>
      chooseFunction(this.#schema, name, functions.get(name) ?? [], given);
    const call = find(await this.#functions);
    // It may have been made a moment ago, before its notification got here.
    return 'status' in call && call.code === 'PGRST202' ? find(await this.#reload()) : call;
  }

  async #run(call: Call, text: string, { name, headers, caller }: RpcRequest): Promise<ResultRow> {
    const parameters = statementTakesBody(call) ? [text] : [];
    const { fn } = call;
    const roleSettings = (await this.#roles).of(caller.role);
    const [row] = await runAs<ResultRow>(
      this.#pool,
      { text: statementFor(this.#schema, call), parameters },
      {
        caller,
        settings: {
          search_path: `${this.#schema}, extensions`,
          ...roleSettings,
          ...fn.settings,
          'request.method': 'POST',
          'request.path': `/rpc/${name}`,
          'request.headers': JSON.stringify(headers),
        },
        readOnly: fn.readsOnly,
        ...(fn.returnsSet && wantsOne(headers) ? { beforeCommit: mustBeOne } : {}),
      },
    );
    return row as ResultRow;
  }
}

function statementTakesBody({ given }: Call): boolean {
  return given === undefined || given.length > 0;
}

const wantsOne = ({ accept }: IncomingHttpHeaders) => accept?.includes(SINGULAR) ?? false;

/** One object was asked for; what the function did is rolled back when there is not one. */
function mustBeOne([row]: ResultRow[]): void {
  if (row?.count === 1) return;
  const details = `The result contains ${row?.count} rows`;
  throw new Refused(apiError(406, 'PGRST116', 'Cannot coerce the result to a single JSON object', details));
}

class Refused extends Error {
  readonly answer: ApiError;

  constructor(answer: ApiError) {
    super(answer.message);
    this.answer = answer;
  }
}

function answer({ fn }: Call, row: ResultRow, request: IncomingHttpHeaders): RpcAnswer {
  const headers: Record<string, string> = { 'content-type': JSON_TYPE };
  headers['content-range'] = fn.returnsSet && row.count === 0 ? '*/*' : `0-${row.count - 1}/*`;
  for (const group of row.headers ? (JSON.parse(row.headers) as Record<string, string>[]) : []) {
    for (const [name, value] of Object.entries(group)) headers[name.toLowerCase()] = value;
  }
  const status = row.status ? Number(row.status) : undefined;
  if (fn.returnsVoid) return { status: status ?? 204, headers };
  let body = row.body ?? 'null';
  if (wantsOne(request)) {
    headers['content-type'] = `${SINGULAR}; charset=utf-8`;
    // The text of the one element, as Postgres wrote it.
    if (fn.returnsSet) body = body.trim().slice(1, -1);
  }
  return { status: status ?? 200, headers, body };
}

function withChallenge(error: ApiError): ApiError {
  return error.status === 401
    ? { ...error, headers: { 'www-authenticate': 'Bearer', ...error.headers } }
    : error;
}

function fail(error: ApiError): RpcAnswer {
  const { status, headers, ...body } = withChallenge(error);
  return { status, headers: { 'content-type': JSON_TYPE, ...headers }, body: JSON.stringify(body) };
}
