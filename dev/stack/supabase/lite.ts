import { AsyncLocalStorage } from 'node:async_hooks';
import { App, InMemoryEmailDriver, setExperimental } from '@supabase/lite';
import { createPostgresConnection } from '@supabase/lite/postgres';
import type postgres from 'postgres';
import type { FileStorage } from './file-storage.ts';
import type { ProjectKeys } from './jwt.ts';
import { Pool } from './pool.ts';
import { statusOf } from './postgrest-errors.ts';

process.env.LITE_TELEMETRY = '0';
process.env.DO_NOT_TRACK = '1';

export interface LiteOptions {
  /** Connection as superuser: auth and storage keep their own tables, requests switch to the caller's role. */
  url: string;
  keys: ProjectKeys;
  siteUrl: string;
  files: FileStorage;
  maxConnections: number;
}

/** How PostgREST would run a request in the database. */
export interface Transaction {
  readOnly: boolean;
  /** By name, such as `statement_timeout`. */
  settings: Record<string, string>;
}

/** Auth, Storage and the table REST of @supabase/lite on real Postgres, with what that needs corrected. */
export interface Lite {
  fetch(request: Request, transaction?: Transaction): Promise<Response>;
  /** Its connections, as superuser. */
  pool: Pool;
  /** To be called when the database's schema has changed. */
  forgetSchema(): Promise<void>;
  /** Ends its connections; requests under way get this long to finish. */
  close(graceSeconds: number): Promise<void>;
}

export async function startLite(options: LiteOptions): Promise<Lite> {
  const postgresOptions = { onnotice: () => {}, connect_timeout: 5, types: postgrestTypes };
  const connection = createPostgresConnection({ url: options.url, postgresOptions });
  // As lite has completed them.
  const { types, connection: session } = connection.driver.options as unknown as typeof postgresOptions & {
    connection: Record<string, string>;
  };
  const pool = new Pool(options.url, options.maxConnections, {
    ...postgresOptions,
    types,
    connection: session,
  });
  connection.driver.reserve = () => pool.reserve() as unknown as ReturnType<postgres.Sql['reserve']>;
  correct(connection);
  const app = new App({
    connection,
    api: { enabled: true, schemas: ['public'], max_rows: 1000 },
    auth: {
      enabled: true,
      site_url: options.siteUrl,
      jwt_secret: options.keys.jwtSecret,
      jwt_expiry: 3600,
      publishable_key: options.keys.anonKey,
      secret_key: options.keys.serviceRoleKey,
      enable_signup: true,
      email: { enable_signup: true, enable_confirmations: false },
    },
    db: { migrations: { enabled: false } },
    storage: { enabled: true, file_size_limit: '50MiB' },
    studio: { enabled: false },
    options: {
      drivers: { email: new InMemoryEmailDriver() },
      server: { admin: false, disableStudio: true },
    },
    // biome-ignore lint/suspicious/noExplicitAny: the package's option type lags behind its code
  } as any);
  // The stream types of Node and of the web do not meet.
  app._storageAdapter = options.files as unknown as NonNullable<App['_storageAdapter']>;
  await app.init();
  setExperimental('storage', true); // after init(), which would announce it on the terminal
  return {
    fetch: async (request, transaction) => transactions.run(transaction, () => app.fetch(request)),
    pool,
    forgetSchema: async () => connection.clearSchemaCache?.(),
    close: async (graceSeconds) => {
      await Promise.all([pool.end(graceSeconds), connection.driver.end({ timeout: graceSeconds })]);
    },
  };
}

/** Of the request under way. */
const transactions = new AsyncLocalStorage<Transaction | undefined>();

const iso = (text: string) => text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00');
/** lite hands over JSON that is text already for some statements and a value for others. */
const toJson = (value: unknown) => {
  if (typeof value !== 'string') return JSON.stringify(value);
  try {
    JSON.parse(value);
    return value;
  } catch {
    return JSON.stringify(value);
  }
};

