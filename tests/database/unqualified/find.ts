import { parsePlPgSQLSync, parseSync } from 'libpg-query';

// Hosted Supabase preloads pg-safeupdate into every session of PostgREST: an UPDATE or DELETE without WHERE
// fails there with 21000, in a CTE and in any function too. PostgreSQL's own parsers find them here.
// `loadModule()` of libpg-query must have ended before anything here is called.

type Node = Record<string, unknown>;

/** Nodes whose string is made at run time, and the key that holds the expression. */
const DYNAMIC: Record<string, string> = {
  PLpgSQL_stmt_dynexecute: 'query',
  PLpgSQL_stmt_dynfors: 'query',
  PLpgSQL_stmt_return_query: 'dynquery',
  PLpgSQL_stmt_open: 'dynquery',
};

/** How plpgsql reads an expression: as a statement, as an expression, or (from 3 on) as an assignment. */
const STATEMENT = 0;
const EXPRESSION = 2;

/** One finding: the statement in one line, shortened. */
export type Finding = string;

/** What pg-safeupdate would refuse in a script of SQL, the bodies of its functions and DO blocks included. */
export function inScript(sql: string): Finding[] {
  const { stmts = [] } = parseSync(sql) as { stmts?: { stmt_location?: number; stmt_len?: number }[] };
  const bytes = Buffer.from(sql);
  return stmts.flatMap((one) => {
    const start = one.stmt_location ?? 0;
    const end = one.stmt_len ? start + one.stmt_len : bytes.length;
    return inStatement(one as Node, bytes.subarray(start, end).toString());
  });
}

/**
 * The same in one function.
 *
 * @param definition its CREATE FUNCTION as the catalog has it (pg_get_functiondef)
 */
export function inFunction(definition: string): Finding[] {
  return inScript(definition);
}

function inStatement(tree: Node, text: string): Finding[] {
  const found: Finding[] = [];
  for (const { kind, node } of nodesOf(tree)) {
    if ((kind === 'UpdateStmt' || kind === 'DeleteStmt') && !node.whereClause) found.push(oneLine(text));
    if (kind === 'DoStmt') found.push(...inBody(node, definitions(node.args), 'plpgsql'));
    if (kind === 'CreateFunctionStmt') found.push(...inBody(node, definitions(node.options), 'sql'));
  }
  return found;
}

/** @param options of the CREATE FUNCTION, CREATE PROCEDURE or DO */
function inBody(node: Node, options: Map<string, unknown>, usual: string): Finding[] {
  const language = stringOf(options.get('language')).toLowerCase() || usual;
  const body = stringOf(options.get('as'));
  // A body in SQL proper (BEGIN ATOMIC) is part of the tree that is walked already.
  if (language === 'sql') return options.has('as') ? inScript(body) : [];
  return language === 'plpgsql' ? inPlpgsql(node, body) : [`a body in ${language}, which nobody reads`];
}

function inPlpgsql(node: Node, body: string): Finding[] {
  const found: Finding[] = [];
  const functions = parsePlPgSQLSync(`${plainHead(node)} language plpgsql as $body$${body}$body$`);
  const dynamic = new Set<unknown>();
  for (const { kind, node } of nodesOf(functions)) {
    const key = DYNAMIC[kind];
    if (key && node[key]) dynamic.add((node[key] as Node).PLpgSQL_expr);
    if (kind !== 'PLpgSQL_expr') continue;
    found.push(...(dynamic.has(node) ? inDynamic(String(node.query)) : inScript(statementOf(node))));
  }
  return found;
}

function statementOf({ query, parseMode }: Node): string {
  if (parseMode === STATEMENT) return String(query);
  const expression = parseMode === EXPRESSION ? String(query) : String(query).replace(/^[^=]*?:?=/, '');
  return `select ${expression}`;
}

/** The string of an EXECUTE, as far as it is written down; what is put in at run time is a name or a value. */
function inDynamic(expression: string): Finding[] {
  const tree = parseSync(`select ${expression}`) as unknown as Node;
  const [target] = [...nodesOf(tree)].filter(({ kind }) => kind === 'ResTarget');
  const text = textOf(target?.node.val as Node);
  try {
    return inScript(text);
  } catch {
    return [`an EXECUTE that nobody can read: ${oneLine(expression)}`];
  }
}

