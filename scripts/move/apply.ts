import type postgres from 'postgres';
import { withoutConcurrently } from '../migrations/concurrent.ts';
import { UserError } from '../user-error.mjs';
import { stopCron } from './cron.ts';
import { rows, run, type Sql, transaction } from './database.ts';
import { earlierFindings, type Findings, look, type Situation } from './findings.ts';
import { MIGRATIONS, migrations } from './names.ts';
import type { Options } from './options.ts';

export const STEPS = ['aside', 'push', 'copy', 'repoint', 'validate'] as const;
export type Step = (typeof STEPS)[number];

/** Told of each step, done now or earlier. */
export type Told = (step: Step, seconds: number | undefined) => void;

/**
 * The move. Each step is one transaction that ends with its name in picture_queue_move.steps, except the push, which
 * is one for each migration. So a run that ends anywhere is taken up by the next one at the step that is missing.
 *
 * @param folder the migrations to push
 */
export async function apply(
  sql: postgres.Sql,
  situation: Situation,
  options: Options,
  told: Told = () => {},
  folder = MIGRATIONS,
): Promise<Findings> {
  const work: Record<Step, () => Promise<void>> = {
    aside: () =>
      step(sql, 'aside', async (inner) => {
        await look(inner, situation, options);
        await assertStopped(inner, options);
        await stopCron(inner);
        await run(inner, 'objects', 'aside');
      }),
    push: async () => {
      for (const migration of await migrations(folder)) await push(sql, migration);
      await step(sql, 'push', (inner) => run(inner, 'pushed'));
    },
    copy: () =>
      step(sql, 'copy', async (inner) => {
        await run(inner, 'copy-models', 'copy-profiles', 'unload', 'fated');
        await run(inner, 'copy-batches', 'copy-generations', 'copy-images', 'reload');
        await run(inner, 'batch-counts', 'not-carried', 'compare', 'written');
        await assertEqual(inner);
      }),
    repoint: () => step(sql, 'repoint', (inner) => run(inner, 'repoint', 'rename-models')),
    validate: () =>
      step(sql, 'validate', async (inner) => {
        await run(inner, 'validate');
        await inner`notify pgrst, 'reload schema'`;
      }),
  };
  for (const name of STEPS) {
    if (await isDone(sql, name)) {
      told(name, undefined);
      continue;
    }
    const started = Date.now();
    await work[name]();
    told(name, (Date.now() - started) / 1000);
  }
  return earlierFindings(sql);
}

export async function isDone(sql: Sql, name: string): Promise<boolean> {
  const [known] = await sql`select to_regclass('picture_queue_move.steps') is not null as is_there`;
  if (!known?.is_there) return false;
  return (await sql`select from picture_queue_move.steps where name = ${name}`).length > 0;
}

async function step(
  sql: postgres.Sql,
  name: Step,
  work: (sql: postgres.TransactionSql) => Promise<void>,
): Promise<void> {
  await transaction(sql, async (inner) => {
    await work(inner);
    await inner`insert into picture_queue_move.steps (name) values (${name})`;
  });
}

/** As the Supabase CLI pushes: one transaction a file, and its version in the history. */
async function push(
  sql: postgres.Sql,
  { version, name, sql: text }: { version: string; name: string; sql: string },
): Promise<void> {
  await transaction(sql, async (inner) => {
    await inner
      .unsafe(
        `create schema if not exists supabase_migrations;
         create table if not exists supabase_migrations.schema_migrations
           (version text not null primary key, statements text[], name text)`,
      )
      .simple();
    const known = await inner`select from supabase_migrations.schema_migrations where version = ${version}`;
    if (known.length > 0) return;
    // The tables are new: nobody waits for them yet.
    await inner.unsafe(withoutConcurrently(text)).simple();
    await inner.unsafe('reset role; reset search_path').simple();
    await inner`insert into supabase_migrations.schema_migrations (version, statements, name)
      values (${version}, array[${text}], ${name})`;
  });
}

async function assertStopped(sql: Sql, options: Options): Promise<void> {
  const [running] = await rows<{ jobs: number }>(sql, 'running');
  if (!running?.jobs || options.abandonRunning) return;
  throw new UserError(
    `The original has begun ${running.jobs} jobs within the last ten minutes and may be at work on them: their images would be lost, and are paid. Stop it, wait until they have ended, or give --abandon-running.`,
  );
}

/** Every row that was to be carried is there, and is the same. */
async function assertEqual(sql: Sql): Promise<void> {
  const different = await sql<{ what: string; expected: string | null; found: string | null }[]>`
    select what, expected::text, found::text from picture_queue_move.compared
    where expected is distinct from found order by ord`;
  if (different.length === 0) return;
  const list = different.map(({ what, expected, found }) => `${what}: ${expected} before, ${found} now`);
  throw new UserError(
    `The copy is not what was there, and was taken back: ${list.join('; ')}. The old tables are put aside, whole: --undo brings them back.`,
  );
}
