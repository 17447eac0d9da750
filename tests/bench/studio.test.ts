import { expect, test } from 'vitest';
import { section } from '../../bench/studio/report.ts';

test('an act is within the goal if the median until its paint is', () => {
  const text = section({
    acts: {
      'a letter': { work: [24, 9, 25], paint: [64, 48, 172] },
      'a filter': { work: [26, 27, 3], paint: [104, 16, 112] },
    },
    memory: [
      { cards: 1_000, heapBytes: 9_650_000, nodes: 8_740, listeners: 12 },
      { cards: 3_000, heapBytes: 9_940_000, nodes: 8_750, listeners: 12 },
    ],
    cards: 500,
    slower: 4,
    times: 3,
    load: 0.5,
    date: new Date('2026-11-29T12:00:00Z'),
  });
  expect(text).toContain('| a letter | 64 | yes | 172 | 96 |');
  expect(text).toContain('| a filter | 104 | **no** | 112 | 104 |');
  expect(text).toContain('| 1,000 | 9.7 | 8,740 | 12 |');
  expect(text).toContain('grows by 3.0 %: flat');
});
