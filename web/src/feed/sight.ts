import { type RefObject, useCallback, useEffect, useLayoutEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import type { Grid } from './rows.ts';

/** So much of a screen above and below it is drawn, too. */
const MARGIN = 0.3;
/** As the page scrolls, what is drawn changes in such steps. CSS pixels. */
const STEP = 64;
/** A card is so much higher than wide, until one has been seen. CSS pixels. */
const REST = 190;

/** What is near the screen, from the top of the list on. CSS pixels. */
export interface Sight {
  from: number;
  to: number;
  /** The group that has the focus: it stays, wherever the page is scrolled to. */
  focused: string | undefined;
}

/** @returns what is near the screen, and what looks anew where the focus may have gone on */
export function useSight(list: RefObject<HTMLElement | null>): [Sight, () => void] {
  const [sight, setSight] = useState<Sight>({ from: 0, to: innerHeight, focused: undefined });
  const look = useCallback(() => {
    const element = list.current;
    if (!element) return;
    const { top } = element.getBoundingClientRect();
    const margin = innerHeight * MARGIN;
    const active = element.contains(document.activeElement) ? document.activeElement : null;
    const now = {
      from: Math.floor((-top - margin) / STEP) * STEP,
      to: Math.ceil((innerHeight - top + margin) / STEP) * STEP,
      focused: active?.closest<HTMLElement>('[data-group]')?.dataset.group,
    };
    const isSame = ({ from, to, focused }: Sight) =>
      from === now.from && to === now.to && focused === now.focused;
    setSight((before) => (isSame(before) ? before : now));
  }, [list]);
  useLayoutEffect(look, [look]);
  useEffect(() => {
    // Before the page is painted there: no empty place is seen.
    const onScroll = () => flushSync(look);
    addEventListener('scroll', onScroll, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', onScroll);
      removeEventListener('resize', look);
    };
  }, [look]);
  return [sight, look];
}

/** How rows turned out. */
export interface Seen {
  /** By their index. */
  heights: (number | undefined)[];
  /** That of the last one with single cards. */
  row: number;
}

/** The columns of the list, which go with its width, and what has been seen of its rows since that has changed. */
export function useGrid(list: RefObject<HTMLElement | null>): [Grid, Seen] {
  const [{ grid, seen }, setState] = useState(() => stateOf({ columns: 3, gap: 24, width: 280 }));
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    let width = Number.NaN;
    const measure = () => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      const { gridTemplateColumns, rowGap } = getComputedStyle(element);
      const columns = gridTemplateColumns.split(' ');
      const gap = Number.parseFloat(rowGap) || 0;
      setState(
        stateOf({ columns: columns.length, gap, width: Number.parseFloat(columns[0] ?? '') || width }),
      );
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [list]);
  return [grid, seen];
}

function stateOf({ columns, gap, width }: { columns: number; gap: number; width: number }) {
  const seen: Seen = { heights: [], row: width + REST };
  return { grid: { columns, gap }, seen };
}
