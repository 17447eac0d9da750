import type { IncomingHttpHeaders } from 'node:http';
import type postgres from 'postgres';
import type { Caller } from './credentials.ts';
import { type Call, chooseFunction, loadFunctions, type SqlFunction, statementFor } from './functions.ts';
import { type ApiError, apiError, fromSqlError } from './postgrest-errors.ts';
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
  /** Connections as `authenticator`, which may become the three API roles and nothing else. */
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
  readonly #sql: postgres.Sql;
  readonly #schema: string;
  #functions: Promise<Map<string, SqlFunction[]>>;

  private constructor(sql: postgres.Sql, schema: string) {
    this.#sql = sql;
    this.#schema = schema;
    this.#functions = loadFunctions(sql, schema);
  }

  static async start(options: RpcOptions): Promise<Rpc> {
    const { sql, schema } = options;
    const rpc = new Rpc(sql, schema);
    await rpc.#functions;
    const reload = () => {
      rpc.#reload();
      options.onSchemaChange?.();
    };
    await sql.listen('pgrst', reload);
    return rpc;
  }

  #reload(): Promise<Map<string, SqlFunction[]>> {
    const loading = loadFunctions(this.#sql, this.#schema);
    const before = this.#functions;
    // When the database cannot be asked now, what was known stays in use.
    this.#functions = loading.catch(() => before);
    return loading;
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
    const [row] = await runAs<ResultRow>(
      this.#sql,
      { text: statementFor(this.#schema, call), parameters },
      {
        caller,
        settings: {
          search_path: `${this.#schema}, extensions`,
          'request.method': 'POST',
          'request.path': `/rpc/${name}`,
          'request.headers': JSON.stringify(headers),
        },
        rollback: headers.prefer?.includes('tx=rollback') ?? false,
      },
    );
    return row as ResultRow;
  }
}

function statementTakesBody({ given }: Call): boolean {
  return given === undefined || given.length > 0;
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
  if (request.accept?.includes(SINGULAR)) {
    if (fn.returnsSet && row.count !== 1) {
      const details = `The result contains ${row.count} rows`;
      return fail(apiError(406, 'PGRST116', 'Cannot coerce the result to a single JSON object', details));
    }
    headers['content-type'] = `${SINGULAR}; charset=utf-8`;
    // The text of the one element, as Postgres wrote it.
    if (fn.returnsSet) body = body.trim().slice(1, -1);
  }
  return { status: status ?? 200, headers, body };
}

function fail({ status, headers, ...body }: ApiError): RpcAnswer {
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  return {
    status,
    headers: { 'content-type': JSON_TYPE, ...challenge, ...headers },
    body: JSON.stringify(body),
  };
}