const PLACEHOLDER = 'x';

function textOf(node: Node): string {
  const constant = node.A_Const as Node | undefined;
  if (constant) return stringOf({ String: constant.sval }) || PLACEHOLDER;
  const operation = node.A_Expr as { name?: Node[]; lexpr?: Node; rexpr?: Node } | undefined;
  if (operation?.lexpr && operation.rexpr && stringOf(operation.name?.[0]) === '||') {
    return textOf(operation.lexpr) + textOf(operation.rexpr);
  }
  const call = node.FuncCall as { funcname?: Node[]; args?: Node[] } | undefined;
  const name = stringOf(call?.funcname?.at(-1));
  const [first] = call?.args ?? [];
  if (name === 'format' && first) {
    return textOf(first)
      .replaceAll(/%(?:\d+\$)?-?\d*[Is]/g, PLACEHOLDER)
      .replaceAll(/%(?:\d+\$)?-?\d*L/g, `'${PLACEHOLDER}'`)
      .replaceAll('%%', '%');
  }
  if (name === 'concat' && call?.args) return call.args.map(textOf).join('');
  return name === 'quote_literal' || name === 'quote_nullable' ? `'${PLACEHOLDER}'` : PLACEHOLDER;
}

/**
 * A CREATE FUNCTION with the same names and simpler types: outside a database the parser knows no type but
 * those of PostgreSQL's own, and stops at an array.
 */
function plainHead(node: Node): string {
  const parameters = (node.parameters ?? []) as { FunctionParameter: Node }[];
  const outs = parameters.filter(({ FunctionParameter: { mode } }) => /OUT|TABLE/.test(String(mode)));
  const list = parameters.map(({ FunctionParameter: one }) => {
    const mode =
      one.mode === 'FUNC_PARAM_INOUT' ? 'inout' : /OUT|TABLE/.test(String(one.mode)) ? 'out' : 'in';
    return `${mode} "${one.name}" ${isOwnType(one.argType as Node) ? 'record' : 'text'}`;
  });
  // One of them alone would want its own type as the result's.
  if (outs.length > 0) list.push('out "another out parameter" text');
  const result = node.returnType as { setof?: boolean; names?: Node[] } | undefined;
  const type = stringOf(result?.names?.at(-1));
  const pseudo = ['trigger', 'event_trigger', 'void'].includes(type) ? type : 'text';
  const returns = result?.setof ? 'setof record' : outs.length > 0 ? 'record' : result ? pseudo : 'void';
  return `create function f(${list.join(', ')}) returns ${returns}`;
}

/** A composite type of the project's, whose fields a body may assign. */
function isOwnType(type: Node): boolean {
  const names = (type.names ?? []) as Node[];
  return names.length > 1 && stringOf(names[0]) !== 'pg_catalog' && !type.arrayBounds;
}

/** The DefElems of a list, by name. */
function definitions(list: unknown): Map<string, unknown> {
  const elements = (list ?? []) as { DefElem: { defname: string; arg: unknown } }[];
  return new Map(elements.map(({ DefElem }) => [DefElem.defname, DefElem.arg]));
}

/** A String node, or the first of a List of them. */
function stringOf(node: unknown): string {
  const { String: string, List: list } = (node ?? {}) as {
    String?: { sval?: string };
    List?: { items: Node[] };
  };
  return list ? stringOf(list.items[0]) : (string?.sval ?? '');
}

/** Every `{Kind: {…}}` of a tree, parents first. */
function* nodesOf(tree: unknown): Generator<{ kind: string; node: Node }> {
  if (typeof tree !== 'object' || tree === null) return;
  for (const [key, value] of Object.entries(tree)) {
    if (!Array.isArray(value) && typeof value === 'object' && value !== null) {
      yield { kind: key, node: value as Node };
    }
    yield* nodesOf(value);
  }
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
