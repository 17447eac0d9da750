import { useEffect, useRef, useState } from 'react';

/** How far outside of the screen something is still near: one screen up, one down. */
const MARGIN = '100% 0px';

const listeners = new WeakMap<Element, (isNear: boolean) => void>();
let observer: IntersectionObserver | undefined;

/** One observer for all: hundreds of their own would each be asked at each frame. */
function observe(element: Element, listener: (isNear: boolean) => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting);
    },
    { rootMargin: MARGIN },
  );
  listeners.set(element, listener);
  observer.observe(element);
  return () => {
    listeners.delete(element);
    observer?.unobserve(element);
  };
}

/**
 * Whether something is on the screen or near it. While it has the focus it stays near, wherever the page is scrolled to.
 *
 * @param atFirst until that is known
 * @param onLeave it is about to be far, and stands there as it was
 */
export function useNear<E extends HTMLElement>(atFirst: boolean, onLeave: (element: E) => void) {
  const ref = useRef<E>(null);
  const [isNear, setNear] = useState(atFirst);
  const leave = useRef(onLeave);
  useEffect(() => {
    leave.current = onLeave;
  });
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    let latest = atFirst;
    const look = (isSeen: boolean) => {
      if (!isSeen && element.contains(document.activeElement)) {
        // Until the focus has gone on.
        element.addEventListener('focusout', () => setTimeout(() => look(latest)), { once: true });
        return;
      }
      if (!isSeen) leave.current(element);
      setNear(isSeen);
    };
    const over = observe(element, (isSeen) => {
      latest = isSeen;
      look(isSeen);
    });
    return over;
  }, [atFirst]);
  return [ref, isNear] as const;
}
