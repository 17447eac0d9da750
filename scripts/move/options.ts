import { parseArgs } from 'node:util';
import { UserError } from '../user-error.mjs';

export type Action = 'dry-run' | 'apply' | 'finish' | 'undo';

export interface Options {
  action: Action;
  /** Of the old project, as the role `postgres`. */
  databaseUrl: string;
  /** Where the report is written. */
  report: string;
  /** The project's address, https://….supabase.co: images without an address get one of it. */
  projectUrl?: string;
  /** End jobs that the original has begun within the last ten minutes. */
  abandonRunning: boolean;
  /** Undo although rows have been written since, which do not go back: they are kept beside. */
  putChangesAside: boolean;
  /** Finish although views and functions were left aside that have no equal in use: they are dropped. */
  dropLeftAside: boolean;
}

export const HELP = `npm run move -- --database-url URL [--dry-run | --apply | --finish | --undo] [options]

Moves a project of the original to Picture Queue, in its own database: docs/guides/move-from-the-original.md.

  --dry-run           say what is there and what would be done; change nothing (what happens without any of the four)
  --apply             put the old tables aside, push the migrations, copy the rows, re-point the app's own tables;
                      run it again if it was interrupted
  --undo              put everything back as it was; until --finish
  --finish            drop what was put aside

  --database-url URL  of the old project, as postgres; also from the environment: DATABASE_URL
  --project-url URL   https://….supabase.co, for images that have no address, where no other image tells it
  --report FILE       where the report is written; move-dry-run.md, move-apply.md, move-undo.md or move-finish.md
  --abandon-running   apply although the original is at work on jobs: their images are lost, and paid
  --put-changes-aside undo although rows have been written since --apply: they are kept in picture_queue_undone.rows
  --drop-left-aside   finish although views or functions could not be made over the new tables: they are dropped
  --help              this text

Make a backup first. Stop the original's functions before --apply.
`;

/** @returns undefined when the help was asked for */
export function parseOptions(argv: string[], environment: NodeJS.ProcessEnv): Options | undefined {
  const values = parse(argv);
  if (values.help) return undefined;
  const actions = (['dry-run', 'apply', 'finish', 'undo'] as const).filter((action) => values[action]);
  if (actions.length > 1) throw new UserError(`Choose one of --${actions.join(', --')}.`);
  const databaseUrl = values['database-url'] ?? environment.DATABASE_URL;
  if (!databaseUrl) {
    throw new UserError(
      'Name the database of the old project: npm run move -- --database-url postgresql://postgres:…@db.….supabase.co:5432/postgres',
    );
  }
  if (!/^postgres(ql)?:$/.test(URL.parse(databaseUrl)?.protocol ?? '')) {
    throw new UserError(
      '--database-url takes an address such as postgresql://postgres:…@host:5432/postgres.',
    );
  }
  const projectUrl = values['project-url'];
  if (projectUrl !== undefined && !/^https?:$/.test(URL.parse(projectUrl)?.protocol ?? '')) {
    throw new UserError('--project-url takes an address such as https://….supabase.co.');
  }
  const action = actions[0] ?? 'dry-run';
  return {
    action,
    databaseUrl,
    report: values.report ?? `move-${action}.md`,
    ...(projectUrl === undefined ? {} : { projectUrl: projectUrl.replace(/\/+$/, '') }),
    abandonRunning: values['abandon-running'] ?? false,
    putChangesAside: values['put-changes-aside'] ?? false,
    dropLeftAside: values['drop-left-aside'] ?? false,
  };
}

function parse(args: string[]) {
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args,
      options: {
        'database-url': { type: 'string' },
        'project-url': { type: 'string' },
        report: { type: 'string' },
        'dry-run': flag,
        apply: flag,
        finish: flag,
        undo: flag,
        'abandon-running': flag,
        'put-changes-aside': flag,
        'drop-left-aside': flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message} npm run move -- --help tells the options.`);
  }
}
