import { useCallback, useEffect, useRef } from 'react';
import type { Block } from './groups.ts';
import type { Wish } from './shelf.ts';

/** So many blocks beside those that are looked at need not be let go of: one turns round at times. */
const KEPT = 2;

/**
 * Has those blocks held that the page shows, or the large view, and those beside them.
 *
 * @param viewed the id of what is looked at in large
 * @returns to be told which blocks are near the screen, by their index
 */
export function useHeld(
  blocks: readonly Block[],
  viewed: string | undefined,
  hold: (wish: Wish) => void,
): (near: readonly number[]) => void {
  const near = useRef<readonly number[]>([0]);
  const latest = useRef<() => void>(() => {});
  useEffect(() => {
    const at = blocks.findIndex(({ groups }) =>
      groups?.some(({ all }) => all.some(({ id }) => id === viewed)),
    );
    latest.current = () => {
      const looked = at < 0 ? near.current : [...near.current, at];
      hold((index) => {
        const distance = Math.min(...looked.map((one) => Math.abs(one - index)));
        return distance <= 1 ? 'wanted' : distance <= KEPT ? 'kept' : 'far';
      });
    };
    latest.current();
  }, [blocks, viewed, hold]);
  return useCallback((now: readonly number[]) => {
    if (now.join() === near.current.join()) return;
    near.current = now;
    latest.current();
  }, []);
}
