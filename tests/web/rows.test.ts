import { expect, test } from 'vitest';
import { between, partsOf, rowsOf, topsOf } from '../../web/src/feed/rows.ts';

/** As groups.ts writes it: so many in each group. */
const sizes = (...all: number[]) => String.fromCharCode(...all);

test('single cards fill their rows, a batch has one of its own', () => {
  expect(rowsOf(sizes(1, 1, 1, 1), 3)).toEqual([0, 3]);
  expect(rowsOf(sizes(1, 4, 1, 1, 1, 1, 2), 3)).toEqual([0, 1, 2, 5, 6]);
  expect(rowsOf('', 3)).toEqual([]);
});

test('rows that have been seen are as high as they were, others as is to be expected', () => {
  const all = sizes(1, 1, 1, 4, 1);
  const rows = rowsOf(all, 2);
  expect(rows).toEqual([0, 2, 3, 4]);
  const tops = topsOf(all, rows, [undefined, 300], 400, { columns: 2, gap: 10 });
  // A batch of four: two lines of cards, and what is around them.
  expect(tops).toEqual([0, 410, 720, 720 + 80 + 810 + 10, 720 + 900 + 410]);
});

test('the rows between two places', () => {
  const tops = [0, 100, 200, 300];
  expect(between(tops, -50, 90)).toEqual([0, 1]);
  expect(between(tops, 100, 250)).toEqual([1, 3]);
  expect(between(tops, 250, 999)).toEqual([2, 3]);
  expect(between(tops, 5_000, 6_000), 'at least one').toEqual([2, 3]);
  expect(between(tops, -900, -800)).toEqual([0, 1]);
});

test('the row with the focus is drawn with those beside it, wherever the page is', () => {
  const rows = [0, 3, 6, 9, 12, 15, 18, 21];
  expect(partsOf(rows, [5, 7], -1)).toEqual([[5, 7]]);
  expect(partsOf(rows, [5, 7], 1), 'above').toEqual([
    [0, 2],
    [5, 7],
  ]);
  expect(partsOf(rows, [0, 2], 19), 'below').toEqual([
    [0, 2],
    [5, 8],
  ]);
  expect(partsOf(rows, [2, 4], 5), 'beside').toEqual([[0, 4]]);
  expect(partsOf(rows, [5, 7], 16), 'within').toEqual([[4, 7]]);
});
