import { UserError } from '../user-error.mjs';
import { rows, run, type Sql } from './database.ts';
import { catalogue, otherNames, publicNames } from './names.ts';
import type { Options } from './options.ts';

/** What stands in the way, and how far a move has come. */
export interface Situation {
  version: string;
  version_number: number;
  role: string;
  database: string;
  is_supabase: boolean;
  is_under_way: boolean;
  has_original: boolean;
  is_pushed: boolean;
  has_private: boolean;
  has_generations: boolean;
  has_cron: boolean;
  has_history: boolean;
}

/** How many rows something holds for. */
export interface Count {
  part: string;
  what: string;
  rows: number;
}

/** What the look at the old project has found. */
export interface Findings {
  counts: Count[];
  /** Versions of migrations that the project has had. */
  history: string[];
  /** Why public.profiles is put aside; null: it stays where it is, or there is none. */
  profilesMissing: string | null;
  /** Where public files are read, as the addresses of the images say. */
  fileAddress: string | null;
}

export async function situationOf(sql: Sql): Promise<Situation> {
  const [situation] = await rows<Situation>(sql, 'situation');
  return situation as Situation;
}

/** Makes the schema of the move, and notes in it what there is. Changes nothing else. */
export async function look(sql: Sql, situation: Situation, options: Options): Promise<Findings> {
  await run(sql, 'state');
  const [fit] = await rows<{ missing: string | null }>(sql, 'profiles-fit');
  const profilesMissing = fit?.missing ?? null;
  const names = (await publicNames()).filter(({ name }) => name !== 'profiles' || profilesMissing !== null);
  await sql`insert into picture_queue_move.names ${sql([...names, ...(await otherNames())], 'kind', 'name')}`;
  const models = (await catalogue()).map((replicate_id) => ({ replicate_id }));
  await sql`insert into picture_queue_move.catalogue ${sql(models, 'replicate_id')}`;
  const [profiles] = await sql`select to_regclass('public.profiles') is not null as is_there`;
  if (profiles?.is_there && profilesMissing === null) await note(sql, 'profiles stay', 'true');
  if (options.projectUrl !== undefined) {
    await note(sql, 'file address', `${options.projectUrl}/storage/v1/object/public/generated-images/`);
  }
  await run(sql, 'record');
  const taken = await rows<{ what: string }>(sql, 'taken');
  if (taken.length > 0) {
    throw new UserError(
      `Picture Queue makes these, and this project has others of the same name: ${taken.map(({ what }) => what).join(', ')}. Rename them, then run the move again.`,
    );
  }
  if (situation.has_cron) await run(sql, 'cron');
  await run(sql, 'readers', 'fit', 'fates', 'models');
  const history = situation.has_history
    ? await sql<
        { version: string }[]
      >`select version from supabase_migrations.schema_migrations order by version`
    : [];
  const [base] = await sql<{ address: string | null }[]>`
    select value as address from picture_queue_move.facts where name = 'file address'`;
  const findings: Findings = {
    counts: (await rows<Count & { rows: string }>(sql, 'look')).map((count) => ({
      part: count.part,
      what: count.what,
      rows: Number(count.rows),
    })),
    history: history.map(({ version }) => version),
    profilesMissing,
    fileAddress: base?.address ?? null,
  };
  await note(sql, 'findings', JSON.stringify(findings));
  return findings;
}

/** What an earlier run has found. */
export async function earlierFindings(sql: Sql): Promise<Findings> {
  const [row] = await sql`select value from picture_queue_move.facts where name = 'findings'`;
  return JSON.parse(row?.value) as Findings;
}

async function note(sql: Sql, name: string, value: string): Promise<void> {
  await sql`insert into picture_queue_move.facts (name, value) values (${name}, ${value})`;
}
