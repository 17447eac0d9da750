import { type RefObject, useEffect, useState } from 'react';
import { Button } from '../ui/Button.tsx';

/** Where the composer is out of sight, above the pictures of a phone: back to it, in reach of the thumb. */
export function ToComposer({ composer, go }: { composer: RefObject<HTMLElement | null>; go: () => void }) {
  const [isAway, setAway] = useState(false);
  useEffect(() => {
    if (!composer.current) return;
    const observer = new IntersectionObserver((entries) => setAway(!entries.at(-1)?.isIntersecting), {
      // Not below the header.
      rootMargin: '-80px 0px 0px',
    });
    observer.observe(composer.current);
    return () => observer.disconnect();
  }, [composer]);
  if (!isAway) return null;
  return (
    <div className="to-composer">
      <Button kind="primary" icon="sparkle" onClick={go}>
        New picture
      </Button>
    </div>
  );
}
