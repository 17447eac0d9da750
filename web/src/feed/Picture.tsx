import type { Generation } from 'picture-queue';
import { useState } from 'react';
import { Icon } from '../ui/Icon.tsx';

/** The finished picture, whole, on a blurred one of itself, or on squares where it is cut out; opens in large. */
export function Picture({ one, onOpen }: { one: Generation; onOpen: () => void }) {
  const [image] = one.images;
  const cutOut = one.operation === 'remove_background';
  const [state, setState] = useState<'loading' | 'shown' | 'broken'>('loading');
  if (!image || state === 'broken') {
    return (
      <div className="ended">
        <Icon name="image" />
        <p className="state">The picture cannot be shown</p>
        <p className="why">It may have been deleted.</p>
      </div>
    );
  }
  return (
    <button
      type="button"
      className={`picture ${state}${cutOut ? ' cut-out' : ''}`}
      aria-haspopup="dialog"
      onClick={onOpen}
    >
      {!cutOut && (
        <img className="behind" src={image.url} alt="" loading="lazy" decoding="async" aria-hidden="true" />
      )}
      <img
        src={image.url}
        alt={one.prompt}
        width={image.width}
        height={image.height}
        loading="lazy"
        decoding="async"
        onLoad={() => setState('shown')}
        onError={() => setState('broken')}
      />
    </button>
  );
}
