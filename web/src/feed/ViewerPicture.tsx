import type { Generation } from 'picture-queue';
import { type PointerEvent, useRef, useState } from 'react';
import { IconButton } from '../ui/Button.tsx';

/** A finger that goes so far to the side turns the page. CSS pixels. */
const SWIPE = 48;

interface ViewerPictureProps {
  one: Generation;
  isFirst: boolean;
  isLast: boolean;
  /** To a newer one (-1) or an older one (1). */
  go: (by: number) => void;
}

/** The picture itself: whole, or at its full size to be moved about in. */
export function ViewerPicture({ one, isFirst, isLast, go }: ViewerPictureProps) {
  const [inFull, showInFull] = useState<string>();
  const zoomed = inFull === one.id;
  const from = useRef<{ x: number; y: number }>(undefined);
  const [image] = one.images;
  const down = (event: PointerEvent) => {
    const isFinger = event.pointerType === 'touch' && event.isPrimary && !zoomed;
    from.current = isFinger ? { x: event.clientX, y: event.clientY } : undefined;
  };
  const up = (event: PointerEvent) => {
    if (!from.current || !event.isPrimary) return;
    const x = event.clientX - from.current.x;
    const y = event.clientY - from.current.y;
    from.current = undefined;
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) go(x < 0 ? 1 : -1);
  };
  return (
    <div className="viewer-picture">
      <div
        className={zoomed ? 'viewer-frame zoomed' : 'viewer-frame'}
        onPointerDown={down}
        onPointerUp={up}
        onPointerCancel={() => {
          from.current = undefined;
        }}
      >
        <img
          key={one.id}
          className={one.operation === 'remove_background' ? 'cut-out' : undefined}
          src={image?.url}
          alt={one.prompt}
          width={image?.width}
          height={image?.height}
          decoding="async"
          draggable={false}
        />
      </div>
      <div className="viewer-moves">
        {/* At an end they do nothing: a button that vanished would take the focus along. */}
        {!(isFirst && isLast) && (
          <IconButton icon="back" label="Newer picture" aria-disabled={isFirst} onClick={() => go(-1)} />
        )}
        <IconButton
          icon={zoomed ? 'minus' : 'search'}
          label={zoomed ? 'Whole picture' : 'Full size'}
          onClick={() => showInFull(zoomed ? undefined : one.id)}
        />
        {!(isFirst && isLast) && (
          <IconButton icon="forward" label="Older picture" aria-disabled={isLast} onClick={() => go(1)} />
        )}
      </div>
    </div>
  );
}
