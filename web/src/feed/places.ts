import type { Generation } from 'picture-queue';
import { useCallback, useEffect, useRef, useState } from 'react';
import { cardId } from './feed.ts';

/** Where the composer stands above the pictures instead of beside them: as layout.css has it. */
const ONE_COLUMN = '(max-width: 959px)';

const cardOf = (id: string) => document.getElementById(cardId(id));

/** For so long it is worth going there: a filter may keep the card away. Milliseconds. */
const PATIENCE_MS = 3_000;

/** On a phone what was started is out of sight: the page goes there. Gives what is called with the new ids. */
export function useComingTo(): (ids: string[]) => void {
  const [target, setTarget] = useState<{ id: string; at: number }>();
  const [, lookAgain] = useState({});
  const reached = useRef<typeof target>(undefined);
  useEffect(() => {
    if (!target || target === reached.current || Date.now() - target.at > PATIENCE_MS) return;
    const card = cardOf(target.id);
    if (!card) {
      // It is the newest: from far below the page goes up to where it is drawn.
      if (!document.querySelector('.feed > .grid > .space:first-child')) return;
      document.getElementById('feed-title')?.scrollIntoView({ behavior: 'instant' });
      requestAnimationFrame(() => requestAnimationFrame(() => lookAgain({})));
      return;
    }
    reached.current = target;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    card.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
    // The keyboard on the screen goes with the focus.
    card.focus({ preventScroll: true });
  });
  return useCallback(([id]) => {
    if (id && matchMedia(ONE_COLUMN).matches) setTarget({ id, at: Date.now() });
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
