import type { Sql } from './database.ts';
import type { Findings, Situation } from './findings.ts';
import { headOf, list, table } from './markdown.ts';
import type { Action } from './options.ts';

interface Outcome {
  what: string;
  outcome: string | null;
  reason: string | null;
}

const WHAT_IS_NOT_CARRIED = `Jobs stay in the old table: what was under way has ended as failed, and users can ask again. Policies and triggers of the old tables stay with them: Picture Queue has its own.`;

/** The report as Markdown. It names no password. */
export async function reportOf(
  sql: Sql,
  action: Action,
  situation: Situation,
  findings: Findings,
): Promise<string> {
  const isDry = action === 'dry-run';
  const outcomes = (table: 'foreign_keys' | 'views' | 'functions' | 'policies') => outcomesOf(sql, table);
  const moved = await sql<{ kind: string; name: string }[]>`
    select kind, name from picture_queue_move.moved order by kind desc, name`;
  const cron = await sql<{ what: string; outcome: string | null }[]>`
    select format('%s (%s, of %s)', coalesce(name, id::text), schedule, owner) as what, outcome
    from picture_queue_move.cron_jobs order by id`;
  const remarks = await sql<{ topic: string; what: string }[]>`
    select topic, what from picture_queue_move.remarks order by ord`;
  const compared = await sql<{ what: string; expected: string; found: string }[]>`
    select what, coalesce(expected, 0)::text as expected, coalesce(found, 0)::text as found
    from picture_queue_move.compared order by ord`;
  const remarksOf = (topic: string) => remarks.filter((one) => one.topic === topic).map(({ what }) => what);
  const tables = groups(findings);
  return [
    headOf(isDry ? 'what would be done' : 'what was done', situation),
    isDry ? 'Nothing was changed.' : '',
    `## Rows`,
    ...tables.flatMap(([part, counts]) => [`### ${part}`, table(['', 'rows'], counts)]),
    WHAT_IS_NOT_CARRIED,
    compared.length === 0
      ? ''
      : `## Compared after the copy\n\n${table(
          ['', 'old rows', 'new rows'],
          compared.map(({ what, expected, found }) => [what, expected, found]),
        )}`,
    `## Put aside, into the schema \`original\``,
    list(moved.map(({ kind, name }) => `${kind} \`${name}\``)),
    findings.profilesMissing === null
      ? '`profiles` stays where it is, if there is one.'
      : `\`profiles\` is put aside, because it lacks this: ${findings.profilesMissing}.`,
    `## History of migrations`,
    findings.history.length === 0
      ? 'There is none.'
      : `${findings.history.length} versions, ${findings.history[0]} to ${findings.history.at(-1)}, are put aside, so that \`db push\` works. --undo brings them back.`,
    `## Cron jobs of the original`,
    list(cron.map(({ what, outcome }) => `${what}: ${outcome ?? 'would be paused'}`)),
    `## Re-pointed to the new tables`,
    table(
      ['', 'outcome'],
      [
        ...(await outcomes('foreign_keys')),
        ...(await outcomes('views')),
        ...(await outcomes('functions')),
        ...(await outcomes('policies')),
      ],
    ),
    `## Not carried: look at these`,
    section('Policies of the old tables', remarksOf('policy')),
    section('Triggers of the old tables', remarksOf('trigger')),
    section(
      'Policies of Storage that reach the bucket `generated-images`: they stay in force',
      remarksOf('storage'),
    ),
    section('Buckets whose settings change', remarksOf('bucket')),
    isDry
      ? 'Models of the catalogue get its names, prices and defaults: --apply lists what of yours was different.'
      : section(
          'Models that have the catalogue’s values now: set in `public.models` what you want back',
          remarksOf('model'),
        ),
    section(
      'Models that are new, and that users may choose: set `is_active` to false where you do not want that',
      remarksOf('offered'),
    ),
    section('Columns that have no equal; --finish drops their values', remarksOf('column')),
    section('Functions of yours that name the old tables', remarksOf('function')),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

async function outcomesOf(
  sql: Sql,
  name: 'foreign_keys' | 'views' | 'functions' | 'policies',
): Promise<[string, string][]> {
  const query = {
    foreign_keys: sql<Outcome[]>`select format('foreign key %s of %s', name, table_name) as what,
        case when orphans > 0 then format('for new rows: %s rows name what was not carried', orphans) else outcome end
          as outcome, reason
      from picture_queue_move.foreign_keys order by table_name, name`,
    views: sql<Outcome[]>`select format('%s %s.%s', kind, schema_name, name) as what, outcome, reason
      from picture_queue_move.views order by ord`,
    functions: sql<Outcome[]>`select format('%s %s', kind, name) as what, outcome, reason
      from picture_queue_move.functions order by name`,
    policies: sql<Outcome[]>`select format('policy %s of %s', name, table_name) as what, outcome, reason
      from picture_queue_move.policies order by table_name, name`,
  }[name];
  return (await query).map(({ what, outcome, reason }) => [
    what,
    `${outcome ?? 'would be moved'}${reason === null ? '' : `: ${reason}`}`,
  ]);
}

function groups(findings: Findings): [string, [string, string][]][] {
  const parts = new Map<string, [string, string][]>();
  for (const { part, what, rows } of findings.counts) {
    parts.set(part, [...(parts.get(part) ?? []), [what, String(rows)]]);
  }
  return [...parts];
}

function section(title: string, items: string[]): string {
  return items.length === 0 ? '' : `${title}:\n\n${list(items)}`;
}
