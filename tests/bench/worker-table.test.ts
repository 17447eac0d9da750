import fs from 'node:fs';
import { expect, test } from 'vitest';
import { IDLE_FLOOR } from '../../bench/worker/measure.ts';
import { invocations } from '../../bench/worker/report.ts';

const RUN = { rounds: 6, note: '', load: 1, isRelease: true, date: new Date(0) };
const PAGE = fs.readFileSync('docs/operations/worker-costs.md', 'utf8');

test('each row has the time as measured, and as it is where nothing else runs: that one is held to the limit', () => {
  const found = [
    { name: 'sweep with 20 jobs', worker: 'process-jobs', ms: 25 },
    { name: 'upload of 10 MiB', worker: 'start-generation', ms: 43.4 },
  ];
  const busy = invocations(RUN, found, IDLE_FLOOR * 4);
  expect(busy).toContain('| sweep with 20 jobs | process-jobs | 25.0 | 6.25 | yes |');
  expect(busy).toContain('| upload of 10 MiB | start-generation | 43.4 | 10.8 | **no** |');
  expect(busy).toContain('divided by the 4.0 by which this machine was slower');
  const idle = invocations(RUN, found, IDLE_FLOOR);
  expect(idle).toContain('| sweep with 20 jobs | process-jobs | 25.0 | 25.0 | **no** |');
});

test('the page holds to the limit what its own numbers come to', () => {
  const [, table = ''] = PAGE.split('<!-- invocations: begin -->');
  const times = Number(/([\d.]+) times as long as on two idle cores/.exec(table)?.[1] ?? 1);
  const rows = [...table.matchAll(/^\| [^|]+ \| [^|]+ \| ([\d.]+) \| ([\d.]+) \| (\S+) \|$/gm)];
  expect(rows.length).toBeGreaterThan(10);
  for (const [, measured, idle, fits] of rows) {
    expect(Number(measured) / times / Number(idle)).toBeCloseTo(1, 1);
    expect(fits).toBe(Number(idle) <= 10 ? 'yes' : '**no**');
  }
});
