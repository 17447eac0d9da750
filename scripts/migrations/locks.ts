/**
 * Whether a migration could hold up a database in use: whoever waits for a lock on a table of the queue makes every
 * claim wait behind it, and whoever has one keeps it to the end of the file. squawk knows which statements read or
 * rewrite a whole table; what it does not look at is here.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { loadModule, parseSync } from 'libpg-query';
import { environment, ROOT } from '../run.mjs';

const LONGEST_MS = 1000;
const TIMEOUTS = ['lock_timeout', 'statement_timeout'];
const FOLDER = path.join(ROOT, 'supabase/migrations');

/** squawk's rules about locks; the others are the business of `npm test`. */
const SQUAWK_RULES = new Set([
  'adding-field-with-default',
  'adding-foreign-key-constraint',
  'adding-not-nullable-field',
  'adding-required-field',
  'adding-serial-primary-key-field',
  'changing-column-type',
  'constraint-missing-not-valid',
  'disallowed-unique-constraint',
  'require-concurrent-index-creation',
  'require-concurrent-index-deletion',
  'require-concurrent-reindex',
]);

/** Statements that lock a table which others use. */
const LOCKING = new Set([
  'AlterTableStmt',
  'CreateTrigStmt',
  'CreatePolicyStmt',
  'AlterPolicyStmt',
  'DropStmt',
  'IndexStmt',
  'RenameStmt',
  'RuleStmt',
  'AlterObjectSchemaStmt',
]);
/** Statements that keep a lock for as long as they read or write. */
const LONG: Record<string, string> = {
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  InsertStmt: 'insert … select',
  CreateTableAsStmt: 'create table … as select',
  MergeStmt: 'merge',
  SelectStmt: 'select',
  DoStmt: 'do',
  CallStmt: 'call',
};
/** `set_config('lock_timeout', …)`, wherever it stands in a statement that runs now. */
const SETS_BY_CALL = /set_config.*(lock|statement)_timeout/;
/** Statements that lock a whole table against everybody while they work. */
const NEVER: Record<string, string> = {
  LockStmt: 'lock table',
  TruncateStmt: 'truncate',
  ClusterStmt: 'cluster',
  VacuumStmt: 'vacuum',
  ReindexStmt: 'reindex',
  RefreshMatViewStmt: 'refresh materialized view',
};

interface Statement {
  kind: string;
  node: Record<string, unknown>;
}

/** A sentence for each thing in these files of `supabase/migrations` that could hold up the queue. */
export async function lockComplaints(files: string[], folder = FOLDER): Promise<string[]> {
  await loadModule();
  const own = await Promise.all(
    files.map(async (file) => complaintsAbout(file, await fs.readFile(path.join(folder, file), 'utf8'))),
  );
  const theirs = await squawk(files.map((file) => path.join(folder, file)));
  return [...own.flat(), ...theirs];
}

/** `loadModule()` of libpg-query must have ended before. */
function complaintsAbout(file: string, sql: string): string[] {
  const statements = read(sql);
  if (isLoneIndex(statements)) return [];
  const made = new Set(statements.flatMap(madeBy));
  const locks = statements.map((statement) => locked(statement).filter((name) => !made.has(name)));
  const first = locks.findIndex((names) => names.length > 0);
  return [
    ...unbounded(file, statements, first),
    ...tooLong(file, statements, locks[first]?.join(' and ')),
    ...tooMany(file, locks),
  ];
}

/** Bounds that are missing, come too late, or do not hold to the end. */
function unbounded(file: string, statements: Statement[], first: number): string[] {
  if (first < 0 && !statements.some(isLong)) return [];
  const before = first < 0 ? statements.findIndex(isLong) : first;
  const missing = TIMEOUTS.filter(
    (name) => !statements.slice(0, before).some((statement) => isBounded(statement, name)),
  ).map((name) => `${file}: set local ${name} = '1s', or less, has to stand before its first statement.`);
  const loosened = statements
    .filter(loosens)
    .map(
      ({ kind }) =>
        `${file}: ${kind === 'TransactionStmt' ? 'ending the transaction' : 'a later setting'} takes lock_timeout or statement_timeout back: they hold from the first statement to the last, locks do, too.`,
    );
  return missing.length > 0 ? missing : loosened;
}

function tooLong(file: string, statements: Statement[], lockedFirst: string | undefined): string[] {
  return statements.flatMap((statement) => {
    const { kind } = statement;
    const what = NEVER[kind] ?? (lockedFirst !== undefined && isLong(statement) ? LONG[kind] : undefined);
    if (!what) return [];
    const why =
      kind in NEVER
        ? 'locks a whole table while it works'
        : `keeps the lock on ${lockedFirst} while it works`;
    return [`${file}: "${what}" ${why}: take it into a file of its own, in portions, or do without.`];
  });
}

/** The bound of time is each statement's, and a lock lasts to the end: one is kept while the next is waited for. */
function tooMany(file: string, locks: string[][]): string[] {
  const locking = locks.filter((names) => names.length > 0);
  const tables = [...new Set(locking.flat())];
  if (locking.length < 2 || tables.length < 2) return [];
  return [
    `${file}: it locks ${tables.join(', ')} one after the other, each to the end: a file for each table.`,
  ];
}

