import type { Sql } from 'postgres';
import { blocks, code, table } from './markdown.ts';

const HEAD = `# SQL interface

Written by \`npm run docs:reference\` from the catalog of a database with the migrations; do not edit.

What the schema \`public\` holds: the Workers call it over PostgREST, apps may, and operators do in the SQL editor. Bodies and the other tables are in the schema \`private\`, which the API does not expose; they may change with every release.

**Who may**: \`anon\` is a caller without a token, \`authenticated\` a signed-in user, \`service\` the secret key (the role \`service_role\`). A user sees and changes only their own rows: row-level security is on for every table. Over PostgREST a function is \`POST $SUPABASE_URL/rest/v1/rpc/NAME\`, with its arguments as the members of a JSON object; with supabase-js \`supabase.rpc('NAME', { … })\`.

A refusal of a function has a sentence in \`message\` and the problem's \`code\` in \`details\`, the same codes as over [HTTP](http.md#problems); \`hint\` names the field (\`field=prompt\`), or how many seconds to wait and which quota it was (\`retry_after=42 limit=requests_per_minute\`). Bounds of the arguments: [bounds](bounds.md). States and steps: [the queue](../concepts/queue.md).`;

const ROLES = ['anon', 'authenticated', 'service_role'];

interface Fn {
  name: string;
  arguments: string;
  result: string;
  comment: string;
  callers: string[];
}

interface Relation {
  name: string;
  kind: 'table' | 'view';
  comment: string;
  columns: { name: string; type: string; comment: string | null }[];
  rights: { role: string; verb: string; columns: string[] }[];
}

/**
 * The text of docs/reference/sql.md.
 *
 * @param sql a database with the migrations and nothing else
 */
export async function sqlReference(sql: Sql): Promise<string> {
  const functions = await functionsOf(sql);
  const relations = await relationsOf(sql);
  const of = (kind: string) => relations.filter((each) => each.kind === kind);
  const called = (users: boolean) =>
    functions.filter(({ callers }) => callers.includes('authenticated') === users);
  return blocks(
    HEAD,
    '## Functions for users',
    ...called(true).map(functionSection),
    '## Functions for the service',
    'Workers of the queue, the cron and operators call these.',
    ...called(false).map(functionSection),
    '## Views',
    ...of('view').map(relationSection),
    '## Tables',
    ...of('table').map(relationSection),
  );
}

function functionSection({ name, arguments: given, result, comment, callers }: Fn): string {
  const list =
    given === ''
      ? ''
      : `\n  ${given
          .replaceAll(/, (?=p_)/g, ',\n  ')
          .replaceAll(/ DEFAULT NULL::[\w ]+(\[\])?/g, ' default null')
          .replaceAll(' DEFAULT ', ' default ')}\n`;
  return blocks(
    `### ${name}`,
    comment,
    code('sql', `${name}(${list}) returns ${result}`),
    `Who may: ${who(callers)}.`,
  );
}

function relationSection({ name, comment, columns, rights }: Relation): string {
  const verbs = ROLES.map((role) => {
    const own = rights.filter((each) => each.role === role);
    const list = own.map(({ verb, columns: some }) =>
      some.length === 0 ? verb : `${verb} (${some.map((column) => `\`${column}\``).join(', ')})`,
    );
    return list.length === 0 ? '' : `${called(role)} ${list.join(', ')}`;
  });
  const rows = columns.map((each) => [`\`${each.name}\``, each.type]);
  return blocks(
    `### ${name}`,
    comment,
    `Who may: ${verbs.filter(Boolean).join('; ')}.`,
    table(['column', 'type'], rows),
  );
}

function called(role: string): string {
  return `\`${role === 'service_role' ? 'service' : role}\``;
}

function who(roles: string[]): string {
  return roles.map(called).join(', ');
}

function oneLine(comment: string | null, name: string): string {
  if (comment === null) throw new Error(`${name} has no comment: add one to the migration`);
  return comment.replaceAll('\n', ' ');
}

async function functionsOf(sql: Sql): Promise<Fn[]> {
  const rows = await sql<(Omit<Fn, 'comment'> & { comment: string | null })[]>`
    select
      p.proname as name,
      pg_get_function_arguments(p.oid) as arguments,
      pg_get_function_result(p.oid) as result,
      obj_description(p.oid, 'pg_proc') as comment,
      to_json(array(
        select r from unnest(string_to_array(${ROLES.join(' ')}, ' ')) with ordinality as role (r, ord)
        where has_function_privilege(r, p.oid, 'execute') order by ord
      )) as callers
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
      and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
    order by p.proname collate "C", pg_get_function_arguments(p.oid) collate "C"`;
  return rows.map((row) => ({ ...row, comment: oneLine(row.comment, row.name) }));
}

async function relationsOf(sql: Sql): Promise<Relation[]> {
  const rows = await sql<(Omit<Relation, 'comment'> & { comment: string | null })[]>`
    select
      c.relname as name,
      case c.relkind when 'v' then 'view' else 'table' end as kind,
      obj_description(c.oid, 'pg_class') as comment,
      (
        select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod))
          order by a.attnum)
        from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ) as columns,
      (
        select coalesce(json_agg(json_build_object('role', r, 'verb', lower(verb), 'columns',
          case when whole then '[]'::json else to_json(parts) end) order by v_ord), '[]')
        from unnest(string_to_array(${ROLES.join(' ')}, ' ')) as r
        cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) with ordinality as v (verb, v_ord)
        cross join lateral (select has_table_privilege(r, c.oid, verb) as whole) as w
        cross join lateral (
          select array_agg(a.attname order by a.attnum) as parts
          from pg_attribute as a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and verb in ('SELECT', 'INSERT', 'UPDATE') and not whole
            and has_column_privilege(r, c.oid, a.attnum, verb)
        ) as s
        where whole or parts is not null
      ) as rights
    from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
      and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'e')
    order by c.relname collate "C"`;
  return rows.map((row) => ({ ...row, comment: oneLine(row.comment, row.name) }));
}