/** Values as PostgREST writes them: numbers as numbers, times as ISO 8601. */
const postgrestTypes = {
  json: { to: 114, from: [114], serialize: toJson, parse: (text: string) => JSON.parse(text) },
  jsonb: { to: 3802, from: [3802], serialize: toJson, parse: (text: string) => JSON.parse(text) },
  numeric: { to: 1700, from: [1700], serialize: String, parse: Number },
  timestamptz: { to: 1184, from: [1184], serialize: (value: string) => value, parse: iso },
  timestamp: { to: 1114, from: [1114], serialize: (value: string) => value, parse: iso },
} as unknown as Record<string, postgres.PostgresType>;

/** Of kysely, as much as is needed here. */
interface Database {
  executeQuery(query: object): Promise<unknown>;
}
const SET = {
  query: { kind: 'RawNode' },
  queryId: { queryId: 'settings' },
  sql: 'select set_config($1, $2, true)',
};

type Connection = ReturnType<typeof createPostgresConnection>;

function correct(connection: Connection): void {
  // As shipped, the first request runs GRANT ALL on every table of a schema with row-level security.
  const open = connection as unknown as { ensureRlsContext(): Promise<boolean> }; // it is private
  open.ensureRlsContext = async () => true;

  // As shipped, every transaction may write, and the settings of roles do not count.
  const context = connection as unknown as {
    applyJwtSessionContext(db: Database, ...rest: unknown[]): Promise<void>; // it is private
  };
  const apply = context.applyJwtSessionContext.bind(connection);
  context.applyJwtSessionContext = async (db, ...rest) => {
    await apply(db, ...rest);
    const { settings = {}, readOnly } = transactions.getStore() ?? {};
    const all = { ...settings, ...(readOnly ? { transaction_read_only: 'on' } : {}) };
    for (const parameters of Object.entries(all)) {
      await db.executeQuery({ ...SET, parameters });
    }
  };

  // As shipped, any unique index makes a relationship one to one; PostgREST asks for a constraint.
  const introspect = connection.introspect.bind(connection);
  connection.introspect = async (options) => {
    const schema = await introspect(options);
    const constraints = new Set(schema.unique_constraints.map(({ schema: of, name }) => `${of}.${name}`));
    return {
      ...schema,
      indexes: schema.indexes.filter(({ schema: of, name }) => constraints.has(`${of}.${name}`)),
    };
  };

  // As shipped, most SQL errors become a 500; the PGRST form carries PostgREST's status through.
  const normalize = connection.normalizeDbError.bind(connection);
  connection.normalizeDbError = (raw: unknown) => {
    const answered = correctError(raw);
    for (const error of [raw, answered]) if (error instanceof Error) keepOffTerminal(error);
    return answered;
  };
  const correctError = (raw: unknown) => {
    const error = normalize(raw) as { code?: string; message: string; detail?: string; hint?: string };
    const code = error?.code;
    if (typeof code === 'string' && /^(CONNECT|ECONN|EPIPE)/.test(code))
      return answerAs(503, 'PGRST001', error);
    if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || code === 'PGRST' || code.startsWith('PT'))
      return error;
    if (/^(42|22|2350[235]|25006)/.test(code)) return error; // these lite answers rightly
    return answerAs(statusOf(code, true, error.message), code, error);
  };
}

const answeredErrors = new WeakSet<Error>();
const writeError = console.error;

/** lite also prints each SQL error it answers with; those of a caller's making say nothing about this stack. */
function keepOffTerminal(error: Error): void {
  answeredErrors.add(error);
  console.error = (...values: unknown[]) => {
    if (!values.some((value) => value instanceof Error && answeredErrors.has(value))) writeError(...values);
  };
}

/** An error that makes lite answer with this status and code: it understands PostgREST's PGRST form. */
function answerAs(
  status: number,
  code: string,
  error: { message: string; detail?: string; hint?: string },
): Error {
  const body = { code, message: error.message, details: error.detail ?? null, hint: error.hint ?? null };
  const detail = JSON.stringify({ status, headers: {} });
  return Object.assign(new Error(JSON.stringify(body)), { code: 'PGRST', detail });
}