/** Reads or writes as many rows as there are; of an insert, the one with a query. */
function isLong({ kind, node }: Statement): boolean {
  if (kind !== 'InsertStmt') return kind in LONG;
  const { SelectStmt } = (node.selectStmt ?? {}) as { SelectStmt?: { valuesLists?: unknown[] } };
  return SelectStmt !== undefined && !SelectStmt.valuesLists?.length;
}

function loosens(statement: Statement): boolean {
  const { kind, node } = statement;
  if (kind === 'TransactionStmt') return true;
  if (kind === 'SelectStmt' || kind === 'DoStmt') return SETS_BY_CALL.test(JSON.stringify(node));
  if (kind !== 'VariableSetStmt') return false;
  if (node.kind === 'VAR_RESET_ALL') return true;
  return TIMEOUTS.includes(String(node.name)) && !isBounded(statement, String(node.name));
}

function read(sql: string): Statement[] {
  const { stmts = [] } = parseSync(sql) as unknown as {
    stmts?: { stmt: Record<string, Record<string, unknown>> }[];
  };
  return stmts.flatMap(({ stmt }) => Object.entries(stmt).map(([kind, node]) => ({ kind, node })));
}

/** Built beside the traffic. The CLI runs such a file outside of a transaction. */
function isLoneIndex([only, ...more]: Statement[]): boolean {
  return (
    more.length === 0 &&
    (only?.kind === 'IndexStmt' || only?.kind === 'DropStmt') &&
    only.node.concurrent === true
  );
}

function madeBy({ kind, node }: Statement): string[] {
  if (kind === 'CreateStmt') return nameOf(node.relation);
  return kind === 'CreateTableAsStmt' ? nameOf((node.into as { rel?: unknown } | undefined)?.rel) : [];
}

/** The tables that a statement keeps others from writing, its own among them. */
function locked({ kind, node }: Statement): string[] {
  if (kind === 'DropStmt') return dropped(node);
  // A new table locks those that it references, inherits from or is a part of.
  if (kind === 'CreateStmt') return [...referenced(node), ...parents(node)];
  if (!LOCKING.has(kind)) return [];
  return [...nameOf(node.relation ?? node.table), ...(kind === 'AlterTableStmt' ? referenced(node) : [])];
}

/** Wherever a foreign key stands in a statement: behind a column, behind all, or in what ALTER TABLE adds. */
function referenced(part: unknown): string[] {
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([name, value]) =>
    name === 'pktable' ? nameOf(value) : referenced(value),
  );
}

const parents = ({ inhRelations = [] }: { inhRelations?: { RangeVar?: unknown }[] }): string[] =>
  inhRelations.flatMap(({ RangeVar }) => nameOf(RangeVar));

function dropped({ removeType, objects }: Record<string, unknown>): string[] {
  const [, what] = /OBJECT_(TABLE|TRIGGER|POLICY|INDEX|RULE)$/.exec(String(removeType)) ?? [];
  if (!what) return [];
  type Name = { List?: { items: { String?: { sval: string } }[] } };
  return (objects as Name[]).map(({ List }) => {
    const words = (List?.items ?? []).map(({ String: word }) => word?.sval ?? '');
    // A trigger is named behind its table.
    const own = what === 'TABLE' || what === 'INDEX' ? words : words.slice(0, -1);
    const name = own.length > 1 ? own.join('.') : `public.${own.join('')}`;
    return what === 'INDEX' ? `the table of ${name}` : name;
  });
}

function isBounded({ kind, node }: Statement, name: string): boolean {
  if (kind !== 'VariableSetStmt' || node.name !== name || node.is_local !== true) return false;
  const [arg] = (node.args ?? []) as { A_Const?: { ival?: { ival?: number }; sval?: { sval?: string } } }[];
  const text = arg?.A_Const?.sval?.sval ?? String(arg?.A_Const?.ival?.ival ?? 0);
  const [, number = '0', unit = 'ms'] = /^(\d+)\s*(ms|s)?$/.exec(text.trim()) ?? [];
  const ms = Number(number) * (unit === 's' ? 1000 : 1);
  return ms > 0 && ms <= LONGEST_MS;
}

function nameOf(relation: unknown): string[] {
  const { schemaname, relname } = (relation ?? {}) as { schemaname?: string; relname?: string };
  return relname === undefined ? [] : [`${schemaname ?? 'public'}.${relname}`];
}

/** What squawk says of them under the configuration for a database in use. */
function squawk(files: string[]): Promise<string[]> {
  if (files.length === 0) return Promise.resolve([]);
  const args = ['--config', path.join(ROOT, 'supabase/squawk-upgrade.toml'), '--reporter', 'json', ...files];
  type Finding = { file: string; line: number; rule_name: string; message: string; help?: string };
  return new Promise((resolve, reject) => {
    // It ends with 1 where it has found something.
    execFile('squawk', args, { env: environment() }, (error, stdout) => {
      if (error && !stdout.startsWith('[')) return reject(error);
      const found = (JSON.parse(stdout) as Finding[]).filter(({ rule_name }) => SQUAWK_RULES.has(rule_name));
      resolve(
        found.map(
          ({ file, line, message, help }) =>
            `${path.basename(file)}:${line + 1}: ${[message, help].filter(Boolean).join(' ')}`,
        ),
      );
    });
  });
}
