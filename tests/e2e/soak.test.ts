import { expect, test } from 'vitest';
import { CALM, type SoakOptions } from '../../bench/soak/options.ts';
import { runSoak } from '../../bench/soak/soak.ts';

/** The small version of `npm run soak`: a share of faults so large that each kind plays. */
const SMALL: SoakOptions = { count: 60, seed: 7, faults: 0.55, users: 5, kills: 1, clock: 20, ...CALM };

/** Some 30 s; a run that the kill left to a whole lease takes two minutes more. */
const LIMIT_MS = 240_000;

test('all faults at once and a killed worker: nothing lost, nothing twice', {
  timeout: LIMIT_MS,
}, async () => {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const report = await runSoak(SMALL, { say, deadline: Date.now() + LIMIT_MS - 30_000 });
  const { faults, ends, invariants, offenders } = report;
  const broken = invariants.filter(({ broken }) => broken > 0);
  expect(broken, `broken; ${JSON.stringify(offenders, null, 1)}`).toEqual([]);
  expect(report.stopped, lines.join('\n')).toBeNull();

  const idle = Object.entries(faults).filter(([, { played }]) => played === 0);
  expect(idle, 'faults that did not play: choose another seed or a larger share').toEqual([]);
  expect(report.numbers['workers killed']).toBe(SMALL.kills);
  // Seven kinds of faults leave no image; everything else must end well.
  expect(ends).toEqual({ completed: 53, failed: 7 });
});
