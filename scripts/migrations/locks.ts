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
]);
/** Statements that keep a lock for as long as they read or write. */
const LONG: Record<string, string> = {
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
  SelectStmt: 'select',
  DoStmt: 'do',
  CallStmt: 'call',
};
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
  const made = new Set(
    statements.flatMap(({ kind, node }) => (kind === 'CreateStmt' ? nameOf(node.relation) : [])),
  );
  const locks = statements.map((statement) => locked(statement, made));
  const first = locks.findIndex((name) => name !== undefined);
  const wrong: string[] = [];
  if (first >= 0 || statements.some(({ kind }) => kind in LONG)) {
    for (const name of TIMEOUTS) {
      const before = first < 0 ? statements.length : first;
      if (!statements.slice(0, before).some((statement) => isBounded(statement, name)))
        wrong.push(`${file}: set local ${name} = '1s', or less, has to stand before its first statement.`);
    }
  }
  for (const { kind } of statements) {
    const what = NEVER[kind] ?? (first >= 0 ? LONG[kind] : undefined);
    if (!what) continue;
    const why =
      kind in NEVER
        ? 'locks a whole table while it works'
        : `keeps the lock on ${locks[first]} while it works`;
    wrong.push(`${file}: "${what}" ${why}: take it into a file of its own, in portions, or do without.`);
  }
  return wrong;
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

/** The table of others' that a statement locks. */
function locked({ kind, node }: Statement, made: Set<string>): string | undefined {
  if (!LOCKING.has(kind)) return undefined;
  if (kind === 'DropStmt')
    return /TABLE|TRIGGER|POLICY|INDEX|RULE/.test(String(node.removeType)) ? 'a table' : undefined;
  const [name] = nameOf(node.relation ?? node.table);
  return name === undefined || made.has(name) ? undefined : name;
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
