import type postgres from 'postgres';
import { UserError } from '../user-error.mjs';
import { isDone } from './apply.ts';
import { removeCron, resumeCron } from './cron.ts';
import { rows, run, type Sql, transaction } from './database.ts';
import { changesSince, finishReport, profilesReport, undoReport } from './ends-report.ts';
import type { Situation } from './findings.ts';
import type { Options } from './options.ts';

/** Writes a report down; called within the transaction, so that nothing is done of which there is no report. */
export type Write = (report: string) => Promise<void>;

/**
 * Puts everything back, in one transaction. What has been written since and does not go back is kept in
 * picture_queue_undone.rows; answers how many rows that are.
 *
 * @throws UserError when the move is finished, or when there is such and that was not asked for
 */
export async function undo(
  sql: postgres.Sql,
  situation: Situation,
  options: Options,
  write: Write,
): Promise<number> {
  if (await isDone(sql, 'finish')) {
    throw new UserError(
      'The move is finished: what was put aside is gone, and only a backup brings it back.',
    );
  }
  return transaction(sql, async (inner) => {
    await inner`set local search_path = ''`;
    await assertKnown(inner);
    if (!(await isDone(inner, 'push'))) await run(inner, 'pushed');
    await assertNamed(inner);
    await run(inner, 'let-go', 'changes');
    const changes = await changesSince(inner);
    if (changes.length > 0 && !options.putChangesAside) {
      const list = changes.map(({ table_name, change, rows: n }) => `${table_name}: ${n} ${change}`);
      const deleted = changes.some(({ change }) => change === 'deleted')
        ? 'Rows of yours that went with a deleted image (its tags, its likes) do not come back. '
        : '';
      throw new UserError(
        `This has been written since --apply, and does not go back: ${list.join('; ')}. ${deleted}With --put-changes-aside it is kept, whole, in picture_queue_undone.rows, and the rest is put back.`,
      );
    }
    const report = await undoReport(inner, situation, changes, await resumeCron(inner));
    await run(inner, 'undo');
    await write(report + (await profilesReport(inner)));
    await inner`notify pgrst, 'reload schema'`;
    return changes.reduce((sum, { rows: n }) => sum + Number(n), 0);
  });
}

async function assertKnown(sql: Sql): Promise<void> {
  const stale = (await rows<{ what: string }>(sql, 'stale')).map(({ what }) => what);
  if (stale.length === 0) return;
  throw new UserError(
    `This database was restored or upgraded since the apply, or what the move made was made anew: ${stale.slice(0, 3).join(', ')}${stale.length > 3 ? ` and ${stale.length - 3} more` : ''} are not those that the move knows. So it cannot be taken back; only the backup from before it brings the old state back.`,
  );
}

async function assertNamed(sql: Sql): Promise<void> {
  const renamed = await rows<{ was: string; is: string }>(sql, 'renamed');
  if (renamed.length === 0) return;
  const list = renamed.map(({ was, is }) => `${was} is ${is} now`).join(', ');
  throw new UserError(
    `These tables of yours were renamed since --apply, and their keys and policies go back under the old names: ${list}. Rename them back, then run it again.`,
  );
}

/**
 * Drops what was put aside, in one transaction.
 *
 * @throws UserError when the move has not come to its end, or something of the app's would be dropped as well
 */
export async function finish(
  sql: postgres.Sql,
  situation: Situation,
  options: Options,
  write: Write,
): Promise<void> {
  if (await isDone(sql, 'finish')) throw new UserError('The move is finished already.');
  if (!(await isDone(sql, 'validate'))) {
    throw new UserError('The move has not come to its end yet: run it with --apply again first.');
  }
  await transaction(sql, async (inner) => {
    const tied = await rows<{ what: string }>(inner, 'tied');
    if (tied.length > 0) {
      throw new UserError(
        `These of yours still use the old tables, and would go with them: ${tied.map(({ what }) => what).join(', ')}. Change or drop them first.`,
      );
    }
    const leftAside = (await rows<{ what: string }>(inner, 'left-aside')).map(({ what }) => what);
    if (leftAside.length > 0 && !options.dropLeftAside) {
      throw new UserError(
        `These of yours are in the schema original and have no equal in use, and would be dropped: ${leftAside.join(', ')}. Why is in the report of --apply. Make anew what you need, then run it again with --drop-left-aside.`,
      );
    }
    await write(await finishReport(inner, situation, leftAside));
    await removeCron(inner);
    await run(inner, 'finish');
  });
}
