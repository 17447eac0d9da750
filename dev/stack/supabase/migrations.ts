import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type postgres from 'postgres';
import { isConcurrent } from '../../../scripts/migrations/concurrent.ts';
import { UserError } from '../../../scripts/user-error.mjs';
import { client } from '../postgres.ts';

interface Migration {
  version: string;
  name: string;
  file: string;
  sql: string;
}

const FRESH = 'start with --fresh';

/**
 * Applies what is new in a folder of `<version>_<name>.sql`, in order, each in a transaction of its own,
 * as the owner of the project's objects. Kept in supabase_migrations.schema_migrations, like the Supabase CLI.
 *
 * @param url connection as `postgres`, which is no superuser
 * @returns the files that were applied now
 * @throws UserError for a migration that fails, or was changed or removed after it had been applied
 */
export async function migrate(url: string, migrationsDir: string, seedFile?: string): Promise<string[]> {
  const migrations = await readMigrations(migrationsDir);
  const sql = client(url);
  try {
    await sql
      .unsafe(
        `create schema if not exists supabase_migrations;
         create table if not exists supabase_migrations.schema_migrations
           (version text primary key, statements text[], name text);
         create table if not exists supabase_migrations.seed_files (path text primary key, hash text not null);`,
      )
      .simple();
    const applied = await sql<{ version: string; name: string; content: string }[]>`
      select version, name, array_to_string(statements, ';') as content
      from supabase_migrations.schema_migrations order by version`;
    assertUnchanged(migrations, applied);
    const last = applied.at(-1)?.version ?? '';
    const known = new Set(applied.map((row) => row.version));
    const added: string[] = [];
    for (const migration of migrations.filter((one) => !known.has(one.version))) {
      if (migration.version < last) {
        throw new UserError(
          `Migration ${migration.file} comes before ${last}, which is already applied; give it a higher number, or ${FRESH}.`,
        );
      }
      await apply(sql, migration);
      added.push(migration.file);
    }
    if (seedFile) await seed(sql, seedFile);
    return added;
  } finally {
    await sql.end();
  }
}

async function readMigrations(dir: string): Promise<Migration[]> {
  const files = (await fs.readdir(dir).catch(() => [])).filter((file) => file.endsWith('.sql')).sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const [, version, name] = /^(\d+)_(.+)\.sql$/.exec(file) ?? [];
    if (!version || !name) throw new UserError(`Migration ${file} is not named <number>_<name>.sql.`);
    if (migrations.at(-1)?.version === version)
      throw new UserError(`Two migrations have the number ${version}.`);
    migrations.push({ version, name, file, sql: await fs.readFile(path.join(dir, file), 'utf8') });
  }
  return migrations;
}

function assertUnchanged(
  migrations: Migration[],
  applied: { version: string; name: string; content: string }[],
) {
  for (const row of applied) {
    const migration = migrations.find((one) => one.version === row.version);
    if (!migration) {
      throw new UserError(
        `Migration ${row.version}_${row.name}.sql is applied here but its file is gone; ${FRESH}.`,
      );
    }
    if (migration.sql !== row.content) {
      throw new UserError(
        `Migration ${migration.file} was changed after it had been applied to this database; ${FRESH}, or put the change into a new migration.`,
      );
    }
  }
}

async function apply(sql: postgres.Sql, migration: Migration): Promise<void> {
  try {
    const outside = isConcurrent(migration.sql);
    if (outside) await sql.unsafe(migration.sql).simple();
    await sql.begin(async (transaction) => {
      if (!outside) await transaction.unsafe(migration.sql).simple();
      // A migration may have set these for itself.
      await transaction.unsafe('reset role; reset search_path;').simple();
      await transaction`insert into supabase_migrations.schema_migrations (version, statements, name)
        values (${migration.version}, array[${migration.sql}], ${migration.name})`;
    });
  } catch (error) {
    throw new UserError(`Migration ${migration.file} failed${explain(error, migration.sql)}`);
  }
}

async function seed(sql: postgres.Sql, file: string): Promise<void> {
  const content = await fs.readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) return;
  const name = path.basename(file);
  const done = await sql`select 1 from supabase_migrations.seed_files where path = ${name}`;
  if (done.length > 0) return;
  try {
    await sql.begin(async (transaction) => {
      await transaction.unsafe(content).simple();
      await transaction`insert into supabase_migrations.seed_files (path, hash)
        values (${name}, ${createHash('sha256').update(content).digest('hex')})`;
    });
  } catch (error) {
    throw new UserError(`The seed ${name} failed${explain(error, content)}`);
  }
}

/** ` at line 12: relation "x" does not exist (42P01). <detail or hint>` */
function explain(error: unknown, sql: string): string {
  const fault = error as Partial<postgres.PostgresError>;
  const line = fault.position ? ` at line ${sql.slice(0, Number(fault.position)).split('\n').length}` : '';
  const more = [fault.detail, fault.hint].filter(Boolean).join(' ');
  return `${line}: ${fault.message ?? error}${fault.code ? ` (${fault.code})` : ''}.${more ? ` ${more}` : ''}`;
}
