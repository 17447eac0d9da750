import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Action, actions, asOwner, asService } from './states/actions.ts';
import { doubles, forget, noted, type Step, watch } from './states/audit.ts';
import { type Arrow, mermaidBlocks, readArrows } from './states/diagram.ts';
import { type Case, situations } from './states/situations.ts';
import { Database } from './support.ts';

// The two diagrams of docs/concepts/queue.md against the SQL. Everything that can be done is done to a job in every
// state, triggers on the tables of states note each change with the functions that were running, and both sides must
// agree: no change that is not drawn, no arrow that is never taken, and on each arrow the functions that take it.

const db = await Database.open();
const steps: Step[] = [];
/** What left a job in two tables. */
const doubled: string[] = [];

class RollBack extends Error {}

/** Does it to the job, adds what was noted to `steps`, and leaves everything as it was. */
async function tryOut(made: Case, action: Action, by: string): Promise<void> {
  try {
    await db.sql.begin(async (sql) => {
      const [now] = await sql<{ lease: string; prediction: string }[]>`
        select lease, coalesce(prediction_id, 'late') as prediction from public.job_queue where id = ${made.job}`;
      if (!now) throw new Error('the job is gone');
      await asService(sql);
      await action(sql, made, now);
      await asOwner(sql);
      steps.push(...(await noted(sql, by)));
      if ((await doubles(sql)).length > 0) doubled.push(by);
      throw new RollBack();
    });
  } catch (error) {
    // A refusal (PT404 and the like) has changed nothing.
    const refused = error instanceof postgres.PostgresError && error.code.startsWith('PT');
    if (!(error instanceof RollBack) && !refused) throw new Error(by, { cause: error });
  }
}

beforeAll(async () => {
  await watch(db.sql);
  for (const [situation, make] of Object.entries(situations(db))) {
    await db.clear();
    await forget(db.sql);
    const made = await make();
    steps.push(...(await noted(db.sql, situation)));
    if ((await doubles(db.sql)).length > 0) doubled.push(situation);
    await forget(db.sql);
    for (const [name, action] of Object.entries(actions)) {
      await tryOut(made, action, `${name}; the job: ${situation}`);
    }
  }
}, 300_000);

const [jobs = '', generations = ''] = mermaidBlocks(
  readFileSync(new URL('../../docs/concepts/queue.md', import.meta.url), 'utf8'),
);

describe.each([
  ['job_queue', readArrows(jobs)],
  ['image_generations', readArrows(generations)],
])('the diagram of %s in docs/concepts/queue.md', (table, arrows) => {
  const isOn = (arrow: Arrow) => (step: Step) =>
    step.table === table && step.from === arrow.from && step.to === arrow.to;

  test('shows every change that happens, with a function that makes it', () => {
    const missing = steps.flatMap((step) => {
      if (step.table !== table) return [];
      const arrow = arrows.find((drawn) => isOn(drawn)(step));
      if (arrow?.functions.some((name) => step.functions.includes(name))) return [];
      const what = arrow ? 'no label for it' : 'no arrow';
      return [`${what}: ${step.from} --> ${step.to}, made by ${step.functions.at(-1)} (${step.by})`];
    });
    expect([...new Set(missing)]).toEqual([]);
  });

  test('shows nothing that never happens', () => {
    const untaken = arrows.flatMap((arrow) => {
      const taken = steps.filter(isOn(arrow)).flatMap((step) => step.functions);
      return arrow.functions
        .filter((name) => !taken.includes(name))
        .map((name) => `${arrow.from} --> ${arrow.to} is never made by ${name}`);
    });
    expect(untaken).toEqual([]);
  });
});

test('a job stands in one table at a time', () => {
  expect(doubled).toEqual([]);
});

test('every function that may change something is tried out', async () => {
  const functions = await db.sql<{ name: string }[]>`
    select distinct proname as name from pg_proc
    where pronamespace = 'public'::regnamespace and provolatile = 'v' and prorettype <> 'trigger'::regtype`;
  const untried = functions.filter(
    ({ name }) => !Object.keys(actions).some((action) => action.split(/[ ,]/)[0] === name),
  );
  expect(functions.length).toBeGreaterThan(10);
  expect(untried, 'add them to tests/database/states/actions.ts').toEqual([]);
});
