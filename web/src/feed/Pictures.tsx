import { memo, type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { Batch } from './Batch.tsx';
import { Card } from './Card.tsx';
import type { Block, Group } from './groups.ts';
import { KeptPlace } from './KeptPlace.tsx';
import { between, partsOf, rowsOf, topsOf } from './rows.ts';
import { useGrid, useSight } from './sight.ts';

interface PicturesProps {
  blocks: readonly Block[];
  hasMore: boolean;
  onOpen: (id: string) => void;
  /** Tells which blocks are near the screen, by their index. */
  onNear: (blocks: readonly number[]) => void;
}

/** By so much a row may be higher or lower than it was taken for. CSS pixels. */
const TOLERANCE = 64;

/**
 * The cards in their rows. Those near the screen are in the document; empty places keep the height of the others: many
 * pictures make the page longer, and not heavier.
 */
export const Pictures = memo(function Pictures({ blocks, hasMore, onOpen, onNear }: PicturesProps) {
  const list = useRef<HTMLUListElement>(null);
  const [grid, seen] = useGrid(list);
  const [sight, look] = useSight(list);
  const [, drawAgain] = useState({});
  const sizes = useMemo(() => blocks.map((block) => block.sizes).join(''), [blocks]);
  const rows = useMemo(() => rowsOf(sizes, grid.columns), [sizes, grid.columns]);
  const tops = topsOf(sizes, rows, seen.heights, seen.row, grid);
  const focused = indexOf(blocks, sight.focused);
  const parts = partsOf(rows, between(tops, sight.from, sight.to), focused);

  const setsize = hasMore ? -1 : sizes.length;
  const drawn: ReactNode[] = [];
  const near = new Set<number>();
  let next = 0;
  const goOn = (row: number) => {
    const height = (tops[row] ?? 0) - (tops[next] ?? 0) - grid.gap;
    if (row > next)
      drawn.push(<li key={`to ${next && row}`} className="space" style={{ height }} aria-hidden="true" />);
    next = row;
  };
  for (const [from, to] of parts) {
    goOn(from);
    const end = rows[to] ?? sizes.length;
    for (let index = rows[from] ?? 0; index < end; index += 1) {
      const [group, block] = groupAt(blocks, index);
      near.add(block);
      drawn.push(drawnOf(group, { posinset: index + 1, setsize }, onOpen) ?? <Missing key={`at ${index}`} />);
    }
    next = to;
  }
  goOn(rows.length);

  const told = [...near].join();
  useEffect(() => onNear(told.split(',').map(Number)), [told, onNear]);
  // Each time: what has come into sight may be higher than it was taken for.
  useLayoutEffect(() => {
    const elements = new Map<string | undefined, HTMLElement>();
    for (const element of list.current?.children ?? [])
      if (element instanceof HTMLElement) elements.set(element.dataset.group, element);
    let isWrong = false;
    for (const [from, to] of parts)
      for (let row = from; row < to; row += 1) {
        const [group] = groupAt(blocks, rows[row] ?? 0);
        const height = group && elements.get(group.id)?.offsetHeight;
        if (!height) continue;
        const taken = (tops[row + 1] ?? 0) - (tops[row] ?? 0) - grid.gap;
        isWrong ||= Math.abs(height - taken) > TOLERANCE;
        seen.heights[row] = height;
        if (group.all.length === 1) seen.row = height;
      }
    // Another row stood there before, under another filter for one: more or fewer of them fill the screen.
    if (isWrong) drawAgain({});
  });
  return (
    <KeptPlace>
      <ul className="grid" ref={list} onFocus={look} onBlur={() => setTimeout(look)}>
        {drawn}
      </ul>
    </KeptPlace>
  );
});

/** A group by its index, undefined where it has been let go of, and the index of its block. */
function groupAt(blocks: readonly Block[], index: number): [Group | undefined, number] {
  let rest = index;
  const at = blocks.findIndex(({ sizes }) => {
    if (rest < sizes.length) return true;
    rest -= sizes.length;
    return false;
  });
  return [blocks[at]?.groups?.[rest], at];
}

/** The index of a group by its id; -1: it is not there, or has been let go of. */
function indexOf(blocks: readonly Block[], id: string | undefined): number {
  let before = 0;
  for (const { sizes, groups } of blocks) {
    const at = id === undefined ? -1 : (groups?.findIndex((group) => group.id === id) ?? -1);
    if (at >= 0) return before + at;
    before += sizes.length;
  }
  return -1;
}

/** Where in the list something is, for who does not see it; -1: how long the list is is not known. */
export interface Place {
  posinset: number;
  setsize: number;
}

function drawnOf(group: Group | undefined, { posinset, setsize }: Place, onOpen: (id: string) => void) {
  if (!group) return undefined;
  const { id, all } = group;
  const place = { 'data-group': id, 'aria-posinset': posinset, 'aria-setsize': setsize };
  return all.length > 1 ? (
    <li key={id} className="together" {...place}>
      <Batch all={all} onOpen={onOpen} />
    </li>
  ) : (
    <li key={id} {...place}>
      <Card one={all[0]} onOpen={onOpen} />
    </li>
  );
}

/** Has been let go of, and is being asked for again. */
function Missing() {
  return (
    <li aria-hidden="true">
      <div className="card skeleton">
        <div className="frame" />
        <div className="line" />
        <div className="line short" />
      </div>
    </li>
  );
}
