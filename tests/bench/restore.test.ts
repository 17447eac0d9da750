import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { rehearse } from '../../bench/restore/rehearsal.ts';
import { POSTGRES_15 } from '../../scripts/postgres15.mjs';

/** The rehearsal of docs/operations/runbook/backup.md, with its own commands. It takes pg_dump: Debian's PostgreSQL 15. */
const bin = `${POSTGRES_15}/bin`;
const isThere = existsSync(`${bin}/pg_dump`);
const quiet = () => {};

test.skipIf(!isThere)('a restore loses no row, and pays for nothing twice', async () => {
  const result = await rehearse({ bin, batch: 6, say: quiet });
  expect(result.wrong).toEqual([]);
  const states = result.lines.map(({ state }) => state);
  expect(states).toEqual(
    expect.arrayContaining(['ready', 'blocked', 'handed over', 'created, not recorded']),
  );
  expect(result.unknown.predictions, 'nothing was lost that a dump cannot know').toBe(2);
  const waited = result.lines.filter(({ state }) => ['ready', 'blocked'].includes(state));
  for (const { state, generations, paid } of waited) expect([state, paid]).toEqual([state, generations]);
});

test.skipIf(!isThere)('without its last step what waited at the dump is paid twice', async () => {
  const { wrong } = await rehearse({ bin, batch: 6, say: quiet, resume: false });
  expect(wrong).toEqual(expect.arrayContaining(['ready: paid for 2 times', 'blocked: paid for 2 times']));
});
