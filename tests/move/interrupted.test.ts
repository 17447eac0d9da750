import { expect, test, vi } from 'vitest';
import { createDatabase } from '../stack/testing.ts';
import { open, project, runner } from './project.ts';
import { snapshot } from './snapshot.ts';

// A move that ends at each point there is, once: after each file of SQL (its transaction is taken back then) and after
// each commit (which the command does not hear of).

const cuts = vi.hoisted(() => ({ isOn: false, done: new Set<string>() }));

vi.mock('../../scripts/move/database.ts', async (original) => {
  const real = await original<typeof import('../../scripts/move/database.ts')>();
  const cut = (point: string) => {
    if (!cuts.isOn || cuts.done.has(point)) return;
    cuts.done.add(point);
    throw new Error(`cut ${point}`);
  };
  const run: typeof real.run = async (sql, ...names) => {
    for (const name of names) {
      await real.run(sql, name);
      cut(`in the transaction, after ${name}`);
    }
  };
  const transaction: typeof real.transaction = async (sql, work) => {
    const result = await real.transaction(sql, work);
    const [there] = await sql`select to_regclass('picture_queue_move.steps') is not null as steps,
      to_regclass('supabase_migrations.schema_migrations') is not null as history`;
    const [steps] = there?.steps ? await sql`select count(*)::int as n from picture_queue_move.steps` : [];
    const [history] = there?.history
      ? await sql`select count(*)::int as n from supabase_migrations.schema_migrations`
      : [];
    cut(`after a commit: ${steps?.n} steps, ${history?.n} migrations`);
    return result;
  };
  return { ...real, run, transaction };
});

const base = await project();
await base.sql.end();
const [twin, other] = [await createDatabase(base.name), await createDatabase(base.name)];
const [twinSql, sql] = [open(twin.url), open(other.url)];
const before = await snapshot(sql);

/** Runs it until it is cut no more; answers at which points it was cut. */
async function untilDone(action: 'apply' | 'undo'): Promise<string[]> {
  cuts.isOn = true;
  cuts.done.clear();
  for (;;) {
    const known = cuts.done.size;
    const error = await runner(other.url)
      .run(action)
      .then(
        () => undefined,
        (thrown: Error) => thrown,
      );
    if (error === undefined || /no move in this database/.test(error.message)) {
      cuts.isOn = false;
      return [...cuts.done];
    }
    if (cuts.done.size === known) throw error;
  }
}

const WANTED =
  /^rows of (public\.(image_generations|images|batch_generations|image_tags)|picture_queue_move\.(not_carried|compared))$/;
const rows = async (database: typeof sql) => {
  const wanted = Object.entries(await snapshot(database)).filter(([name]) => WANTED.test(name));
  // What was compared is numbered, also by what was taken back.
  return Object.fromEntries(
    wanted.map(([name, lines]) => [name, lines.map((line) => line.replace(/^\(\d+,/, '(')).sort()]),
  );
};

test('it is taken up where it was cut, and ends like one that was never cut', async () => {
  const points = await untilDone('apply');
  expect(points.length).toBeGreaterThan(30);
  expect(points).toContain('in the transaction, after copy-images');
  expect(points).toContain('after a commit: 1 steps, 5 migrations');
  await runner(twin.url).run('apply');
  const expected = await rows(twinSql);
  expect(Object.keys(expected).length).toBe(6);
  expect(await rows(sql)).toEqual(expected);
});

test('taking it back is all or nothing', async () => {
  expect(await untilDone('undo')).toEqual([
    'in the transaction, after let-go',
    'in the transaction, after changes',
    'in the transaction, after undo',
    expect.stringMatching('after a commit'),
  ]);
  expect(await snapshot(sql)).toEqual(before);
});

test('one that was cut is taken back from wherever it was', async () => {
  cuts.done.clear();
  const { run } = runner(other.url);
  for (let commits = 0; ; ) {
    cuts.isOn = true;
    const error = await run('apply').catch((thrown: Error) => thrown);
    cuts.isOn = false;
    if (!(error instanceof Error)) break;
    if (!error.message.startsWith('cut after a commit')) continue;
    commits += 1;
    if (commits % 4 !== 1) continue;
    await run('undo');
    expect(await snapshot(sql), error.message).toEqual(before);
  }
});
