import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { getAuthSchemaSql, getStorageSchemaSql } from '@supabase/lite';
import { client, databaseUrl } from '../postgres.ts';

const read = (name: string) => fs.readFile(new URL(name, import.meta.url), 'utf8');

/** Makes the roles of a Supabase project on a server; once per server. */
export async function createRoles(superuserUrl: string): Promise<void> {
  const sql = client(databaseUrl(superuserUrl, 'postgres', new URL(superuserUrl).username));
  try {
    await sql.begin(async (transaction) => {
      await transaction`select pg_advisory_xact_lock(hashtext('roles'))`; // others may start beside us
      await transaction.unsafe(await read('roles.sql')).simple();
    });
  } finally {
    await sql.end();
  }
}

/**
 * Turns an empty database into what a new Supabase project looks like: roles, schemas, privileges,
 * auth.users, storage.objects. A database that has it already is left alone.
 * The server must have the roles.
 */
export async function bootstrap(superuserUrl: string, database: string): Promise<void> {
  const script = [
    await read('bootstrap.sql'),
    getAuthSchemaSql(false),
    getStorageSchemaSql(false),
    await read('after-system-schema.sql'),
    await read('../realtime/schema.sql'),
  ].join('\n');
  const version = `local stack ${createHash('sha256').update(script).digest('hex').slice(0, 16)}`;
  const sql = client(databaseUrl(superuserUrl, database, new URL(superuserUrl).username));
  try {
    const [row] = await sql`select obj_description(to_regnamespace('auth')::oid, 'pg_namespace') as version`;
    if (row?.version === version) return;
    await sql.begin(async (transaction) => {
      await transaction.unsafe(script).simple();
      await transaction.unsafe(`comment on schema auth is '${version}'`);
    });
  } finally {
    await sql.end();
  }
}
