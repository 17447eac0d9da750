import type { Sql } from './database.ts';
import type { Situation } from './findings.ts';
import { headOf, list, table } from './markdown.ts';

/** How many rows of a table have changed since the copy, and how. */
export interface Change {
  table_name: string;
  change: string;
  rows: string;
}

/** What sql/changes.sql has found in this transaction. */
export async function changesSince(sql: Sql): Promise<Change[]> {
  return [
    ...(await sql<Change[]>`select table_name, change, count(*)::text as rows from changes
      group by table_name, change order by min(ord)`),
  ];
}

const KEPT = `These were written since \`--apply\` and do not go back. Each is kept, whole, in the table
\`picture_queue_undone.rows\`, with what had become of it:

- \`new\`: made since. The files of new images stay in Storage; \`row_data\` names their paths.
- \`changed\`: written since; the row is again as it was before the move, and this is how it was now.
- \`deleted\`: deleted since; the row is there again, and the file that it names may be gone. Rows of yours that went with it
  (tags, likes) do not come back: only a backup has them.
- \`names what is new\`: a row of yours that went with what it names.
- \`named what is new\`: a row of yours as it was before its foreign key was set to null or to its default.
- \`definition changed\`, \`policy changed\`: a view, function or policy of yours that you have changed since; it is as
  it was before the move.
- \`policy dropped\`: a policy of yours that you have dropped since; it stays dropped, and this is what it said.
- \`foreign key dropped since\`: a foreign key of yours whose table or column you have dropped since; it stays dropped.`;

/** Before the undo drops what it tells of. */
export async function undoReport(
  sql: Sql,
  situation: Situation,
  changes: Change[],
  cronAgain: string[],
): Promise<string> {
  const moved = await putAside(sql);
  return [
    headOf('what was put back', situation),
    '## Put back, from the schema `original`',
    list(moved),
    '## Cron jobs that come back under a new number',
    list(cronAgain),
    '## Written since the move',
    changes.length === 0
      ? 'Nothing was written since: everything is as it was before the move.'
      : `${KEPT}\n\n${table(
          ['', 'what', 'rows'],
          changes.map((one) => [one.table_name, one.change, one.rows]),
        )}`,
    '',
  ].join('\n\n');
}

/** After the undo: which of the profiles that the push has added are in use. */
export async function profilesReport(sql: Sql): Promise<string> {
  const [staying] = await sql<{ rows: string }[]>`select count(*)::text as rows from profiles_staying`;
  if (staying === undefined || staying.rows === '0') return '';
  return `\n${staying.rows} profiles that the move has added stay in \`public.profiles\`: their users have changed them, or rows name them.\n`;
}

/** Before the finish drops what it tells of. */
export async function finishReport(sql: Sql, situation: Situation, leftAside: string[]): Promise<string> {
  const lost = await sql<{ table_name: string; reason: string; rows: string }[]>`
    select table_name, reason, count(*)::text as rows from picture_queue_move.not_carried group by 1, 2 order by 1, 2`;
  const cron = await sql<{ what: string }[]>`
    select format('%s (%s, of %s)', coalesce(name, id::text), schedule, owner) as what
    from picture_queue_move.cron_jobs order by id`;
  const [history] = await sql`select to_regclass('picture_queue_move.history') is not null as is_there`;
  const [versions] = history?.is_there
    ? await sql<{ rows: string }[]>`select count(*)::text as rows from picture_queue_move.history`
    : [];
  return [
    headOf('what was finished', situation),
    '## Dropped, from the schema `original`',
    list(await putAside(sql)),
    '## Dropped without an equal in use',
    list(leftAside),
    '## Cron jobs removed',
    list(cron.map(({ what }) => what)),
    '## Kept in `picture_queue_move.not_carried`',
    table(
      ['', 'why', 'rows'],
      lost.map((one) => [one.table_name, one.reason, one.rows]),
    ),
    '## The history of your own migrations',
    versions === undefined
      ? 'There is none.'
      : `Kept in \`picture_queue_move.history\`, ${versions.rows} versions.`,
    '',
  ].join('\n\n');
}

async function putAside(sql: Sql): Promise<string[]> {
  const moved = await sql<{ kind: string; name: string }[]>`
    select kind, name from picture_queue_move.moved order by kind desc, name`;
  return moved.map(({ kind, name }) => `${kind} \`${name}\``);
}
