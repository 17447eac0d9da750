import { useEffect, useEffectEvent, useRef } from 'react';
import { Button } from '../ui/Button.tsx';

interface MoreProps {
  isLoading: boolean;
  /** The last fetch has failed: the next one waits until it is asked for. */
  failed: boolean;
  loadMore: () => Promise<void>;
}

/** Fetches what is older as its end comes near, or when its button is pressed. */
export function More({ isLoading, failed, loadMore }: MoreProps) {
  const end = useRef<HTMLDivElement>(null);
  const load = useEffectEvent(() => void loadMore());
  const waits = !isLoading && !failed;
  useEffect(() => {
    if (!waits || !end.current) return;
    // After each page anew, so that it says whether the end is still near.
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.at(-1)?.isIntersecting) load();
      },
      { rootMargin: '0px 0px 100% 0px' },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [waits]);
  return (
    <div className="more" ref={end}>
      <Button busy={isLoading} onClick={() => void loadMore()}>
        {failed ? 'Try again' : 'Show older pictures'}
      </Button>
    </div>
  );
}
