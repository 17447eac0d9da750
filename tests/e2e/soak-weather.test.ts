import { expect, test } from 'vitest';
import { runSoak } from '../../bench/soak/soak.ts';

/** The small version of `npm run soak` in bad weather: everybody meets it, and only it. */
const WEATHER = {
  count: 60,
  seed: 3,
  faults: 0,
  users: 6,
  kills: 0,
  clock: 30,
  storageOutage: 600,
  providerOutage: 900,
  postgresRestarts: 1,
  clockSkew: -300,
};

/** The outages take 50 s of it. */
const LIMIT_MS = 300_000;

test('outages of Storage and of the provider, a Postgres restart, clocks apart: time is lost and nothing else', {
  timeout: LIMIT_MS,
}, async () => {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const report = await runSoak(WEATHER, { say, deadline: Date.now() + LIMIT_MS - 30_000 });
  const broken = report.invariants.filter(({ broken }) => broken > 0);
  expect(broken, `broken; ${JSON.stringify(report.offenders, null, 1)}`).toEqual([]);
  expect(report.stopped, lines.join('\n')).toBeNull();
  expect(report.numbers['outages and restarts'], lines.join('\n')).toBe(3);
  const ends = report.ends;
  expect((ends.completed ?? 0) + (ends.cancelled ?? 0), JSON.stringify(ends)).toBe(WEATHER.count);
  expect(report.numbers['attempts that ended in an error'], 'an outage uses no attempt').toBe(0);
});
