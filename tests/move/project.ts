import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll } from 'vitest';
import { move } from '../../scripts/move/move.ts';
import { type Action, parseOptions } from '../../scripts/move/options.ts';
import { createDatabase, EMPTY, type TestDatabase } from '../stack/testing.ts';
import { createOriginal, fillOriginal, type Old } from './original.ts';

/** Runs the command; answers the report. */
export type Run = (action: Action, ...more: string[]) => Promise<string>;

export interface Project extends TestDatabase {
  sql: postgres.Sql;
  old: Old;
  run: Run;
  /** What the command has said, line by line. */
  said: string[];
}

const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-move-'));
const report = path.join(folder, 'report.md');
afterAll(() => fs.rm(folder, { recursive: true, force: true }));

/** @param changes statements after the original's tables and rows */
export async function project(changes = ''): Promise<Project> {
  const database = await createDatabase(EMPTY);
  const sql = open(database.url);
  await createOriginal(sql);
  const old = await fillOriginal(sql);
  if (changes) await sql.unsafe(changes).simple();
  return { ...database, ...runner(database.url), sql, old };
}

export function open(url: string): postgres.Sql {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  afterAll(() => sql.end());
  return sql;
}

export function runner(url: string): { run: Run; said: string[] } {
  const said: string[] = [];
  const run: Run = async (action, ...more) => {
    const options = parseOptions(['--database-url', url, `--${action}`, '--report', report, ...more], {});
    if (!options) throw new Error('the help was not asked for');
    await move(options, (line) => said.push(line));
    return fs.readFile(report, 'utf8').catch(() => '');
  };
  return { run, said };
}

/** As a user, over the API. */
export function as<T>(sql: postgres.Sql, user: string, work: (inner: postgres.TransactionSql) => Promise<T>) {
  return sql.begin(async (inner) => {
    await inner`select set_config('role', 'authenticated', true),
      set_config('request.jwt.claims', ${JSON.stringify({ role: 'authenticated', sub: user })}, true)`;
    return work(inner);
  });
}
