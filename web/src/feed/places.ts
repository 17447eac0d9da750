import type { Generation } from 'picture-queue';
import { useCallback, useEffect, useRef, useState } from 'react';
import { cardId } from './feed.ts';

/** Where the composer stands above the pictures instead of beside them: as layout.css has it. */
const ONE_COLUMN = '(max-width: 959px)';

const cardOf = (id: string) => document.getElementById(cardId(id));

/** On a phone what was started is out of sight: the page goes there. Gives what is called with the new ids. */
export function useComingTo(): (ids: string[]) => void {
  const [target, setTarget] = useState<string>();
  const done = useRef<string>(undefined);
  useEffect(() => {
    const card = target === undefined || target === done.current ? null : cardOf(target);
    if (!card) return;
    done.current = target;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    card.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
    // The keyboard on the screen goes with the focus.
    card.focus({ preventScroll: true });
  });
  return useCallback((ids) => {
    if (matchMedia(ONE_COLUMN).matches) setTarget(ids[0]);
  }, []);
}

/** Where the focus goes when a card goes that has it; undefined: it has not. */
export function nextAfter({ id }: Generation): (() => HTMLElement | null) | undefined {
  const card = cardOf(id);
  if (!card?.contains(document.activeElement)) return undefined;
  const place = card.closest('li');
  const next = place?.nextElementSibling ?? place?.previousElementSibling;
  const neighbour = next?.querySelector<HTMLElement>('article')?.id;
  return () => document.getElementById(neighbour ?? '') ?? document.getElementById('feed-title');
}
