import fs from 'node:fs/promises';
import path from 'node:path';
import { loadModule } from 'libpg-query';
import { beforeAll, describe, expect, test } from 'vitest';
import { MIGRATIONS } from '../stack/testing.ts';
import { Database } from './support.ts';
import { inFunction, inScript } from './unqualified/find.ts';

beforeAll(loadModule);

const OURS = `select oid::regprocedure::text as name, pg_get_functiondef(oid) as definition from pg_proc
  where pronamespace in ('public'::regnamespace, 'private'::regnamespace) and prokind in ('f', 'p') order by 1`;

interface Body {
  name: string;
  definition: string;
}

const findingsIn = (bodies: Iterable<Body>) =>
  [...bodies].flatMap(({ name, definition }) => inFunction(definition).map((found) => `${name}: ${found}`));

const db = await Database.open();

test('no function updates or deletes without WHERE', async () => {
  const bodies = await db.sql.unsafe<Body[]>(OURS);
  expect(bodies.length).toBeGreaterThan(150);
  expect(findingsIn(bodies)).toEqual([]);
});

test('no statement of the migrations and the seed does either', async () => {
  const names = (await fs.readdir(MIGRATIONS)).map((name) => path.join(MIGRATIONS, name));
  const files = [...names, path.join(MIGRATIONS, '../seed.sql')];
  const found = await Promise.all(
    files.map(async (file) => inScript(await fs.readFile(file, 'utf8')).map((one) => `${file}: ${one}`)),
  );
  expect(found.flat()).toEqual([]);
});

describe('the search finds', () => {
  /** plpgsql bodies, each with one statement that pg-safeupdate refuses. */
  const PLPGSQL: Record<string, string> = {
    'a plain one': 'update t set n = 1;',
    'a DELETE': 'delete from t;',
    'one behind an IF': 'if true then null; elsif true then null; else delete from t; end if;',
    'one in a CASE': 'case when true then delete from t; else null; end case;',
    'one in a loop': 'while false loop update t set n = 1; end loop;',
    'the rows of a loop': 'for r in update t set n = 1 returning * loop null; end loop;',
    'one in a nested block': 'begin begin delete from t; end; end;',
    'one of an exception': 'begin null; exception when others then delete from t; end;',
    'one with INTO': 'update t set n = 1 returning n into v;',
    'one in a CTE of an INSERT': 'with a as (delete from t returning n) insert into t select n from a;',
    'one in a CTE of a SELECT':
      'v := (select 1); with a as (update t set n = 1 returning n) select n into v from a;',
    'one in a CTE that has a WHERE around it':
      'with a as (delete from t returning n) delete from t where n in (select n from a);',
    'one that reads a second table': 'update t set n = s.n from t as s;',
    'a RETURN QUERY': 'return query delete from t returning n;',
    'the rows of a cursor': 'open c for delete from t returning n;',
    'an EXECUTE': `execute 'delete from t';`,
    'an EXECUTE with a name put in': `execute format('delete from %I.%I', 'public', 't');`,
    'an EXECUTE that is put together': `execute 'update ' || quote_ident('t') || ' set n = ' || quote_literal(v);`,
    'an EXECUTE of a loop': `for r in execute 'delete from t returning n' loop null; end loop;`,
    'an EXECUTE of RETURN QUERY': `return query execute 'delete from t returning n';`,
    'an EXECUTE of what nobody can read': 'execute v::text;',
  };
  const plpgsql = (body: string) => `create function public.bad() returns setof int language plpgsql as $$
    declare v int; r record; c refcursor; begin ${body} end $$`;

  const OTHERS: Record<string, string> = {
    'a function in SQL':
      'create function public.bad() returns void language sql as $$ select 1; delete from t $$',
    'a CTE of a function in SQL': `create function public.bad() returns setof int language sql as $$
      with a as (update t set n = 1 returning n) select n from a $$`,
    'a body in SQL proper': `create function public.bad() returns void language sql
      begin atomic insert into t values (1); delete from t; end`,
    'a procedure': 'create procedure public.bad() language plpgsql as $$ begin delete from t; end $$',
    'a trigger function': `create function public.bad() returns trigger language plpgsql as $$
      begin if tg_op = 'DELETE' then delete from t; end if; return null; end $$`,
  };

  const cases = {
    ...Object.fromEntries(Object.entries(PLPGSQL).map(([k, v]) => [k, plpgsql(v)])),
    ...OTHERS,
  };

  test.each(Object.entries(cases))('%s', async (_, create) => {
    const bodies = await db.sql.begin(async (sql) => {
      await sql.unsafe('create table public.t (n int)');
      await sql
        .unsafe(`set local search_path = public; set local check_function_bodies = off; ${create}`)
        .simple();
      const found = await sql.unsafe<Body[]>(OURS);
      await sql.unsafe('drop routine public.bad; drop table public.t').simple();
      return found;
    });
    const found = findingsIn(bodies.filter(({ name }) => /\bbad\b/.test(name)));
    expect(found).toEqual([expect.stringMatching(/^bad\(\): .*(update|delete|v::text)/i)]);
  });

  test('one in a DO block and one at the end of a migration', () => {
    expect(inScript('do $$ begin delete from t; end $$; select 1;')).toEqual(['delete from t']);
    expect(inScript('create table é (n int); update t set n = 1; select 1')).toEqual(['update t set n = 1']);
  });

  test('nothing in what pg-safeupdate lets through', () => {
    const body = `update t set n = 1 where true;
      delete from t using t as s where s.n = t.n;
      insert into t values (1) on conflict do update set n = 2;
      merge into t using (select 1 as n) as s on t.n = s.n when matched then update set n = 2;
      merge into t using (select 1 as n) as s on t.n = s.n when matched then delete;
      truncate t;
      execute format('delete from %I where n = %L', 't', v);
      for r in select * from t for update loop update t set n = 1 where n = r.n; end loop;`;
    expect(inFunction(plpgsql(body))).toEqual([]);
  });
});
