import { client, databaseUrl } from '../postgres.ts';
import { CurrentBackends } from './backends.ts';
import { bootstrap, createRoles } from './bootstrap.ts';
import { Faults } from './faults.ts';
import { JwtVerifier, type ProjectKeys, projectKeys } from './jwt.ts';
import { migrate } from './migrations.ts';
import { startGateway } from './server.ts';
import { SigningKey } from './signing-key.ts';
import { UserTokens } from './user-tokens.ts';

export { createRoles };

export interface SupabaseOptions {
  /** Superuser connection to the server, as startPostgres() gives it. */
  superuserUrl: string;
  /** Database on it; default `postgres`. It must exist. */
  database?: string;
  /** Folder for stored files. */
  storageDir: string;
  /** Folder with `<version>_<name>.sql`; absent: no migrations are applied. */
  migrationsDir?: string;
  /** Run once, after the migrations, on a database that has not seen it. */
  seedFile?: string;
  keys?: ProjectKeys;
  /** How users' tokens are signed; default HS256, with the project's secret. New hosted projects use ES256. */
  userTokens?: 'ES256' | 'HS256';
  host?: string;
  /** 0 or absent: any free one. */
  port?: number;
  /** Origin of the worker that answers `/functions/v1/`; absent: the project has no functions. */
  functionsUrl?: string;
  /** Connections for RPC and uploads; the table REST, auth and the rest of storage use half as many more. */
  maxConnections?: number;
}

export interface RunningSupabase extends ProjectKeys {
  url: string;
  /** Connection as `postgres`, the owner of the project's objects; no superuser, as on Supabase. */
  databaseUrl: string;
  /** Folder of the stored files. */
  storageDir: string;
  /** Files of migrations applied by this start. */
  migrated: string[];
  /** What goes wrong, for tests; also over HTTP under `/_control/faults`. */
  faults: Faults;
  /** Replaces all connections to Postgres, after it was restarted. */
  reconnect(): Promise<void>;
  stop(): Promise<void>;
}

/** A Supabase project on a Postgres server of ours: Auth, Storage, table REST and RPC at one origin. */
export async function startSupabase(options: SupabaseOptions): Promise<RunningSupabase> {
  const database = options.database ?? 'postgres';
  const keys = options.keys ?? projectKeys('local-development-secret-of-at-least-32-characters');
  const host = options.host ?? '127.0.0.1';
  await createRoles(options.superuserUrl);
  const { migrated } = await prepareDatabase(options);
  const backends = await CurrentBackends.connect({
    superuserUrl: options.superuserUrl,
    database,
    keys,
    storageDir: options.storageDir,
    maxConnections: options.maxConnections ?? 16,
  });
  try {
    const signingKey = options.userTokens === 'ES256' ? new SigningKey(keys.jwtSecret) : undefined;
    const verifier = new JwtVerifier(keys.jwtSecret, signingKey);
    const faults = new Faults();
    const gateway = await startGateway({
      backends,
      verifier,
      tokens: new UserTokens(keys.jwtSecret, verifier, signingKey),
      keys,
      faults,
      host,
      port: options.port ?? 0,
      superuserUrl: databaseUrl(options.superuserUrl, database, new URL(options.superuserUrl).username),
      ...(options.functionsUrl === undefined ? {} : { functionsUrl: options.functionsUrl }),
    });
    const stop = async () => {
      await gateway.stop();
      await backends.close();
    };
    const reconnect = () => backends.replace();
    const url = databaseUrl(options.superuserUrl, database);
    return {
      ...keys,
      url: gateway.url,
      databaseUrl: url,
      storageDir: options.storageDir,
      migrated,
      faults,
      reconnect,
      stop,
    };
  } catch (error) {
    await backends.close();
    throw error;
  }
}

/** Bootstrap, migrations and seed of one database, without starting anything; the server must have the roles. */
export async function prepareDatabase(
  options: Pick<SupabaseOptions, 'superuserUrl' | 'database' | 'migrationsDir' | 'seedFile'>,
): Promise<{ migrated: string[] }> {
  const database = options.database ?? 'postgres';
  await bootstrap(options.superuserUrl, database);
  if (!options.migrationsDir) return { migrated: [] };
  const url = databaseUrl(options.superuserUrl, database);
  return { migrated: await migrate(url, options.migrationsDir, options.seedFile) };
}

/** Makes an empty database, or a copy of another one that has no connection. */
export async function createDatabase(
  superuserUrl: string,
  name: string,
  template = 'template1',
): Promise<void> {
  const sql = client(superuserUrl);
  try {
    await sql`create database ${sql(name)} template ${sql(template)} owner ${sql('postgres')}`;
  } finally {
    await sql.end();
  }
}
