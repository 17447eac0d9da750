import fs from 'node:fs/promises';
import type postgres from 'postgres';
import { UserError } from '../user-error.mjs';
import { apply, isDone } from './apply.ts';
import { connect, TakenBack, transaction } from './database.ts';
import { finish, undo } from './ends.ts';
import { look, type Situation, situationOf } from './findings.ts';
import type { Options } from './options.ts';
import { reportOf } from './report.ts';

/**
 * `npm run move`: what the options ask for.
 *
 * @param say gets each line for the terminal
 * @throws UserError in a sentence, with what was left as it is
 */
export async function move(options: Options, say: (line: string) => void): Promise<void> {
  const sql = connect(options.databaseUrl);
  try {
    const situation = await reach(sql);
    if (options.action === 'dry-run') return await dryRun(sql, situation, options, say);
    if (options.action === 'apply') return await applyAndReport(sql, situation, options, say);
    if (!situation.is_under_way) throw new UserError('There is no move in this database.');
    if (options.action === 'undo') {
      const kept = await undo(sql, situation, options, (report) => write(options, report, say));
      return say(
        `Everything is as it was before the move.${kept === 0 ? '' : ` ${kept} rows that were written since are kept in picture_queue_undone.rows.`}`,
      );
    }
    await finish(sql, situation, options, (report) => write(options, report, say));
    say(
      'The move is finished. Rows that were not carried are in picture_queue_move.not_carried, and the history of your own migrations in picture_queue_move.history, if there are any.',
    );
  } finally {
    await sql.end();
  }
}

async function reach(sql: postgres.Sql): Promise<Situation> {
  const situation = await situationOf(sql).catch((error) => {
    throw new UserError(`The database cannot be reached: ${error.message}`);
  });
  if (!situation.is_supabase) {
    throw new UserError('This is no database of a Supabase project: it has no schema auth.');
  }
  if (situation.version_number < 150000) {
    throw new UserError(
      `Picture Queue needs PostgreSQL 15 or newer, and this is ${situation.version}: upgrade the database first.`,
    );
  }
  return situation;
}

/** Before a move begins. */
function assertCanBegin(situation: Situation): void {
  if (situation.is_pushed) {
    throw new UserError('Picture Queue’s migrations are in this database already: there is nothing to move.');
  }
  if (!situation.has_generations) {
    throw new UserError(
      'This database has no table public.image_generations: it is no project of the original.',
    );
  }
  if (situation.has_original) {
    throw new UserError(
      'The move puts the old tables into a schema "original", and this database has one: rename it, then run the move again.',
    );
  }
  if (situation.has_private) {
    throw new UserError(
      'Picture Queue keeps its own things in a schema "private", and this database has one: drop it if it is empty, or rename it (alter schema private rename to app_private), then run the move again.',
    );
  }
}

async function dryRun(
  sql: postgres.Sql,
  situation: Situation,
  options: Options,
  say: (line: string) => void,
): Promise<void> {
  if (situation.is_under_way) {
    throw new UserError(
      'A move is under way in this database: go on with --apply, or take it back with --undo.',
    );
  }
  assertCanBegin(situation);
  let report = '';
  await transaction(sql, async (inner) => {
    const findings = await look(inner, situation, options);
    report = await reportOf(inner, 'dry-run', situation, findings);
    throw new TakenBack();
  }).catch((error) => {
    if (!(error instanceof TakenBack)) throw error;
  });
  await write(options, report, say);
  say('Nothing was changed. Read the report, make a backup, then run it with --apply.');
}

async function applyAndReport(
  sql: postgres.Sql,
  situation: Situation,
  options: Options,
  say: (line: string) => void,
): Promise<void> {
  if (situation.is_under_way) {
    if (await isDone(sql, 'finish')) throw new UserError('The move is finished already.');
    say('A move is under way: going on where it stopped.');
  } else assertCanBegin(situation);
  const findings = await apply(sql, situation, options, (step, seconds) =>
    say(seconds === undefined ? `– ${step}: done earlier` : `✓ ${step}: ${seconds.toFixed(1)} s`),
  );
  await write(options, await reportOf(sql, 'apply', situation, findings), say);
  say(
    'The rows are moved. --undo takes it back; --finish, when nothing is missing, drops what was put aside.',
  );
}

async function write(options: Options, report: string, say: (line: string) => void): Promise<void> {
  await fs.writeFile(options.report, report).catch((error) => {
    throw new UserError(`The report cannot be written: ${error.message}`);
  });
  say(`The report: ${options.report}`);
}
