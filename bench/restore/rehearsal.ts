import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../dev/stack/ports.ts';
import { client, databaseUrl, startPostgres } from '../../dev/stack/postgres.ts';
import {
  createDatabase,
  createRoles,
  prepareDatabase,
  startSupabase,
} from '../../dev/stack/supabase/index.ts';
import { projectKeys } from '../../dev/stack/supabase/jwt.ts';
import { MIGRATIONS, SEED } from '../../dev/stack/test-server.ts';
import { TestStack } from '../../tests/e2e/support/stack.ts';
import { TestUser } from '../../tests/e2e/support/user.ts';
import { compareLedger, differences, type Findings, tablesOf } from './ledger.ts';
import { commandsUnder, runShell } from './programs.ts';
import { playAfter, playBefore, type Scene, settle } from './scene.ts';

export interface Result extends Findings {
  /** Tables that were compared row by row. */
  tables: number;
}

export interface RehearsalOptions {
  /** PostgreSQL's programs. */
  bin: string;
  batch: number;
  say: (line: string) => void;
  /** False leaves out what keeps from paying twice: for the test that shows what it is for. */
  resume?: boolean;
}

/** The whole rehearsal, on a server and a stack of its own. */
export async function rehearse({ bin, batch, say, resume = true }: RehearsalOptions): Promise<Result> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'restore-'));
    await fs.chmod(dir, 0o755); // as root Postgres runs as another user
    undo.push(() => fs.rm(dir, { recursive: true, force: true }));
    const server = await startPostgres({ dir: path.join(dir, 'data'), binDir: bin, durable: false });
    undo.push(() => server.stop());
    const { superuserUrl } = server;
    await createRoles(superuserUrl);
    const admin = client(superuserUrl);
    undo.push(() => admin.end());
    // Hosted projects allow it to `postgres` as well.
    await admin`grant set on parameter session_replication_role to postgres`;
    const port = await freePort();
    const supabaseOn = async (database: string) => {
      await createDatabase(superuserUrl, database);
      const project = { superuserUrl, database, migrationsDir: MIGRATIONS, seedFile: SEED };
      await prepareDatabase(project);
      const keys = projectKeys('a-secret-of-the-rehearsal-with-32-characters');
      return () => startSupabase({ ...project, storageDir: path.join(dir, 'storage'), keys, port });
    };
    const supabase = await (await supabaseOn('before'))();
    let running = supabase;
    undo.push(() => running.stop());
    const stack = await TestStack.start({
      args: ['--wake', 'off'], // what waits must wait until the dump
      env: {
        SUPABASE_URL: supabase.url,
        SUPABASE_ANON_KEY: supabase.anonKey,
        SUPABASE_SERVICE_ROLE_KEY: supabase.serviceRoleKey,
        SUPABASE_JWT_SECRET: supabase.jwtSecret,
        DATABASE_URL: supabase.databaseUrl,
      },
    });
    undo.push(() => stack.stop());
    const connect = (database: string) => {
      const sql = client(databaseUrl(superuserUrl, database, 'supabase_admin'));
      undo.push(() => sql.end());
      return sql;
    };
    const [user, other] = [await TestUser.signUp(stack), await TestUser.signUp(stack)];
    const scene: Scene = { stack, sql: connect('before'), supabase, user, other };
    const played = await playBefore(scene, batch);
    say(`${played.length} generations in ${new Set(played.map(({ state }) => state)).size} states`);

    const environment = {
      OLD_DATABASE_URL: databaseUrl(superuserUrl, 'before'),
      NEW_DATABASE_URL: databaseUrl(superuserUrl, 'after'),
      DUMP: path.join(dir, 'picture-queue.sql'),
    };
    const run = async (heading: string) => runShell(await commandsUnder(heading), bin, environment);
    const tables = await tablesOf(scene.sql);
    await run('Back up');
    const moved = differences(tables, await tablesOf(scene.sql));
    if (moved.length > 0) throw new Error(`something went on during the dump: ${moved.join(', ')} changed`);
    say(`dumped ${Object.keys(tables).length} tables`);

    const lost = await playAfter(scene, played);
    const { predictions } = await stack.simulator.stats();
    say(`the work went on: ${predictions} predictions in all, ${lost.length} of them unknown to the dump`);
    await supabase.stop();

    const startAfter = await supabaseOn('after');
    await run('Restore into a new database');
    const after = connect('after');
    const wrong = differences(tables, await tablesOf(after)).map(
      (name) => `${name} is not as it was at the dump, with ${tables[name]}`,
    );
    say(`restored${resume ? `; ${await run('Go on')}` : ''}`);
    running = await startAfter();
    await settle({ ...scene, sql: after, supabase: running }, played);
    const found = await compareLedger(after, played, lost, await stack.simulator.predictions());
    return { ...found, wrong: [...wrong, ...found.wrong], tables: Object.keys(tables).length };
  } finally {
    for (const each of undo.reverse()) await each().catch(() => {});
  }
}
