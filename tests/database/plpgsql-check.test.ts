import postgres from 'postgres';
import { afterAll, expect, test } from 'vitest';
import { Database } from './support.ts';

// plpgsql_check reads every function as Postgres would run it: names that are not there, types that do not fit,
// variables that nobody uses, casts that keep an index from being used. On PostgreSQL 15 (npm test -- postgres15).

const db = await Database.open();
const superuser = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
afterAll(() => superuser.end());

const [offered] = await superuser`select from pg_available_extensions where name = 'plpgsql_check'`;
if (offered) await superuser`create extension plpgsql_check`;

interface Finding {
  function: string;
  lineno: number | null;
  level: string;
  message: string;
  detail: string | null;
}

/** A trigger function is checked with each table it is for, and the names of its transition tables. */
const CHECK = `
  select f.oid::regprocedure::text || coalesce(' on ' || nullif(f.relid, 0)::regclass, '') as function,
    c.lineno, c.level, c.message, c.detail
  from (
    select distinct p.oid, p.prosrc, coalesce(t.tgrelid, 0) as relid, t.tgoldtable, t.tgnewtable
    from pg_proc as p join pg_language as l on l.oid = p.prolang
    left join pg_trigger as t on t.tgfoid = p.oid and not t.tgisinternal
    where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and l.lanname = 'plpgsql'
  ) as f
  cross join lateral plpgsql_check_function_tb(
    f.oid, f.relid, fatal_errors => false, other_warnings => true, extra_warnings => true,
    performance_warnings => true, security_warnings => true, oldtable => f.tgoldtable, newtable => f.tgnewtable
  ) as c
  -- Three that are meant. A value that is cast when it is assigned or returned: literals are texts to plpgsql. A
  -- refusal at the end, after which nothing is returned. Functions that could be called less often: one that
  -- refuses must not be called while a plan is made.
  where c.message <> 'target type is different type than source type'
    and not (c.message = 'control reached end of function without RETURN'
      and f.prosrc ~ 'perform private\\.refuse(_field)?\\([^;]*\\);\\s*end\\s*$')
    and c.message !~ '^routine is marked as VOLATILE'
  order by 1, 2`;

test.runIf(offered)('plpgsql_check finds nothing in any function', async () => {
  const checked = await superuser`select from pg_proc as p join pg_language as l on l.oid = p.prolang
    where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and l.lanname = 'plpgsql'`;
  expect(checked.length).toBeGreaterThan(140);
  expect([...(await superuser.unsafe<Finding[]>(CHECK))]).toEqual([]);
});

test.runIf(offered)('and would, in a function and in a trigger function', async () => {
  class RollBack extends Error {}
  const check = superuser.begin(async (sql) => {
    await sql.unsafe(`
      create function private.wrong() returns int language plpgsql as $$
      declare v_unused int;
      begin
        perform no_such from public.models;
      end $$;
      create function private.wrong_trigger() returns trigger language plpgsql as $$
      begin
        new.no_such := 1;
        return new;
      end $$;
      create trigger wrong before insert on public.models for each row execute function private.wrong_trigger()`);
    const found = await sql.unsafe<Finding[]>(CHECK);
    const made = found.map((one) => `${one.function}: ${one.message}`).filter((one) => one.includes('wrong'));
    expect(made.sort()).toEqual([
      'private.wrong(): column "no_such" does not exist',
      'private.wrong(): control reached end of function without RETURN',
      'private.wrong(): unused variable "v_unused"',
      'private.wrong_trigger() on models: record "new" has no field "no_such"',
    ]);
    throw new RollBack();
  });
  await expect(check).rejects.toThrow(RollBack);
});
