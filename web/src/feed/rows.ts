/** What the rows of the list are made of. All lengths in CSS pixels. */
export interface Grid {
  columns: number;
  gap: number;
}

/** A batch is so much higher than its cards: its heading and what is around it. */
const AROUND_BATCH = 80;

/** Where rows begin, by the index of their first group. A batch has rows of its own, which count as one. */
export function rowsOf(sizes: string, columns: number): number[] {
  const firsts: number[] = [];
  let room = 0;
  for (let index = 0; index < sizes.length; index += 1) {
    const isBatch = sizes.charCodeAt(index) > 1;
    if (isBatch || room === 0) firsts.push(index);
    room = isBatch ? 0 : room === 0 ? columns - 1 : room - 1;
  }
  return firsts;
}

/**
 * Where each row begins, and at the end where the list does, each with the gap after it.
 *
 * @param heights of rows that have been seen
 * @param row of another one with single cards
 */
export function topsOf(
  sizes: string,
  rows: readonly number[],
  heights: readonly (number | undefined)[],
  row: number,
  { columns, gap }: Grid,
): number[] {
  const tops = [0];
  let top = 0;
  for (const [index, first] of rows.entries()) {
    const size = sizes.charCodeAt(first);
    const lines = Math.ceil(size / columns);
    const guess = size > 1 ? AROUND_BATCH + lines * (row + gap) - gap : row;
    top += (heights[index] ?? guess) + gap;
    tops.push(top);
  }
  return tops;
}

/** The rows from one place to another: the first, and the one after the last. At least one. */
export function between(tops: readonly number[], from: number, to: number): [number, number] {
  const last = tops.length - 2;
  const first = Math.min(Math.max(indexOf(tops, from), 0), last);
  return [first, Math.min(Math.max(indexOf(tops, to), first), last) + 1];
}

/** The last of them that is not after a place. */
function indexOf(tops: readonly number[], place: number): number {
  let [low, high] = [0, tops.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tops[middle] ?? 0) <= place) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * What is drawn of the rows, from the top on: those in sight, and the one with the focus with those beside it, so that
 * the focus can go on from there.
 *
 * @param rows the first index of each row
 * @param focused the index of a group; -1: none
 */
export function partsOf(
  rows: readonly number[],
  [from, to]: readonly [number, number],
  focused: number,
): [number, number][] {
  if (focused < 0) return [[from, to]];
  const row = indexOf(rows, focused);
  const [first, end] = [Math.max(row - 1, 0), Math.min(row + 2, rows.length)];
  if (end < from)
    return [
      [first, end],
      [from, to],
    ];
  if (first > to)
    return [
      [from, to],
      [first, end],
    ];
  return [[Math.min(first, from), Math.max(end, to)]];
}
