import type { Generation } from 'picture-queue';
import { useCallback, useEffect, useState } from 'react';
import { cardId } from './feed.ts';

/** Where the composer stands above the pictures instead of beside them: as layout.css has it. */
const ONE_COLUMN = '(max-width: 959px)';

const cardOf = (id: string) => document.getElementById(cardId(id));

/** For so long it is worth going there: a filter may keep the card away. Milliseconds. */
const PATIENCE_MS = 3_000;

/**
 * Where what was started is out of sight, as it is on a phone, the page goes there.
 *
 * @returns what is called with the new ids; `isSure`: wherever the page is, since it has shown other pictures
 */
export function useComingTo(): (ids: string[], isSure?: boolean) => void {
  const [target, setTarget] = useState<{ id: string }>();
  useEffect(() => {
    if (!target) return;
    const go = () => {
      const card = cardOf(target.id);
      if (!card) {
        // It is the newest: from far below the page goes up to where it is drawn.
        const isFarBelow = document.querySelector('.feed > .grid > .space:first-child');
        if (isFarBelow) document.getElementById('feed-title')?.scrollIntoView({ behavior: 'instant' });
        return false;
      }
      const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
      card.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
      // The keyboard on the screen goes with the focus.
      card.focus({ preventScroll: true });
      return true;
    };
    if (go()) return;
    // It is drawn when the list has it, and the filter and the search are over.
    const observer = new MutationObserver(() => go() && over());
    const timer = setTimeout(() => over(), PATIENCE_MS);
    const over = () => {
      observer.disconnect();
      clearTimeout(timer);
    };
    observer.observe(document.body, { childList: true, subtree: true });
    return over;
  }, [target]);
  return useCallback(([id], isSure = false) => {
    if (id && (isSure || matchMedia(ONE_COLUMN).matches)) setTarget({ id });
  }, []);
}

/** Where the focus goes when a card goes that has it by a key; undefined: it has not. */
export function nextAfter({ id }: Generation): (() => HTMLElement | null) | undefined {
  const card = cardOf(id);
  if (!card?.querySelector(':focus-visible')) return undefined;
  const all = [...document.querySelectorAll('.feed article')];
  const place = all.indexOf(card);
  const neighbour = (all[place + 1] ?? all[place - 1])?.id;
  return () => document.getElementById(neighbour ?? '') ?? document.getElementById('feed-title');
}
