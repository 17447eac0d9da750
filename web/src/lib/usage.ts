import type { Library, Usage } from 'picture-queue/library';
import { useCallback, useEffect, useRef, useState } from 'react';

/** Longer than that no timer can run. Milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * What the user has used of their plan; undefined: it is not known yet. It is asked for when the page is opened, and
 * when the count starts again; never while the page is hidden, but then when it is looked at again.
 *
 * @returns it, and what asks for it anew: after each start and end
 */
export function useUsage({ usage: ask }: Library) {
  const [usage, setUsage] = useState<Usage>();
  const isDue = useRef(true);
  const isAsking = useRef(false);

  const look = useCallback(async () => {
    if (isAsking.current || document.visibilityState === 'hidden') return;
    isAsking.current = true;
    while (isDue.current) {
      isDue.current = false;
      // Where it fails the page goes on with what it knows; what is wrong is said by the rest of it.
      await ask().then(setUsage, () => {});
    }
    isAsking.current = false;
  }, [ask]);
  const renew = useCallback(() => {
    isDue.current = true;
    void look();
  }, [look]);

  useEffect(() => {
    void look();
    const listener = () => void look();
    document.addEventListener('visibilitychange', listener);
    return () => document.removeEventListener('visibilitychange', listener);
  }, [look]);

  const resetsAt = usage?.images.resets_at ?? usage?.money.resets_at;
  useEffect(() => {
    if (!resetsAt) return;
    const left = Math.max(0, Date.parse(resetsAt) - Date.now()) + 1_000;
    const timer = setTimeout(renew, Math.min(left, LONGEST_MS));
    return () => clearTimeout(timer);
  }, [resetsAt, renew]);
  return { usage, renew };
}
