import type { Generation } from 'picture-queue';
import { useLayoutEffect, useRef, useState } from 'react';
import { afterPaint } from '../lib/after-paint.ts';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { Thumbnail } from '../ui/Thumbnail.tsx';

/** The finished picture, whole, on a blurred one of itself, or on squares where it is cut out; opens in large. */
export function Picture({ one, onOpen }: { one: Generation; onOpen: () => void }) {
  const [image] = one.images;
  const cutOut = one.operation === 'remove_background';
  const [state, setState] = useState<'loading' | 'shown' | 'broken'>('loading');
  const element = useRef<HTMLImageElement>(null);
  // One that this page has just loaded is there at once.
  useLayoutEffect(() => {
    if (element.current?.complete && element.current.naturalWidth > 0) setState('shown');
  }, []);
  if (!image || state === 'broken') {
    return (
      <div className="ended">
        <Icon name="image" />
        <p className="state">The picture did not load</p>
        <p className="why">
          {image ? 'It may have been deleted, or the connection was lost.' : 'It has been deleted.'}
        </p>
        {image && (
          <Button icon="retry" onClick={() => setState('loading')}>
            Load again
          </Button>
        )}
      </div>
    );
  }
  return (
    <button
      type="button"
      className={`picture ${state}${cutOut ? ' cut-out' : ''}`}
      aria-haspopup="dialog"
      onClick={({ currentTarget }) => {
        currentTarget.classList.add('opening');
        afterPaint(() => {
          currentTarget.classList.remove('opening');
          onOpen();
        });
      }}
    >
      {!cutOut && <Thumbnail className="behind" image={image} alt="" decoding="async" aria-hidden="true" />}
      <Thumbnail
        ref={element}
        image={image}
        alt={one.prompt}
        width={image.width}
        height={image.height}
        decoding="async"
        onLoad={() => setState('shown')}
        onBroken={() => setState('broken')}
      />
    </button>
  );
}
