import { expect, test } from 'vitest';
import { section } from '../../bench/studio/report.ts';

test('an act is within the goal if its work is, on the slow processor', () => {
  const text = section({
    acts: {
      'a letter': { work: [24, 9, 25], paint: [64, 48, 72] },
      'a filter': { work: [26, 27, 3], paint: [16, 16, 16] },
    },
    memory: [{ cards: 1_000, heapBytes: 9_650_000, nodes: 8_740, listeners: 12 }],
    cards: 500,
    slower: 4,
    times: 3,
    load: 0.5,
    date: new Date('2026-11-29T12:00:00Z'),
  });
  expect(text).toContain('| a letter | 96 | yes | 64 | 72 |');
  expect(text).toContain('| a filter | 104 | **no** | 16 | 16 |');
  expect(text).toContain('| 1,000 | 9.7 | 8,740 | 12 |');
});
