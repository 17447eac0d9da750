import { expect, test } from 'vitest';
import { createDatabase } from '../stack/testing.ts';
import { open, project } from './project.ts';
import { snapshot } from './snapshot.ts';

// What is copied is history: it makes no job, costs nothing, and waits for nothing. All that the queue knows besides the
// rows that were carried is what it knows in a fresh project.

test('the queue knows nothing of what was copied', async () => {
  const { sql, run } = await project();
  const fresh = open((await createDatabase()).url);
  // What the seed of a local project sets.
  await fresh`update private.settings set thumbnail_width = default where only_row`;
  await run('apply');
  const queue = async (database: typeof sql) =>
    Object.fromEntries(
      Object.entries(await snapshot(database)).filter(([name]) => name.startsWith('rows of private.')),
    );
  const [made, wanted] = [await queue(sql), await queue(fresh)];
  expect(Object.keys(made).length).toBeGreaterThan(25);
  expect(untimed(made)).toEqual(untimed(wanted));
  expect(await sql`select count(*)::int as n from public.job_queue`).toEqual([{ n: 0 }]);
  expect(
    await sql`select count(*)::int as n from public.image_generations
      where status not in ('completed', 'failed', 'cancelled') or job_id is not null or cost_open
        or reserved_usd <> 0 or budget_usd <> 0 or webhook_url is not null`,
  ).toEqual([{ n: 0 }]);
});

/** Without the moments of the set-up, which are others in each project. */
function untimed(rows: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(rows).map(([name, lines]) => [
      name,
      lines.map((line) => line.replace(/\d{4}-\d\d-\d\d( \d\d:\d\d:[\d.]+[+-]\d\d)?/g, 'a moment')),
    ]),
  );
}
