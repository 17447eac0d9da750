import { expect, test } from 'vitest';
import { goalResults } from '../../bench/pressure/goals.ts';
import { DEFAULTS, parseOptions } from '../../bench/pressure/options.ts';
import { play } from '../../bench/pressure/play.ts';
import { text } from '../../bench/pressure/report.ts';
import { backAfter, type Cell, type Phase, phaseOf } from '../../bench/pressure/results.ts';
import { findNamed, NAMES, OURS, PEERS } from '../../bench/queue/all.ts';
import { startServer } from '../../bench/queue/server.ts';

const PHASE: Phase = {
  seconds: 10,
  offered: 4_000,
  completed: 4_000,
  kept: 1,
  p50: 10,
  p99: 30,
  cpuMs: 0.5,
  vacuumMs: 0.1,
  wal: 2_000,
};

const CELL: Cell = {
  queue: OURS,
  version: '1',
  cell: 'held',
  baseline: PHASE,
  stress: PHASE,
  recovery: PHASE,
  deadPerJob: 1,
  deadAfterVacuum: 0,
  backAfterSeconds: 0,
  enqueued: 4_000,
  completed: 4_000,
  lost: 0,
  twice: 0,
};

const missed = (cell: Partial<Cell>) =>
  goalResults([{ ...CELL, ...cell }], OURS)
    .filter(({ met }) => met !== true)
    .map(({ goal, met }) => [goal, met]);

test('a tiny run of ours gives a whole report and loses no job', async () => {
  const server = await startServer();
  try {
    const tiny = { warmUp: 0.5, baseline: 1.5, stress: 2, recovery: 1.5, rate: 100, naptime: 1, sweep: 1 };
    const options = { ...DEFAULTS, ...tiny, cells: ['held-load' as const] };
    const lines: string[] = [];
    const report = await play(await findNamed([OURS]), OURS, options, server, (line) => lines.push(line));
    expect(lines[0]).toMatch(/^1\/1 held-load, picture-queue; \d+ s left$/);
    const [cell] = report.cells;
    if (!cell || 'failed' in cell) throw new Error(cell?.failed ?? 'no cell');
    expect(cell).toMatchObject({ lost: 0, twice: 0, enqueued: cell.completed });
    for (const part of [cell.baseline, cell.stress, cell.recovery]) {
      expect(part.completed).toBeGreaterThan(0);
      expect(part.wal).toBeGreaterThan(0);
      expect(part.p99).toBeGreaterThanOrEqual(part.p50);
      if (process.platform === 'linux') expect(part.cpuMs).toBeGreaterThan(0);
    }
    expect(cell.deadPerJob, 'the open transaction keeps dead rows').toBeGreaterThan(0);
    expect(report.goalResults).toHaveLength(7);
    expect(text(report, OURS)).toContain('| held-load | picture-queue |');
    expect(JSON.parse(JSON.stringify(report)).cells).toHaveLength(1);
  } finally {
    await server.stop();
  }
});

test('each goal is missed by what it forbids, and by that alone', () => {
  expect(missed({})).toEqual([]);
  expect(missed({ stress: { ...PHASE, kept: 0.9 } })).toEqual([['share of the load kept', false]]);
  expect(missed({ stress: { ...PHASE, cpuMs: 0.66 } })).toEqual([['CPU a job, times its baseline', false]]);
  expect(missed({ stress: { ...PHASE, cpuMs: null } })).toEqual([['CPU a job, times its baseline', null]]);
  expect(missed({ stress: { ...PHASE, p99: 61 } })).toEqual([['p99, times its baseline', false]]);
  expect(missed({ deadPerJob: 2.1 })).toEqual([['dead rows a job', false]]);
  expect(missed({ backAfterSeconds: 2.5 })).toEqual([['seconds until it is back', false]]);
  expect(missed({ backAfterSeconds: null })).toEqual([['seconds until it is back', false]]);
  expect(missed({ deadAfterVacuum: 1 })).toEqual([['dead rows that vacuum does not return', false]]);
  expect(missed({ lost: 1 })).toEqual([['jobs lost or handed out twice', false]]);
  const failed = { queue: OURS, version: '1', cell: 'held' as const, failed: 'why' };
  expect(goalResults([failed, { ...CELL, queue: 'other' }], OURS).map(({ met }) => met)).toEqual([false]);
});

test('a part is what was done between two readings', () => {
  const from = { at: 1_000, cpu: 1, vacuum: 0.5, wal: 10_000, completed: 100 };
  const to = { at: 3_000, cpu: 1.2, vacuum: 0.6, wal: 110_000, completed: 300 };
  const pickups = [999, 1_000, 2_000, 2_999, 3_000].map((at) => ({ at, ms: at / 100 }));
  const part = phaseOf(from, to, pickups, 100);
  expect(part).toMatchObject({ seconds: 2, offered: 200, completed: 200, kept: 1, p50: 20, wal: 500 });
  expect(part.cpuMs).toBeCloseTo(1);
  expect(part.vacuumMs).toBeCloseTo(0.5);
});

test('it is back from the first second that is as before', () => {
  const readings = Array.from({ length: 21 }, (_, n) => ({
    at: n * 250,
    // Twice the processor time for a second and a half.
    cpu: n * 0.05 + Math.min(n, 6) * 0.05,
    vacuum: 0,
    wal: 0,
    completed: n * 100,
  }));
  const pickups = Array.from({ length: 500 }, (_, n) => ({ at: n * 10, ms: n < 220 ? 100 : 20 }));
  expect(backAfter(0, PHASE, readings, pickups)).toBe(2.5);
  expect(
    backAfter(
      0,
      PHASE,
      readings,
      pickups.map(({ at }) => ({ at, ms: 20 })),
    ),
  ).toBe(1.5);
  expect(
    backAfter(
      0,
      PHASE,
      readings,
      pickups.map(({ at }) => ({ at, ms: 61 })),
    ),
  ).toBeNull();
});

test('the command line', () => {
  expect(parseOptions([], NAMES)).toEqual({ ...DEFAULTS, queues: [OURS, ...PEERS] });
  expect(parseOptions(['--help'], NAMES)).toBeUndefined();
  expect(parseOptions(['--cells', 'held,load', '--seconds', '1.5', '--json'], NAMES)).toMatchObject({
    cells: ['held', 'load'],
    stress: 1.5,
    json: true,
  });
  expect(() => parseOptions(['--rate', '0'], NAMES)).toThrow('--rate wants a whole number from 1 on');
  expect(() => parseOptions(['--users', '101'], NAMES)).toThrow('--users');
  expect(() => parseOptions(['--queues', 'nobody'], NAMES)).toThrow('--queues wants one or more of');
});
