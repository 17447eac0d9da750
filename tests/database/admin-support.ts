import type postgres from 'postgres';
import type { Calls } from '../../web/dashboard/src/api/contract.ts';
import type { Database } from './support.ts';

/** An account that is an admin's. */
export async function createAdmin(db: Database): Promise<string> {
  const id = await db.createUser();
  await db.sql`update auth.users set raw_app_meta_data = '{"role": "admin"}' where id = ${id}`;
  return id;
}

/** One transaction with a user's token; `role`: what its app_metadata says. */
export function withToken<T>(
  db: Database,
  user: string,
  role: string | undefined,
  run: (sql: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  const claims = { role: 'authenticated', sub: user, app_metadata: role ? { role } : {} };
  return db.sql.begin(async (sql) => {
    await sql`select set_config('role', 'authenticated', true),
      set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
    return run(sql);
  }) as Promise<T>;
}

/** The call as PostgREST makes it of a JSON object: each argument by its name, read from the object. */
export async function callWith<Name extends keyof Calls>(
  sql: postgres.TransactionSql,
  name: Name,
  args: Calls[Name]['args'],
): Promise<Calls[Name]['answer']> {
  const [about] = await sql<{ rows: boolean; names: string[]; types: string[] }[]>`
    select proretset as rows, proargnames as names,
      array(select format_type(t, null) from unnest(proargtypes) as t) as types
    from pg_proc where pronamespace = 'public'::regnamespace and proname = ${name}`;
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  const types = given.map(([key]) => {
    const type = about?.types[about.names.indexOf(key)];
    if (type === undefined) throw new Error(`${name} has no argument ${key}`);
    return type;
  });
  const list = given.map(([key], index) => {
    const type = types[index];
    return `${key} => $${index + 1}${type === 'jsonb' ? '::text::jsonb' : `::${type}`}`;
  });
  const values = given.map(([, value], index) => (types[index] === 'jsonb' ? JSON.stringify(value) : value));
  const answer = about?.rows ? `(select coalesce(json_agg(r), '[]') from` : '(select to_json(r) from';
  const [row] = await sql.unsafe(
    `select ${answer} public.${name}(${list.join(', ')}) as r) as answer`,
    values as never[],
  );
  return row?.answer as Calls[Name]['answer'];
}

/** Calls of one admin. */
export class Admin {
  readonly db: Database;
  readonly id: string;

  private constructor(db: Database, id: string) {
    this.db = db;
    this.id = id;
  }

  static async open(db: Database): Promise<Admin> {
    return new Admin(db, await createAdmin(db));
  }

  call<Name extends keyof Calls>(name: Name, args: Calls[Name]['args']): Promise<Calls[Name]['answer']> {
    return withToken(this.db, this.id, 'admin', (sql) => callWith(sql, name, args));
  }
}

/** Takes in all that has ended until now, as the cron does ten seconds later. Answers how many jobs. */
export async function rollUp(db: Database): Promise<number> {
  const [row] = await db.sql`select private.roll_up_ended(20000, clock_timestamp()) as jobs`;
  return row?.jobs as number;
}
